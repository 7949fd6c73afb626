package store

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/meterd/meterd/internal/metering"
)

// Catalog is the catalogue in memory: every entry, and the ways in which the
// operations look for one. What it returns is shared and must not be changed;
// nil is none. It is safe for use by many at once.
type Catalog struct {
	set      sync.Mutex // held by who changes it
	mu       sync.RWMutex
	revision int64
	tables
	compat atomic.Pointer[Compat]
}

// tables are what is looked up.
type tables struct {
	entries map[Kind]map[string]Entry
	names   map[Kind][]string // in order; nil after one came or went

	byLicense  map[string]*metering.Agreement
	byPurchase map[purchase][]*metering.Agreement
	byProduct  map[metering.ProductCode]map[metering.AgreementID]struct{}
	customers  map[customer]metering.AccountID
	keys       map[metering.ProductCode][]*metering.SigningKey // by version, from 1
	tokens     map[[32]byte]*metering.RegistrationToken
	accesses   map[[32]byte]*Access
	sessions   []*SessionKey // newest first
	quotas     map[quotaOf]*Quota
}

// purchase is a buyer of a product; customer is a customer identifier, which is
// unique within its product only.
type purchase struct {
	product metering.ProductCode
	buyer   metering.AccountID
}

type customer struct {
	product metering.ProductCode
	id      metering.CustomerID
}

// NewCatalog returns an empty catalogue. It is for stores to fill.
func NewCatalog() *Catalog {
	c := &Catalog{tables: tables{
		entries:    make(map[Kind]map[string]Entry),
		names:      make(map[Kind][]string),
		byLicense:  make(map[string]*metering.Agreement),
		byPurchase: make(map[purchase][]*metering.Agreement),
		byProduct:  make(map[metering.ProductCode]map[metering.AgreementID]struct{}),
		customers:  make(map[customer]metering.AccountID),
		keys:       make(map[metering.ProductCode][]*metering.SigningKey),
		tokens:     make(map[[32]byte]*metering.RegistrationToken),
		accesses:   make(map[[32]byte]*Access),
		quotas:     make(map[quotaOf]*Quota),
	}}
	c.compat.Store(new(Compat))
	return c
}

// inPlace is the largest change that is made while lookups wait: it takes about a
// millisecond. A larger one is made on a copy, beside the lookups.
const inPlace = 1000

// Set enters what a store has made durable, and takes out what it has removed.
// Lookups see all of it or nothing. It is for stores.
func (c *Catalog) Set(revision int64, entries []Entry, removed []Ref) {
	c.set.Lock()
	defer c.set.Unlock()
	if len(entries)+len(removed) > inPlace {
		c.mu.RLock()
		fresh := c.tables.clone()
		c.mu.RUnlock()
		fresh.change(entries, removed)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.tables = fresh
	} else {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.change(entries, removed)
	}
	c.revision = revision
	compat, ok := c.entries[KindCompat][(*Compat)(nil).Ref().Name].(*Compat)
	if !ok {
		compat = new(Compat)
	}
	c.compat.Store(compat)
}

// clone copies the tables. Slices are shared: they are only ever replaced, or
// grown beyond what others see.
func (t *tables) clone() tables {
	n := tables{
		entries: make(map[Kind]map[string]Entry, len(t.entries)), names: maps.Clone(t.names),
		byLicense: maps.Clone(t.byLicense), byPurchase: maps.Clone(t.byPurchase),
		byProduct: make(map[metering.ProductCode]map[metering.AgreementID]struct{}, len(t.byProduct)),
		customers: maps.Clone(t.customers), keys: maps.Clone(t.keys), tokens: maps.Clone(t.tokens), accesses: maps.Clone(t.accesses),
		sessions: t.sessions, quotas: maps.Clone(t.quotas),
	}
	for kind, named := range t.entries {
		n.entries[kind] = maps.Clone(named)
	}
	for product, ids := range t.byProduct {
		n.byProduct[product] = maps.Clone(ids)
	}
	return n
}

