package awsapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/id"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

const lookedUp = metering.AccountID("210987654321")

// leave writes events into the store.
func (w *world) leave(t testing.TB, events ...*store.Event) {
	t.Helper()
	for _, ev := range events {
		call := store.Call{Account: ev.Account, At: ev.Time, After: func(store.Outcome) (store.Rest, error) { return store.Rest{Event: ev}, nil }}
		if _, err := w.store.Append(context.Background(), call); err != nil {
			t.Fatal(err)
		}
	}
}

// lookedUpPage is an answer of LookupEvents.
type lookedUpPage struct {
	Type   string `json:"__type"`
	Events []struct {
		EventId         string //nolint:revive // the name on the wire
		CloudTrailEvent string
	}
	NextToken string
}

func (w *world) lookup(t testing.TB, input map[string]any) (page lookedUpPage) {
	t.Helper()
	c := newCall(http.MethodPost, "LookupEvents", "AKIASELLERACME001", "us-east-1")
	var err error
	if c.body, err = json.Marshal(input); err != nil {
		t.Fatal(err)
	}
	_, body := w.do(t, c)
	if err := json.Unmarshal(body, &page); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return page
}

func attribute(key, value string) []map[string]string {
	return []map[string]string{{"AttributeKey": key, "AttributeValue": value}}
}

// TestLookupPages: whatever the times of events are, the same one among them, a walk
// in pages of any size sees each of its region once, newest first, while others come.
func TestLookupPages(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		w := newWorld(t, worldOptions{})
		dice := rand.New(rand.NewPCG(seed, 1))
		source := id.Source{Now: time.Now}
		random := func() *store.Event {
			return &store.Event{
				ID: source.New(), Account: lookedUp, Time: vectorsNow.Add(-time.Duration(dice.IntN(4)) * time.Second),
				Operation: metering.MeterUsage, Region: []string{"us-east-1", "us-east-1", "eu-west-1"}[dice.IntN(3)],
			}
		}
		var there []*store.Event
		for range dice.IntN(300) {
			there = append(there, random())
		}
		w.leave(t, there...)
		slices.SortFunc(there, func(a, b *store.Event) int {
			if c := b.Time.Compare(a.Time); c != 0 {
				return c
			}
			return bytes.Compare(b.ID[:], a.ID[:])
		})
		var want, got []string
		for _, ev := range there {
			if ev.Region == "us-east-1" {
				want = append(want, ev.ID.String())
			}
		}
		known := strings.Join(want, " ")
		input := map[string]any{"LookupAttributes": attribute("EventName", "MeterUsage")}
		for pages := 0; ; pages++ {
			most := 1 + dice.IntN(50)
			input["MaxResults"] = most
			page := w.lookup(t, input)
			if page.Type != "" || len(page.Events) > most || pages > 400 {
				t.Fatalf("seed %d, page %d of %d: %+v", seed, pages, most, page)
			}
			for _, ev := range page.Events {
				if strings.Contains(known, ev.EventId) { // others may be seen, or not
					got = append(got, ev.EventId)
				}
			}
			if page.NextToken == "" {
				break
			}
			input["NextToken"] = page.NextToken
			w.leave(t, random())
		}
		if !slices.Equal(got, want) {
			t.Errorf("seed %d: %d events, want %d, each once and newest first", seed, len(got), len(want))
		}
	}
}

// TestLookupIsBounded: a page ends after so many events, though it is empty, and the
// next goes on.
func TestLookupIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	const many = mostLooked + lookedOnce + 10
	for n := range many {
		ev := &store.Event{ID: metering.ID{0: 1}, Account: lookedUp, Time: vectorsNow.Add(-time.Duration(n) * time.Millisecond), Operation: metering.MeterUsage, Region: "us-east-1"}
		ev.Caller.ARN = "arn:aws:iam::210987654321:user/other"
		if n == many-1 {
			ev.Caller.ARN = "arn:aws:iam::210987654321:user/wanted"
		}
		w.leave(t, ev)
	}
	input := map[string]any{"LookupAttributes": attribute("Username", "wanted")}
	first := w.lookup(t, input)
	if first.NextToken == "" || len(first.Events) != 0 {
		t.Fatalf("%d events, token %q", len(first.Events), first.NextToken)
	}
	input["NextToken"] = first.NextToken
	if second := w.lookup(t, input); len(second.Events) != 1 {
		t.Errorf("the second page: %d events", len(second.Events))
	}
}

