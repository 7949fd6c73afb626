package transfer

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// line is one line of a file. Exactly one field is set.
type line struct {
	Head         *head         `json:"meterd_export,omitempty"`
	Revision     *revision     `json:"revision,omitempty"`
	Record       *record       `json:"record,omitempty"`
	Token        *token        `json:"client_token,omitempty"`
	Admission    *admission    `json:"admission,omitempty"`
	Registration *registration `json:"registration,omitempty"`
	Redemption   *redemption   `json:"redemption,omitempty"`
	Event        *event        `json:"event,omitempty"`
	Refusal      *refusal      `json:"refusal,omitempty"`
	Mark         *mark         `json:"mark,omitempty"`
	End          *end          `json:"end,omitempty"`
}

type revision struct {
	Kind     store.Kind      `json:"kind"`
	Name     string          `json:"name"`
	Revision int64           `json:"revision"`
	By       string          `json:"by"`
	At       time.Time       `json:"at"`
	Entry    json.RawMessage `json:"entry,omitempty"` // as a store keeps it; none: it was removed
}

type key struct {
	Kind      metering.KeyKind `json:"kind"`
	Account   string           `json:"account"`
	Region    string           `json:"region"`
	Product   string           `json:"product"`
	Party     string           `json:"party"`
	Dimension string           `json:"dimension"`
	Hour      metering.Hour    `json:"hour"`
}

type record struct {
	ID          id           `json:"id"`
	Key         key          `json:"key"`
	Timestamp   time.Time    `json:"timestamp"`
	Received    time.Time    `json:"received"`
	Workload    string       `json:"workload,omitempty"`
	Quantity    int32        `json:"quantity"`
	Allocations []allocation `json:"allocations,omitempty"`
}

type allocation struct {
	Quantity int32 `json:"quantity"`
	Tags     []tag `json:"tags,omitempty"`
}

type tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type token struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Value   string `json:"value"`
	Hash    sum    `json:"hash"`
	Day     int32  `json:"day"`
	Answer  id     `json:"answer"`
}

type admission struct {
	Account  string `json:"account"`
	Workload string `json:"workload"`
	Product  string `json:"product"`
}

type registration struct {
	ID        id            `json:"id"`
	Product   string        `json:"product"`
	Account   string        `json:"account"`
	Workload  string        `json:"workload"`
	Platform  string        `json:"platform"`
	Region    string        `json:"region"`
	Heartbeat time.Duration `json:"heartbeat"`
	Started   time.Time     `json:"started"`
	LastSeen  time.Time     `json:"last_seen"`
	Stopped   time.Time     `json:"stopped"`
	Last      bool          `json:"last,omitempty"`
}

