package admin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Applying says how a catalogue is applied.
type Applying struct {
	DryRun bool // say what would change, and change nothing
	Prune  bool // remove what is in the store and not in the file: accounts, products, agreements, workloads, policies, roles, credentials, quotas
	// Base, if not nil, is the revision that the catalogue must be at: that of a
	// dry run.
	Base *int64
	// Remove names single entries to remove, Put holds single entries to put as
	// they are.
	Remove []store.Ref
	Put    []store.Entry
	// Progress, if not nil, hears how far it has come: entries of a total.
	Progress func(done, total int)

	// from, if not nil, says from what is known what is applied: anew at each try,
	// so that of two changes of one entry none is lost.
	from func(known *store.Catalog, c *Catalog, how *Applying) error

	receipt *receipt // of the request; what it made before is found and not made again
	made    store.Ref
	fresh   store.Ref // if not zero, errThere is answered if it is there
}

// tries is how often a change is made anew when the catalogue has changed under
// it.
const tries = 8

// Apply puts a catalogue into the store: all of it or, if anything is wrong with
// it, nothing. What is in the store and not in the file stays, unless it is
// asked to be pruned. What was made for an entry when it was first applied, ids,
// starts, issue times, keys, stays as well. Of two applied at once one is the
// later, and applies to what the other has left.
func (s *Service) Apply(ctx context.Context, c *Catalog, how Applying) (*Plan, error) {
	var plan *Plan
	err := s.again(func() (err error) {
		plan, err = s.applyOnce(ctx, c, how)
		return err
	})
	return plan, err
}

// again makes a change until nobody else makes one at that time. A change that
// has lost a few times is made while the others wait, so that each is made, however
// many come at once and however long it takes.
func (s *Service) again(change func() error) error {
	for n := range tries {
		var unlock func()
		if n < tries/2 {
			s.changes.RLock()
			unlock = s.changes.RUnlock
		} else {
			s.changes.Lock()
			unlock = s.changes.Unlock
		}
		err := func() error {
			defer unlock()
			return change()
		}()
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("the catalogue was changed %d times meanwhile: %w", tries, store.ErrConflict)
}

func (s *Service) applyOnce(ctx context.Context, c *Catalog, how Applying) (*Plan, error) {
	known := s.Store.Catalog()
	base := known.Revision() // before anything is looked up
	if how.Base != nil && *how.Base != base {
		return nil, &StateError{fmt.Sprintf("the catalogue is at revision %d and no longer at %d: look again at what would change", base, *how.Base)}
	}
	if how.from != nil {
		c = new(Catalog)
		if err := how.from(known, c, &how); err != nil {
			return nil, err
		}
	}
	if how.receipt != nil {
		if made, again, err := how.receipt.kept(known); again || err != nil {
			return &Plan{found: &made}, err
		}
	}
	if how.fresh != (store.Ref{}) && known.Get(how.fresh) != nil {
		return nil, errThere
	}
	a := &application{
		now: s.Clock.Now(), known: known, regions: s.Regions, strict: s.Strict, sessionsOnly: s.SessionsOnly, problems: problems{parts: c.parts},
		entries:   make(map[store.Ref]store.Entry),
		removed:   make(map[store.Ref]bool),
		licenses:  make(map[string]metering.AgreementID),
		customers: make(map[customerOf]metering.CustomerID),
		issued:    make(map[issuedFor]metering.AccountID),
		progress:  how.Progress,
		total:     len(c.Sellers) + len(c.Buyers) + len(c.Products) + len(c.Agreements) + len(c.Workloads) + len(c.Policies) + len(c.Roles) + len(c.Credentials) + len(c.Tokens) + len(c.Quotas),
	}
	a.compat(c.Compat)
	a.accounts(c)
	a.products(c.Products)
	a.agreements(c.Agreements)
	a.workloads(c.Workloads)
	a.policies(c.Policies)
	a.roles(c.Roles)
	a.credentials(c.Credentials)
	a.tokens(c.Tokens)
	a.quotas(c.Quotas)
	for _, e := range how.Put {
		a.put("", e)
	}
	if how.receipt != nil {
		a.put("", how.receipt.of(how.made, a.now))
	}
	a.remove(how)
	a.references()
	a.principals()
	if err := a.problems.err(); err != nil {
		return nil, err
	}
	if err := a.orphans(ctx, s.Store); err != nil {
		return nil, err
	}
	plan, changed, err := a.plan(base)
	if err != nil || how.DryRun {
		return plan, err
	}
	if plan.Revision, err = s.carryOut(ctx, a, changed, base); err != nil {
		return nil, err
	}
	plan.Applied = true
	return plan, nil
}

// carryOut writes what a plan says, and the keys of what is new.
func (s *Service) carryOut(ctx context.Context, a *application, changed []store.Entry, base int64) (int64, error) {
	change := store.Change{By: bearerOf(ctx).Name, At: a.now, Entries: changed, Base: &base}
	for ref := range a.removed {
		change.Remove = append(change.Remove, ref)
	}
	for _, code := range a.withoutKey() {
		key, err := newSigningKey(code, 1, a.now)
		if err != nil {
			return 0, err
		}
		change.Entries = append(change.Entries, key)
	}
	if len(change.Entries)+len(change.Remove) == 0 {
		return base, nil
	}
	return s.Store.Put(ctx, change)
}

// application is a catalogue on its way into a store.
type application struct {
	problems
	now     time.Time
	known   *store.Catalog
	regions *metering.Regions // that workloads may run in
	strict  bool              // well-known and short secrets are refused

	sessionsOnly bool // and keys that stand for workloads
	entries      map[store.Ref]store.Entry
	order        []store.Entry
	removed      map[store.Ref]bool

	licenses  map[string]metering.AgreementID // of the file
	customers map[customerOf]metering.CustomerID
	issued    map[issuedFor]metering.AccountID

	progress    func(done, total int)
	done, total int
}

// customerOf is who a customer identifier is for: there is one for each buyer
// and product.
type customerOf struct {
	product metering.ProductCode
	buyer   metering.AccountID
}

// issuedFor is the other way round: whom an identifier of a product stands for.
type issuedFor struct {
	product metering.ProductCode
	id      metering.CustomerID
}

// progressEvery is how many entries lie between two calls of Progress.
const progressEvery = 1000

// put enters an entry; a second of its name is a problem.
func (a *application) put(path string, e store.Entry) {
	if a.done++; a.progress != nil && a.done%progressEvery == 0 {
		a.progress(a.done, a.total)
	}
	if _, twice := a.entries[e.Ref()]; twice {
		a.add(path, "%s %q occurs twice", e.Ref().Kind, e.Ref().Name)
		return
	}
	a.entries[e.Ref()] = e
	a.order = append(a.order, e)
}

// find looks for an entry in the file, and then in the store.
func (a *application) find(kind store.Kind, name string) store.Entry {
	ref := store.Ref{Kind: kind, Name: name}
	if a.removed[ref] {
		return nil
	}
	if e, ok := a.entries[ref]; ok {
		return e
	}
	return a.known.Get(ref)
}

// oneOf checks a word; "" is the first. One that is none of them is a problem,
// and is returned as "".
func oneOf[T ~string](a *application, path string, word T, words ...T) T {
	switch {
	case word == "":
		return words[0]
	case !slices.Contains(words, word):
		a.add(path, "%q is none of %s", word, strings.Join(toStrings(words), ", "))
		return ""
	}
	return word
}

func toStrings[T ~string](words []T) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return out
}

