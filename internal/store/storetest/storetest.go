// Package storetest is the court that every store must pass: the contract of
// package store as cases that are run. A store's own tests call [Run]; nothing
// else says whether something is a store.
//
// The cases know nothing of how a store works. What they need besides the store
// (to lose power, to let a sync fail) a [Subject] provides. One that cannot do
// something must say so with a reason in its source, or the case fails: nothing
// is left out silently.
//
// After every case the books are checked over all records ([metering.Books]).
package storetest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/meterd/meterd/internal/store"
)

// Power is something a subject can do besides being a store.
type Power string

// The powers that cases ask for.
const (
	CanCrash     Power = "take a crash image"
	CanFailSyncs Power = "let syncs fail"
	CanHoldSyncs Power = "hold syncs up"
)

// Subject is one store before the court, at one place of its own.
type Subject struct {
	// Open opens the store: empty the first time, later with what it held when
	// it was closed.
	Open func() (store.Store, error)
	// Crash returns the place as it would be found if the power failed now: all
	// that was synced, and of what was not some kept percent of blocks, chosen
	// by seed. 100 is a process that was killed. The subject itself goes on.
	Crash func(kept int, seed uint64) Subject
	// Tails are the values of kept that make a difference to Crash; nil: 0, 50 and
	// 100.
	Tails []int
	// FailSyncs lets every sync from now on fail.
	FailSyncs func()
	// HoldSyncs lets every sync from now on wait until release is called.
	HoldSyncs func() (release func())
	// AwaitHeld returns when a sync waits. nil: one does as soon as a call has been
	// decided, because there is one who decides.
	AwaitHeld func()
	// Excuses says, for each power whose function is nil, why the subject cannot
	// have it. The cases that need it are then skipped with that reason.
	Excuses map[Power]string
}

// Run tries a store: every case, each on a subject of its own.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	t.Helper()
	for _, c := range []struct {
		name string
		try  func(c *court)
	}{
		{"01_free_key", freeKey},
		{"02_occupied_key", occupiedKey},
		{"03_same_key_twice_in_one_call", twiceInOneCall},
		{"04_all_or_nothing", allOrNothing},
		{"05_hundred_callers_on_one_key", hundredCallers},
		{"06_returned_is_there", returnedIsThere},
		{"07_held_already_waits", heldAlreadyWaits},
		{"08_token", token},
		{"09_event_and_refusals", eventAndRefusals},
		{"10_context", contexts},
		{"11_scans", scans},
		{"12_largest_call", largestCall},
		{"13_after_a_failed_sync", afterFailedSync},
		{"14_model", model},
		{"15_admissions", admissions},
		{"16_registrations", registrations},
		{"17_catalogue", catalogue},
		{"18_lists", lists},
		{"19_redemptions", redemptions},
		{"20_expiry", expiry},
		{"21_removal_and_base", removal},
		{"22_buyers_records", buyersRecords},
		{"23_lookups", lookups},
		{"24_large_change", largeChange},
		{"25_every_record", everyRecord},
		{"26_carried", carried},
		{"27_trail", trail},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := &court{T: t, subject: open(t), another: func() Subject { return open(t) }}
			k.open()
			t.Cleanup(k.close)
			c.try(k)
			k.books()
		})
	}
}

// court is one case's session: the subject, its store, and what cases do all the
// time. Its methods that fail the case must be called on the case's goroutine.
type court struct {
	*testing.T
	subject Subject
	another func() Subject // at a place of its own
	store   store.Store
	ids     idMaker
}

// need ends the case if the subject lacks a power: skipped if it says why,
// failed if it does not.
func (k *court) need(p Power) {
	k.Helper()
	can := map[Power]bool{
		CanCrash:     k.subject.Crash != nil,
		CanFailSyncs: k.subject.FailSyncs != nil,
		CanHoldSyncs: k.subject.HoldSyncs != nil,
	}
	if can[p] {
		return
	}
	if why := k.subject.Excuses[p]; why != "" {
		k.Skipf("EXCUSED: this subject cannot %s: %s", p, why)
	}
	k.Fatalf("this subject cannot %s and does not say why", p)
}

// hold holds syncs up until release is called, or the case is over: a store
// could not be closed otherwise.
func (k *court) hold() (release func()) {
	release = sync.OnceFunc(k.subject.HoldSyncs())
	k.Cleanup(release)
	return release
}

// begun waits until a call that was sent while syncs are held up waits for its own,
// so that whoever comes after it finds it there.
func (k *court) begun(decided <-chan struct{}) {
	k.Helper()
	k.await("the decision", decided)
	if k.subject.AwaitHeld != nil {
		k.subject.AwaitHeld()
	}
}

func (k *court) open() {
	k.Helper()
	s, err := k.subject.Open()
	if err != nil {
		k.Fatalf("open: %v", err)
	}
	k.store = s
}

// close lets go of the store. One that has failed may say so again.
func (k *court) close() {
	if k.store == nil {
		return
	}
	failed := k.store.Err() != nil
	if err := k.store.Close(); err != nil && !failed {
		k.Errorf("close: %v", err)
	}
	k.store = nil
}

func (k *court) reopen() {
	k.Helper()
	k.close()
	k.open()
}

// crash goes on with what a loss of power now would leave.
func (k *court) crash(kept int, seed uint64) {
	k.Helper()
	k.need(CanCrash)
	image := k.subject.Crash(kept, seed)
	k.close()
	k.subject = image
	k.open()
}

// image is a second session, on what a loss of power now would leave. The first
// goes on.
func (k *court) image(kept int, seed uint64) *court {
	k.Helper()
	k.need(CanCrash)
	i := &court{T: k.T, subject: k.subject.Crash(kept, seed)}
	i.open()
	return i
}

// survivals are the ways to find a store again.
func (k *court) survivals(check func(name string)) {
	check("as it is")
	k.reopen()
	check("reopened")
	if k.subject.Crash == nil {
		k.Logf("EXCUSED: this subject cannot %s: %s", CanCrash, k.subject.Excuses[CanCrash])
		return
	}
	tails := k.subject.Tails
	if tails == nil {
		tails = []int{0, 50, 100}
	}
	for i, kept := range tails {
		k.crash(kept, uint64(i))
		check(fmt.Sprintf("after a crash that kept %d %% of what was not synced", kept))
	}
}