func (t *tables) change(entries []Entry, removed []Ref) {
	for _, e := range entries {
		ref := e.Ref()
		named := t.entries[ref.Kind]
		if named == nil {
			named = make(map[string]Entry)
			t.entries[ref.Kind] = named
		}
		before := named[ref.Name]
		named[ref.Name] = e
		if before == nil {
			delete(t.names, ref.Kind)
		}
		t.index(before, e)
	}
	for _, ref := range removed {
		if before := t.entries[ref.Kind][ref.Name]; before != nil {
			delete(t.entries[ref.Kind], ref.Name)
			delete(t.names, ref.Kind)
			t.index(before, nil)
		}
	}
}

// index brings the ways to look an entry up from what it was to what it is; nil
// is none. Readers may hold slices of the maps: they are replaced or grown,
// never changed.
func (t *tables) index(before, now Entry) {
	switch old := before.(type) {
	case *Agreement:
		t.dropAgreement((*metering.Agreement)(old))
	case *SigningKey:
		t.dropKey((*metering.SigningKey)(old))
	case *RegistrationToken:
		delete(t.tokens, old.Hash)
	case *Access:
		delete(t.accesses, old.Hash)
	case *SessionKey:
		t.sessions = without(t.sessions, old)
	case *Quota:
		delete(t.quotas, quotaOf{old.Account, old.Operation})
	}
	switch e := now.(type) {
	case *Agreement:
		t.enterAgreement((*metering.Agreement)(e))
	case *SigningKey:
		t.enterKey((*metering.SigningKey)(e))
	case *RegistrationToken:
		t.tokens[e.Hash] = (*metering.RegistrationToken)(e)
	case *Access:
		t.accesses[e.Hash] = e
	case *SessionKey:
		t.enterSessionKey(e)
	case *Quota:
		t.quotas[quotaOf{e.Account, e.Operation}] = e
	}
}

func (t *tables) dropAgreement(old *metering.Agreement) {
	if t.byLicense[old.LicenseARN] == old {
		delete(t.byLicense, old.LicenseARN)
	}
	k := purchase{old.Product, old.Buyer}
	rest := without(t.byPurchase[k], old)
	if len(rest) == 0 {
		delete(t.byPurchase, k)
	} else {
		t.byPurchase[k] = rest
	}
	// A customer identifier outlives its agreements: it stays the same for the
	// buyer and the product.
	delete(t.byProduct[old.Product], old.ID)
}

func (t *tables) enterAgreement(a *metering.Agreement) {
	ids := t.byProduct[a.Product]
	if ids == nil {
		ids = make(map[metering.AgreementID]struct{})
		t.byProduct[a.Product] = ids
	}
	ids[a.ID] = struct{}{}
	t.byLicense[a.LicenseARN] = a
	k := purchase{a.Product, a.Buyer}
	t.byPurchase[k] = append(t.byPurchase[k], a)
	if a.Customer != "" {
		t.customers[customer{a.Product, a.Customer}] = a.Buyer
	}
}

func without[T comparable](list []T, gone T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(t T) bool { return t == gone })
}

func (t *tables) dropKey(k *metering.SigningKey) {
	t.keys[k.Product] = without(t.keys[k.Product], k)
}

func (t *tables) enterKey(k *metering.SigningKey) {
	versions := append(slices.Clone(t.keys[k.Product]), k)
	slices.SortFunc(versions, func(a, b *metering.SigningKey) int { return cmp.Compare(a.Version, b.Version) })
	t.keys[k.Product] = versions
}

// Revision counts the changes the catalogue has seen.
func (c *Catalog) Revision() int64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.revision
}

// Get finds an entry.
func (c *Catalog) Get(ref Ref) Entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.entries[ref.Kind][ref.Name]
}

