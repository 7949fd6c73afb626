package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/awsapi"
	"github.com/meterd/meterd/internal/store"
)

// server is the doors, over one store.
type server struct {
	store store.Store
	api   *awsapi.Service
	admin *admin.Service
	hosts hosts
	log   *slog.Logger
	ready atomic.Bool
}

// Limits on connections.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 65 * time.Second // longer than a load balancer's, which is often 60
	maxHeaderBytes    = 32 << 10
	drainTimeout      = 10 * time.Second
	healthInterval    = time.Second // between looks at the store
)

// serve answers on the listener until the context is done, and then finishes
// what has begun. started is called once it answers.
func (s *server) serve(ctx context.Context, listener net.Listener, started func()) error {
	front := &http.Server{
		Handler: s.handler(),
		// OPTIONS * is for the doors to refuse, like anything else.
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            readHeaderTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // strangers' broken connections
	}
	failed := make(chan error, 1)
	go func() { failed <- front.Serve(listener) }()
	s.ready.Store(true)
	started()
	health := time.NewTicker(healthInterval)
	defer health.Stop()
	for running := true; running; {
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			running = false
		case <-health.C:
			if err := s.store.Err(); err != nil { // only opening it again can mend it
				return errors.Join(err, front.Close())
			}
		}
	}
	s.ready.Store(false)
	s.log.Info("stopping: finishing what has begun")
	// The context is done; draining has a time of its own.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := front.Shutdown(drain); err != nil {
		return errors.Join(errors.New("not every connection ended in time"), front.Close())
	}
	return nil
}

// handler sends each request to its door by the URI as it was sent, before any
// router cleans it. Whatever has no door is the wire's to refuse.
func (s *server) handler() http.Handler {
	wire, operator := s.api.Handler(), s.admin.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.RequestURI == "/" || r.RequestURI == awsapi.CBORPath:
			wire.ServeHTTP(w, r)
		case strings.HasPrefix(r.RequestURI, "/admin/") && s.hosts.serves(r.Host):
			operator.ServeHTTP(w, r)
		case r.RequestURI == "/livez":
			answerHealth(w, nil)
		case r.RequestURI == "/readyz" || r.RequestURI == "/healthz":
			answerHealth(w, s.unready())
		default:
			wire.ServeHTTP(w, r)
		}
	})
}

// unready is why the server should be sent nothing; nil when it should.
func (s *server) unready() error {
	if err := s.store.Err(); err != nil {
		return err
	}
	if !s.ready.Load() {
		return errors.New("starting or stopping")
	}
	return nil
}

func answerHealth(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	text := "ok\n"
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = err.Error() + "\n"
	}
	_, _ = io.WriteString(w, text)
}
