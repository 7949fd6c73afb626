package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

// TestCheckGoesOnBehindDamage: the check names what is damaged, and looks at what
// lies in other tables.
func TestCheckGoesOnBehindDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	const parts, each = 4, 300
	at := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	for part := range parts + 1 { // the last time, to bring what is in the log to a table
		s, err := embedded.Open(embedded.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		for i := range each {
			if part == parts {
				break
			}
			when := at.Add(time.Duration(part) * time.Hour)
			r := metering.Record{ID: metering.ID{14: byte(part), 15: byte(i), 13: byte(i >> 8)}, Timestamp: when, Received: when, Quantity: 1}
			r.Key = metering.Key{Kind: metering.KindLegacy, Account: "1", Region: region, Product: "p", Party: fmt.Sprint("b", i), Dimension: "d", Hour: metering.HourOf(when)}
			if _, err := s.Append(t.Context(), store.Call{Account: "1", Region: region, At: when, Records: []metering.Record{r}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) < 2 {
		t.Fatalf("tables %v, error %v", tables, err)
	}
	text, err := os.ReadFile(tables[1])
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/4] ^= 1
	if err := os.WriteFile(tables[1], text, 0o600); err != nil {
		t.Fatal(err)
	}
	audit, err := (&location{data: dir}).check(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	problems := strings.Join(audit.Problems, "\n")
	if audit.Balanced() || !strings.Contains(problems, "damaged") || !strings.Contains(problems, filepath.Base(tables[1])) {
		t.Errorf("got %s\nwant the damage of %s named", problems, tables[1])
	}
	if audit.Records < each || audit.Records >= parts*each {
		t.Errorf("%d of %d records were looked at", audit.Records, parts*each)
	}
	t.Logf("%d of %d records looked at; %s", audit.Records, parts*each, problems)
}
