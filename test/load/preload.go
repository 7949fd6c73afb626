package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/id"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

// preloadedFrom is the first hour of what is stored beforehand: one that no run
// sends a record of.
const preloadedFrom metering.Hour = 490000 // in November 2025

// loaders is how many callers store beforehand: so many share a sync.
const loaders = 1000

// Room on the disk that a stored record may take while it is being loaded, with
// what is yet to be compacted, and what must be free beside that.
const (
	roomPerRecord = 300
	roomBeside    = 4 << 30
)

// preloaded returns the folder with so many records of a world stored, and loads it
// if no run has before. Smaller ones are what larger ones begin with.
func (h *harness) preloaded(ctx context.Context, w world, records int) (dir string, err error) {
	place := filepath.Join(h.cache, w.name())
	if err := os.MkdirAll(place, 0o700); err != nil {
		return "", err
	}
	dir = filepath.Join(place, fmt.Sprintf("%012d", records))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	free, err := vfs.Default.GetDiskUsage(place)
	if err != nil {
		return "", err
	}
	if need := uint64(records)*roomPerRecord + roomBeside; free.AvailBytes < need {
		return "", fmt.Errorf("storing %d records beforehand may take %.1f GB, and %s has %.1f GB free: give a folder with more room (-cache) or fewer records (-records)",
			records, float64(need)/1e9, place, float64(free.AvailBytes)/1e9)
	}
	keys, err := readOrMakeKeys(h.keyFile(w))
	if err != nil {
		return "", err
	}
	loading := filepath.Join(place, "loading")
	if err := os.RemoveAll(loading); err != nil {
		return "", err
	}
	from, err := largest(place, records)
	if err != nil {
		return "", err
	}
	if from > 0 {
		if err := link(loading, filepath.Join(place, fmt.Sprintf("%012d", from))); err != nil {
			return "", err
		}
	}
	if err := h.load(ctx, w, keys, loading, from, records); err != nil {
		return "", errors.Join(err, os.RemoveAll(loading))
	}
	return dir, os.Rename(loading, dir) // last, so that what has the name is whole
}

// keyFile is where the keys of a world's folders are.
func (h *harness) keyFile(w world) string { return filepath.Join(h.cache, w.name(), "keys") }

func readOrMakeKeys(path string) (*envelope.Keys, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte(envelope.NewLine() + "\n")
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		return nil, err
	}
	return envelope.Parse(string(text))
}

// largest is the largest number of records, below a number, that a folder has.
func largest(place string, below int) (int, error) {
	entries, err := os.ReadDir(place)
	most := 0
	for _, e := range entries {
		var n int
		if _, err := fmt.Sscanf(e.Name(), "%012d", &n); err == nil && n < below {
			most = max(most, n)
		}
	}
	return most, err
}

// load stores records through the store's own API, in the order of their keys: 25 a
// call with its event, as the service would have.
func (h *harness) load(ctx context.Context, w world, keys *envelope.Keys, dir string, from, to int) (err error) {
	s, err := embedded.Open(embedded.Options{Dir: dir, Keys: keys})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if from == 0 {
		if _, err := s.Put(ctx, store.Change{By: "load", At: preloadedFrom.Time(), Entries: w.entries()}); err != nil {
			return err
		}
	}
	h.step("storing records %d to %d beforehand", from, to)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan store.Call, loaders)
	var done atomic.Int64
	var wg sync.WaitGroup
	for range loaders {
		wg.Go(func() {
			for c := range work {
				if _, err := s.Append(ctx, c); err != nil {
					cancel(err)
				}
				done.Add(int64(len(c.Records)))
			}
		})
	}
	stopTelling := h.tell(&done, to-from)
	defer stopTelling()
	for n := from; n < to && ctx.Err() == nil; {
		c := w.stored(n, to)
		n += len(c.Records)
		work <- c
	}
	close(work)
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	still := 3 * time.Second
	if to < 1_000_000 { // there is not much to tidy up
		still /= 10
	}
	return settle(ctx, dir, still)
}

