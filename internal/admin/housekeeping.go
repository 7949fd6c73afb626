package admin

import (
	"context"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Keeping is how long what is not for ever is kept. Zero is for ever.
type Keeping struct {
	Refusals     time.Duration // and registration tokens, after they have expired
	ClientTokens time.Duration // a day at least
	Events       time.Duration
}

// receiptsKept is how long the same idempotency key makes nothing again.
const receiptsKept = 7 * 24 * time.Hour

// housekeeper is who the history names for what has outlived its time.
var housekeeper = Bearer{Name: "housekeeping", Role: store.RoleOperator}

// Housekeep lets go of what has been kept for long enough, by the service's
// clock.
func (s *Service) Housekeep(ctx context.Context, k Keeping) error {
	now := s.Clock.Now()
	before := func(kept time.Duration) time.Time {
		if kept == 0 {
			return time.Time{}
		}
		return now.Add(-kept)
	}
	if k == (Keeping{}) {
		return nil
	}
	if err := s.Store.Expire(ctx, store.Expiry{Refusals: before(k.Refusals), Tokens: before(k.ClientTokens), Events: before(k.Events)}); err != nil {
		return err
	}
	return s.change(withBearer(ctx, housekeeper), func(known *store.Catalog, now time.Time) (edit, error) {
		var e edit
		for entry := range known.All(store.KindToken) {
			t := (*metering.RegistrationToken)(entry.(*store.RegistrationToken))
			if k.Refusals > 0 && t.Expires().Before(now.Add(-k.Refusals)) {
				e.remove = append(e.remove, entry.Ref())
			}
		}
		for entry := range known.All(store.KindReceipt) {
			if entry.(*store.Receipt).At.Before(now.Add(-receiptsKept)) {
				e.remove = append(e.remove, entry.Ref())
			}
		}
		return e, nil
	})
}
