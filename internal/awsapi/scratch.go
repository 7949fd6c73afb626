package awsapi

import (
	"bytes"
	"io"
	"net/http"
	"slices"

	"github.com/meterd/meterd/internal/awsjson"
)

// scratch is memory that one request has after another. What a call leaves behind,
// in the store or in a log, has no part of it: decoded texts are copies.
type scratch struct {
	body    []byte // as it was sent
	answer  []byte
	records []usageRecord // of a batch, as decoded
}

// mostScratch is the size of memory that is kept: a batch with some allocations
// needs no more.
const mostScratch = 64 << 10

func (s *Service) takeScratch() *scratch {
	if had, ok := s.scratch.Get().(*scratch); ok {
		return had
	}
	return new(scratch)
}

// giveScratch keeps memory whose request is answered. HTTP/2 may still be sending
// from it when the handler has returned, if the client broke off.
func (s *Service) giveScratch(r *http.Request, had *scratch) {
	if r.ProtoMajor != 1 || cap(had.body) > mostScratch || cap(had.answer) > mostScratch {
		return
	}
	clear(had.records[:cap(had.records)]) // their texts
	s.scratch.Put(had)
}

// use gives a batch's records their memory. A shape that has none allocates it.
func (in *batchMeterUsageInput) use(had *scratch) {
	if had.records == nil {
		had.records = make([]usageRecord, 0, maxRecords)
	}
	in.records = had.records
}

// firstRead is how much memory a body is given before any of it has come.
const firstRead = 16 << 10

// readBody reads the body into b, which may grow while there is room, if it stays
// under MaxBody, and no further if not.
func readBody(r *http.Request, b []byte, room *hold) ([]byte, error) {
	if r.ContentLength >= MaxBody {
		return nil, errTooLarge
	}
	first := int(min(max(r.ContentLength, 0), firstRead)) + 1 // one byte more than there are, to see that there are no more
	if !room.grow(max(first, leastWork)) {
		return nil, errNoRoom
	}
	b = slices.Grow(b[:0], first)
	for len(b) < MaxBody {
		if len(b) == cap(b) {
			more := min(max(len(b), bytes.MinRead), MaxBody-len(b))
			if !room.grow(len(b) + more) {
				return nil, errNoRoom
			}
			b = slices.Grow(b, more)
		}
		n, err := r.Body.Read(b[len(b):min(cap(b), MaxBody)])
		b = b[:len(b)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			// The reason may tell of the network behind a proxy: it is not repeated.
			return nil, &awsjson.SerializationError{Message: "the body ended before its length, or came too slowly"}
		}
	}
	if len(b) >= MaxBody {
		return nil, errTooLarge
	}
	return b, nil
}
