package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// returnedIsThere: 6. What was returned is there after reopening, after a crash
// image, after a kill. And a call that was cut off is there whole or not at all.
func returnedIsThere(k *court) {
	k.need(CanCrash)
	const callers, images = 8, 6
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		acked = make(map[metering.ID]metering.Record)
		stop  = make(chan struct{})
	)
	for i := range callers {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				a, b := k.record(i*10000+n, 1), k.record(i*10000+n, 2)
				b.Key.Dimension = "calls"
				c := call(a, b)
				c.Admission = &store.Admission{Account: seller, Workload: a.ID.String(), Product: product}
				c.After = func(out store.Outcome) (store.Rest, error) { return store.Rest{Event: k.event(c, out)}, nil }
				if _, err := k.store.Append(k.Context(), c); err != nil {
					k.Errorf("Append: %v", err)
					return
				}
				mu.Lock()
				acked[a.ID], acked[b.ID] = a, b
				mu.Unlock()
			}
		})
	}
	var found []*court
	var wants []map[metering.ID]metering.Record
	for i := range images {
		time.Sleep(5 * time.Millisecond)
		mu.Lock()
		want := make(map[metering.ID]metering.Record, len(acked))
		for id, r := range acked {
			want[id] = r
		}
		mu.Unlock()
		wants = append(wants, want)
		found = append(found, k.image([]int{0, 50, 100}[i%3], uint64(i)))
	}
	close(stop)
	wg.Wait()
	for i, image := range found {
		image.sound(fmt.Sprintf("image %d", i), wants[i])
		image.close()
	}
	for range 3 {
		k.crash(50, 1)
		k.sound("crashed again and again", acked)
	}
	last, err := k.store.Put(k.Context(), store.Change{By: "court", At: noon(), Entries: []store.Entry{&store.Product{Code: product, Title: "kept"}}})
	if err != nil {
		k.Fatal(err)
	}
	k.crash(0, 0)
	k.equal("the catalogue's revision after a crash", k.store.Catalog().Revision(), last)
}

// sound checks that what was acknowledged is there, and that of every call all
// parts are there or none.
func (k *court) sound(when string, acked map[metering.ID]metering.Record) {
	k.Helper()
	got := byID(k.all())
	for id, want := range acked {
		r, ok := got[id]
		if !ok {
			k.Fatalf("%s: record %s was acknowledged and is gone (%d acknowledged, %d there)", when, id, len(acked), len(got))
		}
		k.equal(when+": a record", r, want)
	}
	events := k.events(store.EventQuery{Account: seller})
	if 2*len(events) != len(got) {
		k.Fatalf("%s: %d events of two records each, %d records", when, len(events), len(got))
	}
	for _, ev := range events {
		admitted, err := k.store.Admitted(k.Context(), store.Admission{Account: seller, Workload: ev.Records[0].ID.String(), Product: product})
		if err != nil || !admitted {
			k.Fatalf("%s: a call's event is there and its admission is not (error %v)", when, err)
		}
		for _, r := range ev.Records {
			if _, ok := got[r.ID]; !ok {
				k.Fatalf("%s: a call's event is there and its record %s is not", when, r.ID)
			}
		}
	}
	k.books()
}

// answer is what a caller was told.
type answer struct {
	out store.Outcome
	err error
}

// send appends in the background. decided is closed when After has run, or would
// have; answered brings what the caller was told.
func (k *court) send(c store.Call) (decided <-chan struct{}, answered <-chan answer) {
	d, a := make(chan struct{}), make(chan answer, 1)
	once := sync.OnceFunc(func() { close(d) })
	after := c.After
	c.After = func(out store.Outcome) (store.Rest, error) {
		defer once()
		if after == nil {
			return store.Rest{}, nil
		}
		return after(out)
	}
	s := k.store
	go func() {
		out, err := s.Append(k.background(), c)
		once()
		a <- answer{out, err}
	}()
	return d, a
}

// patience is how long the court waits to see that nothing happens, and far
// less than it waits for what must.
const patience = 50 * time.Millisecond

// silent checks that a caller is told nothing for a while.
func (k *court) silent(who string, answered <-chan answer) {
	k.Helper()
	select {
	case a := <-answered:
		k.Fatalf("%s was answered before the sync: %d holders, error %v", who, len(a.out.Holders), a.err)
	case <-time.After(patience):
	}
}

func (k *court) await(what string, c <-chan struct{}) {
	k.Helper()
	select {
	case <-c:
	case <-time.After(30 * time.Second):
		k.Fatalf("%s did not happen", what)
	}
}

func (k *court) told(who string, answered <-chan answer) answer {
	k.Helper()
	select {
	case a := <-answered:
		return a
	case <-time.After(30 * time.Second):
		k.Fatalf("%s was never answered", who)
		return answer{}
	}
}

