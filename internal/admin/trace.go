package admin

import (
	"context"
	"errors"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// What an operator does is in two places: what changes the catalogue, in its
// history; what does not, and who is shown what is secret, in the trail, as events
// of these operations.
const (
	opMakeWorkloadSession metering.Operation = "meterd:MakeWorkloadSession"
	opStopRegistration    metering.Operation = "meterd:StopRegistration"
	opBackup              metering.Operation = "meterd:Backup"
)

const (
	// ofAll is the account in whose trail the events are that are of all accounts: no
	// account of AWS's has this number.
	ofAll metering.AccountID = "000000000000"
	// bearing is how the operator and holders of accesses come to call.
	bearing metering.Origin = "bearer"
)

// act begins the event of something that the bearer does.
func (s *Service) act(ctx context.Context, op metering.Operation, account metering.AccountID, region string) *store.Event {
	return &store.Event{
		ID: s.NewID(), RequestID: s.NewID(), Time: store.Instant(s.Clock.Now()), Account: account, Operation: op, Region: region,
		Caller: store.EventCaller{UserID: bearerOf(ctx).Name, Origin: bearing},
	}
}

// note writes an event, alone in its call.
func (s *Service) note(ctx context.Context, ev *store.Event) error {
	_, err := s.Store.Append(ctx, ev.Alone())
	return err
}

// noteBackup says that somebody takes a copy of everything. A disk that is nearly
// full is no reason to have no backup.
func (s *Service) noteBackup(ctx context.Context) error {
	s.shown(ctx, "backup", "everything")
	err := s.note(ctx, s.act(ctx, opBackup, ofAll, ""))
	if errors.Is(err, store.ErrNoRoom) {
		s.Log.ErrorContext(ctx, "event not kept", "operation", opBackup, "error", err)
		return nil
	}
	return err
}

// shown logs that the bearer is about to be shown a secret, and whose, so that it
// is told off this machine, too.
func (s *Service) shown(ctx context.Context, what, of string) {
	s.Log.InfoContext(ctx, "secret read", "bearer", bearerOf(ctx).Name, "what", what, "of", of)
}
