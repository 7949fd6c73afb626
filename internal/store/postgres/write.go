package postgres

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// wish is rows that are to be written, and whether each of them must be: one that
// must be and is not was written by another, or changed.
type wish struct {
	sql   string
	rows  int
	every bool
	args  func() []any
}

// write writes what the group has decided. It reports whether a row was written,
// and fails with errRaced if another came first. An admission that is there already
// is no row: such a transaction is to the database one that has only read.
func (sh *sheet) write(ctx context.Context, s *Store, tx *transaction) (written bool, err error) {
	var b pgx.Batch
	var wishes []wish
	for _, w := range sh.wishes() {
		if w.rows > 0 {
			b.Queue(s.sql(w.sql), w.args()...)
			wishes = append(wishes, w)
		}
	}
	if len(wishes) == 0 {
		return false, nil
	}
	results := tx.conn.SendBatch(ctx, &b)
	raced := false
	for _, w := range wishes {
		tag, err := results.Exec()
		if err != nil {
			_ = results.Close() // says the same
			return false, err
		}
		written = written || tag.RowsAffected() > 0
		raced = raced || w.every && tag.RowsAffected() != int64(w.rows)
	}
	if err := results.Close(); err != nil {
		return false, err
	}
	if raced {
		return false, errRaced
	}
	return written, nil
}

func (sh *sheet) wishes() []wish {
	slices.SortFunc(sh.records, func(a, b *keptRecord) int { return compareKeys(a.Key, b.Key) })
	slices.SortFunc(sh.tokens, compareTokens)
	slices.SortFunc(sh.admissions, compareAdmissions)
	begun, changed := sh.changedRegistrations()
	first, next := sh.changedRunning()
	redeemed, again := sh.changedRedemptions()
	return []wish{
		{insertRecords, len(sh.records), true, func() []any { return recordColumnsOf(sh.records) }},
		{insertTokens, len(sh.tokens), true, sh.tokenColumns},
		{insertAdmissions, len(sh.admissions), false, sh.admissionColumns},
		{insertRegistrations, len(begun), true, func() []any { return registrationColumnsOf(begun) }},
		{updateRegistrations, len(changed), true, func() []any { return registrationChanges(changed) }},
		{insertRunning, len(first), true, func() []any { return runningColumns(first, false) }},
		{updateRunning, len(next), true, func() []any { return runningColumns(next, true) }},
		{insertRedemptions, len(redeemed), true, func() []any { return redemptionColumns(redeemed) }},
		{updateRedemptions, len(again), true, func() []any { return redemptionChanges(again) }},
		{insertEvents, len(sh.events), true, func() []any { return eventColumnsOf(sh.events) }},
		{insertChains, len(sh.floors), false, func() []any { return chainColumns(sh.floors) }},
		{insertDigests, len(sh.digests), true, func() []any { return digestColumns(sh.digests) }},
		{insertRefusals, len(sh.refusals), false, func() []any { return refusalColumnsOf(sh.refusals) }},
	}
}

func compareKeys(a, b metering.Key) int {
	return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Product, b.Product), cmp.Compare(a.Kind, b.Kind),
		strings.Compare(a.Party, b.Party), strings.Compare(a.Dimension, b.Dimension), strings.Compare(a.Region, b.Region))
}

func compareTokens(a, b tokenKey) int {
	return cmp.Or(cmp.Compare(a.account, b.account), strings.Compare(a.region, b.region), strings.Compare(a.value, b.value))
}

func compareAdmissions(a, b store.Admission) int {
	return cmp.Or(cmp.Compare(a.Account, b.Account), strings.Compare(a.Workload, b.Workload), cmp.Compare(a.Product, b.Product))
}

func compareWorkloads(a, b workload) int {
	return cmp.Or(cmp.Compare(a.account, b.account), strings.Compare(a.id, b.id))
}

// changedRegistrations sorts registrations into new ones and changed ones.
func (sh *sheet) changedRegistrations() (begun, changed []*replaced[metering.Registration]) {
	begun, changed = sorted(sh.registrations, func(a, b registrationKey) int {
		return cmp.Or(cmp.Compare(a.account, b.account), bytes.Compare(a.id[:], b.id[:]))
	}, func(_ registrationKey, r *replaced[metering.Registration]) *replaced[metering.Registration] { return r })
	return begun, changed
}

// sorted lists what is new and what has changed of a map, each by key.
func sorted[K comparable, V comparable, Row any](m map[K]*replaced[V], compare func(a, b K) int, row func(K, *replaced[V]) Row) (fresh, changed []Row) {
	keys := make([]K, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, compare)
	for _, key := range keys {
		switch r := m[key]; {
		case !r.found:
			fresh = append(fresh, row(key, r))
		case r.was != r.now:
			changed = append(changed, row(key, r))
		}
	}
	return fresh, changed
}

// lastOf is a workload's last registration for a product.
type lastOf struct {
	workload
	product metering.ProductCode
	*replaced[metering.ID]
}

func (sh *sheet) changedRunning() (first, next []lastOf) {
	workloads := make([]workload, 0, len(sh.running))
	for w := range sh.running {
		workloads = append(workloads, w)
	}
	slices.SortFunc(workloads, compareWorkloads)
	for _, w := range workloads {
		f, n := sorted(sh.running[w], cmp.Compare, func(p metering.ProductCode, r *replaced[metering.ID]) lastOf { return lastOf{w, p, r} })
		first, next = append(first, f...), append(next, n...)
	}
	return first, next
}

// resolved is a registration token and who has resolved it.
type resolved struct {
	token [32]byte
	*replaced[store.Redeemed]
}

func (sh *sheet) changedRedemptions() (first, again []resolved) {
	return sorted(sh.redeemed, func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) },
		func(token [32]byte, r *replaced[store.Redeemed]) resolved { return resolved{token, r} })
}
