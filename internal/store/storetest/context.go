package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// contexts: 10. A context cancelled before the commit writes nothing; after it
// has begun, the commit runs to its end. An unknown outcome is an error of its
// own kind, never success and never a definite refusal.
func contexts(k *court) {
	k.need(CanHoldSyncs)
	gone, cancel := context.WithCancel(k.Context())
	cancel()
	if _, err := k.store.Append(gone, call(k.record(0, 1))); !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnknown) {
		k.Fatalf("cancelled before: got %v, want a definite %v", err, context.Canceled)
	}
	if _, err := k.store.Put(gone, store.Change{At: noon(), Entries: []store.Entry{&store.Product{Code: product}}}); !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnknown) {
		k.Fatalf("Put, cancelled before: got %v, want a definite %v", err, context.Canceled)
	}
	k.survivals(func(when string) { k.holds(when) })

	// The commit has begun when After has run: nobody can take it back.
	release := k.hold()
	ctx, cancel := context.WithCancel(k.Context())
	begun := k.record(1, 1)
	decided := make(chan struct{})
	c := call(begun)
	c.After = func(store.Outcome) (store.Rest, error) { close(decided); return store.Rest{}, nil }
	told := make(chan answer, 1)
	go func() {
		out, err := k.store.Append(ctx, c)
		told <- answer{out, err}
	}()
	k.begun(decided)
	cancel()
	select {
	case a := <-told:
		if !errors.Is(a.err, store.ErrUnknown) {
			k.Fatalf("cancelled while the commit ran: got %v, want an unknown outcome", a.err)
		}
		told <- a
	case <-time.After(patience): // it may also wait to the end
	}
	release()
	if a := k.told("the caller", told); a.err != nil && !errors.Is(a.err, store.ErrUnknown) {
		k.Fatalf("cancelled while the commit ran: got %v, want success or an unknown outcome", a.err)
	}
	k.append(call(k.record(2, 1))) // what comes after it comes after it
	if _, ok := byID(k.all())[begun.ID]; !ok {
		k.Fatalf("a commit that had begun was given up")
	}

	// Wherever it strikes: success is there, a definite error is not.
	const callers = 60
	release = k.hold()
	ctx, cancel = context.WithCancel(k.Context())
	defer cancel()
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		fate = make(map[metering.ID]error)
	)
	for i := range callers {
		r := k.record(10+i, 1)
		wg.Go(func() {
			_, err := k.store.Append(ctx, call(r))
			mu.Lock()
			defer mu.Unlock()
			fate[r.ID] = err
		})
		if i == callers/2 {
			time.Sleep(5 * time.Millisecond) // for some to get far
		}
	}
	cancel()
	release()
	wg.Wait()
	k.survivals(func(when string) {
		got := byID(k.all())
		for id, err := range fate {
			switch _, there := got[id]; {
			case err == nil && !there:
				k.Fatalf("%s: a call succeeded and is not there", when)
			case err != nil && !errors.Is(err, store.ErrUnknown) && there:
				k.Fatalf("%s: a call got a definite error (%v) and is there", when, err)
			case err != nil && !errors.Is(err, store.ErrUnknown) && !errors.Is(err, context.Canceled):
				k.Fatalf("%s: a cancelled call: got %v", when, err)
			}
		}
	})
}
