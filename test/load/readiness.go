package main

import (
	"context"
	"errors"
	"time"
)

// readiness is how long a server takes to be ready, and what it takes then.
type readiness struct {
	clean, killed time.Duration
	idle          float64 // bytes resident
}

// idleAfter is when a server that was just started counts as idle.
const idleAfter = 3 * time.Second

// readiness starts the product over a copy of what was stored beforehand, looks at
// its memory, kills it under load, and starts it again.
func (h *harness) readiness(ctx context.Context, n int) (found readiness, err error) {
	w := newWorld(1, h.agreements)
	c := contender{name: "readiness", kind: kindBatch, world: w, rate: 25_000}
	r, err := startEmbedded(w, h.reference())(ctx, h)
	if err != nil {
		return found, err
	}
	defer r.stop()
	s := r.servers[0]
	found.clean = s.took
	select {
	case <-time.After(idleAfter):
	case <-ctx.Done():
		return found, ctx.Err()
	}
	idle, err := memory(s.pid(), "VmRSS")
	if err != nil {
		return found, errors.Join(s.gone(), err)
	}
	found.idle = float64(idle)
	err = h.generator(ctx, h.order(c, r, n), func(said report) error {
		if said.Event == "end" { // all connections are in the midst of a request
			s.kill()
			return errKilled
		}
		return nil
	})
	if !errors.Is(err, errKilled) {
		return found, errors.Join(s.gone(), err)
	}
	again, err := h.serve(ctx, "embedded, after a kill", h.keyFile(w), s.dataArgs()...)
	if err != nil {
		return found, err
	}
	r.add(again)
	found.killed = again.took
	return found, nil
}

// errKilled ends the generator of a server that was killed.
var errKilled = errors.New("the server was killed")

// dataArgs are what says where a server's data is.
func (s *server) dataArgs() []string { return s.cmd.Args[len(s.cmd.Args)-2:] }
