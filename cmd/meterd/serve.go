package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/awsapi"
	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve in production, from a directory or PostgreSQL, over TLS",
		Long: `Serve the API in production. It needs a directory for the data or a PostgreSQL
database, a file of keys, an admin token, and TLS or a proxy in front that has it;
it refuses to start with less, or over data that 'meterd dev' has seeded. Any
number of nodes may serve from one database; 'meterd migrate' prepares it.

Every setting is a flag, a variable (--drain-delay is METERD_DRAIN_DELAY) and a
line of the file that --config names (drain_delay). A flag goes before a variable,
a variable before the file. The admin token has no flag: it is METERD_ADMIN_TOKEN,
or in the file that METERD_ADMIN_TOKEN_FILE names, or a credential of systemd's.
'meterd config print' shows what is set, and where.`,
		Example: `  meterd serve --config /etc/meterd/meterd.yaml
  meterd serve --data /var/lib/meterd --key-file keys.age --tls-cert cert.pem --tls-key key.pem
  meterd serve --data /var/lib/meterd --key-file keys.age --behind-proxy --hosts metering.example.com
  meterd serve --store postgres://meterd@db.example.com/meterd --key-file keys.age --tls-cert cert.pem --tls-key key.pem`,
		Args: exactly(),
	}
	cmd.RunE = func(*cobra.Command, []string) error {
		r := readConfig(cmd.Flags(), os.Environ())
		r.refuse()
		if len(r.problems) > 0 {
			return &usageError{problemList(r.problems), cmd.CommandPath()}
		}
		return serve(cmd.Context(), cmd.OutOrStdout(), &r.config)
	}
	settingFlags(cmd)
	return cmd
}

// refuse adds what stands in the way of production to what is wrong.
func (r *reading) refuse() {
	for i := range r.values {
		v := &r.values[i]
		instead := ""
		if v.instead != "" {
			if r.value(v.instead).texts != nil {
				continue
			}
			instead = ", or --" + settingNamed(v.instead).flag() + " in its place"
		}
		if !v.required || v.texts != nil {
			continue
		}
		way := "--" + v.flag() + ", " + v.variable() + " or " + v.name + " in the configuration file" + instead
		if v.secret() {
			way = fmt.Sprintf("%s, %s%s, %s in $%s or in the configuration file", v.variable(), v.variable(), fileSuffix, v.name, credentialsVariable)
		}
		r.problems = append(r.problems, fmt.Errorf("%s is not set (%s): give %s", v.name, v.doc, way))
	}
	if data, db := r.value("data"), r.value("store"); data.texts != nil && db.texts != nil {
		r.add(db.blamed(), fmt.Errorf("data is set, too (%s); the data is kept in one of the two", data.blamed()))
	}
	if kept := r.value("trail_files_kept"); r.config.trailFilesKept > 0 && isBucketURL(r.config.trailFiles) {
		r.add(kept.blamed(), errors.New("it is for a directory, and trail_files is a bucket: give the bucket a lifecycle rule"))
	}
	if r.value("tls_cert").texts == nil && r.value("tls_key").texts == nil && !r.config.behindProxy {
		r.problems = append(r.problems, errors.New("this would serve plain HTTP: give --tls-cert and --tls-key, or --behind-proxy if TLS ends at a proxy in front"))
	}
}

// leastDisk is how much room the data needs: what is in memory and still to be
// written to tables, which is 4 times 32 MiB at the most. With less, a write may
// soon fail, which ends the store. Before that, the server is not ready, and
// refuses what is to be written.
const leastDisk = 128 << 20

// collectAt is how much the heap may grow before it is collected, in percent of
// what is alive. What is alive is small beside what calls allocate: 200 in place
// of Go's 100 saves some 5 % of the processor at full rate, and takes 30 MB.
const collectAt = 200

