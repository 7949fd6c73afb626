// Package envelope seals secrets for the time that they lie on a disk. Each
// secret is encrypted under a data key of its own, and that under a key of the
// key file, which lies elsewhere: who has the disk or a backup of it has no
// secret. Both steps are AES-256-GCM; what a secret belongs to is authenticated
// with it, so that a sealed secret opens in its own place only.
package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// A sealed secret is a version, the id of the key that wraps, the wrapped data
// key, and the encrypted secret; nonces lead what they belong to.
const (
	version  = 1
	keySize  = 32
	idSize   = 8
	nonce    = 12
	tag      = 16
	wrapped  = nonce + keySize + tag
	overhead = 1 + idSize + wrapped + nonce + tag
)

var (
	// ErrKey says that a secret was sealed under a key that the key file has not.
	ErrKey = errors.New("envelope: sealed under another key")
	// ErrDamaged says that a sealed secret was changed, or belongs elsewhere.
	ErrDamaged = errors.New("envelope: the sealed secret is damaged")
)

// Keys are the keys of a key file. The first seals; all open.
type Keys struct{ keys []key }

type key struct {
	id   [idSize]byte
	aead cipher.AEAD
}

// linePrefix marks a key in a key file, and the form it has.
const linePrefix = "meterd-key-1:"

// NewLine makes a key, as a line of a key file.
func NewLine() string {
	var k [keySize]byte
	rand.Read(k[:])
	return linePrefix + base64.RawStdEncoding.EncodeToString(k[:])
}

// Parse reads a key file: a key a line, the current one first; empty lines and
// those that begin with # say nothing. Its errors name the line and never show
// what is on it.
func Parse(text string) (*Keys, error) {
	var ks Keys
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		encoded, ok := strings.CutPrefix(line, linePrefix)
		raw, err := base64.RawStdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(raw) != keySize {
			return nil, fmt.Errorf("line %d is not a key: one begins with %s and is made by 'meterd keyfile create'", number, linePrefix)
		}
		k := newKey(raw)
		for _, other := range ks.keys {
			if other.id == k.id {
				return nil, fmt.Errorf("line %d: the key was there before", number)
			}
		}
		ks.keys = append(ks.keys, k)
	}
	if len(ks.keys) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return &ks, nil
}

func newKey(raw []byte) key {
	sum := sha256.Sum256(append([]byte("meterd key id\x00"), raw...))
	k := key{aead: gcm(raw)}
	copy(k.id[:], sum[:])
	return k
}

// gcm is AES-256-GCM with nonces of its own making. A key of this size is never
// refused.
func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCMWithRandomNonce(block); err == nil {
			return aead
		}
	}
	panic(err)
}

// Seal seals a secret; about names what it belongs to.
func (ks *Keys) Seal(secret []byte, about string) []byte {
	current := ks.keys[0]
	var dataKey [keySize]byte
	rand.Read(dataKey[:])
	out := make([]byte, 0, overhead+len(secret))
	out = append(append(out, version), current.id[:]...)
	out = current.aead.Seal(out, nil, dataKey[:], []byte(about))
	return gcm(dataKey[:]).Seal(out, nil, secret, []byte(about))
}

// Open opens what was sealed about the same. Without the key it was sealed under
// the error is [ErrKey]; ks may be nil, which has none.
func (ks *Keys) Open(sealed []byte, about string) ([]byte, error) {
	if len(sealed) < overhead || sealed[0] != version {
		return nil, ErrDamaged
	}
	k := ks.find(sealed)
	if k == nil {
		return nil, fmt.Errorf("%w, %x", ErrKey, sealed[1:1+idSize])
	}
	rest := sealed[1+idSize:]
	dataKey, err := k.aead.Open(nil, nil, rest[:wrapped], []byte(about))
	if err != nil {
		return nil, ErrDamaged
	}
	secret, err := gcm(dataKey).Open(nil, nil, rest[wrapped:], []byte(about))
	if err != nil {
		return nil, ErrDamaged
	}
	return secret, nil
}

// Current reports whether a secret is sealed under the key that seals now.
func (ks *Keys) Current(sealed []byte) bool {
	return len(sealed) >= overhead && ks != nil && ks.find(sealed) == &ks.keys[0]
}

func (ks *Keys) find(sealed []byte) *key {
	if ks == nil {
		return nil
	}
	for i := range ks.keys {
		if string(ks.keys[i].id[:]) == string(sealed[1:1+idSize]) {
			return &ks.keys[i]
		}
	}
	return nil
}
