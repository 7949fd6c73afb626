package store

import (
	"cmp"
	"iter"
	"slices"
	"sync"

	"github.com/meterd/meterd/internal/metering"
)

// Catalog is the catalogue in memory: every entry, and the ways in which the
// operations look for one. What it returns is shared and must not be changed;
// nil is none. It is safe for use by many at once.
type Catalog struct {
	mu       sync.RWMutex
	revision int64
	entries  map[Kind]map[string]Entry

	byLicense  map[string]*metering.Agreement
	byPurchase map[purchase][]*metering.Agreement
	byProduct  map[metering.ProductCode][]metering.AgreementID
	customers  map[customer]metering.AccountID
	keys       map[metering.ProductCode][]*metering.SigningKey // by version, from 1
	tokens     map[[32]byte]*metering.RegistrationToken
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
	return &Catalog{
		entries:    make(map[Kind]map[string]Entry),
		byLicense:  make(map[string]*metering.Agreement),
		byPurchase: make(map[purchase][]*metering.Agreement),
		byProduct:  make(map[metering.ProductCode][]metering.AgreementID),
		customers:  make(map[customer]metering.AccountID),
		keys:       make(map[metering.ProductCode][]*metering.SigningKey),
		tokens:     make(map[[32]byte]*metering.RegistrationToken),
	}
}

// Set enters what a store has made durable. It is for stores.
func (c *Catalog) Set(revision int64, entries ...Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.revision = revision
	for _, e := range entries {
		ref := e.Ref()
		named := c.entries[ref.Kind]
		if named == nil {
			named = make(map[string]Entry)
			c.entries[ref.Kind] = named
		}
		before := named[ref.Name]
		named[ref.Name] = e
		switch e := e.(type) {
		case *Agreement:
			old, _ := before.(*Agreement)
			c.setAgreement((*metering.Agreement)(old), (*metering.Agreement)(e))
		case *SigningKey:
			c.setKey((*metering.SigningKey)(e))
		case *RegistrationToken:
			c.tokens[e.Hash] = (*metering.RegistrationToken)(e)
		}
	}
}

func (c *Catalog) setAgreement(old, a *metering.Agreement) {
	if old != nil {
		if c.byLicense[old.LicenseARN] == old {
			delete(c.byLicense, old.LicenseARN)
		}
		k := purchase{old.Product, old.Buyer}
		// A reader may hold the slice: it is replaced, never changed.
		c.byPurchase[k] = slices.DeleteFunc(slices.Clone(c.byPurchase[k]), func(o *metering.Agreement) bool { return o == old })
	}
	if old == nil || old.Product != a.Product {
		c.byProduct[a.Product] = append(c.byProduct[a.Product], a.ID)
	}
	c.byLicense[a.LicenseARN] = a
	k := purchase{a.Product, a.Buyer}
	c.byPurchase[k] = append(c.byPurchase[k], a) // beyond what a reader may hold
	if a.Customer != "" {
		c.customers[customer{a.Product, a.Customer}] = a.Buyer
	}
}

func (c *Catalog) setKey(k *metering.SigningKey) {
	versions := slices.DeleteFunc(slices.Clone(c.keys[k.Product]), func(o *metering.SigningKey) bool { return o.Version == k.Version })
	versions = append(versions, k)
	slices.SortFunc(versions, func(a, b *metering.SigningKey) int { return cmp.Compare(a.Version, b.Version) })
	c.keys[k.Product] = versions
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
	c.mu.RLock()
	all := make([]Entry, 0, len(c.entries[kind]))
	for _, e := range c.entries[kind] {
		all = append(all, e)
	}
	c.mu.RUnlock()
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Compare(a.Ref().Name, b.Ref().Name) })
	return slices.Values(all)
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
	return slices.Clone(c.byProduct[product])
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
