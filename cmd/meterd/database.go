package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
	"github.com/meterd/meterd/internal/store/postgres"
)

// databaseURL says where a PostgreSQL database is. It may hold a password, and is
// shown without.
type databaseURL string

// passwords are the parameters of a database's URL that are secret.
var passwords = []string{"password", "sslpassword"}

// String is the URL as it may be seen.
func (u databaseURL) String() string {
	parsed, err := url.Parse(string(u))
	if err != nil || u == "" {
		return string(u[:0])
	}
	if _, has := parsed.User.Password(); has {
		parsed.User = url.UserPassword(parsed.User.Username(), "xxx")
	}
	query := parsed.Query()
	for _, name := range passwords {
		if query.Has(name) {
			query.Set(name, "xxx")
			parsed.RawQuery = query.Encode()
		}
	}
	return parsed.String()
}

// MarshalText hides the password from encoders, slog's among them.
func (u databaseURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

const databaseForm = "postgres://user@host:port/database"

// checkDatabaseURL refuses what is not the URL of a PostgreSQL database, without
// saying what it is: there may be a password in it.
func checkDatabaseURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return errors.New("it is not of the form " + databaseForm)
	}
	return postgres.CheckURL(text)
}

func checkConnections(text string) error {
	if n, err := strconv.Atoi(text); err == nil && n < postgres.LeastConnections {
		return fmt.Errorf("%q is less than %d", text, postgres.LeastConnections)
	}
	return nil
}

// open opens the store that serve is configured with.
func (c *config) open(ctx context.Context, keys *envelope.Keys, log *slog.Logger) (store.Store, error) {
	if c.store == "" {
		db, err := embedded.Open(embedded.Options{Dir: c.data, Logger: log, Keys: keys, Accept: refuseDemo, Reserve: leastDisk})
		if err != nil {
			return nil, err // not a store that is no nil
		}
		return db, nil
	}
	db, err := postgres.Open(ctx, postgres.Options{
		URL: string(c.store), Connections: c.storeConnections, Standbys: c.storeStandbys,
		Keys: keys, Accept: refuseDemo, Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.store, err)
	}
	return db, nil
}
