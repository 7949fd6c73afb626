package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync/atomic"
	"time"
)

// certificate is the pair that TLS is served with. It is read again when its
// files change; one that cannot be used leaves the one before in place.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	current atomic.Pointer[tls.Certificate]
	seen    fileStamps // of what was last read, used or not
}

// certificateInterval is how long a change of the files may go unseen.
const certificateInterval = 5 * time.Second

// fileStamps tell whether the two files are those of before.
type fileStamps [2]struct {
	changed time.Time
	size    int64
}

func newCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	return c, c.load()
}

// load reads the pair. The files are looked at first: a change in between is
// seen the next time.
func (c *certificate) load() error {
	c.seen = c.stamps()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("the certificate %s with the key %s: %w", c.certFile, c.keyFile, err)
	}
	if pair.Leaf == nil {
		return errors.New("the certificate " + c.certFile + " has no leaf")
	}
	c.current.Store(&pair)
	return nil
}

func (c *certificate) stamps() (stamps fileStamps) {
	for i, path := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(path); err == nil {
			stamps[i].changed, stamps[i].size = info.ModTime(), info.Size()
		}
	}
	return stamps
}

// follow watches the files until stop, or when it is told to.
func (c *certificate) follow(ctx context.Context, told <-chan os.Signal) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // while draining, too
	tick := time.NewTicker(certificateInterval)
	go c.watch(ctx, told, tick.C)
	return func() {
		tick.Stop()
		cancel()
	}
}

// watch reads the pair again whenever it is told to, and when a tick finds the
// files changed, until the context is done.
func (c *certificate) watch(ctx context.Context, told <-chan os.Signal, tick <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-told:
		case <-tick:
			if c.stamps() == c.seen {
				continue
			}
		}
		if err := c.load(); err != nil {
			c.log.Error("the certificate was not read again; the one before stays", "error", err)
			continue
		}
		c.log.Info("the certificate was read again", "names", c.current.Load().Leaf.DNSNames, "expires", c.expires())
	}
}

func (c *certificate) expires() time.Time { return c.current.Load().Leaf.NotAfter.UTC() }

// covers refuses a URL that the certificate is not for: no client would take it.
func (c *certificate) covers(at string) error {
	u, err := url.Parse(at)
	if err != nil {
		return err
	}
	if err := c.current.Load().Leaf.VerifyHostname(u.Hostname()); err != nil {
		return fmt.Errorf("the certificate %s is not for %s", c.certFile, u.Hostname())
	}
	return nil
}

// config is how TLS is served. Go's choice of ciphers is kept: it is revised with
// every release.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}
