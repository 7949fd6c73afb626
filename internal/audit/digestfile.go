package audit

import (
	"compress/gzip"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// DigestFile is a digest of the trail as it is kept outside the store, in JSON. Its
// hash is made of all the other fields: whoever keeps the file, or the hash alone,
// can tell later whether the trail is still the same.
type DigestFile struct {
	Number  int64        `json:"number" doc:"From 1, without a gap."`
	Prev    Hash         `json:"prev" doc:"The hash of the digest before; zeros of the first."`
	Hash    Hash         `json:"hash" doc:"The hash of this digest."`
	At      time.Time    `json:"at" doc:"When it was made."`
	Extents []FileExtent `json:"extents" doc:"How far each chain of events goes."`
}

// FileExtent is how far a chain goes: after its floor, up to which its events were
// kept long enough, to its head.
type FileExtent struct {
	Chain string    `json:"chain" doc:"The chain's id."`
	Floor FilePlace `json:"floor" doc:"The last event that was kept long enough; number 0: none."`
	Head  FilePlace `json:"head" doc:"The newest event."`
}

// FilePlace is an event's place in its chain.
type FilePlace struct {
	Number int64 `json:"number" doc:"From 1, without a gap."`
	Hash   Hash  `json:"hash" doc:"The event's hash."`
}

// Hash is a SHA-256 in 64 hexadecimal digits.
type Hash string

func hashOf(h [32]byte) Hash { return Hash(hex.EncodeToString(h[:])) }

func (h Hash) bytes() (b [32]byte, err error) {
	if n, err := hex.Decode(b[:], []byte(h[:min(len(h), 2*len(b))])); err != nil || n != len(b) || len(h) != 2*len(b) {
		return b, fmt.Errorf("%q is not a hash: want 64 hexadecimal digits", string(h))
	}
	return b, nil
}

// NewDigestFile is the file of a digest.
func NewDigestFile(d *store.TrailDigest) DigestFile {
	f := DigestFile{Number: d.Number, Prev: hashOf(d.Prev), Hash: hashOf(d.Hash()), At: d.At, Extents: make([]FileExtent, len(d.Extents))}
	for i := range d.Extents {
		e := &d.Extents[i]
		f.Extents[i] = FileExtent{e.Chain.String(), FilePlace{e.Floor.Number, hashOf(e.Floor.Hash)}, FilePlace{e.Head.Number, hashOf(e.Head.Hash)}}
	}
	return f
}

// Digest is what the file says, if its hash is that of all it says.
func (f *DigestFile) Digest() (store.TrailDigest, error) {
	hash, bad := f.Hash.bytes()
	prev, err := f.Prev.bytes()
	d := store.TrailDigest{Number: f.Number, Prev: prev, At: store.Instant(f.At)}
	bad = errors.Join(bad, err)
	for i := range f.Extents {
		e := &f.Extents[i]
		chain, ok := metering.ParseID(e.Chain)
		if !ok {
			bad = errors.Join(bad, fmt.Errorf("%q is not a chain's id", e.Chain))
		}
		floor, err := e.Floor.Hash.bytes()
		head, err2 := e.Head.Hash.bytes()
		bad = errors.Join(bad, err, err2)
		d.Extents = append(d.Extents, store.Extent{Chain: chain, Floor: store.Place{Number: e.Floor.Number, Hash: floor}, Head: store.Place{Number: e.Head.Number, Hash: head}})
	}
	if bad == nil && d.Hash() != hash {
		bad = errors.New("its hash is not that of what it says")
	}
	return d, bad
}

// readJSON reads a file whose name ends in .json, or .json.gz; any other is nil.
func readJSON(fsys fs.FS, name string) ([]byte, error) {
	plain, packed := strings.CutSuffix(name, ".gz")
	if !strings.HasSuffix(plain, ".json") {
		return nil, nil
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !packed {
		return io.ReadAll(f)
	}
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(unpacked)
}
