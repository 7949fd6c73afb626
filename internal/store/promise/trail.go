package promise

import (
	"context"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Trail is where the events are.
type Trail interface {
	Events(ctx context.Context, q store.EventQuery) (store.Page[store.Event], error)
}

// CheckTrail is the other half of I5: every record is named by an event of the
// account that reported it. It is asked for apart, since not all that is a Ledger
// shows events.
func CheckTrail(ctx context.Context, l Ledger, t Trail) ([]Violation, error) {
	j := &judge{keys: make(map[metering.Key]*place), ids: make(map[metering.ID]*metering.Record)}
	if err := j.read(ctx, l); err != nil {
		return nil, err
	}
	named := make(map[metering.AccountID]map[metering.ID]bool)
	for _, key := range j.order {
		r := j.keys[key].record
		if named[key.Account] == nil {
			var err error
			if named[key.Account], err = eventsOf(ctx, t, key.Account); err != nil {
				return nil, err
			}
		}
		if !named[key.Account][r.ID] {
			j.say("I5", "no event of account %s names record %s: %s", key.Account, r.ID, name(key))
		}
	}
	return j.found, nil
}

// eventsOf are the ids that an account's events name.
func eventsOf(ctx context.Context, t Trail, account metering.AccountID) (map[metering.ID]bool, error) {
	named := make(map[metering.ID]bool)
	for q := (store.EventQuery{Account: account}); ; {
		page, err := t.Events(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			for _, r := range page.Items[i].Records {
				named[r.ID] = true
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return named, nil
		}
	}
}
