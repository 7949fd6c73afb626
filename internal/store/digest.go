package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

// Digest is a digest of records, whatever their order: the sum, modulo 2^256, of
// the SHA-256 of each. Two stores with the same digest and the same number of
// records hold the same ones, byte for byte, whichever engine they are on.
//
// It finds mistakes and damage. Who can choose records can make another set with
// the same sum; against that it is no help.
//
// What is hashed of a record is its fields in the order of AppendRecord: texts and
// lists led by their length as an unsigned varint, numbers big-endian, times as
// seconds and nanoseconds.
type Digest struct {
	sum     [4]uint64 // the lowest first
	scratch []byte
}

// Add enters a record.
func (d *Digest) Add(r *metering.Record) {
	d.scratch = AppendRecord(d.scratch[:0], r)
	hash := sha256.Sum256(d.scratch)
	carry := uint64(0)
	for i := range d.sum {
		word := binary.BigEndian.Uint64(hash[len(hash)-8*(i+1):])
		d.sum[i], carry = bits.Add64(d.sum[i], word, carry)
	}
}

// String is the digest in 64 hexadecimal digits.
func (d *Digest) String() string {
	var b []byte
	for i := len(d.sum) - 1; i >= 0; i-- {
		b = binary.BigEndian.AppendUint64(b, d.sum[i])
	}
	return hex.EncodeToString(b)
}

// AppendRecord appends a record as bytes that no other record has. Stores take their
// checksums over them, too.
func AppendRecord(b []byte, r *metering.Record) []byte {
	text := func(s string) { b = appendText(b, s) }
	number := func(n int32) { b = binary.BigEndian.AppendUint32(b, uint32(n)) }
	instant := func(t time.Time) {
		b = binary.BigEndian.AppendUint64(b, uint64(t.Unix()))
		number(int32(t.Nanosecond()))
	}
	text("meterd record 1") // another form is another digest
	k := &r.Key
	b = append(append(b, r.ID[:]...), byte(k.Kind))
	text(string(k.Account))
	text(k.Region)
	text(string(k.Product))
	text(k.Party)
	text(k.Dimension)
	number(int32(k.Hour))
	instant(r.Timestamp)
	instant(r.Received)
	text(r.Workload)
	number(r.Quantity)
	return appendAllocations(b, r.Allocations)
}

func appendAllocations(b []byte, all []metering.Allocation) []byte {
	b = binary.AppendUvarint(b, uint64(len(all)))
	for i := range all {
		a := &all[i]
		b = binary.BigEndian.AppendUint32(b, uint32(a.Quantity))
		b = binary.AppendUvarint(b, uint64(len(a.Tags)))
		for _, tag := range a.Tags {
			b = appendText(appendText(b, tag.Key), tag.Value)
		}
	}
	return b
}
