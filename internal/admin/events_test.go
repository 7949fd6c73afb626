package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// TestEvents: newest first, account by account, narrowed by each filter, in pages of
// any size; and a seller sees no account but its own.
func TestEvents(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, sample)
	const seller, buyer = "210987654321", "111122223333"
	noon := time.Date(2026, 9, 15, 12, 0, 0, 0, time.UTC)
	for n := range 60 {
		ev := &store.Event{
			ID: metering.ID{15: byte(n)}, Account: seller, Operation: metering.BatchMeterUsage, Time: noon.Add(time.Duration(n) * time.Minute),
			Caller: store.EventCaller{KeyID: fmt.Sprintf("KEY%d", n%20)},
		}
		if n%2 == 1 {
			ev.Account, ev.Operation = buyer, metering.MeterUsage
		}
		if n%3 == 0 {
			ev.Operation = metering.LookupEvents
		}
		call := store.Call{Account: ev.Account, At: ev.Time, After: func(store.Outcome) (store.Rest, error) { return store.Rest{Event: ev}, nil }}
		if _, err := d.service.Store.Append(context.Background(), call); err != nil {
			t.Fatal(err)
		}
	}
	list := func(d *desk, query string, limit int) (all []string) {
		for cursor, pages := "", 0; ; pages++ {
			_, answer := d.call("GET", fmt.Sprintf("/events?%s&limit=%d&cursor=%s", query, limit, url.QueryEscape(cursor)), "")
			var page struct {
				Events []struct{ EventID, RecipientAccountID string }
				Next   string
			}
			if err := json.Unmarshal([]byte(answer), &page); err != nil || len(page.Events) > limit || pages > 100 {
				t.Fatalf("%s: %v, page %d: %s", query, err, pages, answer)
			}
			for _, ev := range page.Events {
				all = append(all, ev.RecipientAccountID+" "+strings.TrimLeft(ev.EventID[24:], "0"))
			}
			if cursor = page.Next; cursor == "" {
				return all
			}
		}
	}
	numbers := func(account string, keep func(n int) bool) (want []string) {
		for n := 59; n >= 0; n-- {
			if (n%2 == 1) == (account == buyer) && keep(n) {
				want = append(want, account+" "+strings.TrimLeft(fmt.Sprintf("%x", n), "0"))
			}
		}
		return want
	}
	every := func(int) bool { return true }
	for query, want := range map[string][]string{
		"":                          append(numbers(buyer, every), numbers(seller, every)...),
		"account=" + seller:         numbers(seller, every),
		"event=LookupEvents":        append(numbers(buyer, func(n int) bool { return n%3 == 0 }), numbers(seller, func(n int) bool { return n%3 == 0 })...),
		"key=KEY3":                  numbers(buyer, func(n int) bool { return n%20 == 3 }),
		"key=KEY6&event=MeterUsage": nil,
		"from=2026-09-15T12:10:00Z&to=2026-09-15T12:13:00Z": append(numbers(buyer, func(n int) bool { return n >= 10 && n < 13 }), numbers(seller, func(n int) bool { return n >= 10 && n < 13 })...),
	} {
		for _, limit := range []int{1, 7, 1000} {
			if got := list(d, query, limit); strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%q by %d: got %q, want %q", query, limit, got, want)
			}
		}
	}
	own := d.as(store.RoleSeller, seller)
	if got, want := list(own, "", 1000), numbers(seller, every); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("a seller sees %q, want %q", got, want)
	}
	own.want(http.StatusNotFound, "GET", "/events?account="+buyer, "")
	gone := &store.Event{ID: metering.ID{15: 99}, Account: "333344445555", Operation: metering.MeterUsage, Time: noon}
	call := store.Call{Account: gone.Account, At: noon, After: func(store.Outcome) (store.Rest, error) { return store.Rest{Event: gone}, nil }}
	if _, err := d.service.Store.Append(context.Background(), call); err != nil {
		t.Fatal(err)
	}
	if got := list(d, "account=333344445555", 7); len(got) != 1 {
		t.Errorf("of an account that was taken out of the catalogue: %q", got)
	}
	own.want(http.StatusNotFound, "GET", "/events?account=333344445555", "")
	d.want(http.StatusNotFound, "GET", "/events?account=999999999999", "")
	d.want(http.StatusUnprocessableEntity, "GET", "/events?event=%00", "")
}
