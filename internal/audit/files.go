package audit

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Writer writes a store's trail into a destination, each event once. It may be one
// of many that do. Its methods are called one at a time.
type Writer struct {
	Store store.Store
	To    Destination
	Only  Filter
	Now   func() time.Time // the true time
	Log   *slog.Logger

	begin *Begin    // nil: the destination has not been looked at
	last  *Manifest // nil: the next one is the first
	sum   Sum       // of the last one
}

// Written is what a run has written, or has found written by others.
type Written struct {
	Digests, Files int
	Events         int64
}

// Write makes a digest and writes all that digests list and that is not written
// yet. After an error it goes on where it was.
func (w *Writer) Write(ctx context.Context) (Written, error) {
	var done Written
	if _, _, err := w.Store.Seal(ctx, w.Now()); err != nil {
		return done, err
	}
	if w.begin == nil {
		if err := w.resume(ctx); err != nil || w.begin == nil {
			return done, err
		}
	}
	return done, eachDigest(ctx, w.Store, w.begin.Number-1, func(d *store.TrailDigest) error {
		if w.last != nil && d.Number <= w.last.Number {
			return nil
		}
		return w.follow(ctx, d, &done)
	})
}

// eachDigest goes through the digests after a number.
func eachDigest(ctx context.Context, s store.Store, after int64, visit func(*store.TrailDigest) error) error {
	q := store.DigestQuery{After: after}
	for {
		page, err := s.Digests(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Items {
			if err := visit(&page.Items[i]); err != nil {
				return err
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return nil
		}
	}
}

// resume looks at what the destination has. It has no beginning afterwards only if
// there is nothing to write.
func (w *Writer) resume(ctx context.Context) error {
	b, err := w.To.Get(ctx, beginName)
	if errors.Is(err, fs.ErrNotExist) {
		if b, err = w.found(ctx); b == nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if err := w.To.Put(ctx, beginName, b); !errors.Is(err, fs.ErrExist) {
		if err == nil {
			err = errors.New("the destination replaces a file that is there, though it was asked not to: it is not safe to write to")
		}
		return err
	}
	begin, err := decodeBegin(b)
	if err != nil {
		return err
	}
	if !begin.Only.equal(w.Only) {
		return errors.New("the destination was begun for another choice of events: give another one")
	}
	last, sum, err := newest(ctx, w.To)
	if err != nil {
		return err
	}
	known := begin.Number
	hash := begin.Hash
	if last != nil {
		known, hash = last.Number, last.Hash
	}
	if err := w.knows(ctx, known, hash); err != nil {
		return err
	}
	w.begin, w.last, w.sum = begin, last, sum
	if last == nil {
		w.sum = begin.PrevFile
	}
	return nil
}

// found begins a destination that is empty with the newest digest: what it lists is
// all that there is. Others may do so at once: it returns the beginning that counts.
func (w *Writer) found(ctx context.Context) ([]byte, error) {
	begin := Begin{Format: manifestFormat, Only: w.Only}
	err := eachDigest(ctx, w.Store, 0, func(d *store.TrailDigest) error {
		begin.Number, begin.Hash = d.Number, hashOf(d.Hash())
		return nil
	})
	if err != nil || begin.Number == 0 {
		return nil, err
	}
	b, err := begin.encode()
	if err != nil {
		return nil, err
	}
	if err := w.To.Put(ctx, beginName, b); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return w.To.Get(ctx, beginName)
}

func (b *Begin) encode() ([]byte, error) {
	text, err := json.MarshalIndent(b, "", " ")
	return append(text, '\n'), err
}

func decodeBegin(text []byte) (*Begin, error) {
	var b Begin
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil || b.Format != manifestFormat || b.Number < 1 {
		return nil, errors.Join(fmt.Errorf("%s does not say how a folder of meterd's begins", beginName), err)
	}
	return &b, nil
}

// knows is an error if a digest is not the store's.
func (w *Writer) knows(ctx context.Context, number int64, hash Hash) error {
	page, err := w.Store.Digests(ctx, store.DigestQuery{After: number - 1, Limit: 1})
	switch {
	case err != nil:
		return err
	case len(page.Items) == 0 || page.Items[0].Number != number:
		return fmt.Errorf("the destination has digest %d, and the store has not come to it: it is another store's, or the store was restored from a backup that is older; give another destination", number)
	case hashOf(page.Items[0].Hash()) != hash:
		return fmt.Errorf("the destination's digest %d is not the store's: it is another store's; give another destination", number)
	}
	return nil
}

// newest is the last manifest that is found by going through the last folders; nil
// if there is none. Later ones may lie elsewhere if a clock was set back: whoever
// goes on from here finds them by their names.
func newest(ctx context.Context, from Destination) (*Manifest, Sum, error) {
	folder := manifests
	for {
		names, err := from.List(ctx, folder)
		if err != nil {
			return nil, Sum{}, err
		}
		next, last, number := "", "", int64(0)
		for _, name := range names {
			if n := numberOf(name); n > number {
				last, number = name, n
			}
			if strings.HasSuffix(name, "/") {
				next = name
			}
		}
		if last != "" {
			return readManifest(ctx, from, last)
		}
		if folder = next; folder == "" {
			return nil, Sum{}, nil
		}
	}
}

func readManifest(ctx context.Context, from Destination, name string) (*Manifest, Sum, error) {
	b, err := from.Get(ctx, name)
	if err != nil {
		return nil, Sum{}, err
	}
	m, err := decodeManifest(name, b)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return m, sha256.Sum256(b), err
}

// follow writes what a digest adds, unless another has.
func (w *Writer) follow(ctx context.Context, d *store.TrailDigest, done *Written) error {
	m, sum, err := readManifest(ctx, w.To, manifestName(d.Number, d.At))
	if errors.Is(err, fs.ErrNotExist) {
		m, sum, err = w.write(ctx, d)
	}
	if err != nil {
		return err
	}
	if m.Hash != hashOf(d.Hash()) || m.PrevFile != w.sum || !m.Only.equal(w.Only) {
		return fmt.Errorf("%s does not follow what the store has and what was written before it", manifestName(d.Number, d.At))
	}
	w.last, w.sum = m, sum
	done.Digests++
	done.Files += len(m.Files)
	for _, f := range m.Files {
		for _, p := range f.Places {
			numbers, err := parseRuns(p.Numbers)
			if err != nil {
				return err
			}
			done.Events += numbers.count()
		}
	}
	return nil
}

// write writes a digest's files, and then its manifest, and returns the one that
// counts.
func (w *Writer) write(ctx context.Context, d *store.TrailDigest) (*Manifest, Sum, error) {
	m := &Manifest{Format: manifestFormat, DigestFile: NewDigestFile(d), PrevFile: w.sum, Only: w.Only, Files: []ListedFile{}}
	before := w.begin.Extents
	if w.last != nil {
		before = w.last.Extents
	}
	p := parts{ctx: ctx, to: w.To, manifest: m}
	missing := make(map[metering.ID]runs)
	for _, e := range d.Extents {
		from := max(e.Floor.Number, headIn(before, e.Chain.String()))
		gone, err := w.chain(ctx, &p, e, from)
		if err != nil {
			return nil, Sum{}, fmt.Errorf("chain %s: %w", e.Chain, err)
		}
		if len(gone) > 0 {
			missing[e.Chain] = gone
		}
	}
	if err := p.flush(); err != nil {
		return nil, Sum{}, err
	}
	if err := w.account(ctx, m, d, missing); err != nil {
		return nil, Sum{}, err
	}
	b, _, err := m.encode()
	if err != nil {
		return nil, Sum{}, err
	}
	name := manifestName(d.Number, d.At)
	if err := w.To.Put(ctx, name, b); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, Sum{}, err
	}
	return readManifest(ctx, w.To, name)
}

// headIn is how far a chain went.
func headIn(extents []FileExtent, chain string) int64 {
	for _, e := range extents {
		if e.Chain == chain {
			return e.Head.Number
		}
	}
	return 0
}

// chain enters a chain's events after a number, up to the head that the digest
// lists. gone are those that are not there.
func (w *Writer) chain(ctx context.Context, p *parts, e store.Extent, from int64) (gone runs, err error) {
	next := from + 1
	q := store.TrailQuery{Chain: e.Chain, After: from}
	for next <= e.Head.Number {
		page, err := w.Store.Trail(ctx, q)
		var damage *store.DamageError
		if errors.As(err, &damage) {
			w.Log.Error("an event cannot be read, and is left out of the trail's files", "chain", e.Chain.String(), "error", err)
			page.Next = damage.Next
		} else if err != nil {
			return nil, err
		}
		for i := range page.Items {
			ev := &page.Items[i]
			if ev.Number > e.Head.Number {
				break
			}
			if ev.Number > next {
				gone.add(next, ev.Number-1)
			}
			next = ev.Number + 1
			if !w.Only.picks(ev) {
				continue
			}
			if err := p.add(ev); err != nil {
				return nil, err
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if next <= e.Head.Number {
		gone.add(next, e.Head.Number)
	}
	return gone, nil
}

// account tells events that have expired from those that should be there.
func (w *Writer) account(ctx context.Context, m *Manifest, d *store.TrailDigest, missing map[metering.ID]runs) error {
	if len(missing) == 0 {
		return nil
	}
	now, err := w.Store.Extents(ctx)
	if err != nil {
		return err
	}
	floors := make(map[metering.ID]int64, len(now))
	for _, e := range now {
		floors[e.Chain] = e.Floor.Number
	}
	for _, e := range d.Extents {
		var expired, lost runs
		for _, r := range missing[e.Chain] {
			floor := max(floors[e.Chain], r.first-1)
			if r.first <= min(floor, r.last) {
				expired.add(r.first, min(floor, r.last))
			}
			if floor < r.last {
				lost.add(floor+1, r.last)
			}
		}
		if len(expired) > 0 {
			m.Expired = append(m.Expired, Places{e.Chain.String(), expired.String()})
		}
		if len(lost) > 0 {
			m.Lost = append(m.Lost, Places{e.Chain.String(), lost.String()})
			w.Log.Error("events are not in the store though the trail goes on behind them: run 'meterd audit verify'", "chain", e.Chain.String(), "events", lost.String())
		}
	}
	return nil
}