type redemption struct {
	Token   sum       `json:"token"`
	Account string    `json:"account"`
	KeyID   string    `json:"key_id"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Count   int       `json:"count"`
}

type event struct {
	ID        id        `json:"id"`
	Time      time.Time `json:"time"`
	Account   string    `json:"account"`
	Operation string    `json:"operation"`
	RequestID string    `json:"request_id"`
	KeyID     string    `json:"key_id"`
	Region    string    `json:"region"`
	Records   []id      `json:"records,omitempty"`
}

type refusal struct {
	ID        id             `json:"id"`
	Time      time.Time      `json:"time"`
	Seller    string         `json:"seller"`
	Account   string         `json:"account"`
	KeyID     string         `json:"key_id"`
	Region    string         `json:"region"`
	Operation string         `json:"operation"`
	RequestID string         `json:"request_id"`
	Product   string         `json:"product"`
	Reason    string         `json:"reason"`
	Detail    string         `json:"detail"`
	Record    *refusedRecord `json:"record,omitempty"`
}

type refusedRecord struct {
	Key       key       `json:"key"`
	Timestamp time.Time `json:"timestamp"`
	Quantity  int32     `json:"quantity"`
	Held      *held     `json:"held,omitempty"`
}

type held struct {
	ID       id    `json:"id"`
	Quantity int32 `json:"quantity"`
}

// id is a metering.ID in its usual form.
type id metering.ID

func (i id) MarshalText() ([]byte, error) { return metering.ID(i).AppendText(nil), nil }

func (i *id) UnmarshalText(b []byte) error {
	parsed, ok := metering.ParseID(string(b))
	if !ok {
		return fmt.Errorf("%q is not an id", b)
	}
	*i = id(parsed)
	return nil
}

// sum is a SHA-256 in hexadecimal.
type sum [32]byte

func (s sum) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

func (s *sum) UnmarshalText(b []byte) error {
	if hex.DecodedLen(len(b)) != len(s) {
		return fmt.Errorf("%q is not a SHA-256", b)
	}
	_, err := hex.Decode(s[:], b)
	return err
}

func keyOf(k *metering.Key) key {
	return key{k.Kind, string(k.Account), k.Region, string(k.Product), k.Party, k.Dimension, k.Hour}
}

func (k *key) metering() metering.Key {
	return metering.Key{
		Kind: k.Kind, Account: metering.AccountID(k.Account), Region: k.Region, Product: metering.ProductCode(k.Product),
		Party: k.Party, Dimension: k.Dimension, Hour: k.Hour,
	}
}

// lineOf is an item as a line.
func lineOf(item *store.Item, keys *envelope.Keys) (line, error) {
	switch {
	case item.Revision != nil:
		r := item.Revision
		l := revision{r.Ref.Kind, r.Ref.Name, r.Number, r.By, r.At, nil}
		if r.Entry != nil {
			b, err := store.EncodeEntry(r.Entry, keys)
			if err != nil {
				return line{}, err
			}
			l.Entry = b
		}
		return line{Revision: &l}, nil
	case item.Record != nil:
		return line{Record: recordOf(item.Record)}, nil
	case item.Binding != nil:
		b := item.Binding
		return line{Token: &token{string(b.Account), b.Region, b.Token.Value, b.Token.Hash, b.Day, id(b.Answer)}}, nil
	case item.Admission != nil:
		a := item.Admission
		return line{Admission: &admission{string(a.Account), a.Workload, string(a.Product)}}, nil
	case item.Registration != nil:
		r := item.Registration
		return line{Registration: &registration{
			id(r.ID), string(r.Product), string(r.Account), r.Workload, string(r.Platform), r.Region,
			r.Heartbeat, r.Started, r.LastSeen, r.Stopped, r.Last,
		}}, nil
	case item.Redemption != nil:
		r := item.Redemption
		return line{Redemption: &redemption{r.Token, string(r.Account), r.KeyID, r.First, r.Last, r.Count}}, nil
	case item.Event != nil:
		ev := item.Event
		l := event{id(ev.ID), ev.Time, string(ev.Account), string(ev.Operation), ev.RequestID, ev.KeyID, ev.Region, nil}
		for _, r := range ev.Records {
			l.Records = append(l.Records, id(r))
		}
		return line{Event: &l}, nil
	case item.Refusal != nil:
		return line{Refusal: refusalOf(item.Refusal)}, nil
	}
	return line{}, fmt.Errorf("transfer: an item is nothing")
}

func recordOf(r *metering.Record) *record {
	l := record{id(r.ID), keyOf(&r.Key), r.Timestamp, r.Received, r.Workload, r.Quantity, nil}
	for _, a := range r.Allocations {
		part := allocation{Quantity: a.Quantity}
		for _, t := range a.Tags {
			part.Tags = append(part.Tags, tag(t))
		}
		l.Allocations = append(l.Allocations, part)
	}
	return &l
}

func refusalOf(r *store.Refusal) *refusal {
	l := refusal{
		id(r.ID), r.Time, string(r.Seller), string(r.Account), r.KeyID, r.Region, string(r.Operation),
		r.RequestID, string(r.Product), r.Reason, r.Detail, nil,
	}
	if rec := r.Record; rec != nil {
		l.Record = &refusedRecord{keyOf(&rec.Key), rec.Timestamp, rec.Quantity, nil}
		if rec.Held != nil {
			l.Record.Held = &held{id(rec.Held.ID), rec.Held.Quantity}
		}
	}
	return &l
}
