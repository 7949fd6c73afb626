package embedded

import (
	"fmt"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

func registrationKey(id metering.ID) string {
	return string(append([]byte{familyRegistration}, id[:]...))
}

func workloadKey(a metering.AccountID, workload string) string {
	return string(appendText(appendText([]byte{familyWorkload}, string(a)), workload))
}

// Running lists a workload's last registrations, one for each product.
func (l ledger) Running(a store.Alive) ([]metering.Registration, error) {
	all, err := l.lasts(workloadKey(a.Account, a.Workload))
	if err != nil {
		return nil, err
	}
	var running []metering.Registration
	for _, last := range all {
		r, ok, err := l.Registration(last.id)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("%w: registration %s of workload %q is missing", ErrDamaged, last.id, a.Workload)
		}
		running = append(running, r)
	}
	return running, nil
}

// Registration finds a registration, of whatever account.
func (l ledger) Registration(id metering.ID) (r metering.Registration, ok bool, err error) {
	key := registrationKey(id)
	fields, ok, err := l.get(key)
	if err != nil || !ok {
		return r, false, err
	}
	r, err = decodeRegistration(id, key, fields)
	return r, err == nil, err
}

// Register writes a registration that is new, as the last of its workload for its
// product.
func (l ledger) Register(r metering.Registration) error {
	key := workloadKey(r.Account, r.Workload)
	all, err := l.lasts(key)
	if err != nil {
		return err
	}
	i := 0
	for i < len(all) && all[i].product != r.Product {
		i++
	}
	if i == len(all) {
		all = append(all, last{product: r.Product})
	}
	all[i].id = r.ID
	if err := l.Update(r); err != nil {
		return err
	}
	byProduct := stampKey(appendText([]byte{familyByProduct}, string(r.Product)), r.Started, r.ID)
	if err := l.put(byProduct, func(*encoder) {}); err != nil {
		return err
	}
	return l.put(key, func(e *encoder) { encodeLast(e, all) })
}

// Update replaces a registration.
func (l ledger) Update(r metering.Registration) error {
	return l.put(registrationKey(r.ID), func(e *encoder) { encodeRegistration(e, &r) })
}

// lasts are a workload's last registrations, one for each product.
func (c *committer) lasts(key string) ([]last, error) {
	fields, ok, err := c.get(key)
	if err != nil || !ok {
		return nil, err
	}
	return decodeLast(key, fields)
}
