package identity

import (
	"context"
	"errors"
	"strings"

	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/session"
	"github.com/meterd/meterd/internal/store"
)

// keptLimits let one refusal a second be kept of those that come in floods, of
// each account, region and operation.
func keptLimits() caller.Limits {
	return caller.Limits{opAssumeRole: 1, opGetCallerIdentity: 1, opAssumeRoleWithWebIdentity: 1}
}

// known begins the call's event, since it is known by now whose it is. What was
// asked for may not have been checked: it is cut. A web identity token is a secret
// for as long as it holds.
func (s *Service) known(c *call, ev store.Event, f form) {
	ev.ID, ev.RequestID, ev.Time, ev.Operation = s.NewID(), c.uid, c.at, metering.Operation(c.action)
	names := []string{"RoleArn", "RoleSessionName", "DurationSeconds", "ExternalId", "Policy"}
	if c.action == opGetCallerIdentity {
		names = nil // it asks for nothing
	}
	for _, name := range names {
		if value, given := f[name]; given {
			ev.Asked = append(ev.Asked, store.Detail{Name: lowerFirst(name), Value: caller.Text(value)})
		}
	}
	c.ev = ev
}

// knownByToken begins the event of a call whose token is an issuer's own: it
// belongs to the account of the role that was asked for, if there is such an
// account. The token may be refused all the same.
func (s *Service) knownByToken(c *call, t *Token, f form) {
	account, _, ok := s.roleParts(f["RoleArn"])
	if !ok {
		return
	}
	ev := s.Callers.Event(nil, c.Request)
	ev.Account, ev.Region = account, s.regionOf(c.Host)
	ev.Caller = store.EventCaller{
		ARN:    caller.Text(providerARN(account, t.Issuer)),
		UserID: caller.Text(providerName(t.Issuer) + ":" + t.Audience + ":" + t.Subject),
		Origin: metering.OriginWebIdentity,
	}
	s.known(c, ev, f)
}

// globalRegion is the region of the events of the endpoint that has none in its name.
const globalRegion = "us-east-1"

// regionOf is the region of a call that nobody has signed for one: that of the
// endpoint's name. Without it no lookup, which is of a region, would find the call.
func (s *Service) regionOf(host string) string {
	for label := range strings.SplitSeq(host, ".") {
		if s.Regions.Listed(label) {
			return label
		}
	}
	return globalRegion
}

// told adds the session that was issued, apart from its secrets.
func told(ev *store.Event, claims *session.Claims, creds session.Credentials) {
	ev.Told = append(ev.Told,
		store.Detail{Name: "credentials.accessKeyId", Value: creds.AccessKeyID},
		store.Detail{Name: "credentials.expiration", Value: instant(creds.Expiration)},
		store.Detail{Name: "assumedRoleUser.assumedRoleId", Value: claims.AssumedRoleID()},
		store.Detail{Name: "assumedRoleUser.arn", Value: claims.AssumedRoleARN()},
	)
}

// leave writes the event of a call that is about to be answered. Without it there
// is no session: who cannot be told of later is not let in. Who somebody is, is
// told by a store that is nearly full, too.
func (s *Service) leave(c *call) error {
	err := s.write(c.Context(), &c.ev)
	if c.action == opGetCallerIdentity && errors.Is(err, store.ErrNoRoom) {
		s.Log.ErrorContext(c.Context(), "event not kept", "request_id", c.id, "error", err)
		return nil
	}
	if err != nil || c.lender == "" {
		return err
	}
	// The role's account sees who has its role, and not with which key: that is
	// nobody else's affair.
	ev := c.ev
	ev.ID, ev.Account, ev.Caller.KeyID = s.NewID(), c.lender, ""
	return s.write(c.Context(), &ev)
}

// keep writes the event of a call that is refused, if it is known who called. That
// the client has hung up does not lose it; that it cannot be written does not
// change the answer.
func (s *Service) keep(c *call, f *Error, err error) {
	ev := c.ev
	if ev.Account == "" || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnknown) {
		return
	}
	// Some are refused before, or without, their account's throttle.
	if f.Code == Throttling || f.Code == SignatureDoesNotMatch || c.action == opAssumeRoleWithWebIdentity {
		// Of the region of a host's name nobody has signed anything: it counts as none.
		of := caller.FloodOf{Account: ev.Account, Region: s.Regions.Counted(c.who.Region), Operation: ev.Operation, Name: string(f.Code)}
		calls := s.floods.Add(of, s.kept.Allow(of.Account, of.Region, of.Operation))
		if calls == 0 {
			return
		}
		if calls > 1 {
			ev.Calls = calls
		}
	}
	ev.Error, ev.Message, ev.Told = string(f.Code), caller.Text(f.Message), nil
	if err := s.write(context.WithoutCancel(c.Context()), &ev); err != nil {
		s.Log.ErrorContext(c.Context(), "event not kept", "request_id", c.id, "error", err)
	}
}

// handed leaves the event of a session that a platform took for one of its
// workloads, as AWS's own do it: in its own name, and from nowhere.
func (s *Service) handed(ctx context.Context, claims *session.Claims, creds session.Credentials) error {
	w := &claims.Workload
	service := w.Platform.Service()
	ev := store.Event{
		ID: s.NewID(), RequestID: s.NewID(), Time: store.Instant(s.Clock()), Account: claims.Account, Operation: opAssumeRole,
		Region: w.Region, SourceIP: service, UserAgent: service,
		Caller: store.EventCaller{UserID: service, Origin: metering.Origin(claims.Source), Workload: w.ID, Platform: w.Platform},
		Asked:  []store.Detail{{Name: "roleArn", Value: claims.Role.ARN}, {Name: "roleSessionName", Value: claims.SessionName}},
	}
	told(&ev, claims, creds)
	return s.write(ctx, &ev)
}

// write commits an event, alone in its call.
func (s *Service) write(ctx context.Context, ev *store.Event) error {
	_, err := s.Store.Append(ctx, ev.Alone())
	return err
}