// All lists the entries of a kind, by name.
func (c *Catalog) All(kind Kind) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for after := ""; ; {
			page := c.Page(kind, after, MaxPage)
			for _, e := range page {
				if !yield(e) {
					return
				}
			}
			if len(page) < MaxPage {
				return
			}
			after = page[len(page)-1].Ref().Name
		}
	}
}

// Page lists entries of a kind by name, from the first after a name on, limit of
// them at the most. No entry's name is empty.
func (c *Catalog) Page(kind Kind, after string, limit int) []Entry {
	names := c.namesOf(kind)
	i, found := slices.BinarySearch(names, after)
	if found {
		i++
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	var page []Entry
	for ; i < len(names) && len(page) < limit; i++ {
		if e := c.entries[kind][names[i]]; e != nil { // still there
			page = append(page, e)
		}
	}
	return page
}

// namesOf are the names of a kind in order. They are sorted once after a name
// has come or gone.
func (c *Catalog) namesOf(kind Kind) []string {
	c.mu.RLock()
	names, revision := c.names[kind], c.revision
	if names == nil {
		names = slices.Collect(maps.Keys(c.entries[kind]))
	} else {
		revision = -1
	}
	c.mu.RUnlock()
	if revision < 0 {
		return names
	}
	slices.Sort(names)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.revision == revision {
		c.names[kind] = names
	}
	return names
}

// Len counts the entries of a kind.
func (c *Catalog) Len(kind Kind) int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.entries[kind])
}

// Compat is which readings of AWS hold.
func (c *Catalog) Compat() *Compat { return c.compat.Load() }

// Access finds an access by the hash of its token.
func (c *Catalog) Access(hash [32]byte) *Access {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.accesses[hash]
}

// Account finds an account.
func (c *Catalog) Account(id metering.AccountID) *metering.Account {
	a, _ := c.Get(Ref{KindAccount, string(id)}).(*Account)
	return (*metering.Account)(a)
}

// Product finds a product.
func (c *Catalog) Product(code metering.ProductCode) *metering.Product {
	p, _ := c.Get(Ref{KindProduct, string(code)}).(*Product)
	return (*metering.Product)(p)
}

// Agreement finds an agreement.
func (c *Catalog) Agreement(id metering.AgreementID) *metering.Agreement {
	a, _ := c.Get(Ref{KindAgreement, string(id)}).(*Agreement)
	return (*metering.Agreement)(a)
}

// Workload finds a workload.
func (c *Catalog) Workload(id string) *metering.Workload {
	w, _ := c.Get(Ref{KindWorkload, id}).(*Workload)
	return (*metering.Workload)(w)
}

// Credential finds an access key.
func (c *Catalog) Credential(keyID string) *Credential {
	k, _ := c.Get(Ref{KindCredential, keyID}).(*Credential)
	return k
}

// License finds the agreement that a license ARN belongs to.
func (c *Catalog) License(arn string) *metering.Agreement {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byLicense[arn]
}

// Agreements lists a buyer's agreements for a product.
func (c *Catalog) Agreements(product metering.ProductCode, buyer metering.AccountID) []*metering.Agreement {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byPurchase[purchase{product, buyer}]
}

// AgreementIDs lists the agreements for a product, in no order that lasts.
func (c *Catalog) AgreementIDs(product metering.ProductCode) []metering.AgreementID {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Collect(maps.Keys(c.byProduct[product]))
}

// Customer finds the buyer that a customer identifier of a product stands for.
// It was issued for the product if and only if ok.
func (c *Catalog) Customer(product metering.ProductCode, id metering.CustomerID) (buyer metering.AccountID, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	buyer, ok = c.customers[customer{product, id}]
	return buyer, ok
}

// Token finds a registration token by its hash.
func (c *Catalog) Token(hash [32]byte) *metering.RegistrationToken {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.tokens[hash]
}

// SigningKeys lists the versions of a product's key, from 1 up.
func (c *Catalog) SigningKeys(product metering.ProductCode) []*metering.SigningKey {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.keys[product]
}
