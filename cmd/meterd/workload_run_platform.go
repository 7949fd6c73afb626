package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/identity"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/session"
)

// Addresses that SDKs trust to be the platform's own, besides loopback.
var (
	ecsAgent      = netip.MustParseAddrPort("169.254.170.2:80")
	podIdentityV6 = netip.MustParseAddr("fd00:ec2::23")
)

// startedWorkload is a workload and what is offered to its program.
type startedWorkload struct {
	client   *client
	workload admin.Workload
	ask      map[string]string // for each session
	warn     io.Writer

	ends []func() // what is to be closed, the last first
}

// workloadSessionMade is what the server gives a workload.
type workloadSessionMade struct {
	Role             string    `json:"role"`
	AccessKeyID      string    `json:"access_key_id"`
	SecretAccessKey  string    `json:"secret_access_key"`
	SessionToken     string    `json:"session_token"`
	WebIdentityToken string    `json:"web_identity_token"`
	Expires          time.Time `json:"expires"`
}

func (s *startedWorkload) session(ctx context.Context) (out workloadSessionMade, err error) {
	err = s.client.call(ctx, http.MethodPost, resourcePath("/workloads", s.workload.ID)+"/sessions", s.ask, &out)
	return out, err
}

// end takes back what was offered.
func (s *startedWorkload) end() {
	for i := len(s.ends) - 1; i >= 0; i-- {
		s.ends[i]()
	}
}

// offer does what the platform does for its workloads, and returns the variables
// by which a program finds it. The first session is made here, so that what is
// wrong is said before the program runs.
func (s *startedWorkload) offer(ctx context.Context, listen string) ([]variable, error) {
	first, err := s.session(ctx)
	if err != nil {
		return nil, err
	}
	// A machine that is an instance in truth has credentials of its own to find.
	elsewhere := variable{"AWS_EC2_METADATA_DISABLED", "true"}
	if s.workload.Platform == metering.PlatformEKS {
		file, err := s.project(ctx, first)
		return []variable{
			{"AWS_ROLE_ARN", first.Role},
			{"AWS_ROLE_SESSION_NAME", s.workload.ID},
			{"AWS_WEB_IDENTITY_TOKEN_FILE", file},
			{"AWS_STS_REGIONAL_ENDPOINTS", "regional"},
			elsewhere,
		}, err
	}
	log := slog.New(slog.NewTextHandler(s.warn, &slog.HandlerOptions{Level: slog.LevelWarn}))
	role := session.Role{ARN: first.Role}
	if s.workload.Platform == metering.PlatformEC2 {
		base, err := s.serve(listen, log, s.instance(role, s.source(first), log))
		return []variable{{"AWS_EC2_METADATA_SERVICE_ENDPOINT", base}, {"AWS_EC2_METADATA_V1_DISABLED", "true"}}, err
	}
	e := &identity.ContainerEndpoint{
		ID: s.workload.ID, Account: s.workload.Account, Role: role, Source: s.source(first), Now: time.Now, Log: log,
	}
	at, err := netip.ParseAddrPort(listen)
	if err != nil {
		return nil, err
	}
	if at == ecsAgent { // where SDKs look for the relative form
		e.Path = session.Secret(rand.Text())
		_, err := s.serve(listen, log, e)
		return []variable{{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", identity.RelativePath + string(e.Path)}, elsewhere}, err
	}
	e.Token = session.Secret(rand.Text())
	base, err := s.serve(listen, log, e)
	return []variable{
		{"AWS_CONTAINER_CREDENTIALS_FULL_URI", base + identity.FullPath + s.workload.ID},
		{"AWS_CONTAINER_AUTHORIZATION_TOKEN", string(e.Token)},
		elsewhere,
	}, err
}

// instance is the metadata service. What its documents are signed with is made
// when one is asked for.
func (s *startedWorkload) instance(role session.Role, source func(context.Context) (session.Credentials, error), log *slog.Logger) *identity.InstanceEndpoint {
	now := time.Now()
	architecture := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	return &identity.InstanceEndpoint{
		Instance: identity.Instance{
			ID: s.workload.ID, Account: s.workload.Account, Region: s.workload.Region, Started: now, Architecture: architecture,
		},
		Role: roleName(role.ARN), Source: source, Now: time.Now, Log: log,
		Signer: sync.OnceValues(func() (*identity.DocumentSigner, error) { return identity.NewDocumentSigner(now) }),
	}
}

// source gives the first session, and asks the server for those after it.
func (s *startedWorkload) source(first workloadSessionMade) func(context.Context) (session.Credentials, error) {
	given := false
	return func(ctx context.Context) (session.Credentials, error) { // the endpoints ask one at a time
		m := first
		if given || time.Until(m.Expires) < identity.LeastLeft {
			var err error
			if m, err = s.session(ctx); err != nil {
				return session.Credentials{}, asIdentity(err)
			}
		}
		given = true
		return session.Credentials{
			AccessKeyID: m.AccessKeyID, SecretAccessKey: session.Secret(m.SecretAccessKey), Token: session.Secret(m.SessionToken), Expiration: m.Expires,
		}, nil
	}
}

// asIdentity tells the program's SDK what the server said. It tries again when the
// server might answer otherwise.
func asIdentity(err error) error {
	var refused *refusedError
	if errors.As(err, &refused) && refused.Status < http.StatusInternalServerError {
		return &identity.Error{Code: identity.AccessDenied, Message: refused.Error()}
	}
	return &identity.Error{Code: identity.ServiceUnavailable, Message: "The metering server does not answer.", Cause: err}
}

// serve listens, and returns the endpoint's URL.
func (s *startedWorkload) serve(listen string, log *slog.Logger, handler http.Handler) (string, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return "", fmt.Errorf("--listen %s: %w", listen, err)
	}
	front := newHTTPServer(handler, log)
	go func() {
		if err := front.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.say("its credentials are no longer handed out: %v", err)
		}
	}()
	s.ends = append(s.ends, func() { _ = front.Close() })
	return "http://" + l.Addr().String(), nil
}

// project writes the pod's token to a file of its own, and a new one when half of
// its time is over.
func (s *startedWorkload) project(ctx context.Context, first workloadSessionMade) (string, error) {
	dir, err := os.MkdirTemp("", "meterd-workload-") // mode 0700
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "token")
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	s.ends = append(s.ends, func() {
		cancel()
		<-done
		_ = os.RemoveAll(dir)
	})
	if err := writeWhole(file, []byte(first.WebIdentityToken)); err != nil {
		close(done)
		return "", err
	}
	go func() {
		defer close(done)
		s.renew(ctx, file, first.Expires)
	}()
	return file, nil
}

// renewPause is how long it waits after a token that it did not get.
const renewPause = 10 * time.Second

func (s *startedWorkload) renew(ctx context.Context, file string, expires time.Time) {
	wait, told := time.Until(expires)/2, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		next, err := s.session(ctx)
		if err == nil {
			err = writeWhole(file, []byte(next.WebIdentityToken))
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			wait, told = max(time.Until(next.Expires)/2, renewPause), false
		default:
			if !told {
				s.say("its token was not renewed, and is tried again: %v", err)
			}
			wait, told = renewPause, true
		}
	}
}
