package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Connections do not live for ever: some engines end them after an hour, and new
// ones find a new primary or new servers (distributed-sql.md 5.4, rule 10).
const (
	connectTime  = 5 * time.Second
	lifetime     = 50 * time.Minute
	lifetimeMore = 4 * time.Minute // at random
	idleTime     = 10 * time.Minute
)

// parse reads a connection string. What it says goes before what we would say.
func parse(url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("postgres: the connection string cannot be read: %w", withoutSecret(err))
	}
	c := config.ConnConfig
	for _, host := range append(hostsOf(c.Fallbacks), c.Host) {
		if strings.Contains(host, "@") { // some of a password, which errors would name
			return nil, errors.New("postgres: the connection string cannot be read: an @ in a user's name or password is written %40")
		}
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTime
	}
	return config, nil
}

func hostsOf(all []*pgconn.FallbackConfig) []string {
	return column(all, func(f **pgconn.FallbackConfig) string { return (*f).Host })
}

// withoutSecret is a parse error without the string it quotes, which may hold a
// password.
func withoutSecret(err error) error {
	var parse *pgconn.ParseConfigError
	if errors.As(err, &parse) {
		if cause := errors.Unwrap(err); cause != nil {
			return cause
		}
		return errors.New("it is not of the form postgres://user@host:port/database")
	}
	return err
}

// connect opens a pool of connections that may be written over and keep what
// they acknowledge.
func (s *Store) connect(ctx context.Context, o *Options, most int) (*pgxpool.Pool, error) {
	config, err := parse(o.URL)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(most)
	config.MaxConnLifetime, config.MaxConnLifetimeJitter, config.MaxConnIdleTime = lifetime, lifetimeMore, idleTime
	c := config.ConnConfig
	c.RuntimeParams["application_name"] = cmp.Or(o.Name, Node)
	// Only the primary decides: a standby that is listed beside it is passed over.
	c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	c.OnNotice = warned
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		// Where statements are not prepared nobody tells pgx what an argument is; of
		// ours these are the ones that it does not know by itself.
		c.TypeMap().RegisterDefaultPgType([16]byte{}, "uuid")
		c.TypeMap().RegisterDefaultPgType([][16]byte{}, "_uuid")
		return s.inspect(ctx, c)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("postgres: connecting: %w", err)
	}
	return pool, nil
}

// warning is where a connection keeps the last warning that the server sent.
const warning = "meterd.warning"

// warned remembers warnings: one that comes with the answer to COMMIT says that
// the wait for a standby was cancelled, whatever language it is in.
func warned(c *pgconn.PgConn, n *pgconn.Notice) {
	if n.SeverityUnlocalized == "WARNING" {
		c.CustomData()[warning] = n.Message
	}
}

// inspect refuses a connection to a database that keeps less than it must: every
// new one is looked at, because settings change and primaries do.
func (s *Store) inspect(ctx context.Context, c *pgx.Conn) error {
	var fsync, pages, commits, standbys, readOnly, retry, checksums *string
	if err := c.QueryRow(ctx, findSettings).Scan(&fsync, &pages, &commits, &standbys, &readOnly, &retry, &checksums); err != nil {
		return fmt.Errorf("postgres: reading settings: %w", err)
	}
	weak := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrWeak}, args...)...)
	}
	is := func(setting *string, value string) bool { return setting != nil && *setting == value }
	switch {
	case is(fsync, "off"):
		return weak("fsync is off: a crash of the machine loses or damages what was acknowledged; set it on")
	case is(pages, "off"):
		return weak("full_page_writes is off: a crash of the machine may damage pages; set it on")
	case commits != nil && !slices.Contains(durableCommits(s.standbys), *commits):
		return weak("synchronous_commit is %s: set it to %s", *commits, strings.Join(durableCommits(s.standbys), " or "))
	case is(readOnly, "on"):
		return weak("it is read-only: a standby, or default_transaction_read_only is on; name the primary")
	case is(retry, "on"):
		return weak("data_sync_retry is on: a write that failed would be taken for done; set it off")
	case standbys != nil && quorum(*standbys) < s.standbys:
		return weak("synchronous_standby_names is %q, which waits for %d standbys; %d are asked for", *standbys, quorum(*standbys), s.standbys)
	}
	if is(checksums, "off") {
		s.log.Warn("the database has no page checksums: damage on its disk may be read as data (pg_checksums --enable)")
	}
	return nil
}

// durableCommits are the values of synchronous_commit that wait for what must be
// waited for: the primary's disk, or the standbys' too.
func durableCommits(standbys int) []string {
	if standbys > 0 {
		return []string{"on", "remote_apply"}
	}
	return []string{"on", "remote_apply", "remote_write", "local"}
}

// quorum is how many standbys a value of synchronous_standby_names waits for:
// "ANY 2 (a, b, c)", "FIRST 2 (a, b, c)", "2 (a, b, c)", or a list of names, of
// which it is one.
func quorum(names string) int {
	names = strings.TrimSpace(names)
	if names == "" {
		return 0
	}
	before, _, listed := strings.Cut(names, "(")
	if !listed {
		return 1
	}
	words := strings.Fields(before)
	if len(words) == 0 {
		return 1
	}
	n, err := strconv.Atoi(words[len(words)-1])
	if err != nil {
		return 1
	}
	return n
}

// engine is what a database is.
type engine struct {
	citus   bool // its tables are spread over workers by their tenant
	standby bool // COMMIT waits for standbys if it is set to, as PostgreSQL's does
}

// learn finds out what the database is.
func (s *Store) learn(ctx context.Context) error {
	var version string
	var encoding *string
	if err := s.writes.QueryRow(ctx, findEngine).Scan(&version, &encoding, &s.engine.citus); err != nil {
		return fmt.Errorf("postgres: asking for the version: %w", err)
	}
	if encoding != nil && *encoding != "UTF8" {
		return fmt.Errorf("postgres: the database's encoding is %s: make one with ENCODING 'UTF8'", *encoding)
	}
	s.engine.standby = strings.HasPrefix(version, "PostgreSQL ") && !strings.Contains(version, "-YB-")
	return nil
}

// Served is how many connections of nodes that serve from the database are open;
// 0 where the engine does not tell.
func (s *Store) Served(ctx context.Context) (connections int, err error) {
	if !s.engine.standby {
		return 0, nil
	}
	return connections, s.reads.QueryRow(ctx, countNodes, Node).Scan(&connections)
}

// sql is a statement as this engine is sent it.
func (s *Store) sql(statement string) string {
	if s.engine.citus {
		return onCitus(statement)
	}
	return plain(statement)
}

// CheckURL refuses a connection string that cannot be read.
func CheckURL(url string) error {
	_, err := parse(url)
	return err
}
