package caller

import (
	"net/http"

	"github.com/meterd/meterd/internal/store"
)

// mostText is how much of a text from outside an event has room for, in bytes.
const mostText = 256

// Text is a text from outside as an event or a refusal can keep it.
func Text(s string) string { return store.Storable(s, mostText) }

// Event begins the event of a call that was authenticated: in whose account, who
// asked, and from where. A nil identity leaves who and whose to others.
func (a *Authenticator) Event(id *Identity, r *http.Request) store.Event {
	ev := store.Event{UserAgent: Text(r.UserAgent())}
	if from := a.SourceIP(r); from.IsValid() {
		ev.SourceIP = from.String()
	}
	if id == nil {
		return ev
	}
	p, c := id.Principal(), &id.Caller
	ev.Account, ev.Region = c.Account, Text(id.Region)
	ev.Caller = store.EventCaller{ARN: c.ARN, UserID: p.UserID, KeyID: c.KeyID, Origin: c.Origin}
	if p.Type == "AssumedRole" {
		ev.Caller.Issued = p.TokenIssued
	}
	if w := c.Workload; w != nil {
		ev.Caller.Workload, ev.Caller.Platform = w.ID, w.Platform
	}
	return ev
}
