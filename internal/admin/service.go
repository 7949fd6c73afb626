// Package admin is the operator's door: it puts products, buyers, agreements and
// credentials in, and shows what was metered. Its methods are the one place
// where each of these is done; the JSON API under /admin/v1 and the catalogue
// file are two faces of them.
package admin

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/meterd/meterd/internal/clock"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Service is what an operator can do. Its fields are set before it is first
// used.
type Service struct {
	Store store.Store
	Clock *clock.Clock
	Token store.Secret // opens the API as the operator; "" opens nothing
	Log   *slog.Logger
	// Regions are those that workloads may run in.
	Regions *metering.Regions
	// NewID makes the ids of events.
	NewID func() metering.ID
	// Strict refuses short secrets in catalogues.
	Strict bool
	// SessionsOnly refuses access keys that stand for workloads: a long-term key
	// proves nothing of where a program runs, a session does.
	SessionsOnly bool
	// ClockMoves lets the API set and move the clock, which is for development.
	ClockMoves bool
	// SetFault and Faults reach the API's fault injection; nil where there is
	// none.
	SetFault func(Fault) error
	Faults   func() []Fault
	// LastUsed says when a request was last signed with a key; nil knows nothing.
	LastUsed func(keyID string) (time.Time, bool)
	// Quotas are the calls a second of an operation that the throttle lets an account
	// make while none was set; nil where there is no throttle.
	Quotas map[metering.Operation]float64
	// Issuing makes sessions of workloads; nil where nobody does.
	Issuing *Issuing
	// Backup writes a backup of the store as it is; nil where the store has tools
	// of its own for that.
	Backup func(ctx context.Context, w io.Writer) error

	changes sync.RWMutex // of the catalogue: held alone by one that has lost to others too often
}

// Fault makes the next calls of an operation fail on purpose.
type Fault struct {
	Operation   metering.Operation `json:"operation" doc:"The operation whose next calls fail." example:"BatchMeterUsage"`
	Code        string             `json:"code,omitempty" doc:"The error they are answered with, after throttling and in place of parsing." example:"InternalServiceErrorException"`
	Unprocessed bool               `json:"unprocessed,omitempty" doc:"In place of a code, for BatchMeterUsage: after all checks every record comes back in UnprocessedRecords."`
	Count       int                `json:"count" doc:"How many calls it is for; 0 clears the operation's fault." example:"2"`
}

// keyBits is the size of the keys we make. AWS's own sample has 1024; less than
// 2048 is no longer to be trusted.
const keyBits = 3072

// The years that the service's clock may show. Times of the catalogue and of
// durations can be told on either side of them.
const (
	firstYear = 1970
	lastYear  = 2199
)

// SetClock stops the service's clock at a time.
func (s *Service) SetClock(t time.Time) error {
	if year := t.UTC().Year(); year < firstYear || year > lastYear {
		return fmt.Errorf("%s: the clock shows the years %d to %d", t.Format(time.RFC3339), firstYear, lastYear)
	}
	s.Clock.Set(t)
	return nil
}

// AdvanceClock moves the service's clock; it runs or stands as before.
func (s *Service) AdvanceClock(d time.Duration) error {
	if year := s.Clock.Now().Add(d).Year(); year < firstYear || year > lastYear {
		return fmt.Errorf("%s: the clock shows the years %d to %d", d, firstYear, lastYear)
	}
	s.Clock.Advance(d)
	return nil
}

// newSigningKey makes a version of a product's key.
func newSigningKey(product metering.ProductCode, version int32, now time.Time) (*store.SigningKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("making a signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encoding a signing key: %w", err)
	}
	return &store.SigningKey{Product: product, Version: version, Private: der, Created: now}, nil
}

// RotateKey makes the next version of a product's key and lets the one before
// expire now. Containers that ask for the old version go on getting signatures,
// with the time of the rotation. A request of the same idempotency key
// finds the version it made.
func (s *Service) RotateKey(ctx context.Context, product metering.ProductCode, key string) (*metering.SigningKey, error) {
	ref, _, err := s.once(ctx, key, []any{"rotate key", product}, func(known *store.Catalog, now time.Time) (edit, store.Ref, error) {
		keys := known.SigningKeys(product)
		if len(keys) == 0 {
			return edit{}, store.Ref{}, fmt.Errorf("signing key of product %q: %w: only container products have one", product, ErrNotFound)
		}
		last := keys[len(keys)-1]
		next, err := newSigningKey(product, last.Version+1, now)
		if err != nil {
			return edit{}, store.Ref{}, err
		}
		expired := store.SigningKey(*last)
		expired.Expires = now
		return edit{put: []store.Entry{&expired, next}}, next.Ref(), nil
	})
	if err != nil {
		return nil, err
	}
	made, ok := s.Store.Catalog().Get(ref).(*store.SigningKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s: %w", ref.Name, ErrNotFound)
	}
	return (*metering.SigningKey)(made), nil
}

// PublicKey is a version of a product's key as PEM, to be built into an image.
func (s *Service) PublicKey(product metering.ProductCode, version int32) ([]byte, error) {
	key, err := metering.KeyOfVersion(s.Store.Catalog().SigningKeys(product), version)
	if err != nil {
		return nil, fmt.Errorf("signing key of product %q, version %d: %w", product, version, ErrNotFound)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(key.Private)
	if err != nil {
		return nil, fmt.Errorf("signing key of product %s, version %d: %w", product, version, err)
	}
	der, err := x509.MarshalPKIXPublicKey(parsed.(*rsa.PrivateKey).Public())
	if err != nil {
		return nil, fmt.Errorf("signing key of product %s, version %d: %w", product, version, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// StopRegistration stops metering a registered workload now. One that had
// stopped stays as it was.
func (s *Service) StopRegistration(ctx context.Context, id metering.ID) (metering.Registration, error) {
	r, ok, err := s.Store.Registration(ctx, id)
	if err != nil {
		return metering.Registration{}, err
	}
	if !ok {
		return metering.Registration{}, fmt.Errorf("registration %s: %w", id, ErrNotFound)
	}
	ev := s.act(ctx, opStopRegistration, r.Account, r.Region)
	ev.Product = r.Product
	ev.Asked = []store.Detail{{Name: "registrationId", Value: id.String()}}
	out, err := s.Store.Append(ctx, store.Call{
		Account: r.Account, Region: r.Region, At: ev.Time,
		Registration: &store.RegistrationChange{Stop: &id},
		After:        func(store.Outcome) (store.Rest, error) { return store.Rest{Event: ev}, nil },
	})
	if err != nil {
		return metering.Registration{}, err
	}
	return *out.Registration, nil
}
