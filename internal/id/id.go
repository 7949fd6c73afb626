// Package id makes ids: UUIDs of version 7 (RFC 9562), which begin with the time
// they were made at, to a quarter of a microsecond (its method 3), and end in 62
// random bits. They sort by age, also while the service's clock stands.
// The standard library's uuid package replaces it once the module's Go has one.
package id

import (
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

// Source makes ids.
type Source struct {
	Now func() time.Time // the true time
}

// New makes an id. It was never made before.
func (s Source) New() metering.ID {
	var id metering.ID
	rand.Read(id[8:]) // never fails, by its contract
	now := s.Now()
	ms := uint64(now.UnixMilli())
	fraction := uint64(now.Nanosecond()) % 1e6 << 12 / 1e6 // of the millisecond, in 12 bits
	binary.BigEndian.PutUint16(id[0:], uint16(ms>>32))
	binary.BigEndian.PutUint32(id[2:], uint32(ms))
	binary.BigEndian.PutUint16(id[6:], 0x7000|uint16(fraction)) // version 7
	id[8] = id[8]&0x3f | 0x80                                   // the variant of RFC 9562
	return id
}
