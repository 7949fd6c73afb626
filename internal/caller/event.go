package caller

import (
	"net/http"

	"github.com/meterd/meterd/internal/store"
)

// mostText is how much of a text from outside an event has room for, in bytes.
const mostText = 256

// Event begins the event of a call that was authenticated: in whose account, who
// asked, and from where.
func (a *Authenticator) Event(id *Identity, r *http.Request) store.Event {
	p := id.Principal()
	c := &id.Caller
	ev := store.Event{
		Account:   c.Account,
		Region:    store.Storable(id.Region, mostText),
		UserAgent: store.Storable(r.UserAgent(), mostText),
		Caller:    store.EventCaller{ARN: c.ARN, UserID: p.UserID, KeyID: c.KeyID, Origin: c.Origin},
	}
	if from := a.SourceIP(r); from.IsValid() {
		ev.SourceIP = from.String()
	}
	if p.Type == "AssumedRole" {
		ev.Caller.Issued = p.TokenIssued
	}
	if w := c.Workload; w != nil {
		ev.Caller.Workload, ev.Caller.Platform = w.ID, w.Platform
	}
	return ev
}
