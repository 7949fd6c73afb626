package admin

import (
	"context"
	"iter"
	"math"
	"slices"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/policy"
	"github.com/meterd/meterd/internal/store"
)

// prunable are the kinds that a file can name, so that what it does not name can
// be pruned. Tokens end by themselves.
var prunable = []store.Kind{store.KindAccount, store.KindProduct, store.KindAgreement, store.KindWorkload, store.KindPolicy, store.KindRole, store.KindCredential, store.KindQuota}

// remove marks what is to go. A product takes its signing keys along, an
// agreement its tokens.
func (a *application) remove(how Applying) {
	for _, ref := range how.Remove {
		a.removed[ref] = true
	}
	if how.Prune {
		for _, kind := range prunable {
			for e := range a.known.All(kind) {
				if _, named := a.entries[e.Ref()]; !named {
					a.removed[e.Ref()] = true
				}
			}
		}
	}
	if len(a.removed) == 0 {
		return
	}
	for e := range a.known.All(store.KindSigningKey) {
		if k := e.(*store.SigningKey); a.removed[store.Ref{Kind: store.KindProduct, Name: string(k.Product)}] {
			a.removed[e.Ref()] = true
		}
	}
	for e := range a.known.All(store.KindToken) {
		if t := e.(*store.RegistrationToken); a.removed[store.Ref{Kind: store.KindAgreement, Name: string(t.Agreement)}] {
			a.removed[e.Ref()] = true
		}
	}
}

// all lists the entries of a kind as they will be.
func (a *application) all(kind store.Kind) iter.Seq[store.Entry] {
	return func(yield func(store.Entry) bool) {
		for e := range a.known.All(kind) {
			if _, replaced := a.entries[e.Ref()]; !replaced && !a.removed[e.Ref()] && !yield(e) {
				return
			}
		}
		for _, e := range a.order {
			if e.Ref().Kind == kind && !yield(e) {
				return
			}
		}
	}
}

// references refuses to remove, or to take a role from, what something that
// stays is built on.
func (a *application) references() {
	if len(a.removed) == 0 && !a.demotes() {
		return
	}
	missing := func(holder store.Entry, what, name string) {
		a.add("", "%s %s cannot go: %s %s is built on it", what, name, holder.Ref().Kind, holder.Ref().Name)
	}
	policies := func(holder store.Entry, names ...string) {
		for _, name := range names {
			if _, managed := policy.Managed(name); name != "" && !managed && a.find(store.KindPolicy, name) == nil {
				missing(holder, "policy", name)
			}
		}
	}
	for e := range a.all(store.KindProduct) {
		p := e.(*store.Product)
		if seller, ok := a.find(store.KindAccount, string(p.Seller)).(*store.Account); !ok || !seller.Seller {
			missing(e, "seller", string(p.Seller))
		}
	}
	for e := range a.all(store.KindAgreement) {
		g := e.(*store.Agreement)
		if a.find(store.KindProduct, string(g.Product)) == nil {
			missing(e, "product", string(g.Product))
		}
		if buyer, ok := a.find(store.KindAccount, string(g.Buyer)).(*store.Account); !ok || !buyer.Buyer {
			missing(e, "buyer", string(g.Buyer))
		}
	}
	for _, e := range a.order { // what is known goes with its agreement
		if t, ok := e.(*store.RegistrationToken); ok && a.find(store.KindAgreement, string(t.Agreement)) == nil {
			missing(e, "agreement", string(t.Agreement))
		}
	}
	for e := range a.all(store.KindCredential) {
		c := e.(*store.Credential)
		if c.Workload != "" && a.find(store.KindWorkload, c.Workload) == nil {
			missing(e, "workload", c.Workload)
		}
		policies(e, c.Policy)
	}
	for e := range a.all(store.KindRole) {
		r := e.(*store.Role)
		if a.find(store.KindAccount, string(r.Account)) == nil {
			missing(e, "account", string(r.Account))
		}
		policies(e, append(slices.Clone(r.Policies), r.Boundary)...)
	}
	for e := range a.all(store.KindQuota) {
		if q := e.(*store.Quota); q.Account != "" && a.find(store.KindAccount, string(q.Account)) == nil {
			missing(e, "account", string(q.Account))
		}
	}
}

// demotes reports whether an account is to be a seller or a buyer no more.
func (a *application) demotes() bool {
	for _, e := range a.order {
		if now, ok := e.(*store.Account); ok {
			if was := a.known.Account(now.ID); was != nil && (was.Seller && !now.Seller || was.Buyer && !now.Buyer) {
				return true
			}
		}
	}
	return false
}

