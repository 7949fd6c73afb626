package embedded

import (
	"context"

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
	ctx    context.Context
	call   store.Call // its records as they are read back
	weight int        // in bytes, about

	batch    *pebble.Batch      // not nil: it is written as it is, and call is empty
	forget   int32              // days before this one hold no tokens after the batch
	imported bool               // the batch has records or tokens
	sealed   *store.TrailDigest // that the batch has

	*encoding // of the call

	outcome store.Outcome
	err     error
	done    chan struct{} // closed when the above is settled
}

// encoding is a call's records as they are written. Its memory, but that of the
// keys, which are texts, is one call's after another's.
type encoding struct {
	records []row // of the call's records, in order
	keys    []byte
	ends    []int // of keys
	values  encoder
}

// newRequest encodes a call, in the memory of one before. Its errors say what no
// store can keep, or what does not belong to the calling account.
func newRequest(ctx context.Context, c store.Call, had *encoding) (*request, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	r := &request{ctx: ctx, call: c.AsKept(), encoding: had, done: make(chan struct{})}
	if err := had.encode(r.call.Records); err != nil {
		return nil, err
	}
	r.weight = len(had.keys) + len(had.values.b)
	return r, nil
}

func (n *encoding) encode(records []metering.Record) error {
	n.keys, n.ends, n.records, n.values = n.keys[:0], n.ends[:0], n.records[:0], encoder{b: n.values.b[:0]}
	for i := range records {
		n.keys = recordKey(n.keys, &records[i].Key)
		n.ends = append(n.ends, len(n.keys))
	}
	text, start := string(n.keys), 0
	for i, end := range n.ends {
		key := text[start:end]
		start = end
		at := n.values.begin()
		encodeRecord(&n.values, &records[i])
		n.records = append(n.records, row{key, n.values.seal(key, at)})
	}
	return n.values.err
}

// mostEncoding is how large memory may be that is kept for the next call, in
// bytes: a call with some allocations needs no more.
const mostEncoding = 64 << 10

func (s *Store) takeEncoding() *encoding {
	if had, ok := s.encodings.Get().(*encoding); ok {
		return had
	}
	return new(encoding)
}

// giveEncoding keeps the memory of a call that is settled: what it wrote is in
// Pebble, and what it was told has no part of it.
func (s *Store) giveEncoding(had *encoding) {
	if cap(had.values.b)+cap(had.keys) > mostEncoding {
		return
	}
	clear(had.records) // their keys
	s.encodings.Put(had)
}
