package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Apply puts a catalogue into the store: all of it or, if anything is wrong with
// it, nothing. What is in the store and not in the file stays. What was made for
// an entry when it was first applied, ids, starts, issue times, keys, stays as
// well.
func (s *Service) Apply(ctx context.Context, c *Catalog) error {
	a := &application{
		now: s.Clock.Now(), known: s.Store.Catalog(), problems: problems{source: c.source},
		entries:   make(map[store.Ref]store.Entry),
		licenses:  make(map[string]metering.AgreementID),
		customers: make(map[customerOf]metering.CustomerID),
		issued:    make(map[issuedFor]metering.AccountID),
	}
	a.compat(c.Compat)
	a.accounts(c)
	a.products(c.Products)
	a.agreements(c.Agreements)
	a.workloads(c.Workloads)
	a.credentials(c.Credentials)
	a.tokens(c.Tokens)
	if err := a.problems.err(); err != nil {
		return err
	}
	if err := a.signingKeys(); err != nil {
		return err
	}
	_, err := s.Store.Put(ctx, store.Change{By: operator, At: a.now, Entries: a.order})
	return err
}

// application is a catalogue on its way into a store.
type application struct {
	problems
	now     time.Time
	known   *store.Catalog
	entries map[store.Ref]store.Entry
	order   []store.Entry

	licenses  map[string]metering.AgreementID // of the file
	customers map[customerOf]metering.CustomerID
	issued    map[issuedFor]metering.AccountID
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

// put enters an entry; a second of its name is a problem.
func (a *application) put(path string, e store.Entry) {
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

func (a *application) compat(c Compat) {
	oneOf(a, "compat.repeat", c.Repeat, "success", "duplicate")
	oneOf(a, "compat.month_end", c.MonthEnd, "restrict", "extend")
	oneOf(a, "compat.final_hour", c.FinalHour, "ending", "ended")
	if c != (Compat{}) {
		a.put("compat", &store.Compat{Rulings: c.Rulings(), ErrorNamespace: c.ErrorNamespace})
	}
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

// price is a decimal.
var price = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)

func (a *application) products(products []CatalogProduct) {
	for i, p := range products {
		path := at("products", i)
		a.text(path+".code", string(p.Code), 255)
		if p.Code != "" && !metering.IsProductCode(string(p.Code)) {
			a.add(path+".code", "%q does not match %s", p.Code, metering.ProductCodePattern)
		}
		if seller, ok := a.find(store.KindAccount, string(p.Seller)).(*store.Account); !ok || !seller.Seller {
			a.add(path+".seller", "%q is not one of the sellers", p.Seller)
		}
		entry := &store.Product{
			Code: p.Code, Title: p.Title, Seller: p.Seller, FulfillmentURL: p.FulfillmentURL,
			Type:      p.Type,
			Pricing:   oneOf(a, path+".pricing", p.Pricing, metering.PricedByUsage, metering.PricedHourly, metering.PricedMonthly, metering.Free, metering.BYOL),
			Published: p.Published == nil || *p.Published,
		}
		switch {
		case p.Type == "":
			a.add(path+".type", "is missing: saas, ami, container or agent")
		case p.Type == metering.SaaS:
			entry.Generation = oneOf(a, path+".metering", p.Metering, metering.LicenseGeneration, metering.LegacyGeneration)
		case oneOf(a, path+".type", p.Type, metering.SaaS, metering.AMI, metering.Container, metering.Agent) == "":
		case p.Metering != "":
			a.add(path+".metering", "is for saas products only")
		}
		names := make(map[string]bool)
		for j, d := range p.Dimensions {
			dpath := at(path+".dimensions", j)
			a.text(dpath+".name", d.Name, 255)
			if names[d.Name] {
				a.add(dpath+".name", "dimension %q occurs twice", d.Name)
			}
			names[d.Name] = true
			if d.Price != "" && !price.MatchString(d.Price) {
				a.add(dpath+".price", "%q is not a price: a decimal in quotes, such as \"0.05\"", d.Price)
			}
			entry.Dimensions = append(entry.Dimensions, metering.Dimension(d))
		}
		a.put(path, entry)
	}
}

func (a *application) workloads(workloads []CatalogWorkload) {
	for i, w := range workloads {
		path := at("workloads", i)
		a.text(path+".id", w.ID, 255)
		a.account(path+".account", w.Account)
		if !metering.ListedRegion(w.Region) {
			a.add(path+".region", "%q is not a region that anything is served in", w.Region)
		}
		if w.Platform == "" {
			a.add(path+".platform", "is missing: ec2, ecs, eks or agentcore")
		} else {
			oneOf(a, path+".platform", w.Platform, metering.PlatformEC2, metering.PlatformECS, metering.PlatformEKS, metering.PlatformAgentCore)
		}
		if before, ok := a.known.Get(store.Ref{Kind: store.KindWorkload, Name: w.ID}).(*store.Workload); ok && before.Account != w.Account {
			a.add(path+".account", "workload %s was applied before for account %s: another needs another id", w.ID, before.Account)
		}
		entry := &store.Workload{ID: w.ID, Platform: w.Platform, Account: w.Account, Region: w.Region}
		if w.Heartbeat != "" {
			d, err := time.ParseDuration(w.Heartbeat)
			if err != nil || d <= 0 {
				a.add(path+".heartbeat", "%q is not a duration such as 5m", w.Heartbeat)
			}
			entry.Heartbeat = d
		}
		a.put(path, entry)
	}
}

var accessKeyID = regexp.MustCompile(`^[A-Z0-9]{16,128}$`)

func (a *application) credentials(credentials []CatalogCredential) {
	for i, c := range credentials {
		path := at("credentials", i)
		switch {
		case !accessKeyID.MatchString(c.AccessKeyID):
			a.add(path+".access_key_id", "%q is not an access key id: 16 to 128 capitals and digits", c.AccessKeyID)
		case strings.HasPrefix(c.AccessKeyID, "ASIA"):
			a.add(path+".access_key_id", "%q: ids that begin with ASIA are of sessions, and are not given out by a file", c.AccessKeyID)
		}
		a.account(path+".account", c.Account)
		a.text(path+".secret_access_key", c.SecretAccessKey, 255)
		if c.Workload != "" {
			w, ok := a.find(store.KindWorkload, c.Workload).(*store.Workload)
			switch {
			case !ok:
				a.add(path+".workload", "there is no workload %q", c.Workload)
			case w.Account != c.Account:
				a.add(path+".workload", "workload %s runs in account %s, not in %s", w.ID, w.Account, c.Account)
			}
		}
		a.put(path, &store.Credential{KeyID: c.AccessKeyID, Secret: store.Secret(c.SecretAccessKey), Account: c.Account, Workload: c.Workload})
	}
}

func (a *application) tokens(tokens []CatalogToken) {
	for i, t := range tokens {
		path := at("tokens", i)
		a.text(path+".token", t.Token, 4096)
		if a.find(store.KindAgreement, string(t.Agreement)) == nil {
			a.add(path+".agreement", "there is no agreement %q", t.Agreement)
		}
		entry := &store.RegistrationToken{Hash: sha256.Sum256([]byte(t.Token)), Agreement: t.Agreement, Issued: a.now}
		if before := a.known.Token(entry.Hash); before != nil {
			entry.Issued = before.Issued
		}
		a.put(path, entry)
	}
}

// signingKeys makes version 1 of the key of every container product that has
// none.
func (a *application) signingKeys() error {
	for _, e := range a.order {
		p, ok := e.(*store.Product)
		if !ok || p.Type != metering.Container || len(a.known.SigningKeys(p.Code)) > 0 {
			continue
		}
		key, err := newSigningKey(p.Code, 1, a.now)
		if err != nil {
			return err
		}
		a.order = append(a.order, key)
	}
	return nil
}

func at(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}
