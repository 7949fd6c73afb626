package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

// AppendRecord appends all that a record says, in one form: two records have the
// same bytes if and only if they are the same. It is what stores take their
// checksums over, and what a [Digest] is made of.
func AppendRecord(b []byte, r *metering.Record) []byte {
	k := &r.Key
	b = append(b, r.ID[:]...)
	b = appendNumbers(b, int64(k.Kind), int64(k.Hour), int64(r.Quantity), int64(len(r.Allocations)))
	b = appendTime(b, r.Timestamp)
	b = appendTime(b, r.Received)
	b = appendTexts(b, string(k.Account), k.Region, string(k.Product), k.Party, k.Dimension, r.Workload)
	for i := range r.Allocations {
		a := &r.Allocations[i]
		b = appendNumbers(b, int64(a.Quantity), int64(len(a.Tags)))
		for _, tag := range a.Tags {
			b = appendTexts(b, tag.Key, tag.Value)
		}
	}
	return b
}

func appendNumbers(b []byte, numbers ...int64) []byte {
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return b
}

func appendTime(b []byte, t time.Time) []byte {
	return appendNumbers(b, t.Unix(), int64(t.Nanosecond()))
}

func appendTexts(b []byte, texts ...string) []byte {
	for _, s := range texts {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	return b
}

// Digest is a sum over records that does not depend on their order: two stores
// that hold the same records have the same one, and if they have the same one,
// nobody has found out how they could hold others. It is the sum of the records'
// SHA-256, modulo 2^256.
type Digest struct {
	sum     big.Int
	scratch []byte
}

// Add enters a record.
func (d *Digest) Add(r *metering.Record) {
	d.scratch = AppendRecord(d.scratch[:0], r)
	sum := sha256.Sum256(d.scratch)
	d.sum.Add(&d.sum, new(big.Int).SetBytes(sum[:]))
	if d.sum.BitLen() > 8*sha256.Size {
		d.sum.SetBit(&d.sum, 8*sha256.Size, 0)
	}
}

// String is the digest in hexadecimal.
func (d *Digest) String() string {
	var b [sha256.Size]byte
	return hex.EncodeToString(d.sum.FillBytes(b[:]))
}

// Clone is the digest as it is now.
func (d *Digest) Clone() Digest {
	var n Digest
	n.sum.Set(&d.sum)
	return n
}
