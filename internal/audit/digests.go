package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// digests is what is known of them.
type digests struct {
	last   *store.TrailDigest
	first  *store.TrailDigest
	hashes map[[32]byte]bool            // of all of them: what a chain may begin after
	listed map[metering.ID]store.Extent // what was last said of each chain
	before map[metering.ID]bool         // the chains that the digest before has listed
}

// mark is what a digest says of a place in a chain.
type mark struct {
	store.Place
	digest int64     // the first that says so
	after  time.Time // when the digest before that one was made; zero: there was none
}

// readDigests holds each digest against the one before, and notes what it says of
// chains.
func (v *verifier) readDigests(ctx context.Context) error {
	d := &v.digests
	d.hashes, d.listed = make(map[[32]byte]bool), make(map[metering.ID]store.Extent)
	torn := false // a damaged one lies between
	list := func(ctx context.Context, cursor string) (store.Page[store.TrailDigest], error) {
		return v.src.Digests(ctx, store.DigestQuery{Cursor: cursor})
	}
	for next, err := range walk(ctx, list, func(err error) { torn = true; v.damaged(err) }) {
		if err != nil {
			return err
		}
		v.follow(next, torn)
		torn = false
		v.report.Digests++
	}
	if d.last != nil {
		v.report.Last = &LastSeal{d.last.Number, hashOf(d.last.Hash()), d.last.At}
	}
	return nil
}

// follow takes the next digest in.
func (v *verifier) follow(next *store.TrailDigest, torn bool) {
	d := &v.digests
	number, prev := int64(0), [32]byte{}
	if d.last != nil {
		number, prev = d.last.Number, d.last.Hash()
	}
	switch {
	case next.Number > number+1 && torn:
	case next.Number > number+1:
		v.report.ofDigest(DigestMissing, number+1, "it is gone; the next that is there is digest %d", next.Number)
	case next.Prev != prev && number == 0:
		v.report.ofDigest(DigestChanged, next.Number, "the first comes after none, and it says that it does")
	case next.Prev != prev:
		v.report.ofDigest(DigestChanged, number, "it was changed: digest %d was made with another before it", next.Number)
	}
	now := make(map[metering.ID]bool, len(next.Extents))
	for _, e := range next.Extents {
		now[e.Chain] = true
		v.note(next, e)
	}
	for chain := range d.before {
		if e := d.listed[chain]; !now[chain] && e.Floor != e.Head {
			v.report.ofDigest(DigestChanged, next.Number, "it does not list chain %s, which digest %d lists to event %d", chain, d.last.Number, e.Head.Number)
		}
	}
	d.before = now
	d.hashes[next.Hash()] = true
	if d.first == nil {
		d.first = next
	}
	d.last = next
}

// note takes in what a digest says of a chain.
func (v *verifier) note(next *store.TrailDigest, e store.Extent) {
	d := &v.digests
	was, known := d.listed[e.Chain]
	steps := func(a, b store.Place) bool { return a.Number < b.Number || a == b }
	if !steps(e.Floor, e.Head) || known && (!steps(was.Floor, e.Floor) || !steps(was.Head, e.Head)) {
		v.report.ofDigest(DigestChanged, next.Number, "what it says of chain %s, from event %d to %d, cannot follow what was said before, from event %d to %d",
			e.Chain, e.Floor.Number, e.Head.Number, was.Floor.Number, was.Head.Number)
		return
	}
	d.listed[e.Chain] = e
	c := v.chainOf(e.Chain)
	m := mark{digest: next.Number}
	if d.last != nil {
		m.after = d.last.At
	}
	if !known || was.Head != e.Head {
		m.Place = e.Head
		c.heads = append(c.heads, m)
	}
	if (!known || was.Floor != e.Floor) && e.Floor.Number > 0 {
		m.Place = e.Floor
		c.floors = append(c.floors, m)
	}
}

// learnLaterDigests learns what chains may begin after that began while the digests
// were read.
func (v *verifier) learnLaterDigests(ctx context.Context) error {
	q := store.DigestQuery{}
	if v.digests.last != nil {
		q.After = v.digests.last.Number
	}
	list := func(ctx context.Context, cursor string) (store.Page[store.TrailDigest], error) {
		q.Cursor = cursor
		return v.src.Digests(ctx, q)
	}
	for d, err := range walk(ctx, list, orNot(nil)) {
		if err != nil {
			return err
		}
		v.digests.hashes[d.Hash()] = true
	}
	return nil
}

// lastAt is when the newest digest was made.
func (d *digests) lastAt() time.Time {
	if d.last == nil {
		return time.Time{}
	}
	return d.last.At
}

// Published reads the digests in the JSON files of a folder and of those below it:
// one in a file, or a list. What is no digest is passed over; a digest that is not what its hash says is an
// error.
func Published(fsys fs.FS) iter.Seq2[store.TrailDigest, error] {
	return func(yield func(store.TrailDigest, error) bool) {
		err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			files, err := readPublished(fsys, name)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			for i := range files {
				d, err := files[i].Digest()
				if err != nil {
					return fmt.Errorf("%s: digest %d: %w", name, files[i].Number, err)
				}
				if !yield(d, nil) {
					return fs.SkipAll
				}
			}
			return nil
		})
		if err != nil {
			yield(store.TrailDigest{}, err)
		}
	}
}

// errNone says that there was nothing to compare with.
var errNone = errors.New("there are no digests in it")

// ComparePublished holds digests that were kept elsewhere against those of the
// trail, which are given: it finds a trail that was made anew since. Events and
// records are Verify's to compare with the trail's digests.
func (r *Report) ComparePublished(published, trail iter.Seq2[store.TrailDigest, error]) error {
	hashes := make(map[int64][32]byte)
	last := int64(0)
	for d, err := range trail {
		if err != nil {
			return err
		}
		hashes[d.Number] = d.Hash()
		last = max(last, d.Number)
	}
	n := 0
	for d, err := range published {
		if err != nil {
			return err
		}
		n++
		switch hash, ok := hashes[d.Number]; {
		case !ok && d.Number > last:
			r.ofDigest(CutOff, d.Number, "it was published, and the trail ends with digest %d", last)
		case !ok:
			r.ofDigest(DigestMissing, d.Number, "it was published, and is gone")
		case hash != d.Hash():
			r.ofDigest(DigestChanged, d.Number, "it is not the one of %s that was published: the trail was made anew since", d.At.Format(time.RFC3339))
		}
	}
	if n == 0 {
		return errNone
	}
	return nil
}

// Digests are those of a trail.
func Digests(ctx context.Context, src Trail) iter.Seq2[store.TrailDigest, error] {
	return func(yield func(store.TrailDigest, error) bool) {
		list := func(ctx context.Context, cursor string) (store.Page[store.TrailDigest], error) {
			return src.Digests(ctx, store.DigestQuery{Cursor: cursor})
		}
		for d, err := range walk(ctx, list, orNot(nil)) {
			if err != nil {
				yield(store.TrailDigest{}, err)
				return
			}
			if !yield(*d, nil) {
				return
			}
		}
	}
}

// readPublished reads a file, if it has digests.
func readPublished(fsys fs.FS, name string) ([]DigestFile, error) {
	text, err := readJSON(fsys, name)
	if err != nil || text == nil {
		return nil, err
	}
	var files []DigestFile
	if json.Unmarshal(text, &files) != nil {
		files = make([]DigestFile, 1)
		if json.Unmarshal(text, &files[0]) != nil {
			return nil, nil
		}
	}
	return slices.DeleteFunc(files, func(f DigestFile) bool { return f.Number == 0 || f.Hash == "" }), nil
}
