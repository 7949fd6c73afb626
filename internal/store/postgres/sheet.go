package postgres

import (
	"context"
	"fmt"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// sheet is what a group is decided on, and what it will write: what was found
// under the keys that its calls want, and on top of it what the calls before the
// one at hand have decided.
type sheet struct {
	group []*request

	holders       map[metering.Key]*keptRecord
	bound         map[tokenKey]binding
	redeemed      map[[32]byte]*replaced[store.Redeemed]
	registrations map[registrationKey]*replaced[metering.Registration]
	running       map[workload]map[metering.ProductCode]*replaced[metering.ID]

	// What is written beside what has changed above.
	records    []*keptRecord
	tokens     []tokenKey
	admissions []store.Admission
	events     []keptEvent
	floors     []store.CarriedFloor
	digests    []*store.TrailDigest
	refusals   []keptRefusal

	undo []func() // takes back what the call at hand has done, last step first
}

// replaced is a thing that is stored at most once, and changes: as it was found
// and as it is now.
type replaced[T comparable] struct {
	was   T
	found bool // there is a row
	now   T
}

type tokenKey struct {
	account metering.AccountID
	region  string
	value   string
}

// binding is what a ClientToken is bound to.
type binding struct {
	hash   [32]byte
	answer metering.ID
	day    int32
}

type registrationKey struct {
	account metering.AccountID
	id      metering.ID
}

type workload struct {
	account metering.AccountID
	id      string
}

func newSheet(group []*request) *sheet {
	return &sheet{
		group:         group,
		holders:       make(map[metering.Key]*keptRecord),
		bound:         make(map[tokenKey]binding),
		redeemed:      make(map[[32]byte]*replaced[store.Redeemed]),
		registrations: make(map[registrationKey]*replaced[metering.Registration]),
		running:       make(map[workload]map[metering.ProductCode]*replaced[metering.ID]),
	}
}

// decide settles a call of the group. An error drops it: nothing of it stays on
// the sheet.
func (sh *sheet) decide(r *request) {
	r.outcome = store.Outcome{}
	if r.err = r.ctx.Err(); r.err != nil {
		return
	}
	sh.undo = sh.undo[:0]
	if r.outcome, r.err = store.Decide(&r.call, ledger{sh, r}); r.err == nil {
		return
	}
	for i := len(sh.undo) - 1; i >= 0; i-- {
		sh.undo[i]()
	}
}

// later takes a step back if the call at hand is dropped.
func (sh *sheet) later(undo func()) { sh.undo = append(sh.undo, undo) }

// add puts something on a list of what is written.
func add[T any](sh *sheet, list *[]T, item T) {
	n := len(*list)
	*list = append(*list, item)
	sh.later(func() { *list = (*list)[:n] })
}

// replace changes what is stored once.
func replace[T comparable](sh *sheet, r *replaced[T], now T) {
	before := r.now
	r.now = now
	sh.later(func() { r.now = before })
}

// enter puts something into a map that holds nothing under the key.
func enter[K comparable, V any](sh *sheet, m map[K]V, key K, value V) {
	m[key] = value
	sh.later(func() { delete(m, key) })
}

// ledger is the sheet as a call sees it.
type ledger struct {
	*sheet
	r *request
}

var _ store.Ledger = ledger{}

func (l ledger) token() tokenKey {
	c := &l.r.call
	return tokenKey{c.Account, c.Region, c.Token.Value}
}

// Bound finds what the call's token is bound to.
func (l ledger) Bound() (hash [32]byte, answer metering.ID, ok bool, err error) {
	b, ok := l.bound[l.token()]
	return b.hash, b.answer, ok, nil
}

// Bind binds the call's token.
func (l ledger) Bind(answer metering.ID) error {
	key, c := l.token(), &l.r.call
	enter(l.sheet, l.bound, key, binding{c.Token.Hash, answer, store.Day(c.At)})
	add(l.sheet, &l.tokens, key)
	return nil
}

// Holder gives the call's record i its key if it is free, and finds the holder if
// not.
func (l ledger) Holder(i int) (*metering.Record, error) {
	mine := &l.r.kept[i]
	if holder, held := l.holders[mine.Key]; held {
		return holder.Record, nil
	}
	enter(l.sheet, l.holders, mine.Key, mine)
	add(l.sheet, &l.records, mine)
	return mine.Record, nil
}

// Admit writes the call's admission; one that is there stays as it is.
func (l ledger) Admit() error {
	add(l.sheet, &l.admissions, *l.r.call.Admission)
	return nil
}

// Redeemed finds who has resolved the call's registration token.
func (l ledger) Redeemed() (store.Redeemed, bool, error) {
	r, ok := l.redeemed[l.r.call.Redemption.Token]
	if !ok {
		return store.Redeemed{}, false, nil
	}
	return r.now, true, nil
}

// Redeem replaces who has resolved it.
func (l ledger) Redeem(r store.Redeemed) error {
	token := l.r.call.Redemption.Token
	if there, ok := l.redeemed[token]; ok {
		replace(l.sheet, there, r)
		return nil
	}
	enter(l.sheet, l.redeemed, token, &replaced[store.Redeemed]{now: r})
	return nil
}

// Running lists a workload's last registrations, one for each product.
func (l ledger) Running(a store.Alive) ([]metering.Registration, error) {
	var all []metering.Registration
	for product, last := range l.running[workload{a.Account, a.Workload}] {
		r, ok := l.registrations[registrationKey{a.Account, last.now}]
		if !ok {
			return nil, fmt.Errorf("%w: registration %s of workload %q for product %q is missing", ErrDamaged, last.now, a.Workload, product)
		}
		all = append(all, r.now)
	}
	return all, nil
}

// Registration finds one of the calling account.
func (l ledger) Registration(id metering.ID) (metering.Registration, bool, error) {
	r, ok := l.registrations[registrationKey{l.r.call.Account, id}]
	if !ok {
		return metering.Registration{}, false, nil
	}
	return r.now, true, nil
}

// Register writes a registration that is new, as the last of its workload for its
// product.
func (l ledger) Register(r metering.Registration) error {
	enter(l.sheet, l.registrations, registrationKey{r.Account, r.ID}, &replaced[metering.Registration]{now: r})
	w := workload{r.Account, r.Workload}
	if l.running[w] == nil {
		l.running[w] = make(map[metering.ProductCode]*replaced[metering.ID])
	}
	if last, ok := l.running[w][r.Product]; ok {
		replace(l.sheet, last, r.ID)
		return nil
	}
	enter(l.sheet, l.running[w], r.Product, &replaced[metering.ID]{now: r.ID})
	return nil
}

// Update replaces a registration.
func (l ledger) Update(r metering.Registration) error {
	there, ok := l.registrations[registrationKey{r.Account, r.ID}]
	if !ok {
		return fmt.Errorf("%w: registration %s is missing", ErrDamaged, r.ID)
	}
	replace(l.sheet, there, r)
	return nil
}

// Leave writes what After has added.
func (l ledger) Leave(rest *store.Rest) error {
	if rest.Event != nil {
		add(l.sheet, &l.events, keptEvent{Event: rest.Event})
	}
	for i := range rest.Refusals {
		kept, err := keepRefusal(&rest.Refusals[i])
		if err != nil {
			return err
		}
		add(l.sheet, &l.refusals, kept)
	}
	return nil
}

// find reads what is stored under the keys that the group wants.
func (sh *sheet) find(ctx context.Context, s *Store, tx *transaction) error {
	b, begun := tx.open()
	var read []reader
	for _, q := range sh.questions() {
		if q.asked {
			b.Queue(s.sql(q.sql), q.args...)
			read = append(read, q.read)
		}
	}
	results := tx.conn.SendBatch(ctx, b)
	err := begun(results)
	for i := 0; err == nil && i < len(read); i++ {
		err = read[i](results)
	}
	if closed := results.Close(); err == nil {
		err = closed
	}
	return err
}
