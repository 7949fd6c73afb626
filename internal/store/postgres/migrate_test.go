package postgres_test

import (
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// TestMigrateAtOnce: of several nodes that migrate at once one makes the tables,
// and all find them made. Again changes nothing.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		url := c.Schema(t)
		var wg sync.WaitGroup
		var mu sync.Mutex
		made := 0
		for range 4 {
			wg.Go(func() {
				m, err := postgres.Migrate(t.Context(), url, nil)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				made += len(m.Steps)
			})
		}
		wg.Wait()
		if steps, err := fs.Glob(postgres.Migrations, "migrations/*.sql"); err != nil || made != len(steps) {
			t.Errorf("%d steps were made, want %d (%v)", made, len(steps), err)
		}
		if m, err := postgres.Migrate(t.Context(), url, nil); err != nil || len(m.Steps) != 0 || m.From != m.To {
			t.Errorf("again: %+v, %v", m, err)
		}
		open(t, url)
	})
}

// TestSchemaVersions: tables that are missing, or a later meterd's, are refused with
// what there is to do.
func TestSchemaVersions(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		refused := func(url, says string) {
			t.Helper()
			s, err := postgres.Open(t.Context(), postgres.Options{URL: url})
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, postgres.ErrSchema) || !strings.Contains(err.Error(), says) {
				t.Errorf("got %v, want %q", err, says)
			}
		}
		refused(c.Schema(t), "run 'meterd migrate'")
		url := migrated(t, c)
		query[int64](t, url, `INSERT INTO meterd_migration (version_id, is_applied) VALUES (99, true) RETURNING version_id`)
		refused(url, "upgrade meterd")
	})
}

// TestDistributeNeedsCitus: without the extension nothing is spread, and it says
// why.
func TestDistributeNeedsCitus(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		if made, err := postgres.Distribute(t.Context(), migrated(t, c)); !errors.Is(err, postgres.ErrNoCitus) || len(made) > 0 {
			t.Errorf("got %v, %v, want %v", made, err, postgres.ErrNoCitus)
		}
	})
}

// TestSecretsAreSealed: a secret is in the database in no other form than sealed,
// what was plain is sealed at the next start, under a new key anew, and without the
// key nothing opens.
func TestSecretsAreSealed(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		const secret = "c2VjcmV0IHRoYXQgaXMgc2VhbGVk" // as JSON has bytes: what it is of does not matter
		url := migrated(t, c)
		old, fresh := envelope.NewLine(), envelope.NewLine()
		with := func(lines ...string) (*postgres.Store, error) {
			o := postgres.Options{URL: url}
			if len(lines) > 0 {
				keys, err := envelope.Parse(strings.Join(lines, "\n"))
				if err != nil {
					t.Fatal(err)
				}
				o.Keys = keys
			}
			return postgres.Open(t.Context(), o)
		}
		must := func(lines ...string) *postgres.Store {
			t.Helper()
			s, err := with(lines...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		}
		plain := func() bool {
			return query[bool](t, url, `SELECT EXISTS (SELECT 1 FROM entry WHERE body LIKE '%Plain%') OR EXISTS (SELECT 1 FROM revision WHERE body LIKE '%Plain%')`)
		}
		credential := func(s string) *store.Credential {
			return &store.Credential{KeyID: "AKIA1", Secret: store.Secret(s), Account: seller}
		}
		s := must()
		for _, text := range []string{secret, secret + "2"} {
			if _, err := s.Put(t.Context(), store.Change{By: "anna", At: noon(), Entries: []store.Entry{credential(text)}}); err != nil {
				t.Fatal(err)
			}
		}
		if !plain() {
			t.Fatal("without keys nothing is plain: the test shows nothing")
		}
		s.Close()
		must(old).Close()
		if plain() {
			t.Error("after a start with keys a secret is plain")
		}
		before := query[string](t, url, `SELECT body FROM entry`)
		must(fresh, old).Close() // the new key in front
		if query[string](t, url, `SELECT body FROM entry`) == before {
			t.Error("under a new key the secret is sealed as it was")
		}
		for _, lines := range [][]string{nil, {old}} {
			if s, err := with(lines...); !errors.Is(err, envelope.ErrKey) {
				t.Errorf("with %d other keys: got %v, want %v", len(lines), err, envelope.ErrKey)
				if err == nil {
					s.Close()
				}
			}
		}
		s = must(fresh)
		if got := s.Catalog().Credential("AKIA1"); got == nil || string(got.Secret) != secret+"2" {
			t.Error("the secret is not what it was")
		}
		history, err := s.History(t.Context(), store.Ref{Kind: store.KindCredential, Name: "AKIA1"})
		if err != nil || len(history) != 2 || string(history[0].Entry.(*store.Credential).Secret) != secret {
			t.Errorf("the history: %d revisions, error %v", len(history), err)
		}
	})
}

// TestAccept: a database whose catalogue is refused is refused before anything in it
// is sealed.
func TestAccept(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		url := migrated(t, c)
		s := open(t, url)
		if _, err := s.Put(t.Context(), store.Change{At: noon(), Entries: []store.Entry{&store.Credential{KeyID: "AKIA1", Secret: "s", Account: seller}}}); err != nil {
			t.Fatal(err)
		}
		keys, err := envelope.Parse(envelope.NewLine())
		if err != nil {
			t.Fatal(err)
		}
		no := errors.New("no")
		if _, err := postgres.Open(t.Context(), postgres.Options{URL: url, Keys: keys, Accept: func(*store.Catalog) error { return no }}); !errors.Is(err, no) {
			t.Errorf("got %v, want %v", err, no)
		}
		if query[bool](t, url, `SELECT EXISTS (SELECT 1 FROM entry WHERE body LIKE '%Sealed%')`) {
			t.Error("its secrets were sealed all the same")
		}
	})
}
