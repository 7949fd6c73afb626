package store

import (
	"fmt"

	"github.com/meterd/meterd/internal/metering"
)

// Ledger is what a store knows when it decides a call: what is stored, and what
// the calls before it in the same commit are about to write. What is set on it
// belongs to the call at hand: if the call is dropped, the store takes it back.
type Ledger interface {
	// Bound finds what the call's token is bound to; Bind binds it.
	Bound() (hash [32]byte, answer metering.ID, ok bool, err error)
	Bind(answer metering.ID) error
	// Holder finds the record that holds the key of the call's record i. If there
	// is none, that record takes it, and is the holder.
	Holder(i int) (*metering.Record, error)
	// Admit writes the call's admission, unless it is there.
	Admit() error
	// Redeemed finds who has resolved the call's registration token; Redeem
	// replaces it.
	Redeemed() (r Redeemed, ok bool, err error)
	Redeem(r Redeemed) error
	// Running lists a workload's last registrations, one for each product.
	Running(a Alive) ([]metering.Registration, error)
	// Registration finds one of the calling account.
	Registration(id metering.ID) (r metering.Registration, ok bool, err error)
	// Register writes a registration that is new, as the last of its workload
	// for its product; Update replaces one that is there.
	Register(r metering.Registration) error
	Update(r metering.Registration) error
	// Leave writes what After has added. It has been checked.
	Leave(rest *Rest) error
}

// Decide settles what a call writes and is told. It is how every store decides,
// so that no two can differ. The call has been checked; an error drops it.
func Decide(c *Call, l Ledger) (Outcome, error) {
	var out Outcome
	if c.Token != nil {
		hash, answer, ok, err := l.Bound()
		switch {
		case err != nil:
			return Outcome{}, err
		case ok && hash != c.Token.Hash:
			return Outcome{}, fmt.Errorf("%w: the ClientToken was used with other parameters", metering.ErrIdempotencyConflict)
		case ok:
			out.Answer = &answer
		}
	}
	if out.Answer == nil {
		out.Holders = make([]*metering.Record, len(c.Records))
		for i := range c.Records {
			var err error
			if out.Holders[i], err = l.Holder(i); err != nil {
				return Outcome{}, err
			}
		}
	}
	if c.Admission != nil {
		if err := l.Admit(); err != nil {
			return Outcome{}, err
		}
	}
	if c.Redemption != nil {
		if err := redeem(c, l); err != nil {
			return Outcome{}, err
		}
	}
	if c.Registration != nil {
		var err error
		if out.Registration, err = register(c, l); err != nil {
			return Outcome{}, err
		}
	}
	if c.After == nil {
		return out, nil
	}
	return out, leave(c, l, out)
}

// leave asks After what else belongs to the call, and writes it.
func leave(c *Call, l Ledger, out Outcome) error {
	rest, err := finish(c.After, out)
	if err != nil {
		return err
	}
	if err := rest.check(c); err != nil {
		return err
	}
	if rest.Bind != nil && out.Answer == nil {
		if err := l.Bind(*rest.Bind); err != nil {
			return err
		}
	}
	return l.Leave(&rest)
}

// finish runs After. Whoever decides serves others, too: a panic is this call's
// error.
func finish(after func(Outcome) (Rest, error), out Outcome) (rest Rest, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("store: After panicked: %v", p)
		}
	}()
	return after(out)
}

// redeem writes down that the calling account has resolved a registration token.
// Calls may come out of order: the last one is the one of the latest time.
func redeem(c *Call, l Ledger) error {
	r, again, err := l.Redeemed()
	if err != nil {
		return err
	}
	if !again {
		r = Redeemed{Account: c.Account, First: c.At}
	}
	if r.Account != c.Account {
		return foreign("a registration token", r.Account, c)
	}
	if !again || !c.At.Before(r.Last) {
		r.Last, r.KeyID = c.At, c.Redemption.KeyID
	}
	r.Count++
	return l.Redeem(r)
}

// register does what a call does to registrations. When a registration stops and
// what a sign of life means to it are rules of metering.
func register(c *Call, l Ledger) (*metering.Registration, error) {
	switch change := c.Registration; {
	case change.Begin != nil:
		return begin(c, l)
	case change.Stop != nil:
		return stop(c, l)
	default:
		_, err := seen(*change.Seen, c, l)
		return nil, err
	}
}

func begin(c *Call, l Ledger) (*metering.Registration, error) {
	now := *c.Registration.Begin
	now.Started, now.LastSeen, now.Stopped = Instant(now.Started), Instant(now.LastSeen), Instant(now.Stopped)
	running, err := seen(Alive{now.Account, now.Workload}, c, l)
	if err != nil {
		return nil, err
	}
	for _, old := range running {
		if old.Product != now.Product {
			continue
		}
		if _, stopped := old.StoppedAt(c.At); !stopped {
			return &old, nil
		}
		if old.Stopped.IsZero() {
			if err := l.Update(old.Stop(c.At)); err != nil {
				return nil, err
			}
		}
	}
	if _, taken, err := l.Registration(now.ID); taken || err != nil {
		if err == nil {
			err = fmt.Errorf("store: registration %s begins twice", now.ID)
		}
		return nil, err
	}
	return &now, l.Register(now)
}

// stop stops what belongs to the calling account. Another's is as unknown as one
// that never was.
func stop(c *Call, l Ledger) (*metering.Registration, error) {
	r, ok, err := l.Registration(*c.Registration.Stop)
	if err != nil || !ok || r.Account != c.Account {
		return nil, err
	}
	stopped := r.Stop(c.At)
	if stopped == r {
		return &r, nil
	}
	return &stopped, l.Update(stopped)
}

// seen tells a workload's registrations of a sign of life, and returns them as
// they are then.
func seen(a Alive, c *Call, l Ledger) ([]metering.Registration, error) {
	running, err := l.Running(a)
	if err != nil {
		return nil, err
	}
	for i, r := range running {
		now, ok := r.Seen(c.At)
		if !ok || now == r {
			continue
		}
		running[i] = now
		if err := l.Update(now); err != nil {
			return nil, err
		}
	}
	return running, nil
}
