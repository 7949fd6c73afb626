package audit

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// manifestFormat is the version of the manifests' form.
const manifestFormat = 1

// Manifest is what a digest file holds: a digest, and where the events are that
// came since the one before.
type Manifest struct {
	Format int `json:"format"`
	DigestFile
	PrevFile Sum          `json:"prev_file"` // of the manifest before; zeros: this one is the first
	Only     Filter       `json:"only,omitzero"`
	Files    []ListedFile `json:"files"`
	Expired  []Places     `json:"expired,omitempty"` // events that had been let go of before they were written
	Lost     []Places     `json:"lost,omitempty"`    // events that were not there though they should have been
}

// ListedFile is a file of events.
type ListedFile struct {
	Name   string   `json:"name"`
	Sum    Sum      `json:"sha256"`
	Places []Places `json:"places"` // of its lines, in their order
}

// Begin says what the first manifest of a folder follows.
type Begin struct {
	Format int `json:"format"`
	// Number and Hash are the first digest's.
	Number   int64        `json:"number"`
	Hash     Hash         `json:"hash"`
	PrevFile Sum          `json:"prev_file"` // of the manifest before; zeros: there was none
	Extents  []FileExtent `json:"extents"`   // of the digest before that has a manifest
	Only     Filter       `json:"only,omitzero"`
}

// Filter picks some of the events. A folder of them cannot prove that it has all.
type Filter struct {
	Account metering.AccountID `json:"account,omitempty"`
	From    time.Time          `json:"from,omitzero"`
	To      time.Time          `json:"to,omitzero"` // excluded
}

func (f *Filter) picks(ev *store.Event) bool {
	return (f.Account == "" || ev.Account == f.Account) &&
		(f.From.IsZero() || !ev.Time.Before(f.From)) && (f.To.IsZero() || ev.Time.Before(f.To))
}

func (f Filter) equal(g Filter) bool {
	return f.Account == g.Account && f.From.Equal(g.From) && f.To.Equal(g.To)
}

const (
	root        = "AWSLogs/"
	manifests   = root + "meterd/CloudTrail-Digest/"
	beginName   = manifests + "begin.json"
	ofEvents    = ".jsonl.gz"
	ofManifests = ".json.gz"
	minute      = "20060102T1504Z"
	day         = "2006/01/02"
)

// manifestName is the one name that a digest's manifest can have.
func manifestName(number int64, at time.Time) string {
	return fmt.Sprintf("%s%s/meterd_CloudTrail-Digest_%s_%012d%s", manifests, at.Format(day), at.Format(minute), number, ofManifests)
}

var numbered = regexp.MustCompile(`^meterd_CloudTrail-Digest_[0-9]{8}T[0-9]{4}Z_([0-9]{12,})\.json\.gz$`)

// eventsName is the name of a digest's file: of an account, a region, and the part
// of its events.
func eventsName(d *DigestFile, k fileKey, part int) string {
	return fmt.Sprintf("%s%s/CloudTrail/%s/%s/%s_CloudTrail_%s_%s_%012d-%04d%s", root, k.account, k.region,
		d.At.Format(day), k.account, k.region, d.At.Format(minute), d.Number, part, ofEvents)
}

// eventsOf reports whether a name is one that eventsName may have made for a digest.
func eventsOf(d *DigestFile, name string) bool {
	steps := strings.Split(name, "/")
	var part int
	if len(steps) != 8 {
		return false
	}
	_, after, _ := strings.Cut(path.Base(name), fmt.Sprintf("_%s_%012d-", d.At.Format(minute), d.Number))
	_, err := fmt.Sscanf(after, "%d"+ofEvents, &part)
	return err == nil && name == eventsName(d, fileKey{steps[1], steps[3]}, part)
}

// encode is the manifest as a file's bytes, and their sum.
func (m *Manifest) encode() ([]byte, Sum, error) {
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return nil, Sum{}, err
	}
	b := pack(append(text, '\n'))
	return b, sha256.Sum256(b), nil
}

// decodeManifest reads a manifest, which must have the name that it has.
func decodeManifest(name string, b []byte) (*Manifest, error) {
	var m Manifest
	if err := unpackJSON(b, &m); err != nil {
		return nil, err
	}
	if m.Format != manifestFormat {
		return nil, fmt.Errorf("it has format %d, and this meterd knows %d", m.Format, manifestFormat)
	}
	if _, err := m.Digest(); err != nil {
		return nil, err
	}
	m.At = store.Instant(m.At)
	if want := manifestName(m.Number, m.At); name != want {
		return nil, fmt.Errorf("it should have the name %s", want)
	}
	return &m, nil
}

// maxUnpacked is the most that a file may hold: a few bytes can stand for many.
const maxUnpacked = 1 << 30

func unpackJSON(b []byte, into any) error {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return err
	}
	dec := json.NewDecoder(io.LimitReader(z, maxUnpacked))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.Join(errors.New("there is more behind it"), err)
	}
	return nil
}

// pack compresses. The same text gives the same bytes.
func pack(text []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(text) // memory takes everything
	_ = z.Close()
	return b.Bytes()
}

// Sum is the SHA-256 of a file, in 64 hexadecimal digits.
type Sum [32]byte

func (s Sum) String() string { return hex.EncodeToString(s[:]) }

// MarshalText is String.
func (s Sum) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Sum) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(s)) {
		return fmt.Errorf("%q is no SHA-256", text)
	}
	_, err := hex.Decode(s[:], text)
	return err
}
