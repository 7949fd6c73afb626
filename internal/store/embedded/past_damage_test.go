package embedded_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

// Who goes through all records can go on behind what is damaged: nothing is shown
// that is not as it was written, the damage is named, and what lies in other tables
// is there.
func TestPastDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	const parts, each = 4, 400
	want := make(map[metering.ID]metering.Record)
	for part := range parts {
		s := mustOpen(t, dir)
		for i := range each {
			c := one(part*each + i + 1)
			c.Records[0].Key.Hour += metering.Hour(part)
			c.Records[0].Timestamp = c.Records[0].Key.Hour.Time()
			want[c.Records[0].ID] = c.Records[0]
			if _, err := s.Append(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		mustClose(t, s)
	}
	mustClose(t, mustOpen(t, dir)) // what was in the log is in a table now
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) < 2 {
		t.Fatalf("tables %v, error %v", tables, err)
	}
	damaged := tables[len(tables)/2]
	text, err := os.ReadFile(damaged)
	if err != nil {
		t.Fatal(err)
	}
	turn(t, damaged, text, len(text)/4)
	s := mustOpen(t, dir)
	defer s.Close()
	found, named := 0, 0
	for q := (store.RecordQuery{From: 0, To: 1 << 30, Limit: 100}); ; {
		p, err := s.Records(t.Context(), q)
		var damage *store.DamageError
		switch {
		case errors.As(err, &damage):
			if !errors.Is(err, embedded.ErrDamaged) {
				t.Errorf("got %v, want %v", err, embedded.ErrDamaged)
			}
			if named++; named > 10 {
				t.Fatal("it comes to no end")
			}
			p.Next = damage.Next
			t.Log(err)
		case err != nil:
			t.Fatal(err)
		}
		for _, r := range p.Items {
			if w := want[r.ID]; w.Key != r.Key || w.Quantity != r.Quantity {
				t.Errorf("got %+v, want %+v", r, w)
			}
			found++
		}
		if q.Cursor = p.Next; q.Cursor == "" {
			break
		}
	}
	if named == 0 || found >= parts*each || found < each {
		t.Errorf("%d damages named, %d of %d records found", named, found, parts*each)
	}
	t.Logf("%d tables, %d damages named, %d of %d records found", len(tables), named, found, parts*each)
}
