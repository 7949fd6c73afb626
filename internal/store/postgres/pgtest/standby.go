package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Standby makes a standby that streams from the cluster under a name, and returns
// when it does. Whether commits wait for it is the caller's to set:
//
//	primary.Set(t, "synchronous_standby_names", "ANY 1 (name)")
//
// It is stopped and removed with the test.
func (c *Cluster) Standby(tb testing.TB, name string) *Cluster {
	tb.Helper()
	l, _ := need(tb, c.bin.Version)
	s, err := l.place(c.bin)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.discard)
	c.control(tb, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), controlTime)
		defer cancel()
		if err := c.copyLive(ctx, s, name); err != nil {
			return err
		}
		if err := s.start(); err != nil {
			return err
		}
		return c.awaitStream(ctx, name)
	})
	return s
}

// Promote makes a primary of a standby and returns when it takes writes.
func (c *Cluster) Promote(tb testing.TB) {
	tb.Helper()
	c.control(tb, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), controlTime)
		defer cancel()
		conn, err := c.connect(ctx)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		var done bool
		if err := conn.QueryRow(ctx, "SELECT pg_promote(true)").Scan(&done); err != nil {
			return err
		}
		if !done {
			return errors.New("the standby was not promoted:\n" + c.logTail())
		}
		return nil
	})
}

// copyLive copies the data of a running server, as
// https://www.postgresql.org/docs/18/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP
// has it. pg_basebackup does the same, but not every installation has it.
func (c *Cluster) copyLive(ctx context.Context, to *Cluster, name string) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "SELECT pg_backup_start('standby', true)"); err != nil {
		return err
	}
	if err := copyTree(to.data(), c.data(), c.owner, inBackup); err != nil {
		return err
	}
	// What was written meanwhile is not waited for: the standby streams it.
	var label, spaces string
	if err := conn.QueryRow(ctx, "SELECT labelfile, spcmapfile FROM pg_backup_stop(false)").Scan(&label, &spaces); err != nil {
		return err
	}
	// What the primary was told with Set is not the standby's: it would wait for
	// standbys of its own once it is promoted.
	source := fmt.Sprintf("host=127.0.0.1 port=%d user=%s application_name=%s", c.port, superuser, name)
	for base, text := range map[string]string{
		"backup_label":         label,
		"standby.signal":       "",
		"postgresql.auto.conf": "primary_conninfo = " + literal(source) + "\n",
	} {
		file := filepath.Join(to.data(), base)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
		if err := to.owner.own(file); err != nil {
			return err
		}
	}
	return nil
}

// inBackup leaves out what the same page says is of no use in a copy, or harmful:
// the log, which is streamed, and what belongs to the running server.
func inBackup(name string) bool {
	dir, base := path.Split(name)
	switch dir {
	case "pg_wal/":
		return base == "archive_status" || base == "summaries" // folders that must be there
	case "pg_wal/archive_status/", "pg_wal/summaries/", "pg_replslot/", "pg_dynshmem/", "pg_notify/", "pg_serial/",
		"pg_snapshots/", "pg_stat_tmp/", "pg_subtrans/":
		return false
	}
	return base != "postmaster.pid" && base != "postmaster.opts" && base != "pg_internal.init" &&
		!strings.HasPrefix(base, "pgsql_tmp")
}

// awaitStream waits until a standby receives what is written.
func (c *Cluster) awaitStream(ctx context.Context, name string) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for {
		var state string
		err := conn.QueryRow(ctx, "SELECT state FROM pg_stat_replication WHERE application_name = $1", name).Scan(&state)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if state == "streaming" {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
}
