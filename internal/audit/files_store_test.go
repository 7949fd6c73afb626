package audit

import (
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/store"
)

func TestFilesOfAnotherStore(t *testing.T) {
	w, to := newTrailWorld(t), newDirectory(t)
	w.leave(2)
	w.write(to)
	w.leave(2)
	w.write(to)

	other := newTrailWorld(t)
	other.leave(2)
	_, err := other.writer(to).Write(t.Context())
	if err == nil || !strings.Contains(err.Error(), "has not come to it") {
		t.Errorf("a store that is behind: %v", err)
	}
	other.leave(2)
	_, err = other.writer(to).Write(t.Context())
	if err == nil || !strings.Contains(err.Error(), "is another store's") {
		t.Errorf("another store: %v", err)
	}
	w.once(to)

	choice := w.writer(to)
	choice.Only.Account = trailAccounts[0]
	if _, err := choice.Write(t.Context()); err == nil || !strings.Contains(err.Error(), "another choice") {
		t.Errorf("a choice, where all are: %v", err)
	}
}

func TestFilesOfAChoice(t *testing.T) {
	w, to := newTrailWorld(t), newDirectory(t)
	w.leave(10)
	choice := w.writer(to)
	choice.Only = Filter{Account: trailAccounts[0], From: w.now.Add(-4 * time.Minute), To: w.now}
	if _, err := choice.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := VerifyFiles(t.Context(), to)
	if err != nil || len(r.Problems) > 0 || r.Events != 2 || !r.Only.equal(choice.Only) {
		t.Errorf("got %+v, error %v", r, err)
	}
}

// TestFilesOfWhatHasExpired: a folder that begins late begins with what is there;
// what goes before it was written is told.
func TestFilesOfWhatHasExpired(t *testing.T) {
	w, to := newTrailWorld(t), newDirectory(t)
	expire := func(before time.Time) {
		t.Helper()
		if err := w.store.Expire(t.Context(), store.Expiry{Events: before}); err != nil {
			t.Fatal(err)
		}
	}
	w.leave(10)
	expire(w.now.Add(-6 * time.Minute))
	w.write(to)
	w.leave(10)
	if _, _, err := w.store.Seal(t.Context(), w.now); err != nil {
		t.Fatal(err)
	}
	expire(w.now.Add(-3 * time.Minute))
	w.write(to)
	r, err := VerifyFiles(t.Context(), to)
	if err != nil || len(r.Problems) > 0 {
		t.Fatalf("got %+v, error %v", r, err)
	}
	if r.Events+r.Expired < 16 || r.Expired != 6 {
		t.Errorf("%d events and %d expired, of 20, of which 3 were gone before the folder began", r.Events, r.Expired)
	}
}

func TestFilesInParts(t *testing.T) {
	w, to := newTrailWorld(t), newDirectory(t)
	w.leave(10)
	if _, _, err := w.store.Seal(t.Context(), w.now); err != nil {
		t.Fatal(err)
	}
	extents, err := w.store.Extents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	page, err := w.store.Trail(t.Context(), store.TrailQuery{Chain: extents[0].Chain})
	if err != nil {
		t.Fatal(err)
	}
	m := &Manifest{DigestFile: DigestFile{Number: 1, At: w.now}}
	p := parts{ctx: t.Context(), to: to, manifest: m}
	for i := range page.Items {
		ev := &page.Items[i]
		p.text += partText / 4
		if err := p.add(ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.flush(); err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, f := range m.Files {
		names[f.Name] = true
		if f.Sum == (Sum{}) || !eventsOf(&m.DigestFile, f.Name) {
			t.Errorf("a file %+v", f)
		}
	}
	if p.number != 3 || len(names) != len(m.Files) {
		t.Errorf("%d parts of %d files, %d names", p.number, len(m.Files), len(names))
	}
	if seen := w.events(to, root, make(map[string]int)); len(seen) != 10 {
		t.Errorf("got %d events, want 10", len(seen))
	}
}

func TestPrune(t *testing.T) {
	w, to := newTrailWorld(t), newDirectory(t)
	if err := to.Prune(t.Context(), w.now); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
	var ends []time.Time
	for range 5 {
		w.leave(4)
		w.write(to)
		ends = append(ends, w.now)
		w.now = w.now.Add(24 * time.Hour)
	}
	left := "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/26/left"
	if err := to.Put(t.Context(), left, nil); err != nil {
		t.Fatal(err)
	}
	if err := to.Prune(t.Context(), ends[1].Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := to.Get(t.Context(), left); err != nil {
		t.Errorf("a file that no digest lists: %v", err)
	}
	if err := to.remove(left); err != nil {
		t.Fatal(err)
	}
	r, err := VerifyFiles(t.Context(), to)
	if err != nil || len(r.Problems) > 0 || r.First != 3 || r.Last != 5 || r.Events != 12 {
		t.Errorf("got %+v, error %v", r, err)
	}
	if names, err := to.List(t.Context(), manifests+"2026/11/"); err != nil || len(names) != 2 {
		t.Errorf("folders %q, error %v", names, err)
	}
	w.leave(2)
	w.write(to) // goes on
	if err := to.Prune(t.Context(), w.now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	r, err = VerifyFiles(t.Context(), to)
	if err != nil || len(r.Problems) > 0 || r.First != 6 || r.Last != 6 || r.Events != 2 {
		t.Errorf("got %+v, error %v", r, err)
	}
	w.leave(2)
	w.write(to)
	if r, err = VerifyFiles(t.Context(), to); err != nil || len(r.Problems) > 0 || r.Events != 4 {
		t.Errorf("got %+v, error %v", r, err)
	}
}