// text checks a text that is stored, and part of keys.
func (a *application) text(path, s string, most int) {
	switch {
	case s == "":
		a.add(path, "is missing")
	case len(s) > most:
		a.add(path, "is longer than %d bytes", most)
	case !utf8.ValidString(s): // JSON would keep another text than the name
		a.add(path, "is not UTF-8")
	case strings.ContainsRune(s, 0):
		a.add(path, "must not contain U+0000")
	}
}

// instant is a time of the file: RFC 3339, or a duration from the service's
// clock. A relative one is resolved once, when it is first applied; before is
// what it was resolved to then, if it was.
func (a *application) instant(path, text string, before time.Time) time.Time {
	if text == "" {
		return time.Time{}
	}
	if d, err := time.ParseDuration(text); err == nil {
		if before.IsZero() {
			return a.now.Add(d)
		}
		return before
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.UTC().Year() < firstYear {
		a.add(path, "%q is neither a time such as 2026-09-15T10:30:00Z nor a duration such as -720h", text)
		return time.Time{}
	}
	return at.UTC()
}

func (a *application) account(path string, id metering.AccountID) {
	if !id.Valid() {
		a.add(path, "%q is not an account id: twelve digits, in quotes", id)
	}
}

func (a *application) compat(c *Compat) {
	if c == nil {
		return
	}
	oneOf(a, "compat.repeat", c.Repeat, "success", "duplicate")
	oneOf(a, "compat.month_end", c.MonthEnd, "restrict", "extend")
	oneOf(a, "compat.final_hour", c.FinalHour, "ending", "ended")
	entry := c.entry()
	if known := a.known.Get(entry.Ref()); known == nil && *entry == (store.Compat{}) {
		return // as it is: an export always says which readings hold
	}
	a.put("compat", entry)
}

// accounts enters sellers and buyers; an account may be both.
func (a *application) accounts(c *Catalog) {
	entered := make(map[metering.AccountID]*store.Account)
	enter := func(id metering.AccountID, name string) *store.Account {
		e := entered[id]
		if e == nil {
			e = &store.Account{ID: id}
			if before := a.known.Account(id); before != nil {
				*e = store.Account(*before)
			}
			entered[id] = e
			a.put("", e)
		}
		if name != "" {
			e.Name = name
		}
		return e
	}
	sellers, buyers := make(map[metering.AccountID]bool), make(map[metering.AccountID]bool)
	for i, seller := range c.Sellers {
		path := at("sellers", i)
		a.account(path+".account", seller.Account)
		if sellers[seller.Account] {
			a.add(path, "seller %q occurs twice", seller.Account)
		}
		sellers[seller.Account] = true
		enter(seller.Account, seller.Name).Seller = true
	}
	for i, buyer := range c.Buyers {
		path := at("buyers", i)
		a.account(path+".account", buyer.Account)
		if buyers[buyer.Account] {
			a.add(path, "buyer %q occurs twice", buyer.Account)
		}
		buyers[buyer.Account] = true
		e := enter(buyer.Account, buyer.Name)
		e.Buyer = true
		e.Suspended = oneOf(a, path+".status", buyer.Status, "active", "suspended") == "suspended"
	}
}

func at(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}
