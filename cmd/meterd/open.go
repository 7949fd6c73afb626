package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/clock"
	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
	"github.com/meterd/meterd/internal/store/postgres"
)

// location is where a store is that a command opens by itself, and that no server is
// using: a directory or a database, and the keys of its secrets.
type location struct {
	data    string
	store   databaseURL
	keyFile string

	given string // --store, as it was given
}

// flags are those that say where a store is, and what the directory is for.
func (p *location) flags(cmd *cobra.Command, what string) {
	cmd.Flags().StringVar(&p.data, "data", "", what+" this data directory, which no server may be using")
	storeFlag(cmd, &p.given)
	cmd.Flags().StringVar(&p.keyFile, "key-file", "", "file with the keys that the store's secrets are sealed with, if they are")
}

// find reads the flags. Without --data it is a database that is asked for.
func (p *location) find() (err error) {
	switch {
	case p.data != "" && p.given != "":
		return errors.New("--data and --store are both given: a store is in one of the two")
	case p.data != "":
		return nil
	}
	if p.store, err = storeOf(p.given); err != nil && p.given == "" {
		return errors.New("--data or --store is missing: where the store is")
	}
	return err
}

// String is the place as flags of a command say it, without a password.
func (p *location) String() string {
	text := "--data " + p.data
	if p.store != "" {
		text = "--store " + p.store.String()
	}
	if p.keyFile != "" {
		text += " --key-file " + p.keyFile
	}
	return text
}

// kind is what an export calls the store.
func (p *location) kind() string {
	if p.store != "" {
		return "postgres"
	}
	return "embedded"
}

// exists refuses a directory that is not there: opening would make one in place of
// a name that was mistyped.
func (p *location) exists() error {
	if p.data == "" {
		return nil
	}
	if entries, err := os.ReadDir(p.data); err != nil || len(entries) == 0 {
		return fmt.Errorf("--data: there is no data of meterd's in %s: %w", p.data, cmp.Or(err, os.ErrNotExist))
	}
	return nil
}

// keys are those of the key file; nil, if none was given.
func (p *location) keys() (*envelope.Keys, error) {
	if p.keyFile == "" {
		return nil, nil
	}
	keys, err := readKeys(p.keyFile)
	if err != nil {
		return nil, fmt.Errorf("--key-file: %w", err)
	}
	return keys, nil
}

// tool is the name of our connections that serve nobody; nodes are counted by theirs.
const tool = "meterd tool"

// refuseServed refuses a database that nodes serve from, for what must be alone. A
// directory is used by one process anyway. On a busy server the connections of a
// node that has just ended are there for a moment longer.
func refuseServed(ctx context.Context, db store.Store) error {
	shared, ok := db.(*postgres.Store)
	if !ok {
		return nil
	}
	nodes, err := shared.Served(ctx)
	for range 10 {
		if err != nil || nodes == 0 || ctx.Err() != nil {
			break
		}
		time.Sleep(200 * time.Millisecond)
		nodes, err = shared.Served(ctx)
	}
	if err == nil && nodes > 0 {
		err = fmt.Errorf("%d connections of nodes that serve from the database are open: stop them first, so that nothing is written meanwhile", nodes)
	}
	return err
}

// open opens the store.
func (p *location) open(ctx context.Context) (store.Store, error) {
	keys, err := p.keys()
	if err != nil {
		return nil, err
	}
	var db store.Store
	if p.store != "" {
		db, err = postgres.Open(ctx, postgres.Options{URL: string(p.store), Keys: keys, Name: tool})
		if err != nil {
			err = fmt.Errorf("%s: %w", p.store, err)
		}
	} else {
		db, err = embedded.Open(embedded.Options{Dir: p.data, Keys: keys})
	}
	if err != nil {
		return nil, p.keyError(err)
	}
	return db, nil
}

// keyError says which keys are wanted, if that is what is missing.
func (p *location) keyError(err error) error {
	switch {
	case errors.Is(err, envelope.ErrKey) && p.keyFile == "":
		return fmt.Errorf("its secrets are sealed: give the file with their keys with --key-file (%w)", err)
	case errors.Is(err, envelope.ErrKey):
		return fmt.Errorf("--key-file: %s does not have the key that its secrets are sealed with: give the file of the server that they are from (%w)", p.keyFile, err)
	}
	return err
}

// openWhole opens a store that is there, and all of it.
func (p *location) openWhole(ctx context.Context) (store.Store, error) {
	if err := p.exists(); err != nil {
		return nil, err
	}
	db, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := refuseUnfinished(ctx, db, p); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// refuseUnfinished refuses a store that an import has not come to its end in: half
// of an installation is not to be served, nor carried on, nor found in order.
func refuseUnfinished(ctx context.Context, db store.Carrier, p *location) error {
	at, err := db.Importing(ctx)
	if err != nil || at == "" {
		return err
	}
	return fmt.Errorf("an import into this store has not come to its end: finish it with 'meterd import FILE %s', FILE being the one that it was begun with; or begin anew with an empty store", p)
}

// check opens the store that is there, and checks it.
func (p *location) check(ctx context.Context, stderr io.Writer) (audit *admin.Audit, err error) {
	db, err := p.openWhole(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return checkStore(ctx, stderr, db)
}

// checkStore goes through every record of a store.
func checkStore(ctx context.Context, stderr io.Writer, db store.Store) (*admin.Audit, error) {
	shown := newProgress(stderr, "records", unknown)
	defer shown.done()
	var seen int64
	s := &admin.Service{Store: db, Clock: clock.New(time.Now), Log: slog.New(slog.DiscardHandler)}
	return s.Check(ctx, func(records int64) {
		shown.add(int(records - seen))
		seen = records
	})
}
