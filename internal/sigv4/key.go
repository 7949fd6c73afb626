package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
	"sync"
)

// key signs within one scope: one secret, day, region and service. It pools its
// MACs because one that has been reset has its key hashed already, which is half
// of the work on so short a text.
type key struct{ macs sync.Pool }

type mac struct {
	hash.Hash
	text []byte
}

func newKey(secret []byte) *key {
	return &key{sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, secret)} }}}
}

// deriveKey chains the scope onto the secret, so that what is kept for signing
// is worth nothing on another day, in another region or at another service.
func deriveKey(secret, date, region, service string) *key {
	k := []byte("AWS4" + secret)
	for _, part := range [...]string{date, region, service, terminator} {
		h := hmac.New(sha256.New, k)
		h.Write([]byte(part))
		k = h.Sum(nil)
	}
	return newKey(k)
}

// sign returns the signature, in hex. The scope is the credential's without the
// key id.
func (k *key) sign(stamp, scope string, canonicalRequest []byte) (digits [2 * sha256.Size]byte) {
	m := k.macs.Get().(*mac)
	m.text = appendStringToSign(m.text[:0], stamp, scope, canonicalRequest)
	m.Reset()
	m.Write(m.text)
	hex.Encode(digits[:], m.Sum(m.text[:0]))
	k.macs.Put(m)
	return digits
}

// keyName names a derived key. The secret is part of the name: a key rotated under
// the same id is another key.
type keyName struct{ id, secret, date, region, service string }

// generation is the number of keys that a cache collects before it forgets the
// ones it collected before. A busy server sees one key for each credential,
// region and day.
const generation = 4096

// keyCache remembers derived keys, at most two generations of them: when the
// young one is full it becomes the old one. A key in use is young or becomes so
// again, and what is lost was not used for a while. The zero value is ready.
type keyCache struct {
	mu         sync.RWMutex
	young, old map[keyName]*key
}

// get returns a key, nil if it is missing, and whether it is young. One that is
// not should be put once its use has proved legitimate.
func (c *keyCache) get(id keyName) (k *key, young bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if k, young = c.young[id]; !young {
		k = c.old[id]
	}
	return k, young
}

func (c *keyCache) put(id keyName, k *key) {
	// id's strings are parts of a request, which must not be kept alive by them.
	id.id, id.date, id.region = strings.Clone(id.id), strings.Clone(id.date), strings.Clone(id.region)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.young == nil || len(c.young) >= generation {
		c.young, c.old = make(map[keyName]*key), c.young
	}
	c.young[id] = k
}
