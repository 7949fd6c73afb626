package admin

import (
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Export is the catalogue as a file that applies to the same state. Secrets are
// not in it, and need not be where the keys are known; nor are registration
// tokens, which live for hours and are kept as hashes.
func (s *Service) Export() *Catalog {
	known := s.Store.Catalog()
	c := new(Catalog)
	for e := range known.All(store.KindAccount) {
		a := (*metering.Account)(e.(*store.Account))
		if a.Seller {
			c.Sellers = append(c.Sellers, sellerOf(a))
		}
		if a.Buyer {
			c.Buyers = append(c.Buyers, buyerOf(a))
		}
	}
	for e := range known.All(store.KindProduct) {
		c.Products = append(c.Products, productOf((*metering.Product)(e.(*store.Product))))
	}
	for e := range known.All(store.KindAgreement) {
		c.Agreements = append(c.Agreements, agreementOf((*metering.Agreement)(e.(*store.Agreement))))
	}
	for e := range known.All(store.KindWorkload) {
		c.Workloads = append(c.Workloads, workloadOf((*metering.Workload)(e.(*store.Workload))))
	}
	for e := range known.All(store.KindPolicy) {
		c.Policies = append(c.Policies, policyOf(e.(*store.Policy)))
	}
	for e := range known.All(store.KindRole) {
		c.Roles = append(c.Roles, roleOf(e.(*store.Role)))
	}
	for e := range known.All(store.KindCredential) {
		c.Credentials = append(c.Credentials, credentialOf(e.(*store.Credential)))
	}
	for e := range known.All(store.KindQuota) {
		c.Quotas = append(c.Quotas, quotaOf(e.(*store.Quota)))
	}
	compat := compatOf(known.Compat())
	c.Compat = &compat
	return c
}