// tell says every ten seconds how far loading is.
func (h *harness) tell(done *atomic.Int64, all int) (stop func()) {
	t := time.NewTicker(10 * time.Second)
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case <-t.C:
				h.step("  %.1f of %.1f million", float64(done.Load())/1e6, float64(all)/1e6)
			case <-ended:
				return
			}
		}
	}()
	return func() { t.Stop(); close(ended) }
}

// stored is the call with the n-th record stored beforehand, and those of the same
// product and hour after it that a call has room for.
func (w world) stored(n, end int) store.Call {
	hour, in := n/w.hour(), n%w.hour()
	product, first := in/w.places(), in%w.places()
	count := min(perRequest, w.places()-first, end-n)
	at := preloadedFrom + metering.Hour(hour)
	received := at.Time().Add(time.Hour + time.Duration(in)*time.Millisecond)
	ids := id.Source{Now: func() time.Time { return received }}
	account := sellerAccount(w.seller(product))
	dice := rand.New(rand.NewPCG(uint64(n), 2))
	records := make([]metering.Record, count)
	told := make([]store.EventRecord, count)
	for i := range records {
		buyer, dim := w.place(first + i)
		r := &records[i]
		r.ID, r.Timestamp, r.Received, r.Quantity = ids.New(), at.Time().Add(30*time.Minute), received, int32(1+dice.IntN(999))
		r.Key = metering.Key{
			Kind: metering.KindLicense, Account: account, Region: region, Product: productCode(product),
			Party: string(buyerAccount(buyer)) + "/" + w.license(product, buyer), Dimension: dimension(dim), Hour: at,
		}
		if dice.IntN(5) == 0 {
			r.Allocations = []metering.Allocation{{Quantity: r.Quantity, Tags: []metering.Tag{{Key: "team", Value: "blue"}}}}
		}
		told[i] = store.EventRecord{
			ID: r.ID, Status: metering.Success, Kind: r.Key.Kind, Timestamp: r.Timestamp, Dimension: r.Key.Dimension, Quantity: r.Quantity,
			Buyer: buyerAccount(buyer), LicenseARN: w.license(product, buyer),
			Allocations: len(r.Allocations), AllocationsSum: store.SumAllocations(r.Allocations),
		}
	}
	event := &store.Event{
		ID: ids.New(), Time: received, Account: account, Operation: metering.BatchMeterUsage, RequestID: ids.New(),
		Region: region, SourceIP: "127.0.0.1", Product: productCode(product), Records: told,
		Caller: store.EventCaller{ARN: "arn:aws:iam::" + string(account) + ":root", UserID: string(account), KeyID: sellerKey(w.seller(product))},
	}
	return store.Call{
		Account: account, Region: region, At: received, Records: records,
		After: func(store.Outcome) (store.Rest, error) { return store.Rest{Event: event}, nil },
	}
}

// settle waits until the storage engine has nothing more to tidy up: until no file
// has come or gone for some time.
func settle(ctx context.Context, dir string, still time.Duration) error {
	var before []string
	for since, began := time.Now(), time.Now(); time.Since(since) < still; {
		if time.Since(began) > 10*time.Minute {
			return fmt.Errorf("%s: the storage engine does not come to rest", dir)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(still / 10):
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if !slices.Equal(names, before) {
			since, before = time.Now(), names
		}
	}
	return nil
}

// link copies a folder of the embedded store that no process has open. Its tables
// never change and are linked; all else is copied.
func link(to, from string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		source, target := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if strings.HasSuffix(e.Name(), ".sst") {
			err = os.Link(source, target)
		} else {
			err = copyFile(target, source)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyFile(to, from string) error {
	b, err := os.ReadFile(from) // a log, 32 MiB at the most, or less
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}
