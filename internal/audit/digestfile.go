package audit

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// DigestFile is a digest of the trail as a file has it.
type DigestFile struct {
	Number  int64          `json:"number"`
	Prev    Sum            `json:"prev"`
	Hash    Sum            `json:"hash"`
	At      time.Time      `json:"at"`
	Extents []DigestExtent `json:"extents"`
}

// DigestExtent is how far a chain goes.
type DigestExtent struct {
	Chain string      `json:"chain"`
	Floor DigestPlace `json:"floor"`
	Head  DigestPlace `json:"head"`
}

// DigestPlace is a place in a chain.
type DigestPlace struct {
	Number int64 `json:"number"`
	Hash   Sum   `json:"hash"`
}

// Sum is a SHA-256, in 64 hexadecimal digits.
type Sum [32]byte

func (s Sum) String() string { return hex.EncodeToString(s[:]) }

// MarshalText is String.
func (s Sum) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Sum) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(s)) {
		return fmt.Errorf("%q is no SHA-256", text)
	}
	_, err := hex.Decode(s[:], text)
	return err
}

// NewDigestFile is a digest for a file.
func NewDigestFile(d *store.TrailDigest) DigestFile {
	f := DigestFile{Number: d.Number, Prev: d.Prev, Hash: d.Hash(), At: d.At, Extents: make([]DigestExtent, len(d.Extents))}
	for i, e := range d.Extents {
		f.Extents[i] = DigestExtent{e.Chain.String(), DigestPlace{e.Floor.Number, e.Floor.Hash}, DigestPlace{e.Head.Number, e.Head.Hash}}
	}
	return f
}

// Digest is the digest of a file; it is an error if it does not have the hash that
// the file says.
func (f *DigestFile) Digest() (store.TrailDigest, error) {
	d := store.TrailDigest{Number: f.Number, Prev: f.Prev, At: store.Instant(f.At)}
	for _, e := range f.Extents {
		chain, ok := metering.ParseID(e.Chain)
		if !ok {
			return d, fmt.Errorf("%q is no chain", e.Chain)
		}
		d.Extents = append(d.Extents, store.Extent{
			Chain: chain,
			Floor: store.Place{Number: e.Floor.Number, Hash: e.Floor.Hash},
			Head:  store.Place{Number: e.Head.Number, Hash: e.Head.Hash},
		})
	}
	if hash := Sum(d.Hash()); hash != f.Hash {
		return d, fmt.Errorf("digest %d has the hash %s, and says %s", f.Number, hash, f.Hash)
	}
	return d, nil
}
