package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/meterd/meterd/internal/awsapi"
	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/id"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

// The servers that this program is itself.
const (
	roleHello = "hello"
	roleNone  = "no-store"
	roleNaive = "naive"
)

// serveRole is one of those servers, until it is told to stop. hello takes the
// size of its answers, the others a world, naive a database, too.
func serveRole(out io.Writer, role string, args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if role == roleHello {
		length, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		return listenAndServe(ctx, out, hello(length))
	}
	var w world
	if err := json.Unmarshal([]byte(args[0]), &w); err != nil {
		return err
	}
	catalog, err := embedded.Open(embedded.Options{})
	if err != nil {
		return err
	}
	if _, err := catalog.Put(ctx, store.Change{By: "load", At: time.Now(), Entries: w.entries()}); err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(out, nil)) // as serve's
	debug.SetGCPercent(200)                        // as serve does
	if role == roleNone {
		return listenAndServe(ctx, out, front(noStore{catalog}, log))
	}
	naive, err := openNaive(ctx, catalog, args[1])
	if err != nil {
		return err
	}
	defer naive.pool.Close()
	return listenAndServe(ctx, out, front(naive, log))
}

// hello reads the body and answers as many bytes as the service would.
func hello(length int) http.Handler {
	answer := make([]byte, length)
	for i := range answer {
		answer[i] = ' '
	}
	copy(answer, "{}")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = w.Write(answer) // a client that is gone misses nothing
	})
}

// front is the product's own door over a store, wired as `meterd serve` wires it,
// but for its metrics.
func front(db store.Store, log *slog.Logger) http.Handler {
	ids := id.Source{Now: time.Now}
	api := &awsapi.Service{
		Store:   db,
		Callers: caller.NewAuthenticator(db.Catalog(), time.Now), Throttle: caller.NewThrottle(nil, time.Now),
		Faults: new(awsapi.Faults), Regions: metering.AWSRegions(), Now: time.Now, NewID: ids.New, Log: log,
	}
	return api.Handler()
}

// listenAndServe says where it is, in the way that `meterd serve` does, and serves
// until the context is done. A second port has the process's figures and profile.
func listenAndServe(ctx context.Context, out io.Writer, handler http.Handler) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	beside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	figures := http.NewServeMux()
	figures.Handle("/metrics", promhttp.Handler())
	figures.HandleFunc("/debug/pprof/profile", pprof.Profile)
	ended := make(chan error, 2)
	telemetry := &http.Server{Handler: figures, ReadHeaderTimeout: 5 * time.Second}
	server := &http.Server{ // with the product's timeouts, for they cost something
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 65 * time.Second, MaxHeaderBytes: 32 << 10,
	}
	go func() { ended <- telemetry.Serve(beside) }()
	go func() { ended <- server.Serve(listener) }()
	fmt.Fprintf(out, `{"msg":"ready","url":"http://%s","metrics":"http://%s/metrics"}`+"\n", listener.Addr(), beside.Addr())
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	return errors.Join(err, server.Close(), telemetry.Close())
}
