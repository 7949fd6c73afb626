package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
	"github.com/meterd/meterd/internal/store/postgres"
)

// databaseURL says where a PostgreSQL database is. It may hold a password, and is
// shown without.
type databaseURL string

// Where a database's URL has a password. It is not parsed: one that names several
// hosts is no URL to others. What comes before the last @ is of the user: some
// clouds' names of users have one, and passwords may, without being escaped.
var (
	passwordOfUser   = regexp.MustCompile(`^([a-z]+://[^:/?]*):[^/?]*@`)
	passwordOfOption = regexp.MustCompile(`([?&](?:ssl)?password=)[^&]*`)
)

// String is the URL as it may be seen.
func (u databaseURL) String() string {
	text := passwordOfUser.ReplaceAllString(string(u), "$1:xxx@")
	return passwordOfOption.ReplaceAllString(text, "${1}xxx")
}

// MarshalText hides the password from encoders, slog's among them.
func (u databaseURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

const databaseForm = "postgres://user@host:port/database"

// checkDatabaseURL refuses what is not the URL of a PostgreSQL database, without
// saying what it is: there may be a password in it.
func checkDatabaseURL(text string) error {
	if scheme, _, ok := strings.Cut(text, "://"); !ok || scheme != "postgres" && scheme != "postgresql" {
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
		db, err := embedded.Open(embedded.Options{Dir: c.data, Logger: log, Keys: keys, Accept: refuseForDevelopment, Reserve: leastDisk})
		if err != nil {
			return nil, err // not a store that is no nil
		}
		return db, nil
	}
	db, err := postgres.Open(ctx, postgres.Options{
		URL: string(c.store), Connections: c.storeConnections, Standbys: c.storeStandbys,
		Keys: keys, Accept: refuseForDevelopment, Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.store, err)
	}
	return db, nil
}
