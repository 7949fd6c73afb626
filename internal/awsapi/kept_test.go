package awsapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// refusals are all that were kept, of each account in turn, oldest first. It
// waits for calls that are being served: some are kept after their answer.
func (w *world) refusals(t testing.TB) (all []store.Refusal) {
	t.Helper()
	w.calls.Wait()
	for a := range w.store.Catalog().All(store.KindAccount) {
		q := store.RefusalQuery{Seller: metering.AccountID(a.Ref().Name)}
		for {
			page, err := w.store.Refusals(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, page.Items...)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
	return all
}

// refused are the refused calls that were kept.
func (w *world) refused(t testing.TB) (calls []store.Refusal) {
	t.Helper()
	for _, r := range w.refusals(t) {
		if r.Record == nil {
			calls = append(calls, r)
		}
	}
	return calls
}

// events are those of an account, oldest first.
func (w *world) events(t testing.TB, account metering.AccountID) []store.Event {
	t.Helper()
	w.calls.Wait()
	page, err := w.store.Events(context.Background(), store.EventQuery{Account: account})
	if err != nil || page.Next != "" {
		t.Fatalf("events: more %q, error %v", page.Next, err)
	}
	return page.Items
}

// eventText is an event in a line.
func eventText(e *store.Event) string {
	text := fmt.Sprintf("%s: %s with %s in %s, request %s", e.Account, e.Operation, e.Caller.KeyID, e.Region, e.RequestID)
	for _, d := range e.Asked {
		text += ", asked " + d.Name + "=" + d.Value
	}
	for _, d := range e.Told {
		text += ", told " + d.Name + "=" + d.Value
	}
	for i := range e.Records {
		r := &e.Records[i]
		text += fmt.Sprintf("; %d of %s at %s for %s", r.Quantity, r.Dimension, r.Timestamp.Format(time.RFC3339), cmp.Or(string(r.Customer), string(r.Buyer)))
		if r.Status != "" {
			text += fmt.Sprintf(": %s %s", r.Status, r.ID)
		}
		if r.Kind != 0 {
			text += ", made"
		}
	}
	if e.Error != "" {
		text += "; refused: " + e.Error
	}
	if e.Calls > 0 {
		text += fmt.Sprintf(", %d calls", e.Calls)
	}
	return text
}

// refusalText is a refusal as a transcript lists it, under its seller.
func refusalText(r *store.Refusal) string {
	rec := r.Record
	if rec == nil {
		about := ""
		if r.Product != "" {
			about = " about " + string(r.Product)
		}
		return fmt.Sprintf("%s: %s%s by %s with %s in %s, request %s: %s: %s", r.Seller, r.Operation, about, r.Account, r.KeyID, r.Region, r.RequestID, r.Reason, r.Detail)
	}
	text := fmt.Sprintf("%s: %s of %s, %s %s: %d at %s", r.Seller, r.Reason, rec.Key.Party, r.Product, rec.Key.Dimension, rec.Quantity, rec.Timestamp.Format(time.RFC3339Nano))
	if rec.Held != nil {
		text += fmt.Sprintf(", held by %s with %d", rec.Held.ID, rec.Held.Quantity)
	}
	return text
}

// unproven are the answers to whoever has not proved to have the key. What is
// kept of them is shown in transcripts of their own.
var unproven = map[string]bool{
	"MissingAuthenticationTokenException": true, "IncompleteSignatureException": true, "InvalidSignatureException": true,
	"UnrecognizedClientException": true, "UnknownOperationException": true, "RequestEntityTooLargeException": true,
}

// keptNames are the exceptions that a call of a transcript was kept with, faults
// aside.
var keptNames sync.Map

// neverMet are the exceptions that no known caller meets but as a fault: of what
// comes before the caller is known, and of what this service has no rule for.
var neverMet = []string{
	"MissingAuthenticationTokenException", "RequestEntityTooLargeException", "UnknownOperationException",
}

// checkKeptNames: the transcripts have an example of every exception that a
// caller can be refused with.
func checkKeptNames(t *testing.T) {
	for _, e := range exceptions {
		if _, met := keptNames.Load(e.name); e.status < 500 && met == slices.Contains(neverMet, e.name) {
			t.Errorf("%s: a transcript shows it kept: %v", e.name, met)
		}
	}
}

// kept holds what must be true of every call: if it is refused and its caller
// known, that is kept, once, by the name and in the words that the caller read;
// if not, not.
func (p *player) kept(c *call, response *http.Response, body []byte) {
	p.t.Helper()
	var found []store.Refusal
	for _, r := range p.world.refused(p.t) {
		if r.RequestID == response.Header.Get("X-Amzn-Requestid") {
			found = append(found, r)
		}
	}
	var fault struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(body, &fault); err != nil {
		p.t.Fatal(err)
	}
	name := fault.Type[strings.LastIndexByte(fault.Type, '#')+1:]
	injected := strings.HasPrefix(fault.Message, "injected fault")
	for _, r := range found {
		if !injected {
			keptNames.Store(r.Reason, nil)
		}
	}
	switch want := 1; {
	case !injected && name == "ExpiredTokenException" && response.StatusCode == http.StatusForbidden: // a session's: it is no key of the catalogue
	case !injected && (unproven[name] || name == "ThrottlingException" || strings.HasPrefix(fault.Message, "the body ended")):
	default:
		if response.StatusCode == http.StatusOK || response.StatusCode >= 500 && !injected {
			want = 0
		}
		if len(found) != want {
			p.t.Errorf("%d %s: kept %d times, want %d", response.StatusCode, body, len(found), want)
		}
		for _, r := range found {
			if r.Reason != name || r.Detail != caller.Text(shorten(fault.Message)) || r.KeyID != c.key || !r.Time.Equal(p.world.clock.Now()) {
				p.t.Errorf("%s is kept as %+v", body, r)
			}
		}
	}
}
