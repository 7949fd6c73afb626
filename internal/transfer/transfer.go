// Package transfer carries a whole installation from one store to another, by way
// of a file: the catalogue with its history, records, refusals, events,
// registrations, and all else that a store holds.
//
// # The file
//
// A line is a JSON object with one member, which says what it is: the head, items,
// marks, and the end.
//
//	{"meterd_export":{"version":1,"id":"…","made":"…","from":"embedded"}}
//	{"revision":{"kind":"product","name":"p","revision":1,…}}
//	{"record":{"id":"…","key":{…},"quantity":5,…}}
//	{"mark":{"part":1,"next":"…","sha256":"…"}}
//	{"end":{"parts":1,"counts":{"records":1,…},"digest":"…","sha256":"…"}}
//
// A mark ends a part, which is what a store takes at once. Its sum is over all of
// the file before it, so that nothing of a part is taken that is not as it was
// written; and an export that was cut short goes on after its last mark. The end's
// digest is over all records, in whatever order ([store.Digest]). Secrets are sealed
// under the key file that the export was made with, if there is one.
package transfer

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"time"

	"github.com/meterd/meterd/internal/store"
)

// version is the form of the file.
const version = 1

var (
	// ErrFile says that a file is not an export, or not as it was written.
	ErrFile = errors.New("transfer: the file cannot be used")
	// ErrOther says that an import of another file is under way.
	ErrOther = errors.New("transfer: an import of another file is under way")
)

// head is the first line.
type head struct {
	Version int       `json:"version"`
	ID      string    `json:"id"` // by which an import that was cut short knows its file again
	Made    time.Time `json:"made"`
	From    string    `json:"from"` // what kind of store
}

// mark ends a part.
type mark struct {
	Part int    `json:"part"`           // from 1
	Next string `json:"next,omitempty"` // the store's cursor of what comes after
	Sum  sum    `json:"sha256"`         // of all before this line
}

// end is the last line.
type end struct {
	Summary
	Sum sum `json:"sha256"`
}

// Summary is what a file holds.
type Summary struct {
	Parts  int    `json:"parts"`
	Counts Counts `json:"counts"`
	Digest string `json:"digest"` // of the records
}

// Counts are how many there are of everything.
type Counts struct {
	Revisions     int64 `json:"revisions"`
	Records       int64 `json:"records"`
	Tokens        int64 `json:"client_tokens"`
	Admissions    int64 `json:"admissions"`
	Registrations int64 `json:"registrations"`
	Redemptions   int64 `json:"redemptions"`
	Events        int64 `json:"events"`
	Refusals      int64 `json:"refusals"`
}

// All is how many items there are.
func (c *Counts) All() int64 {
	return c.Revisions + c.Records + c.Tokens + c.Admissions + c.Registrations + c.Redemptions + c.Events + c.Refusals
}

func (c *Counts) add(item *store.Item) {
	switch {
	case item.Revision != nil:
		c.Revisions++
	case item.Record != nil:
		c.Records++
	case item.Binding != nil:
		c.Tokens++
	case item.Admission != nil:
		c.Admissions++
	case item.Registration != nil:
		c.Registrations++
	case item.Redemption != nil:
		c.Redemptions++
	case item.Event != nil:
		c.Events++
	case item.Refusal != nil:
		c.Refusals++
	}
}

// tally is what is counted and summed along a file, in the same way by who writes
// it and who reads it.
type tally struct {
	sum     hash.Hash // of all lines so far
	bytes   int64
	parts   int
	counts  Counts
	records store.Digest
}

func newTally() *tally { return &tally{sum: sha256.New()} }

func (t *tally) line(b []byte) {
	t.sum.Write(b)
	t.bytes += int64(len(b))
}

func (t *tally) item(item *store.Item) {
	t.counts.add(item)
	if item.Record != nil {
		t.records.Add(item.Record)
	}
}

func (t *tally) now() (s sum) {
	t.sum.Sum(s[:0])
	return s
}

func (t *tally) summary() Summary {
	return Summary{Parts: t.parts, Counts: t.counts, Digest: t.records.String()}
}

func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func fileError(number int, format string, args ...any) error {
	return fmt.Errorf("%w: line %d: %w", ErrFile, number, fmt.Errorf(format, args...))
}

// encode is a line as it is written.
func encode(l *line) ([]byte, error) {
	b, err := json.Marshal(l)
	return append(b, '\n'), err
}
