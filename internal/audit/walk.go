package audit

import (
	"context"
	"errors"
	"iter"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// walk goes through a list, page by page. What is damaged is told, and passed over.
func walk[T any](ctx context.Context, list func(ctx context.Context, cursor string) (store.Page[T], error), damaged func(error)) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for cursor := ""; ; {
			page, err := list(ctx, cursor)
			var damage *store.DamageError
			switch {
			case errors.As(err, &damage):
				damaged(err)
				page.Next = damage.Next
			case err != nil:
				yield(nil, err)
				return
			}
			for i := range page.Items {
				if !yield(&page.Items[i], nil) {
					return
				}
			}
			if cursor = page.Next; cursor == "" {
				return
			}
		}
	}
}

// events walks a list of events. damaged nil says nothing of damage: another walk
// has.
func (v *verifier) events(ctx context.Context, q store.EventQuery, damaged func(error)) iter.Seq2[*store.Event, error] {
	return walk(ctx, func(ctx context.Context, cursor string) (store.Page[store.Event], error) {
		q.Cursor = cursor
		page, err := v.src.Events(ctx, q)
		v.count(len(page.Items))
		return page, err
	}, orNot(damaged))
}

// chained walks a chain's events after a number.
func (v *verifier) chained(ctx context.Context, chain metering.ID, after int64, damaged func(error)) iter.Seq2[*store.Event, error] {
	return walk(ctx, func(ctx context.Context, cursor string) (store.Page[store.Event], error) {
		page, err := v.src.Trail(ctx, store.TrailQuery{Chain: chain, After: after, Cursor: cursor})
		v.count(len(page.Items))
		return page, err
	}, orNot(damaged))
}

// records walks the records of hours.
func (v *verifier) records(ctx context.Context, q store.RecordQuery, damaged func(error)) iter.Seq2[*metering.Record, error] {
	return walk(ctx, func(ctx context.Context, cursor string) (store.Page[metering.Record], error) {
		q.Cursor = cursor
		page, err := v.src.Records(ctx, q)
		v.count(len(page.Items))
		return page, err
	}, orNot(damaged))
}

func orNot(damaged func(error)) func(error) {
	if damaged == nil {
		return func(error) {}
	}
	return damaged
}

// damaged tells of damage, once: it is met by every way that leads there.
func (v *verifier) damaged(err error) {
	if text := err.Error(); !v.harm[text] {
		v.harm[text] = true
		v.report.add(Finding{Kind: Damaged, Text: text})
	}
}

// at is the event in a place; nil if there is none that can be read.
func (v *verifier) at(ctx context.Context, l store.Link) (*store.Event, error) {
	page, err := v.src.Trail(ctx, store.TrailQuery{Chain: l.Chain, After: l.Number - 1, Limit: 1})
	switch {
	case errors.As(err, new(*store.DamageError)):
		return nil, nil
	case err != nil || len(page.Items) == 0 || page.Items[0].Number != l.Number:
		return nil, err
	}
	return &page.Items[0], nil
}