// orphans refuses a change that would leave records without what they refer to:
// a product that was metered keeps its seller, its type and its dimensions, and
// nothing that was metered is removed. The error is a *CatalogError, or the
// store's.
func (a *application) orphans(ctx context.Context, s store.Store) error {
	m := metered{ctx: ctx, store: s, products: make(map[metering.ProductCode]bool)}
	for _, e := range a.order {
		now, ok := e.(*store.Product)
		was := a.known.Product(metering.ProductCode(e.Ref().Name))
		if !ok || was == nil {
			continue
		}
		moved := was.Seller != now.Seller || was.Type != now.Type || was.Generation != now.Generation
		if moved && m.product(now.Code) {
			a.add("products", "product %s has been metered: its seller, its type and its way of metering stay as they are", now.Code)
		}
		for _, d := range was.Dimensions {
			if !slices.ContainsFunc(now.Dimensions, func(n metering.Dimension) bool { return n.Name == d.Name }) && m.dimension(now.Code, d.Name) {
				a.add("products", "product %s has been metered in dimension %q: it cannot go", now.Code, d.Name)
			}
		}
	}
	for ref := range a.removed {
		switch e := a.known.Get(ref).(type) {
		case *store.Product:
			if m.product(e.Code) {
				a.add("", "product %s has been metered and cannot be removed: let it be unpublished (published: false)", e.Code)
			}
		case *store.Agreement:
			if m.agreement(a.known, (*metering.Agreement)(e)) {
				a.add("", "agreement %s has been metered and cannot be removed: let it be ended (status: ended)", e.ID)
			}
		case *store.Workload:
			if m.workload(a.known, (*metering.Workload)(e)) {
				a.add("", "workload %s has metered and cannot be removed", e.ID)
			}
		}
	}
	if m.err != nil {
		return m.err
	}
	return a.problems.err()
}

// metered asks the store what records there are. After an error it finds
// nothing.
type metered struct {
	ctx      context.Context
	store    store.Store
	products map[metering.ProductCode]bool
	err      error
}

// any reports whether there is a record that a query picks and judge accepts.
func (m *metered) any(q store.RecordQuery, judge func(*metering.Record) bool) bool {
	q.From, q.To = minHour, maxHour
	for m.err == nil {
		page, err := m.store.Records(m.ctx, q)
		if err != nil {
			m.err = err
			break
		}
		for i := range page.Items {
			if judge(&page.Items[i]) {
				return true
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	return false
}

func (m *metered) product(code metering.ProductCode) bool {
	found, asked := m.products[code]
	if !asked {
		found = m.any(store.RecordQuery{Product: code, Limit: 1}, func(*metering.Record) bool { return true })
		m.products[code] = found
	}
	return found
}

func (m *metered) dimension(code metering.ProductCode, name string) bool {
	return m.product(code) && m.any(store.RecordQuery{Product: code}, func(r *metering.Record) bool { return r.Key.Dimension == name })
}

// agreement: records of a license are the agreement's; others are of the buyer,
// and belong to each of the buyer's agreements for the product.
func (m *metered) agreement(known *store.Catalog, g *metering.Agreement) bool {
	p := known.Product(g.Product)
	if p == nil || !m.product(p.Code) {
		return false
	}
	of := func(r *metering.Record) bool {
		return r.Key.Kind != metering.KindLicense || r.Key.Party == string(g.Buyer)+"/"+g.LicenseARN
	}
	return m.any(store.RecordQuery{Product: p.Code, Account: p.Seller, Buyer: g.Buyer}, of) ||
		m.any(store.RecordQuery{Product: p.Code, Account: g.Buyer, Buyer: g.Buyer}, of)
}

func (m *metered) workload(known *store.Catalog, w *metering.Workload) bool {
	if m.any(store.RecordQuery{Account: w.Account}, func(r *metering.Record) bool { return r.Workload == w.ID }) {
		return true
	}
	for e := range known.All(store.KindProduct) {
		p := e.(*store.Product)
		for q := (store.RegistrationQuery{Product: p.Code}); p.Type == metering.Container && m.err == nil; {
			page, err := m.store.Registrations(m.ctx, q)
			if err != nil {
				m.err = err
				break
			}
			if slices.ContainsFunc(page.Items, func(r metering.Registration) bool { return r.Account == w.Account && r.Workload == w.ID }) {
				return true
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
	return false
}

// No hour that a record can be of lies outside these.
const (
	minHour = metering.Hour(math.MinInt32)
	maxHour = metering.Hour(math.MaxInt32)
)
