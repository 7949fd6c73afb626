package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/meterd/meterd/internal/store"
)

// errRaced says that another transaction came first, and that this one is to begin
// again.
var errRaced = errors.New("postgres: another node came first")

// again reports whether a transaction that failed may begin again at once: the
// engine says so (distributed-sql.md 5.4, rule 7), or another came first.
func again(err error) bool {
	if errors.Is(err, errRaced) {
		return true
	}
	switch code(err) {
	case "40001", "40P01", "55P03": // serialization failure, deadlock, a lock that was not to be had
		return true
	}
	return false
}

// code is an error's SQLSTATE; "" if the server did not say it.
func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// lost reports whether an error is of the connection, or of the server as a
// whole: another connection may work.
func lost(err error) bool {
	var connect *pgconn.ConnectError
	switch c := code(err); {
	case errors.As(err, &connect), fatal(err):
		return true // whatever it was refused or ended for: a password, a name, idleness
	case c == "":
		return err != nil && !errors.Is(err, errRaced) && !isLocal(err)
	case strings.HasPrefix(c, "08"), strings.HasPrefix(c, "57P"), c == "25006":
		return true // connection exceptions, shutdown, a primary that is one no more
	}
	return false
}

// fatal reports whether the server ended the session with the error.
func fatal(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.SeverityUnlocalized == "FATAL" || pg.SeverityUnlocalized == "PANIC")
}

// isLocal reports whether an error is of ours, and says nothing of the server.
func isLocal(err error) bool {
	return errors.Is(err, ErrDamaged) || errors.Is(err, ErrSchema) || errors.Is(err, store.ErrCursor) ||
		errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotEmpty) || errors.Is(err, context.Canceled) ||
		errors.Is(err, store.ErrUnavailable)
}

// definite is an error of a transaction that was not committed, as callers see it:
// whether it is worth trying again later, and never that it may have happened.
func definite(err error) error {
	switch c := code(err); {
	case err == nil, isLocal(err), errors.Is(err, store.ErrClosed):
		return err
	case again(err), lost(err), errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrWeak),
		strings.HasPrefix(c, "53"), // no memory, no disk, no connections left
		strings.HasPrefix(c, "57"): // cancelled, out of time
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// ofOneCall reports whether an error is of what one call of a group wants or writes,
// and nothing of the group was written: a row that is damaged, a value that the
// database does not take.
func ofOneCall(err error) bool {
	switch c := code(err); {
	case err == nil, errors.Is(err, store.ErrUnknown), errors.Is(err, store.ErrUnavailable):
		return false
	case strings.HasPrefix(c, "22"), strings.HasPrefix(c, "23"), strings.HasPrefix(c, "54"):
		return true // data exceptions, constraints, limits: an index takes no text of 8 KiB
	}
	return errors.Is(err, ErrDamaged)
}

// rolledBack reports whether an error that answered COMMIT says that nothing was
// committed. Everything else leaves the outcome unknown.
func rolledBack(err error) bool {
	switch c := code(err); {
	case c == "40001", c == "40P01", strings.HasPrefix(c, "23"):
		return true
	}
	return false
}

func unknown(cause error) error { return fmt.Errorf("%w: %w", store.ErrUnknown, cause) }
