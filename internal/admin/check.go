package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Audit is what a check of the books has found.
type Audit struct {
	Records  int64    `json:"records" doc:"How many records were looked at."`
	Digest   string   `json:"digest" doc:"A digest of all records, whatever their order: stores with the same number and the same digest hold the same records."`
	Problems []string `json:"problems" doc:"What does not hold; a hundred at the most."`
	More     int      `json:"more,omitempty" doc:"How many problems are not listed."`
}

// Balanced reports whether nothing was found.
func (a *Audit) Balanced() bool { return len(a.Problems) == 0 }

// maxFindings is how many problems a check lists.
const maxFindings = 100

// Check goes through every record and proves that the books balance: one record
// for each key, no id twice, allocations that add up, and nothing metered that
// the catalogue does not know. What is damaged is named, and it goes on behind it.
// Its digest says whether another store holds the same records. progress, if not
// nil, hears how many it has seen.
// It remembers the id of each record, some forty bytes, and all else for an hour
// of usage at a time.
func (s *Service) Check(ctx context.Context, progress func(records int64)) (*Audit, error) {
	a := &Audit{Problems: []string{}}
	say := func(problem string) {
		if len(a.Problems) < maxFindings {
			a.Problems = append(a.Problems, problem)
		} else {
			a.More++
		}
	}
	var books metering.Books
	var digest store.Digest
	known := s.Store.Catalog()
	unknown := make(map[string]bool)
	strange := func(r *metering.Record, what, name string) {
		if !unknown[what+name] {
			unknown[what+name] = true
			say(fmt.Sprintf("record %s: %s %q is not in the catalogue", r.ID, what, name))
		}
	}
	for q := (store.RecordQuery{From: minHour, To: maxHour}); ; {
		page, err := s.Store.Records(ctx, q)
		var damage *store.DamageError
		if errors.As(err, &damage) {
			say(err.Error())
			if q.Cursor = damage.Next; q.Cursor == "" {
				return a, nil
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			r := &page.Items[i]
			digest.Add(r)
			books.Close(r.Key.Hour) // hours ascend
			if err := books.Add(r); err != nil {
				say(err.Error())
			}
			p := known.Product(r.Key.Product)
			switch {
			case p == nil:
				strange(r, "product", string(r.Key.Product))
			case p.CheckDimension(r.Key.Dimension) != nil:
				strange(r, "dimension", string(r.Key.Product)+" "+r.Key.Dimension)
			}
		}
		a.Records += int64(len(page.Items))
		if progress != nil {
			progress(a.Records)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			a.Digest = digest.String()
			return a, nil
		}
	}
}
