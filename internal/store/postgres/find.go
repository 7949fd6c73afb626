package postgres

import (
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// reader takes one answer of a batch.
type reader func(pgx.BatchResults) error

// question is one thing that a group is decided from, if any of its calls asks.
type question struct {
	asked bool
	sql   string
	args  []any
	read  reader
}

// each reads the rows of an answer.
func each[T any](scan pgx.RowToFunc[T], keep func(T)) reader {
	return func(results pgx.BatchResults) error {
		rows, err := results.Query()
		if err != nil {
			return err
		}
		all, err := pgx.CollectRows(rows, scan)
		for _, t := range all {
			keep(t)
		}
		return err
	}
}

// wantedKeys are the keys that the group's records want.
func (sh *sheet) wantedKeys() []metering.Key {
	var keys []metering.Key
	for _, r := range sh.group {
		for i := range r.call.Records {
			keys = append(keys, r.call.Records[i].Key)
		}
	}
	slices.SortFunc(keys, compareKeys)
	return slices.Compact(keys)
}

// wantedTokens are the arguments of statements about the group's ClientTokens.
func (sh *sheet) wantedTokens() []any {
	var keys []tokenKey
	for _, r := range sh.group {
		if r.call.Token != nil {
			keys = append(keys, ledger{sh, r}.token())
		}
	}
	return tokenColumns(keys)
}

func tokenColumns(keys []tokenKey) []any {
	return []any{
		column(keys, func(k *tokenKey) string { return string(k.account) }),
		column(keys, func(k *tokenKey) string { return k.region }),
		column(keys, func(k *tokenKey) string { return k.value }),
	}
}

// questions are all that the group is decided from.
func (sh *sheet) questions() []question {
	keys, tokens := sh.wantedKeys(), sh.wantedTokens()
	return []question{
		{len(keys) > 0, findRecords, keyColumns(keys), each(scanRecord, func(r metering.Record) {
			sh.holders[r.Key] = &keptRecord{Record: &r}
		})},
		{len(tokens[0].([]string)) > 0, findTokens, tokens, each(scanToken, func(t foundToken) {
			sh.bound[t.key] = t.binding
		})},
		sh.askRedemptions(),
		sh.askRunning(),
		sh.askRegistrations(),
	}
}

func (sh *sheet) askRedemptions() question {
	var tokens [][]byte
	for _, r := range sh.group {
		if r.call.Redemption != nil {
			tokens = append(tokens, r.call.Redemption.Token[:])
		}
	}
	return question{len(tokens) > 0, findRedemptions, []any{tokens}, each(scanRedemption, func(r redemption) {
		sh.redeemed[r.token] = &replaced[store.Redeemed]{was: r.Redeemed, found: true, now: r.Redeemed}
	})}
}

// askRunning asks for the last registrations of the workloads that begin one or
// are seen.
func (sh *sheet) askRunning() question {
	var asked []workload
	for _, r := range sh.group {
		switch change := r.call.Registration; {
		case change == nil:
		case change.Begin != nil:
			asked = append(asked, workload{change.Begin.Account, change.Begin.Workload})
		case change.Seen != nil:
			asked = append(asked, workload{change.Seen.Account, change.Seen.Workload})
		}
	}
	slices.SortFunc(asked, compareWorkloads)
	asked = slices.Compact(asked)
	return question{len(asked) > 0, findRunning, []any{
		column(asked, func(w *workload) string { return string(w.account) }),
		column(asked, func(w *workload) string { return w.id }),
	}, each(scanRegistration, func(r metering.Registration) {
		sh.foundRegistration(r)
		w := workload{r.Account, r.Workload}
		if sh.running[w] == nil {
			sh.running[w] = make(map[metering.ProductCode]*replaced[metering.ID])
		}
		sh.running[w][r.Product] = &replaced[metering.ID]{was: r.ID, found: true, now: r.ID}
	})}
}

// askRegistrations asks for those that calls name by their id.
func (sh *sheet) askRegistrations() question {
	var asked []registrationKey
	for _, r := range sh.group {
		switch change := r.call.Registration; {
		case change == nil:
		case change.Begin != nil:
			asked = append(asked, registrationKey{r.call.Account, change.Begin.ID})
		case change.Stop != nil:
			asked = append(asked, registrationKey{r.call.Account, *change.Stop})
		}
	}
	return question{len(asked) > 0, findRegistrations, []any{
		column(asked, func(k *registrationKey) string { return string(k.account) }),
		uuids(asked, func(k *registrationKey) metering.ID { return k.id }),
	}, each(scanRegistration, sh.foundRegistration)}
}

func (sh *sheet) foundRegistration(r metering.Registration) {
	sh.registrations[registrationKey{r.Account, r.ID}] = &replaced[metering.Registration]{was: r, found: true, now: r}
}

// foundToken is a ClientToken as it is stored.
type foundToken struct {
	key     tokenKey
	binding binding
}

func scanToken(row pgx.CollectableRow) (foundToken, error) {
	var (
		t    foundToken
		hash []byte
		id   [16]byte
	)
	err := row.Scan(&t.key.account, &t.key.region, &t.key.value, &hash, &id)
	copy(t.binding.hash[:], hash)
	t.binding.answer = id
	return t, err
}
