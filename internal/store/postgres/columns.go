package postgres

import (
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// The arguments of statements that write, in the order of their columns.

func recordColumnsOf(all []*keptRecord) []any {
	return append(keyColumns(column(all, func(r **keptRecord) metering.Key { return (*r).Key })),
		uuids(all, func(r **keptRecord) metering.ID { return (*r).ID }),
		column(all, func(r **keptRecord) string { return string((*r).Key.Buyer()) }),
		column(all, func(r **keptRecord) int64 { return nanos((*r).Timestamp) }),
		column(all, func(r **keptRecord) int64 { return nanos((*r).Received) }),
		column(all, func(r **keptRecord) string { return (*r).Workload }),
		column(all, func(r **keptRecord) int64 { return int64((*r).Quantity) }),
		column(all, func(r **keptRecord) string { return (*r).allocations }),
		column(all, func(r **keptRecord) int64 { return (*r).sum }))
}

func (sh *sheet) tokenColumns() []any {
	return append(tokenColumns(sh.tokens),
		column(sh.tokens, func(k *tokenKey) []byte { b := sh.bound[*k]; return b.hash[:] }),
		uuids(sh.tokens, func(k *tokenKey) metering.ID { return sh.bound[*k].answer }),
		column(sh.tokens, func(k *tokenKey) int64 { return int64(sh.bound[*k].day) }))
}

func (sh *sheet) admissionColumns() []any { return admissionColumns(sh.admissions) }

func admissionColumns(all []store.Admission) []any {
	return []any{
		column(all, func(a *store.Admission) string { return string(a.Account) }),
		column(all, func(a *store.Admission) string { return a.Workload }),
		column(all, func(a *store.Admission) string { return string(a.Product) }),
	}
}

func registrationColumnsOf(all []*replaced[metering.Registration]) []any {
	type row = *replaced[metering.Registration]
	return []any{
		column(all, func(r *row) string { return string((*r).now.Account) }),
		uuids(all, func(r *row) metering.ID { return (*r).now.ID }),
		column(all, func(r *row) string { return string((*r).now.Product) }),
		column(all, func(r *row) string { return (*r).now.Workload }),
		column(all, func(r *row) string { return string((*r).now.Platform) }),
		column(all, func(r *row) string { return (*r).now.Region }),
		column(all, func(r *row) int64 { return int64((*r).now.Heartbeat) }),
		column(all, func(r *row) int64 { return nanos((*r).now.Started) }),
		column(all, func(r *row) int64 { return nanos((*r).now.LastSeen) }),
		column(all, func(r *row) int64 { return nanos((*r).now.Stopped) }),
	}
}

func registrationChanges(all []*replaced[metering.Registration]) []any {
	type row = *replaced[metering.Registration]
	return []any{
		column(all, func(r *row) string { return string((*r).now.Account) }),
		uuids(all, func(r *row) metering.ID { return (*r).now.ID }),
		column(all, func(r *row) int64 { return nanos((*r).was.LastSeen) }),
		column(all, func(r *row) int64 { return nanos((*r).was.Stopped) }),
		column(all, func(r *row) int64 { return nanos((*r).now.LastSeen) }),
		column(all, func(r *row) int64 { return nanos((*r).now.Stopped) }),
	}
}

// runningColumns are a workload's last registrations; changed tells what each was,
// too.
func runningColumns(all []lastOf, changed bool) []any {
	args := []any{
		column(all, func(l *lastOf) string { return string(l.account) }),
		column(all, func(l *lastOf) string { return l.id }),
		column(all, func(l *lastOf) string { return string(l.product) }),
	}
	if changed {
		args = append(args, uuids(all, func(l *lastOf) metering.ID { return l.was }))
	}
	return append(args, uuids(all, func(l *lastOf) metering.ID { return l.now }))
}

func redemptionColumns(all []resolved) []any {
	return []any{
		column(all, func(r *resolved) string { return string(r.now.Account) }),
		column(all, func(r *resolved) []byte { return r.token[:] }),
		column(all, func(r *resolved) string { return r.now.KeyID }),
		column(all, func(r *resolved) int64 { return nanos(r.now.First) }),
		column(all, func(r *resolved) int64 { return nanos(r.now.Last) }),
		column(all, func(r *resolved) int64 { return int64(r.now.Count) }),
	}
}

func redemptionChanges(all []resolved) []any {
	return []any{
		column(all, func(r *resolved) string { return string(r.now.Account) }),
		column(all, func(r *resolved) []byte { return r.token[:] }),
		column(all, func(r *resolved) int64 { return int64(r.was.Count) }),
		column(all, func(r *resolved) string { return r.now.KeyID }),
		column(all, func(r *resolved) int64 { return nanos(r.now.Last) }),
		column(all, func(r *resolved) int64 { return int64(r.now.Count) }),
	}
}

func eventColumnsOf(all []keptEvent) []any {
	return []any{
		column(all, func(e *keptEvent) string { return string(e.Account) }),
		column(all, func(e *keptEvent) int64 { return nanos(e.Time) }),
		uuids(all, func(e *keptEvent) metering.ID { return e.ID }),
		column(all, func(e *keptEvent) string { return string(e.Operation) }),
		uuids(all, func(e *keptEvent) metering.ID { return e.Chain }),
		column(all, func(e *keptEvent) int64 { return e.Number }),
		column(all, func(e *keptEvent) []byte { return e.body }),
	}
}

func chainColumns(all []store.CarriedFloor) []any {
	return []any{
		uuids(all, func(f *store.CarriedFloor) metering.ID { return f.Chain }),
		column(all, func(f *store.CarriedFloor) int64 { return f.Number }),
		column(all, func(f *store.CarriedFloor) []byte { return f.Hash[:] }),
	}
}

func digestColumns(all []*store.TrailDigest) []any {
	return []any{
		column(all, func(d **store.TrailDigest) int64 { return (*d).Number }),
		column(all, func(d **store.TrailDigest) []byte { return store.AppendDigest(nil, *d) }),
	}
}

func refusalColumnsOf(all []keptRefusal) []any {
	return []any{
		column(all, func(r *keptRefusal) string { return string(r.Account) }),
		column(all, func(r *keptRefusal) int64 { return nanos(r.Time) }),
		uuids(all, func(r *keptRefusal) metering.ID { return r.ID }),
		column(all, func(r *keptRefusal) string { return string(r.Seller) }),
		column(all, func(r *keptRefusal) string { return r.KeyID }),
		column(all, func(r *keptRefusal) string { return r.Region }),
		column(all, func(r *keptRefusal) string { return string(r.Operation) }),
		column(all, func(r *keptRefusal) string { return r.RequestID }),
		column(all, func(r *keptRefusal) string { return string(r.Product) }),
		column(all, func(r *keptRefusal) string { return r.Reason }),
		column(all, func(r *keptRefusal) string { return r.Detail }),
		column(all, func(r *keptRefusal) string { return r.record }),
	}
}
