package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/backup"
	"github.com/meterd/meterd/internal/store/embedded"
)

// checkpointName is where a backup's copy of the store lies for as long as it is
// sent: within the data directory, which is the one place that a service may
// write to and that is on the same file system, so that tables are linked and not
// copied. The store passes over what is not its own.
const checkpointName = "backup.tmp"

// backups makes backups of a server's store, one at a time.
type backups struct{ busy sync.Mutex }

func (b *backups) write(ctx context.Context, w io.Writer, s *server) (err error) {
	db, ok := s.store.(*embedded.Store)
	if !ok {
		return &admin.StateError{Reason: "this server keeps its data in PostgreSQL, which has tools of its own for backups: pg_basebackup with an archive of the log, or pg_dump"}
	}
	if s.data == "" {
		return &admin.StateError{Reason: "this server keeps its data in memory, and has nothing to back up: give it a directory with --data"}
	}
	if !b.busy.TryLock() {
		return &admin.StateError{Reason: "another backup is being made: wait for it"}
	}
	defer b.busy.Unlock()
	dir := filepath.Join(s.data, checkpointName)
	if err := os.RemoveAll(dir); err != nil { // left by a process that was killed
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	made := time.Now()
	if err := db.Checkpoint(dir); err != nil {
		return err
	}
	return backup.Write(contextWriter{ctx, w}, dir, backup.About{
		Made: made, Version: version(),
		Note: fmt.Sprintf("meterd's embedded store, catalogue revision %d", db.Catalog().Revision()),
	})
}

// contextWriter writes until the context is done.
type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c contextWriter) Write(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(b)
}
