package promise_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/promise"
)

const (
	us   metering.AccountID = "111111111111"
	them metering.AccountID = "222222222222"
)

// records is a ledger by hand.
type records []metering.Record

func (l records) Records(_ context.Context, q store.RecordQuery) (store.Page[metering.Record], error) {
	// Two to a page, so that the cursor is used.
	from := 0
	if q.Cursor != "" {
		if _, err := fmt.Sscan(q.Cursor, &from); err != nil {
			return store.Page[metering.Record]{}, err
		}
	}
	to := min(from+2, len(l))
	p := store.Page[metering.Record]{Items: l[from:to]}
	if to < len(l) {
		p.Next = fmt.Sprint(to)
	}
	return p, nil
}

func id(n byte) metering.ID { return metering.ID{15: n} }

// record is number n of an account's: a key of its own.
func record(account metering.AccountID, n byte, quantity int32) metering.Record {
	at := time.Date(2026, 3, 14, 12, 7, 0, 0, time.UTC)
	return metering.Record{
		ID:        id(n),
		Key:       metering.Key{Kind: metering.KindLegacy, Account: account, Region: "us-east-1", Product: "p", Party: fmt.Sprint("b", n), Dimension: "d", Hour: metering.HourOf(at)},
		Timestamp: at, Received: at, Quantity: quantity,
	}
}

// claim is a record's, of a sender that does not know the id.
func claim(r metering.Record) promise.Claim {
	c := promise.ClaimOf(&r)
	c.ID = metering.ID{}
	return c
}

func accepted(n byte) promise.Told           { return promise.Told{Verdict: promise.Accepted, ID: id(n)} }
func verdict(v promise.Verdict) promise.Told { return promise.Told{Verdict: v} }

// a, b and c are a record, another claim of its key, and another's record.
var (
	a = record(us, 1, 5)
	b = func() metering.Record { r := record(us, 1, 7); r.ID = id(9); return r }()
	c = record(them, 2, 5)
)

func TestSound(t *testing.T) {
	for name, run := range map[string]func(h *promise.History) records{
		"nothing": func(*promise.History) records { return nil },
		"accepted": func(h *promise.History) records {
			h.Send(us, claim(a)).Answer(accepted(1))
			return records{a}
		},
		"repeated and contradicted": func(h *promise.History) records {
			h.Send(us, claim(a)).Answer(accepted(1))
			h.Send(us, claim(a)).Answer(accepted(1))
			h.Send(us, claim(b)).Answer(verdict(promise.Duplicate))
			h.Send(us, claim(a)).Answer(accepted(1))
			return records{a}
		},
		"unknown, and there": func(h *promise.History) records { h.Send(us, claim(a)); return records{a} },
		"unknown, and not":   func(h *promise.History) records { h.Send(us, claim(a)); return nil },
		"unknown, then repeated": func(h *promise.History) records {
			h.Send(us, claim(a))
			h.Send(us, claim(a)).Answer(accepted(1))
			return records{a}
		},
		"unknown, and it was the one that counted": func(h *promise.History) records {
			h.Send(us, claim(b))
			h.Send(us, claim(a)).Answer(verdict(promise.Duplicate))
			return records{b}
		},
		"unknown, late, after another": func(h *promise.History) records {
			h.Send(us, claim(b))
			h.Send(us, claim(a)).Answer(accepted(1))
			return records{a}
		},
		"refused": func(h *promise.History) records { h.Send(us, claim(a)).Refuse(); return nil },
		"unprocessed, then repeated": func(h *promise.History) records {
			h.Send(us, claim(a)).Answer(verdict(promise.Unprocessed))
			h.Send(us, claim(a)).Answer(accepted(1))
			return records{a}
		},
		"a race with one winner": func(h *promise.History) records {
			first, second := h.Send(us, claim(a)), h.Send(us, claim(b))
			second.Answer(verdict(promise.Duplicate))
			first.Answer(accepted(1))
			return records{a}
		},
		"two accounts": func(h *promise.History) records {
			h.Send(us, claim(a)).Answer(accepted(1))
			h.Send(them, claim(c)).Answer(accepted(2))
			h.Reading(us)(a)
			h.Reading("")(a, c)
			return records{a, c}
		},
		"down, and up again": func(h *promise.History) records {
			h.Down()
			h.Send(us, claim(a))
			h.Up()
			h.Send(us, claim(a)).Answer(accepted(1))
			return records{a}
		},
		"a token": func(h *promise.History) records {
			h.SendToken(us, "us-east-1", "t", claim(a)).Answer(accepted(1))
			h.SendToken(us, "us-east-1", "t", claim(a)).Answer(accepted(1))
			return records{a}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range check(t, run) {
				t.Error(v)
			}
		})
	}
}

