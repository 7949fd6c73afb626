package embedded

import (
	"context"

	"github.com/cockroachdb/pebble/v2"

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
	if err := c.Check(); err != nil {
		return nil, err
	}
	r := &request{ctx: ctx, call: c.AsKept(), done: make(chan struct{})}
	var size int
	for i := range r.call.Records {
		size += recordKeySize(&r.call.Records[i].Key)
	}
	keys := make([]byte, 0, size)
	ends := make([]int, len(c.Records))
	for i := range r.call.Records {
		keys = recordKey(keys, &r.call.Records[i].Key)
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
