package identity

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	fetchTime = 5 * time.Second
	fetchSize = 64 << 10 // of a document
)

// fetcher gets an issuer's keys from its server.
type fetcher struct {
	issuer  *Issuer
	client  *http.Client
	timeout time.Duration // for all that it takes
}

func newFetcher(i *Issuer) *fetcher {
	dialer := &net.Dialer{Timeout: fetchTime, ControlContext: i.control}
	return &fetcher{issuer: i, timeout: fetchTime, client: &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // a proxy would dial for us, whatever the address
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: i.Roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true, // there is one request in an hour
			DisableCompression:     true, // a small body is not to become a large one
			MaxResponseHeaderBytes: fetchSize,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// keys fetches the key set, and the document that says where it is before.
func (f *fetcher) keys(ctx context.Context) ([]publicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	address := f.issuer.KeySetURL
	if address == "" {
		var err error
		if address, err = f.discover(ctx); err != nil {
			return nil, err
		}
	}
	body, err := f.get(ctx, address)
	if err != nil {
		return nil, err
	}
	return parseKeySet(body)
}

// discover reads the issuer's document. It may name another host, as Kubernetes'
// does, but not another port than HTTPS's or the issuer's own.
func (f *fetcher) discover(ctx context.Context) (string, error) {
	body, err := f.get(ctx, strings.TrimSuffix(f.issuer.URL, "/")+discoveryPath)
	if err != nil {
		return "", err
	}
	var document struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return "", fmt.Errorf("the discovery document: %w", err)
	}
	if document.Issuer != f.issuer.URL {
		return "", fmt.Errorf("the discovery document is of %q", shorten(document.Issuer))
	}
	own, err := f.issuer.address(f.issuer.URL)
	if err != nil {
		return "", err
	}
	u, err := f.issuer.address(document.JWKS)
	if err != nil {
		return "", fmt.Errorf("the jwks_uri of the discovery document: %w", err)
	}
	if port := u.Port(); port != "" && port != "443" && port != own.Port() {
		return "", fmt.Errorf("the jwks_uri of the discovery document has port %s", port)
	}
	return document.JWKS, nil
}

func (f *fetcher) get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d", address, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, fetchSize+1))
	if err == nil && len(body) > fetchSize {
		err = errors.New("the answer is too large")
	}
	return body, err
}
