package embedded

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

func sample() metering.Record {
	at := time.Date(2026, 3, 14, 12, 7, 0, 42, time.UTC)
	return metering.Record{
		ID:  metering.ID{1, 2, 3, 255},
		Key: metering.Key{Kind: metering.KindLicense, Account: "111111111111", Region: "us-east-1", Product: "prod", Party: "333333333333/arn", Dimension: "gb", Hour: metering.HourOf(at)},
		// Before 1970, so that signs are met.
		Timestamp: at, Received: time.Unix(-1, 999999999).UTC(), Workload: "i-1", Quantity: 1<<31 - 1,
		Allocations: []metering.Allocation{{Quantity: -1}, {Quantity: 7, Tags: []metering.Tag{{Key: "k", Value: ""}, {Key: "ключ", Value: "v"}}}},
	}
}

func encodedRecord(r *metering.Record) (key string, value []byte, err error) {
	key = string(recordKey(nil, &r.Key))
	var e encoder
	at := e.begin()
	encodeRecord(&e, r)
	return key, e.seal(key, at), e.err
}

// Nothing that is read from a disk makes the decoder panic or ask for more
// memory than it reads, and what it accepts it can write and read again.
func FuzzRecordCodec(f *testing.F) {
	r := sample()
	key, value, err := encodedRecord(&r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(key), value[1:len(value)-sumSize])
	f.Add([]byte("r"), []byte{})
	f.Add([]byte(key), value)
	f.Fuzz(func(t *testing.T, key, fields []byte) {
		// Under a sum of its own: one that does not match is tested below.
		sealed := append([]byte{valueVersion}, fields...)
		sealed = binary.LittleEndian.AppendUint32(sealed, sum(string(key), sealed))
		plain, err := unseal(string(key), sealed)
		if err != nil {
			t.Fatalf("unseal: %v", err)
		}
		first, err := decodeRecord(string(key), plain)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("got %v, want %v", err, ErrDamaged)
			}
			return
		}
		again, value, err := encodedRecord(&first)
		if err != nil { // a text with U+0000 cannot have been written
			return
		}
		if again != string(key) {
			t.Fatalf("key: got %q, want %q", again, key)
		}
		plain, err = unseal(again, value)
		if err != nil {
			t.Fatal(err)
		}
		second, err := decodeRecord(again, plain)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatalf("(-first +second):\n%s", diff)
		}
	})
}

func TestRecordCodec(t *testing.T) {
	want := sample()
	key, value, err := encodedRecord(&want)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := unseal(key, value)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeRecord(key, fields)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	t.Logf("key %d bytes, value %d bytes", len(key), len(value))
}

// Every single bit of a stored record is covered, the key's too.
func TestEveryFlippedBitIsFound(t *testing.T) {
	r := sample()
	key, value, err := encodedRecord(&r)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 * len(value) {
		value[i/8] ^= 1 << (i % 8)
		if _, err := unseal(key, value); !errors.Is(err, ErrDamaged) {
			t.Errorf("bit %d of the value: got %v, want %v", i, err, ErrDamaged)
		}
		value[i/8] ^= 1 << (i % 8)
	}
	for i := range 8 * len(key) {
		other := []byte(key)
		other[i/8] ^= 1 << (i % 8)
		if _, err := unseal(string(other), value); !errors.Is(err, ErrDamaged) {
			t.Errorf("bit %d of the key: got %v, want %v", i, err, ErrDamaged)
		}
	}
	for n := range value {
		if _, err := unseal(key, value[:n]); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut to %d bytes: got %v, want %v", n, err, ErrDamaged)
		}
	}
}

// A damaged record is an error that names its key: to who reads it, and to who
// would be told that it holds a key. It is nobody's who does not ask for it.
func TestDamagedRecordIsNotServed(t *testing.T) {
	s, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, other := sample(), sample()
	other.Key.Dimension, other.ID[0] = "other", 9
	c := store.Call{Account: r.Key.Account, Region: r.Key.Region, Records: []metering.Record{r, other}}
	if _, err := s.Append(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	key, value, err := encodedRecord(&r)
	if err != nil {
		t.Fatal(err)
	}
	value[20] ^= 1
	if err := s.db.Set([]byte(key), value, pebble.Sync); err != nil {
		t.Fatal(err)
	}
	_, err = s.Records(t.Context(), store.RecordQuery{Product: "prod", From: r.Key.Hour, To: r.Key.Hour + 1})
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), r.Key.Party) {
		t.Errorf("Records: got %v, want %v with the key", err, ErrDamaged)
	}
	if _, err := s.Append(t.Context(), c); !errors.Is(err, ErrDamaged) || errors.Is(err, store.ErrUnknown) {
		t.Errorf("Append: got %v, want %v", err, ErrDamaged)
	}
	c.Records = c.Records[1:]
	out, err := s.Append(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*metering.Record{&other}, out.Holders); diff != "" {
		t.Errorf("its neighbour (-want +got):\n%s", diff)
	}
}

// Keys sort as their hours do, below zero too, and no text runs into the next.
func TestKeyOrder(t *testing.T) {
	var before string
	for _, hour := range []metering.Hour{-1 << 31, -70000, -1, 0, 1, 255, 256, 492000, 1<<31 - 1} {
		for _, product := range []metering.ProductCode{"a", "a\x01", "ab", "b"} {
			for _, account := range []metering.AccountID{"", "1", "12"} {
				k := metering.Key{Hour: hour, Product: product, Account: account}
				key := string(recordKey(nil, &k))
				if key <= before {
					t.Errorf("%+v does not sort after the key before it", k)
				}
				before = key
				if got, err := parseRecordKey(key); err != nil || got != k {
					t.Errorf("parsed: got %+v, error %v, want %+v", got, err, k)
				}
			}
		}
	}
}