func TestBroken(t *testing.T) {
	changed, other := a, a
	changed.Quantity = 12
	other.ID = id(8)
	moved := a
	moved.Key.Hour++
	workload, twice := a, c
	workload.Workload, twice.ID = "i-2", a.ID
	for _, tt := range []struct {
		name, want string
		run        func(h *promise.History) records
	}{
		{"acknowledged and gone", "I1", func(h *promise.History) records {
			h.Send(us, claim(a)).Answer(accepted(1))
			return nil
		}},
		{"read and gone", "I1", func(h *promise.History) records { h.Send(us, claim(a)); h.Reading(us)(a); return nil }},
		{"a key held twice", "I2", func(h *promise.History) records {
			h.Send(us, claim(a)).Answer(accepted(1))
			return records{a, other}
		}},
		{"an id given twice", "I2", func(h *promise.History) records {
			h.Send(us, claim(a)).Answer(accepted(1))
			h.Send(them, claim(twice)).Answer(accepted(1))
			return records{a, twice}
		}},
		{"added up", "I3", func(h *promise.History) records {
			h.Send(us, claim(a)).Answer(accepted(1))
			h.Send(us, claim(b)).Answer(verdict(promise.Duplicate))
			return records{changed}
		}},
		{"overwritten by the same claim", "I4", func(h *promise.History) records {
			h.Send(us, claim(a)).Answer(accepted(1))
			h.Send(us, claim(a)).Answer(accepted(8))
			return records{other}
		}},
		{"a byte changed", "I3", func(h *promise.History) records {
			h.Send(us, claim(a))
			first := a
			first.Workload = "i-1"
			h.Reading(us)(first)
			return records{workload}
		}},
		{"an id for each attempt", "I4", func(h *promise.History) records {
			h.Send(us, claim(a)).Answer(accepted(1))
			h.Send(us, claim(a)).Answer(accepted(7))
			return records{a}
		}},
		{"a duplicate of itself", "I4", func(h *promise.History) records {
			h.Send(us, claim(a)).Answer(accepted(1))
			h.Send(us, claim(a)).Answer(verdict(promise.Duplicate))
			return records{a}
		}},
		{"a duplicate of nothing", "I4", func(h *promise.History) records {
			h.Send(us, claim(a)).Answer(verdict(promise.Duplicate))
			return nil
		}},
		{"two answers to one token", "I4", func(h *promise.History) records {
			h.SendToken(us, "us-east-1", "t", claim(a)).Answer(accepted(1))
			h.SendToken(us, "us-east-1", "t", claim(a)).Answer(accepted(3))
			return records{a}
		}},
		{"never sent", "I5", func(*promise.History) records { return records{a} }},
		{"sent by nobody in that form", "I5", func(h *promise.History) records { h.Send(us, claim(a)); return records{changed} }},
		{"a record of a batch not answered", "I6", func(h *promise.History) records {
			h.Send(us, claim(a), claim(b)).Answer(accepted(1))
			return records{a}
		}},
		{"a record of a batch answered twice", "I6", func(h *promise.History) records {
			h.Send(us, claim(a)).Answer(accepted(1), verdict(promise.Unprocessed))
			return records{a}
		}},
		{"handed back and there", "I6", func(h *promise.History) records {
			h.Send(us, claim(a)).Answer(verdict(promise.Unprocessed))
			return records{a}
		}},
		{"told of another's record", "I7", func(h *promise.History) records {
			h.Send(us, claim(a)).Answer(accepted(2))
			h.Send(them, claim(c)).Answer(accepted(2))
			return records{c}
		}},
		{"shown another's record", "I7", func(h *promise.History) records {
			h.Send(them, claim(c)).Answer(accepted(2))
			h.Reading(us)(c)
			return records{c}
		}},
		{"another hour", "I8", func(h *promise.History) records {
			h.Send(us, claim(a))
			return records{moved}
		}},
		{"refused and there", "I9", func(h *promise.History) records { h.Send(us, claim(a)).Refuse(); return records{a} }},
		{"answered while down", "I9", func(h *promise.History) records {
			h.Down()
			h.Send(us, claim(a)).Answer(accepted(1))
			return records{a}
		}},
		{"two winners", "order", func(h *promise.History) records {
			first, second := h.Send(us, claim(a)), h.Send(us, claim(b))
			first.Answer(accepted(1))
			second.Answer(accepted(9))
			return records{a}
		}},
		{"gone in between", "order", func(h *promise.History) records {
			h.Send(us, claim(a)).Answer(accepted(1))
			h.Send(us, claim(b)).Answer(accepted(9))
			h.Send(us, claim(b)).Answer(accepted(9))
			h.Send(us, claim(a)).Answer(accepted(1))
			return records{a}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := check(t, tt.run)
			for _, v := range found {
				if v.Invariant == tt.want {
					return
				}
			}
			t.Errorf("found %v, want a violation of %s", found, tt.want)
		})
	}
}

