// Package id makes ids: UUIDs of version 7 (RFC 9562), which begin with the time
// they were made at, so that they sort roughly by age, and end in 74 random bits.
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
	rand.Read(id[6:]) // never fails, by its contract
	ms := uint64(s.Now().UnixMilli())
	binary.BigEndian.PutUint16(id[0:], uint16(ms>>32))
	binary.BigEndian.PutUint32(id[2:], uint32(ms))
	id[6] = id[6]&0x0f | 0x70 // version 7
	id[8] = id[8]&0x3f | 0x80 // the variant of RFC 9562
	return id
}
