package awsapi

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"github.com/meterd/meterd/internal/audit"
	"github.com/meterd/meterd/internal/awsjson"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// lookupReach is how far back a lookup goes that does not say from when.
const lookupReach = 90 * 24 * time.Hour

// A page is the work of one call: it ends, full or not, after mostLooked events. What
// is read at once is bounded, too, for many may look at a time.
const (
	mostLooked = 4096
	lookedOnce = 256
)

// LookupEvents: an account looks at what was called in its name, newest first. It
// is CloudTrail's, and regional: it shows the events of the region that it is signed
// for. There is no delay: an event is there before its call is answered.
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
func (s *Service) lookupEvents(ctx context.Context, req *request, in *lookupEventsInput) (*lookupEventsOutput, error) {
	if err := s.permit(req); err != nil {
		return nil, err
	}
	l, after, err := in.lookup(req)
	if err != nil {
		return nil, err
	}
	out := new(lookupEventsOutput)
	if l == nil {
		return out, nil
	}
	if made, ok := in.made(); ok && after == (place{}) {
		if out.events, err = s.lookNear(ctx, *l, made); err != nil || len(out.events) > 0 {
			return out, err
		}
	}
	var more bool
	if out.events, after, more, err = s.look(ctx, l, after); err != nil {
		return nil, err
	}
	if more && !(l.one && len(out.events) > 0) {
		out.next = after.token(l, req.now)
	}
	return out, nil
}

// lookup is what a call looks for: its account's events of its region that picks
// accepts.
type lookup struct {
	account   metering.AccountID
	region    string
	operation metering.Operation // "": any
	from, to  time.Time          // to excluded; zero: no bound
	picks     func(*store.Event) bool
	limit     int
	one       bool   // there is but one such event
	key       string // of the query: a token is good for one
}

// place is where a lookup stands: at the last event that was looked at. The zero
// place is before the first.
type place struct {
	at time.Time
	id metering.ID
}

// passed reports whether the walk has been at the event, or beyond.
func (p place) passed(ev *store.Event) bool {
	if p == (place{}) {
		return false
	}
	if c := ev.Time.Compare(p.at); c != 0 {
		return c > 0
	}
	return bytes.Compare(ev.ID[:], p.id[:]) >= 0
}

// look walks on from a place, newest first, until it has found as many as were
// asked for, or has looked at as many as one call may. more is false if it came to
// the end.
func (s *Service) look(ctx context.Context, l *lookup, after place) (found []store.Event, last place, more bool, err error) {
	q := store.EventQuery{Account: l.account, Operation: l.operation, From: l.from, To: l.to, Newest: true, Limit: l.limit}
	if after != (place{}) {
		q.To = after.at.Add(1) // what happened at the very same time may come yet
	}
	last = after
	for looked := 0; ; {
		page, err := s.Store.Events(ctx, q)
		if err != nil {
			return nil, last, false, err
		}
		for i := range page.Items {
			ev := &page.Items[i]
			if after.passed(ev) {
				continue
			}
			if len(found) == l.limit {
				return found, last, true, nil
			}
			looked++
			last = place{ev.Time, ev.ID}
			if ev.Region == l.region && l.picks(ev) {
				found = append(found, *ev)
			}
		}
		if more := page.Next != ""; !more || len(found) == l.limit || looked >= mostLooked {
			return found, last, more, nil
		}
		q.Cursor, q.Limit = page.Next, lookedOnce
	}
}

// lookNear looks for an event around the true time at which its id was made: where
// the service's clock is the true one, the call came shortly before. It finds
// nothing if the clock was another.
func (s *Service) lookNear(ctx context.Context, l lookup, made time.Time) ([]store.Event, error) {
	if from := made.Add(-time.Minute); from.After(l.from) {
		l.from = from
	}
	if to := made.Add(time.Millisecond); l.to.IsZero() || to.Before(l.to) { // an id has whole milliseconds
		l.to = to
	}
	if !l.from.Before(l.to) {
		return nil, nil
	}
	found, _, _, err := s.look(ctx, &l, place{})
	return found, err
}

// madeAt is the time that a UUID of version 7 begins with; ok is false of another.
func madeAt(id metering.ID) (at time.Time, ok bool) {
	ms := binary.BigEndian.Uint64(id[:]) >> 16
	at = time.UnixMilli(int64(ms)).UTC()
	return at, id[6]>>4 == 7 && store.CheckTime(at) == nil
}

type lookupEventsOutput struct {
	events []store.Event
	next   string
}

func (out *lookupEventsOutput) appendJSON(b []byte) []byte {
	b = append(b, `{"Events":[`...)
	var room []byte
	for i := range out.events {
		ev := &out.events[i]
		if i > 0 {
			b = append(b, ',')
		}
		room = audit.AppendCloudTrail(room[:0], ev)
		b = appendLookedUp(b, ev, string(room))
	}
	b = append(b, ']')
	if out.next != "" {
		b = awsjson.AppendMember(b, "NextToken", out.next)
	}
	return append(b, '}')
}

// appendLookedUp appends an event as a lookup lists it: what it can be found by, and
// the whole as a text. Times are whole seconds, as in that text. No event of ours
// names resources.
func appendLookedUp(b []byte, ev *store.Event, cloudTrail string) []byte {
	readOnly := "false"
	if audit.ReadOnly(ev.Operation) {
		readOnly = "true"
	}
	b = awsjson.AppendMember(append(b, '{'), "EventId", ev.ID.String())
	b = awsjson.AppendMember(b, "EventName", string(ev.Operation))
	b = awsjson.AppendMember(b, "ReadOnly", readOnly)
	b = awsjson.AppendMember(b, "AccessKeyId", ev.Caller.KeyID)
	b = awsjson.AppendInt(b, "EventTime", ev.Time.Unix())
	b = awsjson.AppendMember(b, "EventSource", audit.Source(ev.Operation))
	b = awsjson.AppendMember(b, "Username", audit.Username(&ev.Caller))
	b = append(awsjson.AppendName(b, "Resources"), "[]"...)
	return append(awsjson.AppendMember(b, "CloudTrailEvent", cloudTrail), '}')
}
