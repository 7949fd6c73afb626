package promise

import (
	"sync"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

// Moment orders what a history was told. It counts; it is no clock.
type Moment int64

// never is the moment at which an attempt of unknown outcome ends.
const never = Moment(1) << 62

// Claim is one record as an attempt sent it.
type Claim struct {
	Key         metering.Key
	Timestamp   time.Time
	Quantity    int32
	Allocations []metering.Allocation
	// ID is what the record is called if it is taken, where the sender knows;
	// the zero one: the service makes it.
	ID metering.ID
}

// ClaimOf is the claim that a record makes.
func ClaimOf(r *metering.Record) Claim {
	return Claim{Key: r.Key, Timestamp: r.Timestamp, Quantity: r.Quantity, Allocations: r.Allocations, ID: r.ID}
}

// says reports whether the claim and a record say the same, as the rules have
// it: the minute within the hour does not count.
func (c *Claim) says(r *metering.Record) bool {
	own := metering.Record{Quantity: c.Quantity, Allocations: metering.Canonical(c.Allocations)}
	return own.Same(r)
}

// made reports whether the record is exactly what the claim would have made.
func (c *Claim) made(r *metering.Record) bool {
	return c.says(r) && c.Timestamp.Equal(r.Timestamp) && (c.ID == metering.ID{} || c.ID == r.ID)
}

// Verdict is what an attempt was told of one record.
type Verdict uint8

// The verdicts. An attempt that was told nothing has the first.
const (
	Unknown     Verdict = iota // no answer, or one that leaves it open
	Accepted                   // it counts, under an id
	Duplicate                  // its key is held by a record that says something else
	Unprocessed                // it was handed back; a later attempt may bring it
	Refused                    // a definite no
)

// Told is what an attempt was told of one of its records.
type Told struct {
	Record  int // which: its place in the attempt
	Verdict Verdict
	ID      metering.ID      // for Accepted
	Holder  *metering.Record // who holds the key, where the answer shows it whole
}

// Attempt is one call that was sent.
type Attempt struct {
	h        *History
	account  metering.AccountID
	claims   []Claim
	token    string
	repeated *metering.ID // what its token was bound to before
	told     []Told
	sent     Moment
	answered Moment
}

// History is all that a run was told. It is safe for use by many at once.
type History struct {
	mu       sync.Mutex
	clock    Moment
	attempts []*Attempt
	readings []reading
	outages  []outage
}

// reading is a record that somebody was shown.
type reading struct {
	reader      metering.AccountID // "": the operator, who may see all
	record      metering.Record
	asked, told Moment
}

// outage is a time in which nothing may be acknowledged.
type outage struct{ from, to Moment }

// tick must be called with the lock held.
func (h *History) tick() Moment {
	h.clock++
	return h.clock
}

// Send notes that a call is about to leave, signed by the account.
func (h *History) Send(account metering.AccountID, claims ...Claim) *Attempt {
	return h.send(account, "", claims)
}

// SendToken is Send of a call that carries a ClientToken, which is bound within
// the account and the region.
func (h *History) SendToken(account metering.AccountID, region, token string, claims ...Claim) *Attempt {
	return h.send(account, region+"\x00"+token, claims)
}

func (h *History) send(account metering.AccountID, token string, claims []Claim) *Attempt {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := &Attempt{h: h, account: account, claims: claims, token: token, sent: h.tick(), answered: never}
	h.attempts = append(h.attempts, a)
	return a
}

// Answer notes what came back: one verdict for each record, or it is a breach of
// I6. An attempt that is never answered is of unknown outcome.
func (a *Attempt) Answer(told ...Told) {
	a.h.mu.Lock()
	defer a.h.mu.Unlock()
	a.told, a.answered = told, a.h.tick()
}

// repeats notes what the attempt's token was bound to.
func (a *Attempt) repeats(answer metering.ID) {
	a.h.mu.Lock()
	defer a.h.mu.Unlock()
	a.repeated = &answer
}

// Refuse notes that the whole call was refused for good.
func (a *Attempt) Refuse() {
	told := make([]Told, len(a.claims))
	for i := range told {
		told[i] = Told{Record: i, Verdict: Refused}
	}
	a.Answer(told...)
}

// Reading starts a look at the ledger while attempts go on; what it returns is
// told what was shown. The reader is an account, or "" for the operator.
func (h *History) Reading(reader metering.AccountID) (shown func(records ...metering.Record)) {
	h.mu.Lock()
	asked := h.tick()
	h.mu.Unlock()
	return func(records ...metering.Record) {
		h.mu.Lock()
		defer h.mu.Unlock()
		told := h.tick()
		for _, r := range records {
			h.readings = append(h.readings, reading{reader, r, asked, told})
		}
	}
}

// Down notes that from now on nothing may be acknowledged that is sent: a sync
// has failed. Up ends that.
func (h *History) Down() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.outages = append(h.outages, outage{h.tick(), never})
}

// Up notes that the service was started again.
func (h *History) Up() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.outages {
		h.outages[i].to = min(h.outages[i].to, h.clock)
	}
}

// Now is the present moment, for At.
func (h *History) Now() Moment {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock
}

// At is the history as it was at a moment: what was answered later was unknown
// then, what was sent later had not been sent. A crash image is judged by it.
func (h *History) At(m Moment) *History { return h.Between(m, m) }

// Between is the history for an image that was taken at some moment between two,
// as a backup is: what was answered before the first must be in it, what was sent
// before the second may be.
func (h *History) Between(from, to Moment) *History {
	h.mu.Lock()
	defer h.mu.Unlock()
	then := &History{clock: to}
	for _, a := range h.attempts {
		if a.sent > to {
			break // they are in the order of their sending
		}
		b := *a
		if b.h = then; b.answered > from {
			b.told, b.repeated, b.answered = nil, nil, never
		}
		then.attempts = append(then.attempts, &b)
	}
	for _, r := range h.readings {
		if r.told <= from {
			then.readings = append(then.readings, r)
		}
	}
	for _, o := range h.outages {
		if o.from <= from {
			then.outages = append(then.outages, o)
		}
	}
	return then
}

// Counts are how many records have had which verdict, for reports of a run.
type Counts struct{ Attempts, Accepted, Duplicate, Unprocessed, Refused, Unknown int }

// Counts counts.
func (h *History) Counts() Counts {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := Counts{Attempts: len(h.attempts)}
	for _, a := range h.attempts {
		if a.answered == never {
			c.Unknown += len(a.claims)
		}
		for _, t := range a.told {
			switch t.Verdict {
			case Accepted:
				c.Accepted++
			case Duplicate:
				c.Duplicate++
			case Unprocessed:
				c.Unprocessed++
			case Refused:
				c.Refused++
			case Unknown:
				c.Unknown++
			}
		}
	}
	return c
}
