package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// TokenIssuer makes tokens as a cluster projects them into its pods (IRSA's
// web identity tokens), for pods that no cluster runs. It is believed like any
// other issuer: by an [Issuer] of its URL and its key set.
type TokenIssuer struct {
	url    string
	set    []byte
	signer jose.Signer
}

// STSAudience is whom SDKs' tokens are for.
const STSAudience = "sts.amazonaws.com"

// NewTokenIssuer issues under a name, which should be an https URL that nobody
// else issues under. Its keys follow from secrets of 32 bytes or more, so that
// whoever has the same secrets, another node for one, is the same issuer. The
// first signs; tokens of the others are good as well.
func NewTokenIssuer(url string, secrets ...[]byte) (*TokenIssuer, error) {
	if len(secrets) == 0 {
		return nil, errors.New("identity: an issuer needs a secret")
	}
	i := &TokenIssuer{url: url}
	var set jose.JSONWebKeySet
	for _, secret := range secrets {
		key, err := tokenKey(secret)
		if err != nil {
			return nil, err
		}
		public := jose.JSONWebKey{Key: key.Public(), Algorithm: string(jose.ES256), Use: "sig"}
		thumbprint, err := public.Thumbprint(crypto.SHA256)
		if err != nil {
			return nil, fmt.Errorf("identity: naming an issuer's key: %w", err)
		}
		public.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
		set.Keys = append(set.Keys, public)
		if i.signer != nil {
			continue
		}
		i.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: public.KeyID}}, nil)
		if err != nil {
			return nil, fmt.Errorf("identity: an issuer's key: %w", err)
		}
	}
	var err error
	if i.set, err = json.Marshal(set); err != nil {
		return nil, fmt.Errorf("identity: writing an issuer's key set: %w", err)
	}
	return i, nil
}

// tokenKey is the private key that follows from a secret: of 16 bytes more than
// a scalar has, modulo the group's order less one, plus one, so that no scalar is
// any likelier than another (FIPS 186-5, A.2.1).
func tokenKey(secret []byte) (*ecdsa.PrivateKey, error) {
	const size = 32
	if len(secret) < size {
		return nil, errors.New("identity: an issuer's secret is shorter than 32 bytes")
	}
	wide, err := hkdf.Key(sha256.New, secret, nil, "meterd issuer of projected tokens, ES256", size+16)
	if err != nil {
		return nil, fmt.Errorf("identity: an issuer's key: %w", err)
	}
	one := big.NewInt(1)
	d := new(big.Int).SetBytes(wide)
	d.Mod(d, new(big.Int).Sub(elliptic.P256().Params().N, one)).Add(d, one)
	return ecdsa.ParseRawPrivateKey(elliptic.P256(), d.FillBytes(make([]byte, size)))
}

// URL is the issuer's name.
func (i *TokenIssuer) URL() string { return i.url }

// KeySet are the issuer's public keys, as [Issuer] takes them.
func (i *TokenIssuer) KeySet() []byte { return i.set }

// Token is the token of a pod, for an audience.
func (i *TokenIssuer) Token(pod Pod, audience string, now time.Time, lifetime time.Duration) (string, error) {
	type object struct {
		Name string `json:"name"`
		UID  string `json:"uid,omitempty"`
	}
	type kubernetes struct {
		Namespace      string `json:"namespace"`
		Pod            object `json:"pod"`
		ServiceAccount object `json:"serviceaccount"`
	}
	payload, err := json.Marshal(struct {
		Audience   []string   `json:"aud"`
		Expires    int64      `json:"exp"`
		Issued     int64      `json:"iat"`
		Issuer     string     `json:"iss"`
		ID         string     `json:"jti"`
		Kubernetes kubernetes `json:"kubernetes.io"`
		NotBefore  int64      `json:"nbf"`
		Subject    string     `json:"sub"`
	}{
		Audience: []string{audience}, Expires: now.Add(lifetime).Unix(), Issued: now.Unix(), Issuer: i.url, ID: rand.Text(),
		Kubernetes: kubernetes{pod.Namespace, object{pod.Name, pod.UID}, object{Name: pod.ServiceAccount}},
		NotBefore:  now.Unix(), Subject: pod.Subject(),
	})
	if err != nil {
		return "", fmt.Errorf("identity: a pod's token: %w", err)
	}
	signed, err := i.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("identity: a pod's token: %w", err)
	}
	return signed.CompactSerialize()
}

// Subject is who a pod is to its cluster: its service account.
func (p Pod) Subject() string { return "system:serviceaccount:" + p.Namespace + ":" + p.ServiceAccount }