// serve is `meterd serve`, once its configuration is known to be sound.
func serve(ctx context.Context, stdout io.Writer, c *config) (err error) {
	log := newLog(stdout, c.logLevel)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	keys, err := readKeys(c.keyFile)
	if err != nil {
		return fmt.Errorf("key_file: %w", err)
	}
	var cert *certificate
	if c.tlsCert != "" {
		if cert, err = newCertificate(c.tlsCert, c.tlsKey, log); err != nil {
			return err
		}
	}
	traces, err := newTracing(ctx, log)
	if err != nil {
		return err
	}
	db, err := c.open(ctx, keys, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := refuseUnfinished(ctx, db, &location{data: c.data, store: c.store, keyFile: c.keyFile}); err != nil {
		return err
	}

	limits := caller.AWSLimits()
	if c.throttle == "off" {
		limits = nil
	}
	s := newServer(db, log, c.adminToken, limits)
	s.goBy(c.served)
	s.admin.Strict, s.admin.SessionsOnly = true, !clockMoves
	if clockMoves {
		s.forDevelopment()
		log.Warn("this binary is for tests: it was built with the tag meterd_movable_clock")
	}
	s.data, s.leastDisk = c.data, leastDisk
	if local, ok := db.(*embedded.Store); ok {
		s.look = local.Look
	}
	s.drainDelay, s.drainTimeout = c.drainDelay, c.drainTimeout
	s.certificate, s.supervisor = cert, newSupervisor(log)
	s.lasting = true
	s.api.Callers.BehindProxy = c.behindProxy
	issuers, err := c.webIssuers()
	if err == nil {
		err = s.believe(issuers)
	}
	if err != nil {
		return err
	}
	if err := s.admin.KeepSessionKeys(ctx); err != nil && !errors.Is(err, store.ErrUnavailable) {
		return err
	}
	m := newMetrics()
	m.follow(s)
	s.watch(m, traces)
	if traces != nil {
		defer traces.flush(ctx, log)
	}

	if c.trailFiles != "" {
		files, err := newTrailFiles(c.trailFiles, db, log)
		if err != nil {
			return err
		}
		files.every, files.kept, files.metrics = c.trailFilesEvery, c.trailFilesKept, m
		defer files.keep(ctx)()
	}

	listener, err := listen("listen", c.listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	s.hosts.extra = append(c.hosts, listener.Addr().String(), c.listen)
	ready := []any{"url", urlOf(listener, cert), "data", cmp.Or(c.data, c.store.String()), "version", version()}
	if c.metricsListen != "" {
		beside, err := listen("metrics_listen", c.metricsListen)
		if err != nil {
			return err
		}
		telemetry := newHTTPServer(m.handler(s), log)
		defer telemetry.Close() // last: how the draining goes can be watched
		go func() {
			if err := telemetry.Serve(beside); !errors.Is(err, http.ErrServerClosed) {
				log.Error("metrics are no longer served", "error", err)
			}
		}()
		ready = append(ready, "metrics", urlOf(beside, nil)+"/metrics")
	}
	defer s.reloadOnSignal(ctx)()
	defer s.housekeep(ctx, admin.Keeping{Refusals: c.refusalsKept, ClientTokens: c.tokensKept, Events: c.eventsKept})()
	return s.serve(ctx, newCappedListener(listener, c.connectionsPerAddress, m.refused.Inc), func() { log.Info("ready", ready...) })
}

// watch lets metrics and, if there are any, traces see every call.
func (s *server) watch(m *metrics, traces *tracing) {
	s.watched, s.api.Observe = m.timed, m.observe
	if traces == nil {
		return
	}
	s.watched = func(next http.Handler) http.Handler { return m.timed(traces.spanned(next)) }
	s.api.Observe = func(ctx context.Context, o awsapi.Observed) {
		m.observe(ctx, o)
		traces.observe(ctx, o)
	}
}

// housekeepingInterval is how often what has been kept long enough is let go.
const housekeepingInterval = time.Hour

// housekeep lets go of what need not be kept, and seals the trail, now and every
// hour, until stop; and seals it then. It returns when it was sealed first.
func (s *server) housekeep(ctx context.Context, k admin.Keeping) (stop func()) {
	s.seal(ctx)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(housekeepingInterval)
		defer tick.Stop()
		for {
			if err := s.admin.KeepSessionKeys(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("session keys not kept", "error", err)
			}
			if err := s.admin.Housekeep(ctx, k); err != nil && ctx.Err() == nil {
				s.log.Error("housekeeping failed", "error", err)
			}
			if ctx.Err() == nil {
				s.seal(ctx)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
		s.seal(ctx)
	}
}

// reloadOnSignal reads the certificate again on SIGHUP, and when it changes. The
// signal must not end the process where there is nothing to read again.
func (s *server) reloadOnSignal(ctx context.Context) (stop func()) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGHUP)
	if s.certificate == nil {
		return func() { signal.Stop(told) }
	}
	unfollow := s.certificate.follow(ctx, told)
	return func() {
		signal.Stop(told)
		unfollow()
	}
}

func listen(name, address string) (*net.TCPListener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w; choose another address with --%s", name, address, err, settingNamed(name).flag())
	}
	return l.(*net.TCPListener), nil
}

// urlOf is where a listener is reached.
func urlOf(l net.Listener, cert *certificate) string {
	if cert != nil {
		return "https://" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}

// readKeys reads the file with the keys that secrets are sealed with.
func readKeys(path string) (*envelope.Keys, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w; 'meterd keyfile create %s' makes one", err, path)
	}
	keys, err := envelope.Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

// refuseForDevelopment finds credentials that are no good in production: the demo
// catalogue's, whose secrets everyone can read, such as are too short to be secret,
// and those that stand for workloads, of which they prove nothing.
func refuseForDevelopment(catalog *store.Catalog) error {
	demo, err := admin.ParseCatalog(demoCatalog)
	if err != nil {
		return fmt.Errorf("the demo catalogue: %w", err)
	}
	for entry := range catalog.All(store.KindCredential) {
		c := entry.(*store.Credential)
		known := slices.ContainsFunc(demo.Credentials, func(d admin.Credential) bool {
			return d.AccessKeyID == c.KeyID || d.SecretAccessKey == string(c.Secret)
		})
		switch {
		case known:
			return fmt.Errorf("access key %s is of the demo catalogue, which everyone can read: "+
				"serve from a directory that 'meterd dev' has not seeded, with --data", c.KeyID)
		case len(c.Secret) < admin.LeastSecret:
			return fmt.Errorf("the secret of access key %s has less than %d characters and can be guessed: "+
				"serve from a directory with credentials made for production, with --data", c.KeyID, admin.LeastSecret)
		case c.Workload != "" && !clockMoves:
			return fmt.Errorf("access key %s stands for workload %s, which is for 'meterd dev': here workloads get sessions; "+
				"serve from a directory without such keys, with --data", c.KeyID, c.Workload)
		}
	}
	return nil
}
