package admin

import (
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Quota is how often an account may call an operation.
type Quota struct {
	Account   metering.AccountID `json:"account" required:"false" doc:"The account that it is for, or every: those that have none of their own." example:"111122223333"`
	Operation metering.Operation `json:"operation" required:"false" enum:"BatchMeterUsage,MeterUsage,RegisterUsage,ResolveCustomer,GetEntitlements,LookupEvents" doc:"The operation whose calls it counts, in each region." example:"MeterUsage"`
	PerSecond float64            `json:"per_second" required:"false" doc:"Calls a second, from 0.001 to 1000000; one second's worth of them, and one at the least, may come at once." example:"200"`
}

// QuotaState is a quota as the API shows it.
type QuotaState struct {
	Quota
	Standard bool `json:"standard" doc:"Nobody has set it: it is AWS's."`
	Enforced bool `json:"enforced" doc:"This server goes by it. One that is told throttle: off limits nobody."`
}

// quotaOperations are those that have quotas.
var quotaOperations = []metering.Operation{
	metering.BatchMeterUsage, metering.MeterUsage, metering.RegisterUsage, metering.ResolveCustomer, metering.GetEntitlements,
	metering.LookupEvents,
}

// Rates that can be told from none, and from no limit.
const (
	leastQuota = 0.001
	mostQuota  = 1e6
)

func quotaOf(q *store.Quota) Quota {
	account := q.Account
	if account == "" {
		account = store.EveryAccount
	}
	return Quota{account, q.Operation, q.PerSecond}
}

func (s *Service) quotaStateOf(q *store.Quota) QuotaState {
	return QuotaState{Quota: quotaOf(q), Enforced: s.Quotas[q.Operation] > 0}
}

// standardQuota is what holds for an operation while nobody has set another; nil
// where nothing does.
func (s *Service) standardQuota(op metering.Operation) *QuotaState {
	if s.Quotas[op] == 0 {
		return nil
	}
	return &QuotaState{Quota{store.EveryAccount, op, s.Quotas[op]}, true, true}
}

func (a *application) quotas(quotas []Quota) {
	for i, q := range quotas {
		path := at("quotas", i)
		entry := &store.Quota{Account: q.Account, Operation: q.Operation, PerSecond: q.PerSecond}
		switch {
		case q.Account == store.EveryAccount:
			entry.Account = ""
		case !q.Account.Valid():
			a.add(path+".account", "%q is neither an account id, which is twelve digits in quotes, nor the word %s", q.Account, store.EveryAccount)
		case a.find(store.KindAccount, string(q.Account)) == nil:
			a.add(path+".account", "there is no account %q", q.Account)
		}
		if q.Operation == "" {
			a.add(path+".operation", "is missing")
		} else {
			oneOf(a, path+".operation", q.Operation, quotaOperations...)
		}
		if !(q.PerSecond >= leastQuota && q.PerSecond <= mostQuota) { // a NaN is neither
			a.add(path+".per_second", "%v is not a rate from %v to %d calls a second", q.PerSecond, leastQuota, int(mostQuota))
		}
		a.put(path, entry)
	}
}
