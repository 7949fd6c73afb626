package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"
	"unsafe"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Every value is a version, its fields, and a CRC-32C of the key and all that
// comes before: Pebble's own checksums are per block and end where a block is
// decoded; this one goes with the value to whoever reads it, and catches a value
// under the wrong key.
const valueVersion = 1

const sumSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errSum     = errors.New("its checksum does not match")
	errShort   = errors.New("it is cut short")
	errVersion = errors.New("its version is not known")
)

// damaged names the key whose value cannot be trusted.
func damaged(key string, err error) error {
	if strings.HasPrefix(key, string(rune(familyRecord))) {
		if k, bad := parseRecordKey(key); bad == nil {
			return fmt.Errorf("%w: the record under %+v: %w", ErrDamaged, k, err)
		}
	}
	return fmt.Errorf("%w: the value under %q: %w", ErrDamaged, key, err)
}

// unseal checks a stored value and returns its fields.
func unseal(key string, value []byte) (string, error) {
	n := len(value) - sumSize
	if n < 1 {
		return "", damaged(key, errShort)
	}
	if binary.LittleEndian.Uint32(value[n:]) != sum(key, value[:n]) {
		return "", damaged(key, errSum)
	}
	if value[0] != valueVersion {
		return "", damaged(key, errVersion)
	}
	return string(value[1:n]), nil
}

func sum(key string, fields []byte) uint32 {
	// The key's own bytes, which Update only reads: a copy would be on the heap.
	of := unsafe.Slice(unsafe.StringData(key), len(key))
	return crc32.Update(crc32.Update(0, castagnoli, of), castagnoli, fields)
}

// encoder writes values one after another into one buffer.
type encoder struct {
	b   []byte
	err error
}

// begin starts a value and returns where.
func (e *encoder) begin() int {
	e.b = append(e.b, valueVersion)
	return len(e.b) - 1
}

// seal ends the value that began at start.
func (e *encoder) seal(key string, start int) []byte {
	e.b = binary.LittleEndian.AppendUint32(e.b, sum(key, e.b[start:]))
	return e.b[start:len(e.b):len(e.b)]
}

// forget lets go of all values, and of their memory if it is more than most bytes.
func (e *encoder) forget(most int) {
	if e.b = e.b[:0]; cap(e.b) > most {
		e.b = nil
	}
}

// text writes a text. What no store can keep was refused before; here is where it
// would do harm.
func (e *encoder) text(s string) {
	if e.err == nil {
		e.err = store.CheckText(s)
	}
	e.b = append(binary.AppendUvarint(e.b, uint64(len(s))), s...)
}

func (e *encoder) id(id metering.ID) { e.b = append(e.b, id[:]...) }
func (e *encoder) int(n int64)       { e.b = binary.AppendVarint(e.b, n) }
func (e *encoder) uint(n uint64)     { e.b = binary.AppendUvarint(e.b, n) }

func (e *encoder) time(t time.Time) {
	e.int(t.Unix())
	e.uint(uint64(t.Nanosecond()))
}
