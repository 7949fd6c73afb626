package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// row is one key and its sealed value.
type row struct {
	key   string
	value []byte
}

// request is a call on its way through the committer, or a batch. All of a call
// that does not depend on what is stored is encoded before it gets there.
type request struct {
	ctx     context.Context
	call    store.Call // its records as they are read back
	records []row      // of call.Records, in order
	weight  int        // in bytes, about

	batch  *pebble.Batch // not nil: it is written as it is, and call is empty
	forget int32         // days before this one hold no tokens after the batch

	outcome store.Outcome
	err     error
	done    chan struct{} // closed when the above is settled
}

// newRequest encodes a call. Its errors say what no store can keep, or what does
// not belong to the calling account.
func newRequest(ctx context.Context, c store.Call) (*request, error) {
	r := &request{ctx: ctx, call: c, done: make(chan struct{})}
	if err := checkCall(&c); err != nil {
		return nil, err
	}
	r.call.At = plain(c.At)
	r.call.Records = make([]metering.Record, len(c.Records))
	var keys []byte
	ends := make([]int, len(c.Records))
	for i := range c.Records {
		rec := c.Records[i]
		rec.Timestamp, rec.Received = plain(rec.Timestamp), plain(rec.Received)
		if len(rec.Allocations) == 0 {
			rec.Allocations = nil
		}
		r.call.Records[i] = rec
		keys = recordKey(keys, &rec.Key)
		ends[i] = len(keys)
	}
	text, start := string(keys), 0
	e := encoder{b: make([]byte, 0, 96*len(c.Records))}
	r.records = make([]row, len(c.Records))
	for i := range r.call.Records {
		key := text[start:ends[i]]
		start = ends[i]
		at := e.begin()
		encodeRecord(&e, &r.call.Records[i])
		r.records[i] = row{key, e.seal(key, at)}
	}
	if e.err != nil {
		return nil, e.err
	}
	r.weight = len(keys) + len(e.b)
	return r, nil
}

// plain is a time as it is read back: UTC, without a monotonic reading.
func plain(t time.Time) time.Time { return t.UTC().Round(0) }

func checkCall(c *store.Call) error {
	owner := c.Account
	foreign := func(what string, a metering.AccountID) error {
		return fmt.Errorf("embedded: %s of account %s in a call of account %s", what, a, owner)
	}
	texts := []string{string(c.Account), c.Region}
	for i := range c.Records {
		k := &c.Records[i].Key
		if k.Account != owner {
			return foreign("a record", k.Account)
		}
		texts = append(texts, k.Region, string(k.Product), k.Party, k.Dimension)
	}
	if c.Token != nil {
		texts = append(texts, c.Token.Value)
	}
	if a := c.Admission; a != nil {
		if a.Account != owner {
			return foreign("an admission", a.Account)
		}
		texts = append(texts, a.Workload, string(a.Product))
	}
	if c.Redemption != nil {
		texts = append(texts, c.Redemption.KeyID)
	}
	if change := c.Registration; change != nil {
		set := 0
		if g := change.Begin; g != nil {
			set++
			if g.Account != owner {
				return foreign("a registration", g.Account)
			}
			texts = append(texts, string(g.Product), g.Workload, string(g.Platform), g.Region)
		}
		if a := change.Seen; a != nil {
			set++
			if a.Account != owner {
				return foreign("a sign of life", a.Account)
			}
			texts = append(texts, a.Workload)
		}
		if change.Stop != nil {
			set++
		}
		if set != 1 {
			return errors.New("embedded: a change of registrations begins, sees or stops, one of the three")
		}
	}
	for _, s := range texts {
		if err := checkText(s); err != nil {
			return err
		}
	}
	return nil
}
