package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
	"github.com/meterd/meterd/internal/store/postgres"
)

// location is where a store lies that a command opens itself: in a directory that no
// server is using, or in a database.
type location struct {
	data    string
	store   string
	keyFile string
}

func (p *location) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&p.data, "data", "", "data directory, which no server may be using")
	flags.StringVar(&p.store, "store", "", "PostgreSQL database: "+databaseForm)
	flags.StringVar(&p.keyFile, "key-file", "", "file with the keys that the secrets are sealed with, if they are")
}

func (p *location) given() bool { return p.data != "" || p.store != "" }

// check refuses flags that name no store, or two.
func (p *location) check() error {
	switch {
	case !p.given():
		return errors.New("--data or --store is missing: say where the store is")
	case p.data != "" && p.store != "":
		return errors.New("--data and --store are both given: a store is in one of the two")
	case p.store != "":
		if err := checkDatabaseURL(p.store); err != nil {
			return fmt.Errorf("--store: %w", err)
		}
	}
	return nil
}

// String is the place as it may be seen.
func (p *location) String() string { return cmp.Or(p.data, databaseURL(p.store).String()) }

// kind is what kind of store it is.
func (p *location) kind() string {
	if p.store != "" {
		return "postgres"
	}
	return "embedded"
}

// tool is the name of our connections that serve nobody: nodes are counted by
// theirs.
const tool = "meterd tool"

// open opens the store; a directory is made if there is none.
func (p *location) open(ctx context.Context) (store.Store, error) {
	var keys *envelope.Keys
	if p.keyFile != "" {
		var err error
		if keys, err = readKeys(p.keyFile); err != nil {
			return nil, fmt.Errorf("--key-file: %w", err)
		}
	}
	db, err := p.openWith(ctx, keys)
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, envelope.ErrKey) && p.keyFile == "":
		return nil, fmt.Errorf("its secrets are sealed: give the file with their keys with --key-file (%w)", err)
	case errors.Is(err, envelope.ErrKey):
		return nil, fmt.Errorf("--key-file: %s does not have the key that its secrets are sealed with: give the file of the server that they are from (%w)", p.keyFile, err)
	case p.store != "":
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	return nil, err
}

func (p *location) openWith(ctx context.Context, keys *envelope.Keys) (store.Store, error) {
	if p.store != "" {
		db, err := postgres.Open(ctx, postgres.Options{URL: p.store, Keys: keys, Name: tool})
		if err != nil {
			return nil, err // not a store that is no nil
		}
		return db, nil
	}
	db, err := embedded.Open(embedded.Options{Dir: p.data, Keys: keys})
	if err != nil {
		return nil, err
	}
	return db, nil
}

// openFilled opens a store that is there, and whole.
func (p *location) openFilled(ctx context.Context) (store.Store, error) {
	if p.data != "" { // opening would make one in place of a name that was mistyped
		if entries, err := os.ReadDir(p.data); err != nil || len(entries) == 0 {
			return nil, fmt.Errorf("--data: there is no data of meterd's in %s: %w", p.data, cmp.Or(err, os.ErrNotExist))
		}
	}
	db, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := refuseHalf(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// idle refuses a database that nodes serve from, for commands that must be alone. A
// directory is used by one process anyway.
func idle(ctx context.Context, db store.Store) error {
	shared, ok := db.(*postgres.Store)
	if !ok {
		return nil
	}
	nodes, err := shared.Served(ctx)
	if err == nil && nodes > 0 {
		err = fmt.Errorf("%d connections of nodes that serve from the database are open: stop them first, so that nothing is written meanwhile", nodes)
	}
	return err
}

// refuseHalf refuses a store that an import has begun to fill and not filled.
func refuseHalf(ctx context.Context, db store.Store) error {
	at, err := db.Importing(ctx)
	if err == nil && at != "" {
		err = fmt.Errorf("an import into this store was not finished (it stands at %s): run 'meterd import' again with the same file", at)
	}
	return err
}
