package postgres

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meterd/meterd/internal/store"
)

// readTime bounds a read, the wait for a connection included.
const readTime = 10 * time.Second

// maxPageBytes ends a page before its limit: a thousand records with all their
// allocations would be 40 MB.
const maxPageBytes = 4 << 20

// list is a walk through the rows of a query, in the order of an index.
type list[T, At any] struct {
	// about is what the walk is about; a cursor is good for one.
	about []any
	// start is where a walk begins: before the first row that is asked for.
	start At
	// query is the statement, and its arguments for a page that begins after a
	// row and has at most this many.
	query func(after At, limit int) (string, []any)
	scan  pgx.RowToFunc[T]
	at    func(*T) At
	// size is about how many bytes an item takes.
	size func(*T) int
}

// page reads from a cursor on until the page is full.
func page[T, At any](ctx context.Context, s *Store, l list[T, At], limit int, cursor string) (store.Page[T], error) {
	var none store.Page[T]
	limit, err := store.PageSize(limit)
	if err != nil {
		return none, err
	}
	after := l.start
	if cursor != "" {
		if after, err = l.resume(cursor); err != nil {
			return none, err
		}
	}
	var p store.Page[T]
	err = s.reading(ctx, func(ctx context.Context, conn querier) error {
		sql, args := l.query(after, limit+1)
		p, err = l.fill(ctx, conn, sql, args, limit)
		return err
	})
	var damage *store.DamageError
	if errors.As(err, &damage) && damage.Next == cursor {
		damage.Next = "" // its key is damaged as well: there is no way past it
	}
	if err != nil {
		return none, err
	}
	return p, nil
}

// querier is a connection, or a transaction on one.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

func (l *list[T, At]) fill(ctx context.Context, conn querier, sql string, args []any, limit int) (store.Page[T], error) {
	var p store.Page[T]
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return p, err
	}
	defer rows.Close()
	bytes := 0
	for rows.Next() {
		if len(p.Items) == limit || bytes >= maxPageBytes {
			p.Next, err = l.cursor(l.at(&p.Items[len(p.Items)-1]))
			return p, err
		}
		item, err := l.scan(rows)
		if errors.Is(err, ErrDamaged) {
			return l.past(p, &item, err)
		}
		if err != nil {
			return p, err
		}
		p.Items = append(p.Items, item)
		bytes += l.size(&item)
	}
	return p, rows.Err()
}

// past ends a page before a damaged row. If it is the first one, the error says
// where to go on; a scan that fails with ErrDamaged tells where the row stands.
func (l *list[T, At]) past(p store.Page[T], item *T, err error) (store.Page[T], error) {
	if n := len(p.Items); n > 0 {
		var broken error
		p.Next, broken = l.cursor(l.at(&p.Items[n-1])) // the next page begins with the damage
		return p, broken
	}
	next, broken := l.cursor(l.at(item))
	if broken != nil {
		return p, errors.Join(err, broken)
	}
	return p, &store.DamageError{Err: err, Next: next}
}

// A cursor is where the last row that was shown stands, under a sum of it and of
// what the walk is about. The sum is against mistakes; what a reader may see is in
// the query, which every page is held against anew.
func (l *list[T, At]) cursor(at At) (string, error) {
	b, err := json.Marshal(at)
	if err != nil {
		return "", err
	}
	sum, err := l.sum(b)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint32(nil, sum), b...)), nil
}

func (l *list[T, At]) resume(cursor string) (at At, err error) {
	const sumSize = 4
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) < sumSize {
		return at, store.ErrCursor
	}
	sum, err := l.sum(b[sumSize:])
	if err != nil || sum != binary.BigEndian.Uint32(b) {
		return at, store.ErrCursor
	}
	d := json.NewDecoder(bytes.NewReader(b[sumSize:]))
	d.DisallowUnknownFields()
	if err := d.Decode(&at); err != nil {
		return at, store.ErrCursor
	}
	return at, nil
}

func (l *list[T, At]) sum(at []byte) (uint32, error) {
	about, err := json.Marshal(l.about)
	return crc32.Checksum(append(about, at...), castagnoli), err
}

// reading runs a read, again if the connection breaks under it: a pool may have
// kept some that are no more.
func (s *Store) reading(ctx context.Context, read func(context.Context, querier) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	for broken := 0; ; broken++ {
		if err := s.Err(); err != nil {
			return err
		}
		err := read(bounded, s.reads)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case bounded.Err() != nil || broken == attempts || !again(err) && !lost(err):
			return s.readError(err)
		}
	}
}

func (s *Store) readError(err error) error {
	if errors.Is(err, ErrDamaged) {
		s.log.Error("damaged data", "error", err)
	}
	return definite(err)
}
