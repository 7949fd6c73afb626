package main

import (
	"cmp"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/awsapi"
	"github.com/meterd/meterd/internal/bucket"
	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

//go:embed demo.yaml
var demoCatalog []byte

// dev is `meterd dev`: the whole service in one process, for a laptop or a test.
type dev struct {
	listen   string
	data     string
	catalog  string
	envFile  string
	clock    string
	throttle string
	hosts    []string
	regions  string
	tls      string
	logLevel string

	trailFiles      string
	trailFilesEvery time.Duration
}

func newDev() *cobra.Command {
	var d dev
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Serve everything from this process, seeded and in memory",
		Long: `Serve the API from this process: in memory unless --data names a directory, with
a demo catalogue unless --catalog names a file. Nothing else is needed, and
nothing leaves this machine.`,
		Example: `  meterd dev
  meterd dev --catalog catalog.yaml --clock 2026-09-15T10:30:00Z
  meterd dev --listen 127.0.0.1:0 --env-file meterd.env
  meterd dev --tls tls --listen 127.0.0.1:443`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), cmd.CommandPath())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&d.listen, "listen", "127.0.0.1:8484", "address to listen on; port 0 picks a free one")
	flags.StringVar(&d.data, "data", "", "directory to keep the data in (default: memory)")
	flags.StringVar(&d.catalog, "catalog", "", "catalogue file to serve in place of the demo's")
	flags.StringVar(&d.envFile, "env-file", "", "file to write shell exports to, complete before /readyz answers 200")
	flags.StringVar(&d.clock, "clock", "", "stop the service's clock at this time (RFC 3339)")
	flags.StringVar(&d.throttle, "throttle", "aws", "limits on calls: aws (its published quotas, and what 'meterd quota' sets in their place) or off")
	flags.StringArrayVar(&d.hosts, "host", nil, "accept this Host header, too; may be repeated")
	flags.StringVar(&d.regions, "regions", "", "file with what is served where, in place of AWS's tables or beside them ('meterd regions print' writes one)")
	flags.StringVar(&d.tls, "tls", "", "serve over TLS, with the certificate that 'meterd ca create' has made in this folder")
	flags.StringVar(&d.logLevel, "log-level", "info", "least level to log: debug (every call), info (refusals), warn or error")
	flags.StringVar(&d.trailFiles, "trail-files", "", "write the trail's events into files here: a directory, or "+bucket.Form)
	flags.DurationVar(&d.trailFilesEvery, "trail-files-every", 5*time.Minute, "how often")
	return cmd
}

// devSettings are the flags, read and found sound.
type devSettings struct {
	level   slog.Level
	limits  caller.Limits
	startAt time.Time // of --clock, if it was given
	source  string    // where the catalogue comes from
	catalog *admin.Catalog
	regions *metering.Regions
}

// settings reads the flags. Nothing has been opened or written yet.
func (d *dev) settings(misused func(format string, args ...any) error) (devSettings, error) {
	set := devSettings{limits: caller.AWSLimits(), source: "the demo catalogue"}
	if err := set.level.UnmarshalText([]byte(d.logLevel)); err != nil {
		return set, misused("--log-level %q is none of debug, info, warn, error", d.logLevel)
	}
	switch d.throttle {
	case "aws":
	case "off":
		set.limits = nil
	default:
		return set, misused("--throttle %q is neither aws nor off", d.throttle)
	}
	if d.clock != "" {
		var err error
		if set.startAt, err = time.Parse(time.RFC3339, d.clock); err != nil {
			return set, misused("--clock %q is not a time such as 2026-09-15T10:30:00Z", d.clock)
		}
	}
	var wrong []error
	if set.regions, wrong = readRegions(d.regions); wrong != nil {
		return set, fmt.Errorf("--regions: %w", problemList(wrong))
	}
	if d.trailFiles != "" {
		if err := errors.Join(checkTrailFiles(d.trailFiles), checkTrailInterval(d.trailFilesEvery.String())); err != nil {
			return set, misused("--trail-files: %v", err)
		}
	}
	text := demoCatalog
	if d.catalog != "" {
		var err error
		if text, err = os.ReadFile(d.catalog); err != nil {
			return set, fmt.Errorf("--catalog: %w", err)
		}
		set.source = d.catalog
	}
	var err error
	if set.catalog, err = admin.ParseCatalog(text); err != nil {
		return set, fmt.Errorf("%s:\n%w", set.source, err)
	}
	return set, nil
}

