package admin

import (
	"context"

	"github.com/meterd/meterd/internal/report"
)

// Usage sums up the records that a filter picks.
func (s *Service) Usage(ctx context.Context, f RecordFilter, by []report.Column) ([]report.Sum, error) {
	queries, err := s.recordQueries(ctx, f)
	if err != nil {
		return nil, err
	}
	sums, err := report.New(by...)
	if err != nil {
		return nil, invalid("by", "%v", err)
	}
	for _, q := range queries {
		for {
			page, err := s.Store.Records(ctx, q)
			if err != nil {
				return nil, err
			}
			for i := range page.Items {
				if err := sums.Add(&page.Items[i]); err != nil {
					return nil, &StateError{err.Error()}
				}
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
	return sums.Rows(), nil
}
