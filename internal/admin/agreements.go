package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// AgreementState is an agreement with what it amounts to now.
type AgreementState struct {
	Agreement
	Open bool `json:"open" doc:"Whether usage is accepted under it at this moment, the buyer's suspension aside."`
}

func (s *Service) agreementState(a *metering.Agreement) AgreementState {
	return AgreementState{agreementOf(a), a.OpenAt(s.Clock.Now(), s.Store.Catalog().Compat().Rulings)}
}

// errThere says that what was to be made is there already.
var errThere = errors.New("is there already")

// CreateAgreement makes an agreement. One that is there with the same facts is
// found and stays what it is; what the facts leave out is as it may be. With
// other facts it is refused.
func (s *Service) CreateAgreement(ctx context.Context, a Agreement) (state AgreementState, again bool, err error) {
	ref := store.Ref{Kind: store.KindAgreement, Name: string(a.ID)}
	if _, err = s.Apply(ctx, &Catalog{Agreements: []Agreement{a}}, Applying{fresh: ref}); errors.Is(err, errThere) {
		again, err = true, s.sameAgreement(ctx, a)
	}
	if err != nil {
		return AgreementState{}, false, err
	}
	state, err = s.agreement(ctx, a.ID)
	return state, again, err
}

// sameAgreement refuses facts that are not those of the agreement of that id.
func (s *Service) sameAgreement(ctx context.Context, a Agreement) error {
	before := s.Store.Catalog().Agreement(a.ID)
	if before == nil {
		return fmt.Errorf("agreement %q: %w", a.ID, ErrNotFound)
	}
	is := agreementOf(before)
	if a.Status == "" || a.Status == is.Status {
		a.Status, a.End = is.Status, cmp.Or(a.End, is.End)
	}
	a.Start = cmp.Or(a.Start, is.Start)
	if a.Entitlements == nil {
		a.Entitlements = is.Entitlements
	}
	plan, err := s.Apply(ctx, &Catalog{Agreements: []Agreement{a}}, Applying{DryRun: true})
	if err != nil || plan.Changed() == 0 {
		return err
	}
	var differs []string
	for _, f := range plan.Changes[0].Fields {
		value, err := json.Marshal(f.Before)
		if err != nil {
			return err
		}
		differs = append(differs, fmt.Sprintf("its %s is %s", f.Field, value))
	}
	return &StateError{fmt.Sprintf("agreement %s is there already, and another: %s", a.ID, strings.Join(differs, ", "))}
}

// ActivateAgreement opens an agreement that is pending or suspended.
func (s *Service) ActivateAgreement(ctx context.Context, id metering.AgreementID) (AgreementState, error) {
	return s.turn(ctx, id, func(a *metering.Agreement, _ time.Time) error {
		switch a.Status {
		case metering.AgreementPending, metering.AgreementSuspended, metering.AgreementActive:
			a.Status = metering.AgreementActive
			return nil
		}
		return wrongState(a, "activated; renew one that is ending, and make another in place of one that has ended")
	})
}

// SuspendAgreement closes an active agreement until it is activated again.
func (s *Service) SuspendAgreement(ctx context.Context, id metering.AgreementID) (AgreementState, error) {
	return s.turn(ctx, id, func(a *metering.Agreement, _ time.Time) error {
		switch a.Status {
		case metering.AgreementActive, metering.AgreementSuspended:
			a.Status = metering.AgreementSuspended
			return nil
		}
		return wrongState(a, "suspended")
	})
}

// EndAgreement begins to wind an agreement down: the seller has the final
// reporting hour from now on. At once means without it. What has ended
// before keeps its end.
func (s *Service) EndAgreement(ctx context.Context, id metering.AgreementID, atOnce bool) (AgreementState, error) {
	return s.turn(ctx, id, func(a *metering.Agreement, now time.Time) error {
		to := metering.AgreementEnding
		if atOnce {
			to = metering.AgreementEnded
		}
		switch a.Status {
		case metering.AgreementEnded:
			return nil
		case metering.AgreementEnding:
			if atOnce {
				a.Status = to
			}
			return nil
		}
		a.Status, a.End = to, now
		if a.End.Before(a.Start) { // it never began
			a.End = a.Start
		}
		return nil
	})
}

// RenewAgreement lets an agreement that is active or winding down go on, under
// its license. expires, if not zero, is when its entitlements then expire.
func (s *Service) RenewAgreement(ctx context.Context, id metering.AgreementID, expires time.Time) (AgreementState, error) {
	rulings := s.Store.Catalog().Compat().Rulings
	return s.turn(ctx, id, func(a *metering.Agreement, now time.Time) error {
		switch {
		case a.Status == metering.AgreementActive, a.Status == metering.AgreementEnding && a.OpenAt(now, rulings):
		default:
			return wrongState(a, "renewed: a buyer who comes back gets another agreement, with a license of its own")
		}
		if !expires.IsZero() && !expires.After(now) {
			return invalid("expires", "%s is past", timeText(expires))
		}
		a.Status, a.End = metering.AgreementActive, time.Time{}
		if !expires.IsZero() {
			renewed := make([]metering.Entitlement, len(a.Entitlements))
			for i, e := range a.Entitlements {
				e.Expires = expires.UTC()
				renewed[i] = e
			}
			a.Entitlements = renewed
		}
		return nil
	})
}

func wrongState(a *metering.Agreement, what string) error {
	return &StateError{fmt.Sprintf("agreement %s is %s and cannot be %s", a.ID, a.Status, what)}
}

// turn changes an agreement.
func (s *Service) turn(ctx context.Context, id metering.AgreementID, how func(a *metering.Agreement, now time.Time) error) (AgreementState, error) {
	var turned store.Agreement
	err := s.change(ctx, func(known *store.Catalog, now time.Time) (edit, error) {
		a := known.Agreement(id)
		if a == nil {
			return edit{}, fmt.Errorf("agreement %q: %w", id, ErrNotFound)
		}
		turned = store.Agreement(*a)
		if err := how((*metering.Agreement)(&turned), now); err != nil {
			return edit{}, err
		}
		return edit{put: []store.Entry{&turned}}, nil
	})
	if err != nil {
		return AgreementState{}, err
	}
	return s.agreementState((*metering.Agreement)(&turned)), nil
}
