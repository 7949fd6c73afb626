package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/meterd/meterd/internal/metering"
)

// Instant is a time as every store reads it back: UTC, without a monotonic
// reading.
func Instant(t time.Time) time.Time { return t.UTC().Round(0) }

// AsKept is the call with its times and records as every store reads them back.
// The given one is not changed; it shares its records if they are so already.
func (c Call) AsKept() Call {
	c.At = Instant(c.At)
	given := c.Records
	for i := range given {
		r := &given[i]
		at, received := Instant(r.Timestamp), Instant(r.Received)
		if at == r.Timestamp && received == r.Received && (r.Allocations == nil || len(r.Allocations) > 0) {
			continue
		}
		if &c.Records[0] == &given[0] {
			c.Records = slices.Clone(given)
		}
		now := &c.Records[i]
		now.Timestamp, now.Received = at, received
		if len(r.Allocations) == 0 {
			now.Allocations = nil
		}
	}
	return c
}

// The first and the last year of times that are kept. SQL stores keep
// nanoseconds in 64 bits, which hold no others; the zero time is kept, too.
const (
	firstYear = 1678
	lastYear  = 2261
)

// CheckTime refuses what a store cannot keep: no store takes what another could
// not.
func CheckTime(t time.Time) error {
	if year := t.UTC().Year(); !t.IsZero() && (year < firstYear || year > lastYear) {
		return fmt.Errorf("store: %s: the years %d to %d can be kept", t.Format(time.RFC3339), firstYear, lastYear)
	}
	return nil
}

// CheckText refuses what a store cannot keep: SQL knows neither U+0000 nor broken
// UTF-8, although the first is legal in JSON.
func CheckText(texts ...string) error {
	for _, s := range texts {
		if strings.IndexByte(s, 0) >= 0 {
			return fmt.Errorf("store: %q contains U+0000", s)
		}
		if !utf8.ValidString(s) {
			return fmt.Errorf("store: %q is not UTF-8", s)
		}
	}
	return nil
}

// Storable is a text from outside that any store can keep, cut to so many bytes at
// a whole character.
func Storable(s string, most int) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// foreign is the error of a part of a call that belongs to another account.
func foreign(what string, of metering.AccountID, c *Call) error {
	return fmt.Errorf("store: %s of account %s in a call of account %s", what, of, c.Account)
}

// Check refuses a call that holds what no store can keep, or what does not belong
// to the calling account.
func (c *Call) Check() error {
	if err := errors.Join(CheckText(string(c.Account), c.Region), CheckTime(c.At)); err != nil {
		return err
	}
	for i := range c.Records {
		if err := c.checkRecord(&c.Records[i]); err != nil {
			return err
		}
	}
	var errs [4]error // none of them is the usual case, and takes no memory
	if c.Token != nil {
		errs[0] = CheckText(c.Token.Value)
	}
	if a := c.Admission; a != nil {
		errs[1] = CheckText(a.Workload, string(a.Product))
		if a.Account != c.Account {
			errs[1] = foreign("an admission", a.Account, c)
		}
	}
	if c.Redemption != nil {
		errs[2] = CheckText(c.Redemption.KeyID)
	}
	if c.Registration != nil {
		errs[3] = c.checkRegistration()
	}
	return errors.Join(errs[:]...)
}

func (c *Call) checkRecord(r *metering.Record) error {
	k := &r.Key
	if k.Account != c.Account {
		return foreign("a record", k.Account, c)
	}
	for i := range r.Allocations {
		for _, tag := range r.Allocations[i].Tags {
			if err := CheckText(tag.Key, tag.Value); err != nil {
				return err
			}
		}
	}
	return errors.Join(
		CheckText(k.Region, string(k.Product), k.Party, k.Dimension, r.Workload),
		CheckTime(r.Timestamp), CheckTime(r.Received),
	)
}

func (c *Call) checkRegistration() error {
	change, set := c.Registration, 0
	var errs []error
	if g := change.Begin; g != nil {
		set++
		if g.Account != c.Account {
			errs = append(errs, foreign("a registration", g.Account, c))
		}
		errs = append(errs, CheckText(string(g.Product), g.Workload, string(g.Platform), g.Region),
			CheckTime(g.Started), CheckTime(g.LastSeen), CheckTime(g.Stopped))
	}
	if a := change.Seen; a != nil {
		set++
		if a.Account != c.Account {
			errs = append(errs, foreign("a sign of life", a.Account, c))
		}
		errs = append(errs, CheckText(a.Workload))
	}
	if change.Stop != nil {
		set++
	}
	if set != 1 {
		errs = append(errs, errors.New("store: a change of registrations begins, sees or stops, one of the three"))
	}
	return errors.Join(errs...)
}

// check refuses a rest that holds what no store can keep, or what does not belong
// to the call.
func (r *Rest) check(c *Call) error {
	if r.Bind != nil && c.Token == nil {
		return errors.New("store: After binds a token and the call has none")
	}
	if ev := r.Event; ev != nil {
		if ev.Account != c.Account {
			return foreign("an event", ev.Account, c)
		}
		if err := ev.check(); err != nil {
			return err
		}
		ev.asKept()
	}
	for i := range r.Refusals {
		if err := r.Refusals[i].check(c); err != nil {
			return err
		}
	}
	return nil
}

func (r *Refusal) check(c *Call) error {
	if r.Account != c.Account {
		return foreign("a refusal", r.Account, c)
	}
	errs := []error{
		CheckText(string(r.Seller), r.KeyID, r.Region, string(r.Operation), r.RequestID, string(r.Product), r.Reason, r.Detail),
		CheckTime(r.Time),
	}
	if rec := r.Record; rec != nil {
		k := &rec.Key
		errs = append(errs, CheckText(string(k.Account), k.Region, string(k.Product), k.Party, k.Dimension), CheckTime(rec.Timestamp))
	}
	return errors.Join(errs...)
}

// Check refuses a change that holds what no store can keep, or that puts and
// removes one entry.
func (c *Change) Check() error {
	if err := errors.Join(CheckText(c.By), CheckTime(c.At)); err != nil {
		return err
	}
	put := make(map[Ref]bool, len(c.Entries))
	for _, e := range c.Entries {
		if e == nil {
			return errors.New("store: an entry is nil")
		}
		ref := e.Ref()
		if err := CheckText(ref.Name); err != nil {
			return err
		}
		put[ref] = true
	}
	for _, ref := range c.Remove {
		if err := CheckText(string(ref.Kind), ref.Name); err != nil {
			return err
		}
		if put[ref] {
			return fmt.Errorf("store: %s %s is put and removed in one change", ref.Kind, ref.Name)
		}
	}
	return nil
}

// Check refuses a query that asks for a party's or a buyer's records in a way
// that has no meaning, or for a page of no size.
func (q *RecordQuery) Check() error {
	switch {
	case (q.Party != "" || q.Buyer != "") && (q.Product == "" || q.Account == ""):
		return errors.New("store: a party's or a buyer's records are asked for by product and account")
	case q.Party != "" && q.Buyer != "":
		return errors.New("store: a party's records are not asked for by buyer")
	}
	return CheckText(string(q.Product), string(q.Account), q.Party, string(q.Buyer))
}

// PageSize is how many items a page of a query with this limit holds.
func PageSize(limit int) (int, error) {
	switch {
	case limit < 0 || limit > MaxPage:
		return 0, fmt.Errorf("store: a page of %d; at most %d", limit, MaxPage)
	case limit == 0:
		return MaxPage, nil
	}
	return limit, nil
}
