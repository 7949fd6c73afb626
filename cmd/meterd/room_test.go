package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/store/embedded"
)

// diskWith is a disk that says it has so much room.
type diskWith struct {
	vfs.FS
	free *atomic.Uint64
}

func (d diskWith) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free.Load()}, nil
}

// TestNoRoom: on a disk that is nearly full what is to be written is answered 503,
// what is read is answered, and the process goes on; once there is room, it writes
// again by itself, within ten seconds.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	var free atomic.Uint64
	free.Store(1 << 40)
	db, err := embedded.Open(embedded.Options{Dir: "/data", FS: diskWith{vfs.NewMem(), &free}, Reserve: leastDisk})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s := newServer(db, slog.New(slog.DiscardHandler), "0123456789abcdef0123456789abcdef", nil)
	s.drainTimeout, s.look = 5*time.Second, db.Look
	c, err := admin.ParseCatalog([]byte(killCatalog()))
	if err == nil {
		_, err = s.admin.Apply(context.Background(), c, admin.Applying{})
	}
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + startServer(t, s)
	post := func(operation, body string) (int, string) {
		req, err := signedRequest(url, "AKIAMETERDSELLER0001", demoSecret, operation, body)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	var n atomic.Int64
	meter := func() (int, string) {
		claim := killClaim{at: time.Now().Truncate(time.Hour), dimension: "d" + string('0'+rune(n.Add(1)%10)), quantity: 1}
		return post("BatchMeterUsage", batchBody([]killClaim{claim}))
	}
	until := func(what string, status int) time.Duration {
		began := time.Now()
		for {
			got, text := meter()
			if got == status {
				return time.Since(began)
			}
			if time.Since(began) > 10*time.Second {
				t.Fatalf("%s: still %d %s after ten seconds", what, got, text)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	until("with room", http.StatusOK)
	for range 2 {
		free.Store(leastDisk - 1)
		until("without room", http.StatusServiceUnavailable)
		if status, text := meter(); status != http.StatusServiceUnavailable || !strings.Contains(text, "ServiceUnavailable") {
			t.Errorf("writing without room: %d %s", status, text)
		}
		if page, err := s.admin.Records(t.Context(), admin.RecordFilter{}, 10, ""); err != nil || len(page.Items) == 0 {
			t.Errorf("reading without room: %d records, error %v", len(page.Items), err)
		}
		if err := s.unready(); err == nil || !strings.Contains(err.Error(), "nearly full") {
			t.Errorf("without room: ready, %v", err)
		}
		if err := s.failed(); err != nil {
			t.Errorf("without room the process would end: %v", err)
		}
		free.Store(leastDisk)
		t.Logf("writes again after %s", until("with room again", http.StatusOK))
	}
}
