package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/awsapi"
	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/clock"
	"github.com/meterd/meterd/internal/id"
	"github.com/meterd/meterd/internal/identity"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/postgres"
)

// server is the doors, over one store. dev and serve fill the same one in
// different ways.
type server struct {
	store store.Store
	api   *awsapi.Service
	sts   *identity.Service
	admin *admin.Service
	hosts hosts
	log   *slog.Logger

	data         string // the store's directory; "": memory
	leastDisk    uint64 // free bytes that readiness asks for there
	look         func() // looks whether there is room again; nil: there is nothing to look at
	drainDelay   time.Duration
	drainTimeout time.Duration
	certificate  *certificate                    // nil: plain HTTP
	lasting      bool                            // browsers may remember that there is TLS
	watched      func(http.Handler) http.Handler // around the API; nil: nobody watches
	supervisor   supervisor
	sealing      sealing

	ready atomic.Bool
}

// newServer wires the doors to the store.
func newServer(db store.Store, log *slog.Logger, token store.Secret, limits caller.Limits) *server {
	ids := id.Source{Now: time.Now}
	serviceClock := clock.New(time.Now)
	s := &server{store: db, log: log}
	s.admin = &admin.Service{Store: db, Clock: serviceClock, Token: token, Log: log, NewID: ids.New}
	copies := new(backups)
	s.admin.Backup = func(ctx context.Context, w io.Writer) error { return copies.write(ctx, w, s) }
	s.api = &awsapi.Service{
		Store:   db,
		Callers: caller.NewAuthenticator(db.Catalog(), time.Now), Throttle: caller.NewThrottle(limits, time.Now),
		Faults: new(awsapi.Faults), Now: serviceClock.Now, NewID: ids.New, Log: log,
		ServesHost: s.hosts.serves,
	}
	s.admin.LastUsed, s.admin.Quotas = s.api.Callers.LastUsed, limits
	s.api.Callers.Log = log
	s.api.Throttle.Quota = quotasOf(db.Catalog())
	sessions := identity.Limits()
	if limits == nil {
		sessions = nil
	} else {
		s.api.Callers.Failures = s.api.Throttle.With(caller.FailureLimits())
	}
	s.sts = &identity.Service{
		Store: db, Callers: s.api.Callers, Throttle: s.api.Throttle.With(sessions),
		Now: time.Now, Clock: serviceClock.Now, NewID: ids.New, Log: log, ServesHost: s.hosts.serves,
	}
	if shared, ok := db.(*postgres.Store); ok {
		s.api.Throttle.Nodes, s.sts.Throttle.Nodes = shared.Nodes, shared.Nodes
	}
	s.admin.Issuing = s.issuing()
	s.goBy(metering.AWSRegions())
	return s
}

// goBy tells every door what is served where, before it is first used.
func (s *server) goBy(r *metering.Regions) {
	s.api.Regions, s.sts.Regions, s.admin.Regions, s.hosts.regions = r, r, r, r
	s.api.Throttle.Regions, s.sts.Throttle.Regions = r, r
}

// quotasOf looks quotas up in the catalogue.
func quotasOf(known *store.Catalog) func(metering.AccountID, metering.Operation) (float64, bool) {
	return func(account metering.AccountID, op metering.Operation) (perSecond float64, ok bool) {
		if q := known.Quota(account, op); q != nil {
			return q.PerSecond, true
		}
		return 0, false
	}
}

// Limits on connections. A slow sender is cut off before it has cost much.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 65 * time.Second // longer than a load balancer's, which is often 60
	maxHeaderBytes    = 32 << 10
	maxStreams        = 100         // of HTTP/2, on one connection
	healthInterval    = time.Second // between looks at the store
)

// newHTTPServer is how every port is served.
func newHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler,
		// OPTIONS * is for the doors to refuse, like anything else.
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            readHeaderTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		HTTP2:                        &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug), // strangers' broken connections
	}
}

// serve answers on the listener until the context is done. Then it says that it
// is not ready, goes on for drainDelay, so that whoever sends has time to hear
// it, and finishes what has begun. started is called once it answers.
func (s *server) serve(ctx context.Context, listener net.Listener, started func()) error {
	front := newHTTPServer(s.handler(), s.log)
	failed := make(chan error, 1)
	if s.certificate != nil {
		front.TLSConfig = s.certificate.config()
		go func() { failed <- front.ServeTLS(listener, "", "") }()
	} else {
		go func() { failed <- front.Serve(listener) }()
	}
	debug.FreeOSMemory() // what opening took; readiness waits some milliseconds for it
	s.ready.Store(true)
	started()
	s.supervisor.tell("READY=1")
	// The context is about to be done; what comes after it has times of its own.
	after := context.WithoutCancel(ctx)
	watching, unwatch := context.WithCancel(after)
	defer unwatch()
	go s.supervisor.watch(watching, func() bool { return s.failed() == nil })

	if err := s.until(ctx, failed); err != nil {
		return errors.Join(err, front.Close())
	}
	s.ready.Store(false)
	s.supervisor.tell("STOPPING=1")
	s.log.Info("stopping: finishing what has begun", "delay", s.drainDelay.String(), "timeout", s.drainTimeout.String())
	delay, cancel := context.WithTimeout(after, s.drainDelay)
	defer cancel()
	if err := s.until(delay, failed); err != nil {
		return errors.Join(err, front.Close())
	}
	drain, cancel := context.WithTimeout(after, s.drainTimeout)
	defer cancel()
	if err := front.Shutdown(drain); err != nil {
		return errors.Join(errors.New("not every connection ended in time"), front.Close())
	}
	return nil
}

// until waits for the context's end. It is an error if the server or the store
// fails before.
func (s *server) until(ctx context.Context, failed <-chan error) error {
	health := time.NewTicker(healthInterval)
	defer health.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-health.C:
			if s.look != nil {
				s.look()
			}
			if err := s.failed(); err != nil {
				return err
			}
		}
	}
}

// failed is why the process is to end: only opening the store again can mend it.
// A database that is out of reach comes back.
func (s *server) failed() error {
	if err := s.store.Err(); !errors.Is(err, store.ErrUnavailable) {
		return err
	}
	return nil
}

// handler sends each request to its door by the URI as it was sent, before any
// router cleans it. Whatever has no door is the wire's to refuse.
func (s *server) handler() http.Handler {
	wire, sts, operator := s.api.Handler(), s.sts.Handler(), s.admin.Handler()
	if s.watched != nil {
		wire = s.watched(wire)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case identity.Asked(r):
			sts.ServeHTTP(w, r)
		case r.RequestURI == "/" || r.RequestURI == awsapi.CBORPath:
			wire.ServeHTTP(w, r)
		case strings.HasPrefix(r.RequestURI, "/admin/") && s.hosts.serves(r.Host):
			// Browsers come here; SDKs do not ask. What is said of localhost would hold
			// for all that ever listens there.
			if r.TLS != nil && s.lasting && !strings.Contains(strings.ToLower(r.Host), "localhost") {
				w.Header().Set("Strict-Transport-Security", "max-age=31536000")
			}
			operator.ServeHTTP(w, r)
		case s.health(w, r):
		default:
			wire.ServeHTTP(w, r)
		}
	})
}
