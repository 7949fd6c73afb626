package store

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

// Unpacker reads fields that stand one after the other, without names: numbers as
// encoding/binary has them, texts and lists led by their length. After a step that
// fails every further step yields zeros, and End is the error. Texts share what is
// read.
type Unpacker struct {
	Rest string
	err  error
}

var (
	errCutShort = errors.New("it is cut short")
	errMore     = errors.New("more follows than it holds")
)

func (u *Unpacker) fail() {
	if u.err == nil {
		u.err = errCutShort
	}
	u.Rest = ""
}

// Uint reads an unsigned varint.
func (u *Unpacker) Uint() uint64 {
	var n uint64
	for i := 0; i < len(u.Rest) && i < binary.MaxVarintLen64; i++ {
		c := u.Rest[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			u.Rest = u.Rest[i+1:]
			return n
		}
	}
	u.fail()
	return 0
}

// Int reads a signed varint.
func (u *Unpacker) Int() int64 {
	n := u.Uint()
	return int64(n>>1) ^ -int64(n&1)
}

// Take reads n bytes.
func (u *Unpacker) Take(n uint64) string {
	if n > uint64(len(u.Rest)) {
		u.fail()
		return ""
	}
	s := u.Rest[:n]
	u.Rest = u.Rest[n:]
	return s
}

// Text reads a text and its length before it.
func (u *Unpacker) Text() string { return u.Take(u.Uint()) }

// ID reads an id.
func (u *Unpacker) ID() (id metering.ID) {
	copy(id[:], u.Take(uint64(len(id))))
	return id
}

// Time reads a time: seconds since 1970, and nanoseconds.
func (u *Unpacker) Time() time.Time {
	sec, nsec := u.Int(), u.Uint()
	if nsec >= 1e9 {
		u.fail()
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

// Count reads how many things follow, each of which takes at least one byte, so
// that a damaged count cannot ask for much memory.
func (u *Unpacker) Count() int {
	n := u.Uint()
	if n > uint64(len(u.Rest)) {
		u.fail()
		return 0
	}
	return int(n)
}

// Failed says whether a step has failed.
func (u *Unpacker) Failed() bool { return u.err != nil }

// End says whether everything was read, and nothing was missing.
func (u *Unpacker) End() error {
	if u.err == nil && u.Rest != "" {
		u.err = errMore
	}
	return u.err
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTime(b []byte, t time.Time) []byte {
	return binary.AppendUvarint(binary.AppendVarint(b, t.Unix()), uint64(t.Nanosecond()))
}
