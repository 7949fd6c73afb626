package embedded

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Since when events are kept is noted before the first goes: an expiry that is cut
// short between chains is not taken for a gap. Nothing is noted if none goes.
func TestExpiryCutShort(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	for n := range 2 { // a chain each
		s, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		ev := &store.Event{ID: metering.ID{byte(n)}, Time: now.Add(-24 * time.Hour), Account: "1", Operation: metering.MeterUsage}
		c := store.Call{Account: "1", At: ev.Time, After: func(store.Outcome) (store.Rest, error) { return store.Rest{Event: ev}, nil }}
		if _, err := s.Append(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	chains := func() (gone, left int, since time.Time) {
		t.Helper()
		all, err := s.Extents(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all, since = store.KeptSince(all)
		for _, e := range all {
			if e.Floor.Number > 0 {
				gone++
			} else {
				left++
			}
		}
		return gone, left, since
	}
	if err := s.Expire(t.Context(), store.Expiry{Events: now.Add(-48 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if gone, left, since := chains(); gone != 0 || left != 2 || !since.IsZero() {
		t.Fatalf("nothing is old enough: of %d chains some is gone, of %d none, events are kept since %s", gone, left, since)
	}
	cut, drops := errors.New("cut short"), 0
	err = store.ExpireTrail(t.Context(), s, now.Add(-time.Hour), func(ctx context.Context, old []store.Event, floor store.CarriedFloor) error {
		if drops++; drops == 3 { // the second chain's
			return cut
		}
		return s.dropEvents(ctx, old, floor)
	})
	if !errors.Is(err, cut) {
		t.Fatal(err)
	}
	if gone, left, since := chains(); gone != 1 || left != 1 || !since.Equal(now.Add(-time.Hour)) {
		t.Errorf("cut short: of %d chains some is gone, of %d none, events are kept since %s", gone, left, since)
	}
	if d, ok, err := s.Seal(t.Context(), now); err != nil || !ok || len(d.Extents) != 1 {
		t.Errorf("the digest lists %+v, made %t, error %v", d.Extents, ok, err)
	}
}
