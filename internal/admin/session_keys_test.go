package admin

import (
	"testing"
	"time"

	"github.com/meterd/meterd/internal/clock"
	"github.com/meterd/meterd/internal/store"
)

// TestKeepSessionKeys follows the keys through two months, a day and an hour at
// a time.
func TestKeepSessionKeys(t *testing.T) {
	s := newService(t)
	truth := noon
	s.Clock = clock.New(func() time.Time { return truth })
	keep := func() []*store.SessionKey {
		t.Helper()
		if err := s.KeepSessionKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s.Store.Catalog().SessionKeys()
	}
	first := keep()
	if len(first) != 1 || len(first[0].Secret) != sessionKeyBytes || !first[0].Created.Equal(noon) {
		t.Fatalf("at first: %d keys", len(first))
	}
	for _, step := range []struct {
		after time.Duration // since the step before
		keys  int
		fresh bool
	}{
		{0, 1, false},
		{sessionKeyAge - 1, 1, false},
		{1, 2, true},
		{sessionKeyRest, 2, false},
		{1, 1, false},
		{-time.Hour, 1, false}, // a clock that was set back
		{sessionKeyAge, 2, true},
		{10 * sessionKeyAge, 2, true}, // one that slept: the one before stays until its sessions have ended
	} {
		newest, revision := s.Store.Catalog().SessionKeys()[0].ID, s.Store.Catalog().Revision()
		truth = truth.Add(step.after)
		got := keep()
		if len(got) != step.keys || (got[0].ID != newest) != step.fresh {
			t.Errorf("after %s: %d keys, a new one: %t; want %d, %t", step.after, len(got), got[0].ID != newest, step.keys, step.fresh)
		}
		if step.keys == 1 && step.after <= 0 && s.Store.Catalog().Revision() != revision {
			t.Errorf("after %s: the catalogue has another revision, and nothing was due", step.after)
		}
	}
	states, err := s.Store.History(t.Context(), first[0].Ref())
	if err != nil || len(states) != 2 || states[0].By != "housekeeping" {
		t.Errorf("the history of the first: %+v, %v; want that housekeeping made and removed it", states, err)
	}
}

// TestKeepSessionKeysTogether: nodes that start at once have one key in the end.
func TestKeepSessionKeysTogether(t *testing.T) {
	for range 50 {
		one := newService(t)
		still := clock.New(time.Now)
		still.Set(noon)
		other := &Service{Store: one.Store, Clock: still, Log: one.Log}
		nodes := []*Service{one, other}
		together(2*len(nodes), func(i int) {
			if err := nodes[i%len(nodes)].KeepSessionKeys(t.Context()); err != nil {
				t.Error(err)
			}
		})
		if got := one.Store.Catalog().SessionKeys(); len(got) != 1 {
			t.Fatalf("%d keys; want one", len(got))
		}
	}
}

// TestSessionKeysKeepTrueTime: sessions go by the true time, so a service's clock
// that is moved takes no key from them before they have ended, and makes none that
// is not due.
func TestSessionKeysKeepTrueTime(t *testing.T) {
	s := newService(t)
	truth := noon
	s.Clock = clock.New(func() time.Time { return truth })
	keep := func() []*store.SessionKey {
		t.Helper()
		if err := s.KeepSessionKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s.Store.Catalog().SessionKeys()
	}
	s.Clock.Advance(-sessionKeyAge)
	first := keep()[0]
	if !first.Created.Equal(truth) {
		t.Errorf("made at %v by its own account, and in truth at %v", first.Created, truth)
	}
	for range 4 {
		s.Clock.Advance(sessionKeyAge)
		truth = truth.Add(time.Minute)
		if got := keep(); len(got) != 1 || got[0].ID != first.ID {
			t.Errorf("the clock was moved: %d keys, the newest of %v", len(got), got[0].Created)
		}
	}
}
