// Package postgres is the store on PostgreSQL, and on what speaks its SQL: many
// nodes over one database, each with nothing of its own but a catalogue in
// memory. Only a unique key decides who came first, so any number of nodes may
// race.
//
// # How a call is committed
//
// Append hands a call to one of two committers, which take what waits as a group
// and commit it in one transaction of three round trips. The first finds what is
// stored under the keys that the group wants. From that and from one another the
// calls are decided, in memory, as every store decides ([store.Decide]). The
// second writes what was decided: inserts that do nothing where a key is taken,
// updates that do nothing where a row has changed. If one of them did less than it
// was to do, another node came first; the transaction is rolled back and the group
// begins again. The third commits.
//
// What was read is only ever a guess: it is the writes that are believed. An
// answer from what was read, "held already", waits in the same way: its
// transaction commits, and that waits for the synchronous standby if there is one.
//
// # What an error means
//
// Until COMMIT is sent nothing is there, and a group that failed may begin again.
// After that, whatever goes wrong leaves the outcome unknown: a connection that
// ends, a wait that takes too long or was cancelled on the server, which answers
// success and a warning.
//
// # The catalogue
//
// Each node reads the catalogue's revision every second and, if there is a newer
// one, what has changed. While the last good reading is five seconds old, the
// store answers nothing ([store.ErrUnavailable]), and so it does after a
// connection was lost, until it has read it again.
package postgres

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
)

// Options say where a store lives.
type Options struct {
	// URL is a connection string as libpq has it.
	URL string
	// Name is what connections are called in pg_stat_activity; "" is [Node].
	Name string
	// Connections is how many are opened at the most; 0 is DefaultConnections.
	Connections int
	// Standbys is how many synchronous standbys the database must be set to wait
	// for; a database that waits for fewer is refused.
	Standbys int
	// Keys seal the secrets of the catalogue; nil leaves them plain.
	Keys *envelope.Keys
	// Accept, if not nil, may refuse a database for what its catalogue holds,
	// before anything in it is sealed.
	Accept func(*store.Catalog) error
	// Logger hears of errors; nil is none.
	Logger *slog.Logger
}

// Node is what the connections of nodes that serve are called.
const Node = "meterd"

// Connections of a store: two committers, one for changes, two that look after the
// database, and the rest for reading.
const (
	DefaultConnections = 12
	LeastConnections   = forWriting + 1
	forWriting         = committers + 3
	committers         = 2
)

var (
	// ErrWeak says that the database is set to keep less than it must.
	ErrWeak = errors.New("postgres: the database does not keep what it acknowledges")
	// ErrSchema says that the database has not the tables that this meterd needs.
	ErrSchema = errors.New("postgres: the database is not migrated for this meterd")
	// ErrDamaged says that what is stored is not what was written.
	ErrDamaged = errors.New("postgres: the data is damaged")
)

// Store is the store on PostgreSQL. It is safe for use by many at once.
type Store struct {
	log      *slog.Logger
	keys     *envelope.Keys
	accept   func(*store.Catalog) error
	standbys int
	engine   engine
	waits    time.Duration // the longest wait for COMMIT's answer

	// Two pools, so that readers cannot keep writers waiting, nor the look at the
	// catalogue by which the node knows that it may decide.
	writes, reads *pgxpool.Pool

	catalog *store.Catalog
	sealed  atomic.Pointer[[32]byte] // the hash of the newest digest that is known: what a chain begins after
	changes chan struct{}            // has whoever changes the catalogue in memory
	health  health
	serves  bool   // it is one of the nodes that share the quotas
	node    string // what its lease is called
	renewed time.Time
	nodes   atomic.Int64
	look    chan struct{} // asks for a look at the catalogue now

	calls   chan *request // unbuffered: what was received was taken
	closing chan struct{}
	once    sync.Once
	working sync.WaitGroup // committers and the one that looks
	closed  atomic.Bool
}

var (
	_ store.Store   = (*Store)(nil)
	_ store.Carrier = (*Store)(nil)
)

// Open opens the store of a database that has been migrated. Its errors wrap
// [ErrWeak], [ErrSchema] or [envelope.ErrKey] where one fits.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{
		log: o.Logger, keys: o.Keys, accept: o.Accept, standbys: o.Standbys, waits: commitTime,
		catalog: store.NewCatalog(),
		changes: make(chan struct{}, 1),
		look:    make(chan struct{}, 1),
		calls:   make(chan *request),
		closing: make(chan struct{}),
	}
	s.serves, s.node = cmp.Or(o.Name, Node) == Node, rand.Text()
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if o.Connections == 0 {
		o.Connections = DefaultConnections
	}
	if o.Connections < LeastConnections {
		return nil, fmt.Errorf("postgres: %d connections; %d at the least", o.Connections, LeastConnections)
	}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	if err := s.open(ctx, o); err != nil {
		s.release()
		return nil, err
	}
	for range committers {
		s.working.Go(newCommitter(s).run)
	}
	s.working.Go(s.follow)
	return s, nil
}

// openTime bounds all that is done before a store serves.
const openTime = 2 * time.Minute

func (s *Store) open(ctx context.Context, o Options) (err error) {
	if s.writes, err = s.connect(ctx, &o, forWriting); err != nil {
		return err
	}
	if s.reads, err = s.connect(ctx, &o, o.Connections-forWriting); err != nil {
		return err
	}
	if err := s.learn(ctx); err != nil {
		return err
	}
	if err := checkSchema(ctx, s.writes); err != nil {
		return err
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	if err := s.loadTrail(ctx); err != nil {
		return err
	}
	if s.accept != nil {
		if err := s.accept(s.catalog); err != nil {
			return err
		}
	}
	if err := s.sealSecrets(ctx); err != nil {
		return err
	}
	s.renew()
	return nil
}

// release lets go of the connections.
func (s *Store) release() {
	for _, pool := range []*pgxpool.Pool{s.writes, s.reads} {
		if pool != nil {
			pool.Close()
		}
	}
}

// Catalog is the catalogue in memory.
func (s *Store) Catalog() *store.Catalog { return s.catalog }

// Err is why the store answers nothing at present; it passes when the database
// can be reached again.
func (s *Store) Err() error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	return s.health.err(time.Now())
}

// Close waits for what has begun and lets go of the connections. Calls that have
// not begun get [store.ErrClosed].
func (s *Store) Close() error {
	s.once.Do(func() {
		s.closed.Store(true)
		close(s.closing)
		s.working.Wait()
		s.dropLease()
		s.release()
	})
	return nil
}