// heldAlreadyWaits: 7. An answer "held already" also waits until the holder is
// durable; if the holder's commit fails, the waiter does not report success.
func heldAlreadyWaits(k *court) {
	k.need(CanHoldSyncs)
	k.need(CanFailSyncs)
	k.need(CanCrash)
	before := k.record(50, 1)
	k.append(call(before))

	for _, fail := range []bool{false, true} {
		name, hour := "the sync comes", 0
		if fail {
			name, hour = "the sync fails", 1
		}
		release := k.hold()
		first, second, third := k.record(hour, 1), k.record(hour, 1), k.record(hour, 2)
		bind := k.ids.next()
		c := call(first)
		c.Token = &store.Token{Value: name, Hash: [32]byte{1}}
		c.After = func(store.Outcome) (store.Rest, error) { return store.Rest{Bind: &bind}, nil }
		decided, winner := k.send(c)
		k.begun(decided)

		_, repeat := k.send(call(second))
		refusal := call(third)
		refusal.After = func(out store.Outcome) (store.Rest, error) {
			if out.Holders[0].ID == third.ID {
				return store.Rest{}, nil
			}
			return store.Rest{}, metering.ErrDuplicateRequest
		}
		_, refused := k.send(refusal)
		again := call(k.record(hour, 1))
		again.Token = c.Token
		_, answered := k.send(again)
		conflict := call(k.record(hour, 1))
		conflict.Token = &store.Token{Value: name, Hash: [32]byte{2}}
		_, conflicting := k.send(conflict)

		waiting := map[string]<-chan answer{
			"the winner": winner, "a repeat": repeat, "a caller refused as a duplicate": refused,
			"a caller answered by token": answered, "a caller refused by token": conflicting,
		}
		k.silent("the winner", winner)
		for who, c := range waiting {
			if len(c) > 0 {
				a := <-c
				k.Fatalf("%s: %s was answered before the sync: %d holders, error %v", name, who, len(a.out.Holders), a.err)
			}
		}
		if fail {
			k.subject.FailSyncs()
		}
		release()
		for who, c := range waiting {
			a := k.told(who, c)
			switch {
			case fail && a.err == nil:
				k.Errorf("%s: %s was told success", name, who)
			case fail && who == "the winner" && !errors.Is(a.err, store.ErrUnknown):
				k.Errorf("%s: %s was told a definite error: %v", name, who, a.err)
			case fail && (errors.Is(a.err, metering.ErrDuplicateRequest) || errors.Is(a.err, metering.ErrIdempotencyConflict)):
				k.Errorf("%s: %s was told of a holder that may be gone: %v", name, who, a.err)
			case fail:
			case who == "a caller refused as a duplicate":
				if !errors.Is(a.err, metering.ErrDuplicateRequest) {
					k.Errorf("%s: %s: got %v", name, who, a.err)
				}
			case who == "a caller refused by token":
				if !errors.Is(a.err, metering.ErrIdempotencyConflict) {
					k.Errorf("%s: %s: got %v", name, who, a.err)
				}
			case a.err != nil:
				k.Errorf("%s: %s: %v", name, who, a.err)
			case who == "a caller answered by token":
				if a.out.Answer == nil || *a.out.Answer != bind || len(a.out.Holders) != 0 {
					k.Errorf("%s: %s: got %v and %d holders", name, who, a.out.Answer, len(a.out.Holders))
				}
			default:
				k.equal(name+": the holder "+who+" was told", holders(a.out), []metering.Record{first})
			}
		}
		if !fail {
			k.holds(name, before, first)
		}
	}
	k.crash(0, 0)
	if got := len(k.all()); got != 2 {
		k.Errorf("after the crash: %d records, want the 2 that were acknowledged", got)
	}
}

// afterFailedSync: 13. After a failed sync no call is acknowledged any more.
func afterFailedSync(k *court) {
	k.need(CanFailSyncs)
	k.need(CanCrash)
	kept := []metering.Record{k.record(0, 1), k.record(1, 2)}
	k.append(call(kept...))
	if err := k.store.Err(); err != nil {
		k.Fatalf("Err before any failure: %v", err)
	}
	k.subject.FailSyncs()

	// Many at once: those in the commit that fails, and those behind it.
	const callers = 20
	var wg sync.WaitGroup
	errs := make(chan error, callers)
	for i := range callers {
		wg.Go(func() {
			_, err := k.store.Append(k.background(), call(k.record(10+i, 1)))
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	unknown := 0
	for err := range errs {
		if err == nil {
			k.Errorf("a call was acknowledged though no sync succeeds")
		}
		if errors.Is(err, store.ErrUnknown) {
			unknown++
		}
	}
	if unknown == 0 {
		k.Errorf("the calls of the commit that failed: none has an unknown outcome")
	}
	if k.store.Err() == nil {
		k.Errorf("Err: nil after a failed sync")
	}
	for range 5 {
		late := k.record(99, 1)
		if _, err := k.store.Append(k.background(), call(late)); err == nil || errors.Is(err, store.ErrUnknown) {
			k.Errorf("a call after the failure: got %v, want a definite error", err)
		}
		if _, err := k.store.Append(k.background(), call(kept[0])); err == nil {
			k.Errorf("a repeat after the failure was acknowledged")
		}
		if _, err := k.store.Put(k.background(), store.Change{At: noon(), Entries: []store.Entry{&store.Product{Code: product}}}); err == nil {
			k.Errorf("a catalogue change after the failure was acknowledged")
		}
	}
	if n := k.store.Catalog().Revision(); n != 0 {
		k.Errorf("the catalogue took a change that no sync has seen: revision %d", n)
	}
	image := k.image(100, 0) // unknown may mean there
	for _, r := range image.all() {
		if r.Key.Hour == metering.HourOf(noon())+99 {
			k.Errorf("a call that was refused after the failure is there")
		}
	}
	image.books()
	image.close()

	k.crash(0, 0)
	k.sawAcked(kept)
	// To repeat a call of unknown outcome settles it.
	repeated := k.record(10, 1)
	holder := *k.append(call(repeated)).Holders[0]
	if !holder.Same(&repeated) {
		k.Errorf("a repeat after the crash is told another record: %+v", holder)
	}
}

func (k *court) sawAcked(kept []metering.Record) {
	k.Helper()
	got := byID(k.all())
	for _, want := range kept {
		k.equal("an acknowledged record", got[want.ID], want)
	}
}