func (d *dev) run(ctx context.Context, stdout, stderr io.Writer, command string) (err error) {
	misused := func(format string, args ...any) error {
		return &usageError{fmt.Errorf(format, args...), command}
	}
	set, err := d.settings(misused)
	if err != nil {
		return err
	}
	onTerminal := isTerminal(stdout)
	logger := newLog(stdout, set.level)
	if onTerminal {
		logger = slog.New(tint.NewTextHandler(stderr, &tint.Options{Level: set.level, TimeFormat: time.TimeOnly, NoColor: os.Getenv("NO_COLOR") != ""}))
	}
	cert, ca, err := d.certificate(logger)
	if err != nil {
		return err
	}
	db, err := embedded.Open(embedded.Options{Dir: d.data, Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := refuseUnfinished(ctx, db, &location{data: d.data}); err != nil {
		return err
	}

	s := newServer(db, logger, adminToken(), set.limits)
	s.goBy(set.regions)
	s.data, s.drainTimeout = d.data, devDrainTimeout
	s.forDevelopment()
	if d.clock != "" {
		if err := s.admin.SetClock(set.startAt); err != nil {
			return misused("--clock: %v", err)
		}
	}
	listener, err := net.Listen("tcp", d.listen)
	if err != nil {
		return fmt.Errorf("--listen %s: %w; choose another address with --listen", d.listen, err)
	}
	defer listener.Close()
	if _, err := s.admin.Apply(ctx, set.catalog, admin.Applying{}); err != nil {
		return fmt.Errorf("%s:\n%w", set.source, err)
	}

	if err := s.admin.KeepSessionKeys(ctx); err != nil {
		return err
	}
	if err := s.believe(nil); err != nil {
		return err
	}
	if d.trailFiles != "" {
		files, err := newTrailFiles(d.trailFiles, db, logger)
		if err != nil {
			return err
		}
		files.every = d.trailFilesEvery
		defer files.keep(ctx)()
	}
	s.hosts.extra = append(d.hosts, listener.Addr().String(), d.listen)
	env := environmentOf(listener.Addr(), set.catalog, s.admin.Token, ca)
	env.signFor(set.regions)
	if cert != nil {
		if err := cert.covers(env.url); err != nil {
			return fmt.Errorf("--listen %s: %w; make one that is, with --hosts ('meterd ca create --help')", d.listen, err)
		}
		s.certificate = cert
		s.hosts.extra = append(s.hosts.extra, cert.current.Load().Leaf.DNSNames...)
		defer cert.follow(ctx, nil)()
	}
	if d.envFile != "" {
		if err := env.write(d.envFile); err != nil {
			return fmt.Errorf("--env-file: %w", err)
		}
	}
	defer s.housekeep(ctx, admin.Keeping{})()
	forget, found := env.remember(logger)
	defer forget()
	return s.serve(ctx, listener, func() {
		if onTerminal {
			banner(stdout, d.data, env, set.catalog, found)
			return
		}
		logger.Info("ready", "url", env.url, "data", cmp.Or(d.data, "memory"), "catalog", set.source, "version", version())
	})
}

// certificate reads what --tls names: the certificate that TLS is served with, and
// the file of its CA. There is none without --tls.
func (d *dev) certificate(log *slog.Logger) (cert *certificate, ca string, err error) {
	if d.tls == "" {
		return nil, "", nil
	}
	cert, err = newCertificate(filepath.Join(d.tls, serverFile), filepath.Join(d.tls, serverKeyFile), log)
	if err == nil {
		_, err = os.Stat(filepath.Join(d.tls, caFile))
	}
	if err != nil {
		return nil, "", fmt.Errorf("--tls: %w", missing(d.tls, err))
	}
	if time.Now().After(cert.expires()) {
		return nil, "", fmt.Errorf("--tls: the certificate has expired (%s): 'meterd ca issue %s' makes another", cert.expires().Format(time.DateOnly), shellQuote(d.tls))
	}
	ca, err = filepath.Abs(filepath.Join(d.tls, caFile)) // clients are started elsewhere
	return cert, ca, err
}

// devDrainTimeout is for calls that have begun when dev is stopped.
const devDrainTimeout = 10 * time.Second

// forDevelopment opens what production has not, but for tests of it (clockMoves):
// faults, and a clock that moves.
func (s *server) forDevelopment() {
	s.admin.ClockMoves = true
	s.admin.SetFault = func(f admin.Fault) error { return s.api.Faults.Set(awsapi.Fault(f)) }
	s.admin.Faults = func() []admin.Fault {
		all := []admin.Fault{}
		for _, f := range s.api.Faults.All() {
			all = append(all, admin.Fault(f))
		}
		return all
	}
}

// adminToken is the admin API's bearer token: the environment's or, if it names
// none, one that lasts as long as this process.
func adminToken() store.Secret {
	if token := os.Getenv(tokenVariable); token != "" {
		return store.Secret(token)
	}
	var b [24]byte
	rand.Read(b[:])
	return store.Secret(base64.RawURLEncoding.EncodeToString(b[:]))
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
