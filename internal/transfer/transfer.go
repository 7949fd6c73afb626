// Package transfer moves a whole installation from one store to another, by way of
// a file that is readable by eye and by jq: lines of JSON.
//
// The first line says what the file is: its format, an id of its own, when and
// from what it was made. Then comes an item a line, under the name of its kind,
// as [store.Carrier] lists them: the catalogue's revisions, records, ClientTokens,
// admissions, registrations, redemptions, events, refusals, where
// chains of events begin, and the trail's digests. After each part, a
// thousand items at the most, stands a mark: the part's number, how many items it
// has, the cursor of what comes next in the store that was exported, and the
// SHA-256 of the lines from the mark before on, with that mark's own line (or the
// first line): so each mark vouches for all that is above it. The last line has
// the number of items of each kind, the digest of the records ([store.Digest]) and
// the SHA-256 of every line before it.
//
//	{"meterd_export":1,"id":"0198…","made":"2026-11-26T10:00:00Z","meterd":"v0.1.0","store":"embedded"}
//	{"revision":{"kind":"product","name":"acme-scanner","number":3,"by":"anna","at":"…","entry":{…}}}
//	{"mark":{"part":1,"items":1,"cursor":"r","sha256":"…"}}
//	{"record":{"id":"0198…","key":{"kind":"license","account":"210987654321",…},"timestamp":"…",…}}
//	{"mark":{"part":2,"items":1,"cursor":"","sha256":"…"}}
//	{"end":{"parts":2,"counts":{"revisions":1,"records":1,…},"digest":"…","sha256":"…"}}
//
// So a file that was cut off or changed is found, before any of the part it was
// changed in is imported; an export that was interrupted goes on after its last
// whole mark ([Resume]), and an import after the last part that the store took.
//
// The sums find damage. Who can change a file can change its sums, too. Secrets
// are in it as [store.EncodeEntry] writes them: sealed if there are keys, and in
// plain if there are none.
package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// format is the version of the file's form.
const format = 1

// Limits on a file. The longest line that is written is a record with all the
// tags there may be, some five megabytes.
const (
	maxLine = 16 << 20
	maxPart = store.MaxPage
)

var (
	// ErrDamaged says that a file is not as it was written: cut off or changed.
	ErrDamaged = errors.New("the export is damaged")
	// ErrFormat says that a file is no export, or another meterd's.
	ErrFormat = errors.New("the export cannot be read")
	// ErrOther says that an import is under way from another file.
	ErrOther = errors.New("another export is being imported")
)

// About says what a file is, in its own words.
type About struct {
	Format  int       `json:"meterd_export"` // set by Begin
	ID      string    `json:"id"`            // of this one file
	Made    time.Time `json:"made"`
	Version string    `json:"meterd"` // of the meterd that made it
	Store   string    `json:"store"`  // the kind of store it was made from
}

// Counts are how many items there are of each kind.
type Counts struct {
	Revisions     int64 `json:"revisions"`
	Records       int64 `json:"records"`
	ClientTokens  int64 `json:"client_tokens"`
	Admissions    int64 `json:"admissions"`
	Registrations int64 `json:"registrations"`
	Redemptions   int64 `json:"redemptions"`
	Events        int64 `json:"events"`
	Refusals      int64 `json:"refusals"`
	Floors        int64 `json:"floors"`
	Digests       int64 `json:"digests"`
}

// String lists the counts for people.
func (c Counts) String() string {
	return fmt.Sprintf("%d records, %d revisions of the catalogue, %d client tokens, %d admissions, %d registrations, %d redemptions, %d events, %d refusals, %d digests of the trail",
		c.Records, c.Revisions, c.ClientTokens, c.Admissions, c.Registrations, c.Redemptions, c.Events, c.Refusals, c.Digests)
}

// Totals are what all items of a file, or of a store, come to. They are equal if
// both hold the same records and as much of everything else.
type Totals struct {
	Counts Counts `json:"counts"`
	Digest string `json:"digest"` // of the records
}

// tally adds items up.
type tally struct {
	counts Counts
	digest store.Digest
}

func (t *tally) totals() Totals { return Totals{t.counts, t.digest.String()} }

func (t *tally) add(l *line) {
	switch {
	case l.Revision != nil:
		t.counts.Revisions++
	case l.Record != nil:
		t.counts.Records++
		t.digest.Add(l.Record.item())
	case l.ClientToken != nil:
		t.counts.ClientTokens++
	case l.Admission != nil:
		t.counts.Admissions++
	case l.Registration != nil:
		t.counts.Registrations++
	case l.Redemption != nil:
		t.counts.Redemptions++
	case l.Event != nil:
		t.counts.Events++
	case l.Refusal != nil:
		t.counts.Refusals++
	case l.Floor != nil:
		t.counts.Floors++
	case l.Digest != nil:
		t.counts.Digests++
	}
}

// sums are the checksums of the lines so far.
type sums struct{ part, all hash.Hash }

func newSums() sums { return sums{sha256.New(), sha256.New()} }

// line enters a line with its end.
func (s *sums) line(b []byte) {
	s.part.Write(b)
	s.all.Write(b)
}

// mark enters a mark's line, which begins the next part.
func (s *sums) mark(b []byte) {
	s.part.Reset()
	s.line(b)
}

// copied are sums that go on from here by themselves.
func (s *sums) copied() (sums, error) {
	var c sums
	for _, pair := range []struct {
		from hash.Hash
		to   *hash.Hash
	}{{s.part, &c.part}, {s.all, &c.all}} {
		cloner, ok := pair.from.(hash.Cloner)
		if !ok {
			return c, fmt.Errorf("%T cannot be copied", pair.from)
		}
		clone, err := cloner.Clone()
		if err != nil {
			return c, err
		}
		*pair.to = clone
	}
	return c, nil
}

func sumOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// mark stands after each part.
type mark struct {
	Part   int    `json:"part"` // from 1
	Items  int    `json:"items"`
	Cursor string `json:"cursor"` // of the next part; "": this was the last
	SHA256 string `json:"sha256"`
}

// end is the last line.
type end struct {
	Parts int `json:"parts"`
	Totals
	SHA256 string `json:"sha256"`
}

// id is a metering.ID as text.
type id metering.ID

func (i id) MarshalText() ([]byte, error) { return metering.ID(i).AppendText(nil), nil }

func (i *id) UnmarshalText(b []byte) error {
	parsed, ok := metering.ParseID(string(b))
	if !ok {
		return fmt.Errorf("%q is not an id", b)
	}
	*i = id(parsed)
	return nil
}

// sum32 is a SHA-256 as text.
type sum32 [32]byte

func (h sum32) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

func (h *sum32) UnmarshalText(b []byte) error {
	if len(b) != hex.EncodedLen(len(h)) {
		return fmt.Errorf("%q is not a SHA-256 in hexadecimal", b)
	}
	_, err := hex.Decode(h[:], b)
	return err
}
