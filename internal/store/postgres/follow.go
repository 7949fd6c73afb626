package postgres

import (
	"context"
	"errors"
	"time"
)

// lookEvery is how often a node looks at the catalogue's revision (wall.md).
const lookEvery = time.Second

// lose says that a connection was lost, or, if outcome is set, what became of a
// commit: nothing is answered before the primary has been asked again.
func (s *Store) lose(err error, outcome bool) {
	s.health.lose(err, outcome)
	// One connection that is gone may be the first of many: those that lead to a
	// machine that has vanished would each be waited for, one after the other.
	s.reads.Reset()
	s.lookNow()
}

func (s *Store) lookNow() {
	select {
	case s.look <- struct{}{}:
	default: // there is one who has asked
	}
}

// follow looks at the catalogue every second, and whenever something was lost.
func (s *Store) follow() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var proof <-chan error // of a commit that is on its way; nil: none is
	var doubted doubt      // that it is to end
	for {
		select {
		case <-s.closing:
			return
		case err := <-proof:
			proof = nil
			if err == nil {
				s.health.settled(doubted)
			}
			continue
		case <-s.look:
		case <-tick.C:
		}
		began, d := time.Now(), s.health.doubted()
		if err := s.refresh(); err != nil {
			s.health.bad(err)
			if errors.Is(err, errRestored) {
				s.health.lose(err, false) // and not in five seconds
			}
			s.log.Warn("the catalogue cannot be seen", "error", err)
			continue
		}
		s.health.good(began)
		s.renew()
		switch {
		case !d.outcome:
			s.health.settled(d)
		case proof == nil:
			proof, doubted = s.prove(), d
		}
	}
}

// prove commits something of no meaning, to see whether the database acknowledges
// commits. It waits as long as any commit: a primary that goes without a word never
// answers, and its successor has to be asked. A server whose standby is gone is told
// that the wait is given up, and keeps neither it nor the connection.
func (s *Store) prove() <-chan error {
	ctx, cancel := context.WithTimeout(context.Background(), s.waits)
	go func() {
		select {
		case <-s.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	done := make(chan error, 1)
	s.working.Go(func() {
		defer cancel()
		err := s.proveNow(ctx)
		if err != nil && !errors.Is(err, context.Canceled) {
			s.log.Warn("the database acknowledges no commit", "error", err)
		}
		done <- err
	})
	return done
}

func (s *Store) proveNow(ctx context.Context) error {
	conn, err := s.writes.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	statement := touchCatalogue
	if s.engine.standby && !s.engine.citus {
		statement = waitForStandby
	}
	delete(conn.Conn().PgConn().CustomData(), warning)
	if _, err := conn.Exec(ctx, statement); err != nil {
		return err
	}
	return warningOf(conn)
}
