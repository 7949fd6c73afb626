package awsapi

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/meterd/meterd/internal/awsjson"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// RegisterUsage: a paid container asks at its start whether its buyer is
// entitled, and is metered from then on by running. The answer is signed, so
// that the container can tell it from one that somebody else made.
// https://docs.aws.amazon.com/marketplace/latest/APIReference/API_marketplace-metering_RegisterUsage.html
func (s *Service) registerUsage(ctx context.Context, req *request, in *registerUsageInput) (*registerUsageOutput, error) {
	p, admission, err := s.admit(ctx, req, metering.ProductCode(in.productCode.Value))
	if err != nil {
		return nil, err
	}
	key, err := metering.KeyOfVersion(s.Store.Catalog().SigningKeys(p.Code), in.publicKeyVersion.Value)
	if err != nil {
		return nil, err
	}
	out := new(registerUsageOutput)
	if out.signature, err = s.signers.sign(key, in.nonce.Ptr(), req.now); err != nil {
		return nil, err
	}
	if key.ExpiredAt(req.now) {
		out.rotated = key.Expires
	}

	w := req.caller.Workload
	_, err = s.append(ctx, req, store.Call{
		Account: req.caller.Account, Region: req.region, At: req.now, Admission: admission,
		Registration: &store.RegistrationChange{Begin: &metering.Registration{
			ID: s.NewID(), Product: p.Code, Account: req.caller.Account,
			Workload: w.ID, Platform: w.Platform, Region: w.Region, Heartbeat: w.Heartbeat,
			Started: req.now, LastSeen: req.now,
		}},
		After: func(store.Outcome) (store.Rest, error) {
			return store.Rest{Event: s.event(req)}, nil
		},
	})
	if err != nil {
		return nil, err
	}
	req.beaten = true
	return out, nil
}

type registerUsageInput struct {
	productCode      awsjson.Opt[string]
	publicKeyVersion awsjson.Opt[int32]
	nonce            awsjson.Opt[string]
}

func (in *registerUsageInput) decode(d *awsjson.Decoder) {
	for name := range d.Object() {
		switch string(name) {
		case "ProductCode":
			in.productCode = d.String()
		case "PublicKeyVersion":
			in.publicKeyVersion = d.Int32()
		case "Nonce":
			in.nonce = d.String()
		default:
			d.Skip()
		}
	}
}

func (in *registerUsageInput) product() string { return in.productCode.Value }

func (in *registerUsageInput) check(metering.Caller) error {
	var v awsjson.Violations
	var top *awsjson.Path
	checkProductCode(&v, in.productCode, true)
	if in.publicKeyVersion.Set {
		v.AtLeast(top.Member("publicKeyVersion"), in.publicKeyVersion.Value, 1)
	} else {
		v.Null(top.Member("publicKeyVersion"))
	}
	if in.nonce.Set {
		v.Length(top.Member("nonce"), in.nonce.Value, 0, maxNonce)
	}
	return v.Err()
}

type registerUsageOutput struct {
	signature string
	rotated   time.Time // zero while the version that was asked for is the current one
}

func (out *registerUsageOutput) appendJSON(b []byte) []byte {
	b = append(b, '{')
	if !out.rotated.IsZero() {
		b = awsjson.AppendTime(b, "PublicKeyRotationTimestamp", out.rotated)
	}
	return append(awsjson.AppendMember(b, "Signature", out.signature), '}')
}

// claims are what the signature vouches for. The names are in lower camel case:
// AWS's page shows others, but its own verifier, and those that ship, read these.
type claims struct {
	ProductCode      metering.ProductCode `json:"productCode"`
	PublicKeyVersion int32                `json:"publicKeyVersion"`
	Nonce            *string              `json:"nonce,omitempty"`
	IssuedAt         int64                `json:"iat"`
}

// signers are private keys made ready for use. There is one for each version of
// a product's key, and a version's key never changes.
type signers struct{ ready sync.Map } // store.Ref of the key → jose.Signer

// sign makes the JWT: PS256, without a key id.
func (s *signers) sign(key *metering.SigningKey, nonce *string, now time.Time) (string, error) {
	signer, err := s.of(key)
	if err != nil {
		return "", fmt.Errorf("signing key of product %s, version %d: %w", key.Product, key.Version, err)
	}
	payload, err := json.Marshal(claims{key.Product, key.Version, nonce, now.Unix()})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

func (s *signers) of(key *metering.SigningKey) (jose.Signer, error) {
	ref := (*store.SigningKey)(key).Ref()
	if signer, ok := s.ready.Load(ref); ok {
		return signer.(jose.Signer), nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(key.Private)
	if err != nil {
		return nil, err
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("it is a %T, not an RSA key", parsed)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.PS256, Key: private}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return nil, err
	}
	s.ready.Store(ref, signer)
	return signer, nil
}
