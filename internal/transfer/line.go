package transfer

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterd/meterd/internal/metering"
)

// line is a line of a file after the first. Exactly one field is set. What is
// zero is left out; times keep their nanoseconds.
type line struct {
	Revision     *revision     `json:"revision,omitzero"`
	Record       *record       `json:"record,omitzero"`
	ClientToken  *clientToken  `json:"client_token,omitzero"`
	Admission    *admission    `json:"admission,omitzero"`
	Registration *registration `json:"registration,omitzero"`
	Redemption   *redemption   `json:"redemption,omitzero"`
	Event        *event        `json:"event,omitzero"`
	Refusal      *refusal      `json:"refusal,omitzero"`
	Floor        *floor        `json:"floor,omitzero"`
	Digest       *digest       `json:"digest,omitzero"`

	Mark *mark `json:"mark,omitzero"`
	End  *end  `json:"end,omitzero"`
}

// revision is one state that a catalogue entry has had.
type revision struct {
	Kind   string         `json:"kind"`
	Name   string         `json:"name"`
	Number int64          `json:"number"`
	By     string         `json:"by,omitzero"`
	At     time.Time      `json:"at,omitzero"`
	Entry  jsontext.Value `json:"entry,omitzero"` // left out: it was removed
}

type record struct {
	ID          id           `json:"id"`
	Key         key          `json:"key"`
	Timestamp   time.Time    `json:"timestamp,omitzero"`
	Received    time.Time    `json:"received,omitzero"`
	Workload    string       `json:"workload,omitzero"`
	Quantity    int32        `json:"quantity"`
	Allocations []allocation `json:"allocations,omitempty"`
}

type key struct {
	Kind      keyKind `json:"kind"`
	Account   string  `json:"account"`
	Region    string  `json:"region"`
	Product   string  `json:"product"`
	Party     string  `json:"party"`
	Dimension string  `json:"dimension"`
	Hour      int32   `json:"hour"` // UTC hours since 1970
}

type allocation struct {
	Quantity int32 `json:"quantity"`
	Tags     []tag `json:"tags,omitempty"`
}

type tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// clientToken is a ClientToken and what it is bound to.
type clientToken struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Value   string `json:"value"`
	Hash    sum32  `json:"hash"` // of what it was sent with
	Day     int32  `json:"day"`  // UTC days since 1970
	Answer  id     `json:"answer"`
}

type admission struct {
	Account  string `json:"account"`
	Workload string `json:"workload"`
	Product  string `json:"product"`
}

type registration struct {
	ID        id        `json:"id"`
	Product   string    `json:"product"`
	Account   string    `json:"account"`
	Workload  string    `json:"workload"`
	Platform  string    `json:"platform,omitzero"`
	Region    string    `json:"region,omitzero"`
	Heartbeat int64     `json:"heartbeat_ns,omitzero"`
	Started   time.Time `json:"started,omitzero"`
	LastSeen  time.Time `json:"last_seen,omitzero"`
	Stopped   time.Time `json:"stopped,omitzero"`
	Last      bool      `json:"last,omitzero"` // its workload's of its product
}

// redemption is who has resolved a registration token.
type redemption struct {
	Token   sum32     `json:"token"` // its hash
	Account string    `json:"account"`
	KeyID   string    `json:"key_id,omitzero"`
	First   time.Time `json:"first,omitzero"`
	Last    time.Time `json:"last,omitzero"`
	Count   int       `json:"count"`
}

type refusal struct {
	ID        id             `json:"id"`
	Time      time.Time      `json:"time,omitzero"`
	Seller    string         `json:"seller"`
	Account   string         `json:"account"`
	KeyID     string         `json:"key_id,omitzero"`
	Region    string         `json:"region,omitzero"`
	Operation string         `json:"operation,omitzero"`
	RequestID string         `json:"request_id,omitzero"`
	Product   string         `json:"product,omitzero"`
	Reason    string         `json:"reason,omitzero"`
	Detail    string         `json:"detail,omitzero"`
	Record    *refusedRecord `json:"record,omitzero"` // left out: the whole call was refused
}

type refusedRecord struct {
	Key       key       `json:"key"`
	Timestamp time.Time `json:"timestamp,omitzero"`
	Quantity  int32     `json:"quantity"`
	Held      *held     `json:"held,omitzero"`
}

type held struct {
	ID       id    `json:"id"`
	Quantity int32 `json:"quantity"`
}

// keyKind is a metering.KeyKind in a word.
type keyKind metering.KeyKind

// keyKinds are the words. They are written into files.
var keyKinds = map[metering.KeyKind]string{
	metering.KindLegacy: "legacy", metering.KindLicense: "license", metering.KindResource: "resource", metering.KindRuntime: "runtime",
}

func (k keyKind) MarshalText() ([]byte, error) {
	word, ok := keyKinds[metering.KeyKind(k)]
	if !ok {
		return nil, fmt.Errorf("a key of the unknown kind %d", k)
	}
	return []byte(word), nil
}

func (k *keyKind) UnmarshalText(b []byte) error {
	for kind, word := range keyKinds {
		if word == string(b) {
			*k = keyKind(kind)
			return nil
		}
	}
	return fmt.Errorf("%q is no kind of key", b)
}