func check(t *testing.T, run func(h *promise.History) records) []promise.Violation {
	t.Helper()
	var h promise.History
	found, err := h.Check(t.Context(), run(&h))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// What was not yet answered at a moment is unknown then, and what was not yet
// sent is not missed.
func TestAt(t *testing.T) {
	var h promise.History
	h.Send(us, claim(a)).Answer(accepted(1))
	second := h.Send(them, claim(c))
	then := h.Now()
	second.Answer(accepted(2))
	h.Send(us, claim(b)).Answer(verdict(promise.Duplicate))
	for _, tt := range []struct {
		h      *promise.History
		ledger records
		broken bool
	}{
		{h.At(then), records{a}, false},
		{h.At(then), records{a, c}, false},
		{h.At(then), records{c}, true},
		{&h, records{a}, true},
		{&h, records{a, c}, false},
	} {
		found, err := tt.h.Check(t.Context(), tt.ledger)
		if err != nil || len(found) > 0 != tt.broken {
			t.Errorf("%d records: found %v, error %v; broken: want %t", len(tt.ledger), found, err, tt.broken)
		}
	}
}

type events []store.Event

func (e events) Events(_ context.Context, q store.EventQuery) (store.Page[store.Event], error) {
	var p store.Page[store.Event]
	for _, ev := range e {
		if q.Account == "" || ev.Account == q.Account {
			p.Items = append(p.Items, ev)
		}
	}
	return p, nil
}

func TestTrail(t *testing.T) {
	made := func(r *metering.Record) store.Event {
		c := store.Call{Account: r.Key.Account, Region: r.Key.Region, At: r.Received, Records: []metering.Record{*r}}
		return *promise.EventOf(&c, store.Outcome{Holders: []*metering.Record{r}}, metering.ID{1})
	}
	mine, theirs := made(&a), made(&c)
	repeat := mine
	repeat.Records = []store.EventRecord{{ID: a.ID, Status: metering.Success}}
	other := made(&a)
	other.Records[0].Quantity++
	moved := made(&a)
	moved.Account = them
	for _, tt := range []struct {
		trail events
		want  string
	}{
		{events{mine, theirs}, ""},
		{events{mine, theirs, repeat}, ""},
		{events{repeat, theirs}, "0 events of account 111111111111 made record"},
		{events{mine}, "0 events of account 222222222222 made record"},
		{events{mine, theirs, mine}, "2 events of account 111111111111 made record"},
		{events{mine, theirs, made(&b)}, "which is not there"},
		{events{other, theirs}, "and it is"},
		{events{moved, theirs}, "and it is"},
	} {
		found, err := promise.CheckTrail(t.Context(), records{a, c}, tt.trail)
		if err != nil || len(found) == 0 != (tt.want == "") || len(found) > 0 && !strings.Contains(found[0].Text, tt.want) {
			t.Errorf("found %v, error %v; want %q", found, err, tt.want)
		}
	}
}

// A history may be told by many at once, and a hundred attempts at one key are
// put in order in no time.
func TestManyAtOnce(t *testing.T) {
	var h promise.History
	var wg sync.WaitGroup
	for n := range 100 {
		wg.Go(func() {
			if n%10 == 0 {
				h.Send(us, claim(a)) // never answered
				return
			}
			h.Send(us, claim(a)).Answer(accepted(1))
		})
	}
	wg.Wait()
	if c := h.Counts(); c.Attempts != 100 || c.Accepted != 90 || c.Unknown != 10 {
		t.Errorf("counted %+v", c)
	}
	found, err := h.Check(t.Context(), records{a})
	if err != nil || len(found) > 0 {
		t.Errorf("found %v, error %v", found, err)
	}
}
