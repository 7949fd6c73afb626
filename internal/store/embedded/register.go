package embedded

import (
	"fmt"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

func registrationKey(id metering.ID) string {
	return string(append([]byte{familyRegistration}, id[:]...))
}

func workloadKey(a metering.AccountID, workload string) string {
	return string(appendText(appendText([]byte{familyWorkload}, string(a)), workload))
}

// register does what a call does to registrations. When a registration stops and
// what a sign of life means to it are rules of metering.
func (c *committer) register(call *store.Call, out *store.Outcome) error {
	switch change := call.Registration; {
	case change == nil:
		return nil
	case change.Begin != nil:
		if err := c.seen(&store.Alive{Account: change.Begin.Account, Workload: change.Begin.Workload}, call.At); err != nil {
			return err
		}
		r, err := c.beginRegistration(change.Begin, call.At)
		out.Registration = r
		return err
	case change.Stop != nil:
		r, err := c.stopRegistration(call, *change.Stop)
		out.Registration = r
		return err
	default:
		return c.seen(change.Seen, call.At)
	}
}

func (c *committer) beginRegistration(begin *metering.Registration, at time.Time) (*metering.Registration, error) {
	key := workloadKey(begin.Account, begin.Workload)
	all, err := c.lasts(key)
	if err != nil {
		return nil, err
	}
	i := 0
	for i < len(all) && all[i].product != begin.Product {
		i++
	}
	if i < len(all) {
		old, ok, err := c.registration(all[i].id)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("%w: registration %s of workload %q is missing", ErrDamaged, all[i].id, begin.Workload)
		}
		if seen, ok := old.Seen(at); ok {
			return &seen, c.putRegistration(&seen)
		}
		if old.Stopped.IsZero() {
			stopped := old.Stop(at)
			if err := c.putRegistration(&stopped); err != nil {
				return nil, err
			}
		}
	} else {
		all = append(all, last{product: begin.Product})
	}
	if _, taken, err := c.registration(begin.ID); taken || err != nil {
		if err == nil {
			err = fmt.Errorf("embedded: registration %s begins twice", begin.ID)
		}
		return nil, err
	}
	now := *begin
	now.Started, now.LastSeen, now.Stopped = plain(now.Started), plain(now.LastSeen), plain(now.Stopped)
	all[i].id = now.ID
	if err := c.putRegistration(&now); err != nil {
		return nil, err
	}
	byProduct := stampKey(appendText([]byte{familyByProduct}, string(now.Product)), now.Started, now.ID)
	if err := c.put(byProduct, func(*encoder) {}); err != nil {
		return nil, err
	}
	return &now, c.put(key, func(e *encoder) { encodeLast(e, all) })
}

// stopRegistration stops what belongs to the calling account. Another's is as
// unknown as one that never was.
func (c *committer) stopRegistration(call *store.Call, id metering.ID) (*metering.Registration, error) {
	r, ok, err := c.registration(id)
	if err != nil || !ok || r.Account != call.Account {
		return nil, err
	}
	stopped := r.Stop(call.At)
	if stopped == r {
		return &r, nil
	}
	return &stopped, c.putRegistration(&stopped)
}

func (c *committer) seen(alive *store.Alive, at time.Time) error {
	all, err := c.lasts(workloadKey(alive.Account, alive.Workload))
	if err != nil {
		return err
	}
	for _, l := range all {
		r, ok, err := c.registration(l.id)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%w: registration %s of workload %q is missing", ErrDamaged, l.id, alive.Workload)
		}
		if seen, ok := r.Seen(at); ok && seen != r {
			if err := c.putRegistration(&seen); err != nil {
				return err
			}
		}
	}
	return nil
}

// lasts are a workload's last registrations, one for each product.
func (c *committer) lasts(key string) ([]last, error) {
	fields, ok, err := c.get(key)
	if err != nil || !ok {
		return nil, err
	}
	return decodeLast(key, fields)
}

func (c *committer) registration(id metering.ID) (r metering.Registration, ok bool, err error) {
	key := registrationKey(id)
	fields, ok, err := c.get(key)
	if err != nil || !ok {
		return r, false, err
	}
	r, err = decodeRegistration(id, key, fields)
	return r, err == nil, err
}

func (c *committer) putRegistration(r *metering.Registration) error {
	return c.put(registrationKey(r.ID), func(e *encoder) { encodeRegistration(e, r) })
}
