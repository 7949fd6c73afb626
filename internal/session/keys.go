package session

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxToken is the length of the longest token. It rides on every request, in a
// header.
const MaxToken = 2048

// A token is a version, the id of its master key, and the sealed claims, which
// begin with a nonce and end with a tag; all of it in base64url.
const (
	version   = 1
	idSize    = 8
	header    = 1 + idSize
	nonceSize = 12
	tagSize   = 16
	overhead  = header + nonceSize + tagSize
)

// tokenText is strict: bits that do not count must be zero.
var tokenText = base64.RawURLEncoding.Strict()

const (
	masterSize = 32
	secretSize = 30 // 40 characters, as all of AWS's secrets have

	keyIDPrefix = "ASIA"
	keyIDSize   = 10 // 16 characters
	keyIDLength = len(keyIDPrefix) + 16
)

// maxSkew is how far ahead the clock of a node may be that issued a token. It is
// what a signature's date is granted, too.
const maxSkew = 5 * time.Minute

// Keys are the master keys. The first issues; all open. A key issues at most
// 2³² tokens: the nonces are random, and beyond that two might be the same
// (NIST SP 800-38D, section 8.3).
type Keys struct{ keys []key }

// key is what follows from a master key, which itself is not kept.
type key struct {
	id      [idSize]byte
	aead    cipher.AEAD
	secrets []byte // the pseudorandom key that secrets are expanded from
}

// Format implements [fmt.Formatter], so that no verb prints the keys.
func (*Keys) Format(s fmt.State, _ rune) { fmt.Fprint(s, "***") }

// NewKeys takes the master keys, 32 random bytes each, the current one first. A
// key's id in a token follows from the key, so that no two keys can be given one.
func NewKeys(masters ...[]byte) (*Keys, error) {
	var ks Keys
	for i, master := range masters {
		if len(master) != masterSize {
			return nil, fmt.Errorf("session: key %d has %d bytes, not %d", i+1, len(master), masterSize)
		}
		k, err := newKey(master)
		if err != nil {
			return nil, err
		}
		if ks.find(k.id[:]) != nil {
			return nil, fmt.Errorf("session: key %d was there before", i+1)
		}
		ks.keys = append(ks.keys, k)
	}
	if len(ks.keys) == 0 {
		return nil, errors.New("session: there is no key")
	}
	return &ks, nil
}

// newKey derives, for each use, a key of its own (RFC 5869).
func newKey(master []byte) (k key, err error) {
	prk, err := hkdf.Extract(sha256.New, master, nil)
	if err != nil {
		return key{}, err
	}
	expand := func(info string, size int) []byte {
		b, e := hkdf.Expand(sha256.New, prk, info, size)
		err = errors.Join(err, e)
		return b
	}
	copy(k.id[:], expand("meterd session key id", idSize))
	k.secrets = expand("meterd session secrets", sha256.Size)
	seal := expand("meterd session tokens", masterSize)
	if err != nil {
		return key{}, err
	}
	block, err := aes.NewCipher(seal)
	if err != nil {
		return key{}, err
	}
	k.aead, err = cipher.NewGCMWithRandomNonce(block)
	return k, err
}

// secret is the secret access key that belongs to a key id.
func (k *key) secret(keyID string) (Secret, error) {
	b, err := hkdf.Expand(sha256.New, k.secrets, keyID, secretSize)
	return Secret(base64.StdEncoding.EncodeToString(b)), err
}

func (ks *Keys) find(id []byte) *key {
	for i := range ks.keys {
		if string(ks.keys[i].id[:]) == string(id) {
			return &ks.keys[i]
		}
	}
	return nil
}

// Issue makes credentials for a session. It makes the access key id; the claims'
// own is not looked at, and their times are cut to the second. If they do not fit
// into a token the error is [ErrTooLarge]; any other means that the claims should
// not have been asked for.
func (ks *Keys) Issue(c Claims) (Credentials, error) {
	c.KeyID = newKeyID()
	c.Issued, c.Expires = c.Issued.Truncate(time.Second), c.Expires.Truncate(time.Second)
	if err := c.check(); err != nil {
		return Credentials{}, err
	}
	k := &ks.keys[0]
	secret, err := k.secret(c.KeyID)
	if err != nil {
		return Credentials{}, err
	}
	plain, err := pack(&c, tokenText.DecodedLen(MaxToken)-overhead)
	if err != nil {
		return Credentials{}, err
	}
	token := make([]byte, 0, overhead+len(plain))
	token = append(append(token, version), k.id[:]...)
	token = k.aead.Seal(token, nil, plain, about(token, c.KeyID))
	return Credentials{
		AccessKeyID:     c.KeyID,
		SecretAccessKey: secret,
		Token:           Secret(tokenText.EncodeToString(token)),
		Expiration:      c.Expires.UTC(),
	}, nil
}

// newKeyID makes an access key id. That it is new is a matter of 80 random bits.
func newKeyID() string {
	var b [keyIDSize]byte
	rand.Read(b[:]) // never fails, by its contract
	return keyIDPrefix + base32.StdEncoding.EncodeToString(b[:])
}

// about is what is authenticated with the claims: what stands before them, and
// the access key id.
func about(header []byte, keyID string) []byte {
	return append(append(make([]byte, 0, len(header)+len(keyID)), header...), keyID...)
}

// Open returns what a token says and the secret that its bearer must sign with.
// The error is [ErrInvalid] or [ErrExpired]; the latter only of a token that is
// otherwise good.
func (ks *Keys) Open(keyID, token string, now time.Time) (*Claims, Secret, error) {
	if len(keyID) != keyIDLength || len(token) > MaxToken {
		return nil, "", fmt.Errorf("%w: its length, or its access key id's", ErrInvalid)
	}
	if strings.ContainsAny(token, "\r\n") { // which the decoder passes over
		return nil, "", fmt.Errorf("%w: a line break", ErrInvalid)
	}
	raw, err := tokenText.DecodeString(token)
	if err != nil || len(raw) < overhead || raw[0] != version {
		return nil, "", fmt.Errorf("%w: its form", ErrInvalid)
	}
	head, sealed := raw[:header:header], raw[header:]
	k := ks.find(head[1:])
	if k == nil {
		return nil, "", fmt.Errorf("%w: sealed under another key, %x", ErrInvalid, head[1:])
	}
	plain, err := k.aead.Open(nil, nil, sealed, about(head, keyID))
	if err != nil {
		return nil, "", fmt.Errorf("%w: changed, or of another access key id", ErrInvalid)
	}

	// From here on it is known to be ours.
	c, err := unpack(plain)
	if err != nil {
		return nil, "", err
	}
	c.KeyID = strings.Clone(keyID) // the caller's may be part of a request
	switch {
	case !now.Before(c.Expires):
		return nil, "", ErrExpired
	case c.Issued.Sub(now) > maxSkew:
		return nil, "", fmt.Errorf("%w: it is of %s, later than now", ErrInvalid, c.Issued.Format(time.RFC3339))
	}
	secret, err := k.secret(c.KeyID)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return c, secret, nil
}
