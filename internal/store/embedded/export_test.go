package embedded

import (
	"context"

	"github.com/meterd/meterd/internal/store"
)

// SetPart makes changes large from a size on. It is for tests, before the first
// change.
func (s *Store) SetPart(bytes int) { s.part = bytes }

// Stepped is a store whose committer does one commit when it is told to, so that
// which calls share one is the test's to say. All of it is the real committer, but
// the loop that takes calls as they come.
type Stepped struct {
	*Store
	committer *committer
}

// OpenStepped opens a store to be stepped.
func OpenStepped(o Options) (*Stepped, error) {
	s, c, err := prepare(o)
	if err != nil {
		return nil, err
	}
	return &Stepped{s, c}, nil
}

// Asked is a call and its caller's context.
type Asked struct {
	Context context.Context
	Call    store.Call
}

// Answered is what a caller is told.
type Answered struct {
	Outcome store.Outcome
	Err     error
}

// Commit commits calls as one group and returns what each was told, in order.
// during, if not nil, is called when the group is with the engine and before
// anybody waits for its sync; writes says whether there will be one.
func (s *Stepped) Commit(calls []Asked, during func(writes bool)) []Answered {
	told := make([]Answered, len(calls))
	requests := make([]*request, len(calls))
	g := &group{synced: make(chan struct{})}
	for i, a := range calls {
		if told[i].Err = s.Err(); told[i].Err != nil {
			continue
		}
		r, err := newRequest(a.Context, a.Call, new(encoding))
		if err != nil {
			told[i].Err = err
			continue
		}
		requests[i] = r
		g.requests = append(g.requests, r)
	}
	if len(g.requests) == 0 {
		return told
	}
	s.committer.commit(g)
	g = <-s.committer.groups
	if during != nil {
		during(g.batch != nil)
	}
	go s.answer(g)
	for i, r := range requests {
		if r == nil {
			continue
		}
		if told[i].Err = s.await(r); told[i].Err == nil {
			told[i].Outcome = r.outcome
		}
	}
	return told
}

// Close ends a stepped store.
func (s *Stepped) Close() error {
	go s.committer.run()
	return s.Store.Close()
}
