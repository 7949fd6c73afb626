package store

import "github.com/meterd/meterd/internal/metering"

// Quota is how many calls a second of an operation an account may make, in each
// region, in place of what the throttle says by itself.
type Quota struct {
	Account   metering.AccountID // "": every account that has none of its own
	Operation metering.Operation
	PerSecond float64
}

// EveryAccount stands for the account in the name of a quota that is for all.
const EveryAccount = "every"

// quotaOf is what a quota is looked up by.
type quotaOf struct {
	account   metering.AccountID
	operation metering.Operation
}

// Ref names the entry.
func (q *Quota) Ref() Ref {
	account := string(q.Account)
	if account == "" {
		account = EveryAccount
	}
	return Ref{KindQuota, account + "/" + string(q.Operation)}
}

// Quota finds the quota that holds for an account: its own, or else every
// account's.
func (c *Catalog) Quota(account metering.AccountID, op metering.Operation) *Quota {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if len(c.quotas) == 0 {
		return nil
	}
	if q := c.quotas[quotaOf{account, op}]; q != nil {
		return q
	}
	return c.quotas[quotaOf{"", op}]
}
