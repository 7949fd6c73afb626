package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/audit"
	"github.com/meterd/meterd/internal/bucket"
	"github.com/meterd/meterd/internal/store"
)

// trailFiles are the files that a server writes its trail into.
type trailFiles struct {
	writer    audit.Writer
	directory *audit.Directory // nil: it is a bucket
	every     time.Duration
	kept      time.Duration // 0: for ever
	metrics   *metrics      // nil: nobody counts
}

const (
	leastTrailInterval = time.Second
	leastTrailKept     = 24 * time.Hour
	// trailRetry is how soon to try again what has failed, if it would not be sooner
	// anyway.
	trailRetry = time.Minute
	// trailRound is how long one try may take: a network may keep silent for ever. The
	// next one goes on, if not everything could be written.
	trailRound = 10 * time.Minute
	// trailFlush is how long the end may wait for what is left.
	trailFlush = 15 * time.Second
)

// isBucketURL tells a bucket from a directory.
func isBucketURL(text string) bool { return strings.Contains(text, "://") }

func checkTrailFiles(text string) error {
	if !isBucketURL(text) {
		return nil
	}
	_, err := bucket.Parse(text)
	return err
}

func checkTrailInterval(text string) error {
	if d, ok := readDuration(text); ok && d < leastTrailInterval {
		return fmt.Errorf("%q is less than %s", text, leastTrailInterval)
	}
	return nil
}

func checkTrailKept(text string) error {
	if d, ok := readDuration(text); ok && d != 0 && d < leastTrailKept {
		return fmt.Errorf("%q is less than 24h, and is not 0, which is for ever", text)
	}
	return nil
}

// openTrailFiles opens a directory or a bucket. One of the two that it returns is of
// the same thing, or nil.
func openTrailFiles(text string, open func(string) (*audit.Directory, error)) (audit.Destination, *audit.Directory, error) {
	if !isBucketURL(text) {
		d, err := open(text)
		if err != nil {
			return nil, nil, err
		}
		return d, d, nil
	}
	l, err := bucket.Parse(text)
	if err != nil {
		return nil, nil, err
	}
	b, err := bucket.Open(l)
	if err != nil {
		return nil, nil, err
	}
	return b, nil, nil
}

// newTrailFiles opens where files of the trail are to go. Whether they can be
// written shows later, and stops nothing.
func newTrailFiles(to string, db store.Store, log *slog.Logger) (*trailFiles, error) {
	t := &trailFiles{writer: audit.Writer{Store: db, Now: time.Now, Log: log}}
	var err error
	if t.writer.To, t.directory, err = openTrailFiles(to, audit.NewDirectory); err != nil {
		return nil, fmt.Errorf("trail_files: %w", err)
	}
	return t, nil
}

// keep writes files now and again, until stop, which writes what is left.
func (t *trailFiles) keep(ctx context.Context) (stop func()) {
	after := context.WithoutCancel(ctx)
	ctx, cancel := context.WithCancel(after)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			wait := t.every
			if !t.round(ctx, trailRound) {
				wait = min(wait, trailRetry)
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
		t.round(after, trailFlush)
		if t.directory != nil {
			if err := t.directory.Close(); err != nil {
				t.writer.Log.Error("the directory of the trail's files", "error", err)
			}
		}
	}
}

// round is one try. It reports whether everything that there was is in files.
func (t *trailFiles) round(ctx context.Context, patience time.Duration) bool {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := t.writer.Now()
	written, err := t.writer.Write(within)
	if err == nil && t.directory != nil && t.kept > 0 {
		err = t.directory.Prune(within, began.Add(-t.kept))
	}
	if t.metrics != nil {
		t.metrics.trailEvents.Add(float64(written.Events))
	}
	switch {
	case err == nil:
		if written.Files > 0 {
			t.writer.Log.Info("the trail is in files", "events", written.Events, "files", written.Files)
		}
		if t.metrics != nil {
			t.metrics.trailUpTo.Set(float64(began.Unix()))
		}
	case ctx.Err() != nil: // the end has come; what is left is tried once more
	default:
		if errors.Is(within.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("not all of it in %s: %w", patience, err)
		}
		t.writer.Log.Error("the trail was not written into files; it is tried again", "error", err)
		if t.metrics != nil {
			t.metrics.trailFailures.Inc()
		}
	}
	return err == nil
}