// TestLookupById: an event is found by its id among many, at once where the service's
// clock was the true one, by walking where it was not.
func TestLookupById(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{now: trueNow})
	at := trueNow.Add(-24 * time.Hour)
	source := id.Source{Now: func() time.Time { return at }}
	var events []*store.Event
	for range 2 * mostLooked {
		events = append(events, &store.Event{ID: source.New(), Account: lookedUp, Time: at, Operation: metering.MeterUsage, Region: "us-east-1"})
		at = at.Add(500 * time.Millisecond)
	}
	moved := *events[0]
	moved.ID, moved.Time = source.New(), trueNow.Add(-48*time.Hour)
	w.leave(t, append(events, &moved)...)
	pagesTo := func(wanted *store.Event) int {
		input := map[string]any{"LookupAttributes": attribute("EventId", wanted.ID.String())}
		for pages := 1; ; pages++ {
			page := w.lookup(t, input)
			if len(page.Events) == 1 && page.Events[0].EventId == wanted.ID.String() && page.NextToken == "" {
				return pages
			}
			if page.NextToken == "" || len(page.Events) > 0 {
				t.Fatalf("page %d: %+v", pages, page)
			}
			input["NextToken"] = page.NextToken
		}
	}
	for _, i := range []int{0, 1, mostLooked, len(events) - 1} {
		if pages := pagesTo(events[i]); pages != 1 {
			t.Errorf("event %d: %d pages, want one", i, pages)
		}
	}
	if pages := pagesTo(&moved); pages != 3 {
		t.Errorf("of another clock: %d pages, want 3", pages)
	}
}

// TestNextToken: a token is good for its query and a day.
func TestNextToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	for n := range 3 {
		w.leave(t, &store.Event{ID: metering.ID{0: 1, 15: byte(n)}, Account: lookedUp, Time: vectorsNow, Operation: metering.MeterUsage, Region: "us-east-1"})
	}
	query := func(changes ...any) map[string]any {
		in := map[string]any{"LookupAttributes": attribute("EventName", "MeterUsage"), "MaxResults": 1}
		for i := 0; i < len(changes); i += 2 {
			in[fmt.Sprint(changes[i])] = changes[i+1]
		}
		return in
	}
	token := w.lookup(t, query()).NextToken
	changed := []byte(token)
	changed[20] ^= 1
	for name, row := range map[string]struct {
		in   map[string]any
		want string
	}{
		"the same":             {query("NextToken", token), ""},
		"another page size":    {query("NextToken", token, "MaxResults", 2), ""},
		"another attribute":    {query("NextToken", token, "LookupAttributes", attribute("EventName", "ResolveCustomer")), "InvalidNextTokenException"},
		"no attribute":         {query("NextToken", token, "LookupAttributes", nil), "InvalidNextTokenException"},
		"another start":        {query("NextToken", token, "StartTime", 1), "InvalidNextTokenException"},
		"another end":          {query("NextToken", token, "EndTime", 1789468200), "InvalidNextTokenException"},
		"changed":              {query("NextToken", string(changed)), "InvalidNextTokenException"},
		"cut":                  {query("NextToken", token[:40]), "InvalidNextTokenException"},
		"more than there was":  {query("NextToken", token+"AAAA"), "InvalidNextTokenException"},
		"with a line feed":     {query("NextToken", token[:10]+"\n"+token[10:]), "InvalidNextTokenException"},
		"insight, another one": {query("NextToken", "x", "EventCategory", "insight"), "InvalidNextTokenException"},
	} {
		if got := w.lookup(t, row.in); got.Type != row.want || row.want == "" && len(got.Events) == 0 {
			t.Errorf("%s: %+v, want %q", name, got, row.want)
		}
	}
	w.clock.Advance(tokenLife)
	if got := w.lookup(t, query("NextToken", token)); got.Type != "" {
		t.Errorf("after a day: %+v", got)
	}
	w.clock.Advance(1)
	if got := w.lookup(t, query("NextToken", token)); got.Type != "InvalidNextTokenException" {
		t.Errorf("after more than a day: %+v", got)
	}
}
