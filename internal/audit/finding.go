package audit

import (
	"fmt"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Kind is what is wrong.
type Kind string

// The kinds of finding. They are told in JSON, and stay.
const (
	EventMissing       Kind = "event_missing"        // between others, or before them
	EventChanged       Kind = "event_changed"        // its hash is not what comes after it says
	EventReordered     Kind = "event_reordered"      // it stands where another did
	EventInserted      Kind = "event_inserted"       // it was put in later, or in a place that is taken
	EventUnlisted      Kind = "event_unlisted"       // its chain has it, and a list that events are looked up in has not
	CutOff             Kind = "cut_off"              // a chain, or the digests, ended later once
	DigestMissing      Kind = "digest_missing"       // between others, or what a chain begins after
	DigestChanged      Kind = "digest_changed"       // its hash or what it says is not what others say
	RecordMissing      Kind = "record_missing"       // an event made it, and the ledger has it not
	RecordChanged      Kind = "record_changed"       // it is not what its event says
	RecordWithoutEvent Kind = "record_without_event" // no event made it
	Damaged            Kind = "damaged"              // a row cannot be read
)

// Finding is one thing that is wrong, and where.
type Finding struct {
	Kind    Kind      `json:"kind" enum:"event_missing,event_changed,event_reordered,event_inserted,event_unlisted,cut_off,digest_missing,digest_changed,record_missing,record_changed,record_without_event,damaged" doc:"What is wrong."`
	Text    string    `json:"text" doc:"The same in a sentence."`
	Chain   string    `json:"chain,omitempty" doc:"The chain of the event."`
	Number  int64     `json:"number,omitempty" doc:"The event's number in its chain."`
	Event   string    `json:"event,omitempty" doc:"The event's id."`
	Account string    `json:"account,omitempty" doc:"Whose event or record it is."`
	Time    time.Time `json:"time,omitzero" doc:"When the event happened, or the record was received, by the service's clock."`
	Record  string    `json:"record,omitempty" doc:"The record's id."`
	Digest  int64     `json:"digest,omitempty" doc:"The digest's number."`
}

// maxFindings is how many findings are listed.
const maxFindings = 100

// Report is what a verification has found.
type Report struct {
	Digests  int64     `json:"digests" doc:"How many digests were looked at."`
	Chains   int       `json:"chains" doc:"How many chains of events were looked at."`
	Events   int64     `json:"events" doc:"How many events were looked at."`
	Records  int64     `json:"records" doc:"How many records were looked at."`
	Since    time.Time `json:"since,omitzero" doc:"From when on there are events, by the service's clock; absent: all that ever were."`
	Last     *LastSeal `json:"last,omitempty" doc:"The newest digest, which proves all before it to whoever has kept its hash; absent: there is none."`
	Findings []Finding `json:"findings" doc:"What is wrong; a hundred at the most."`
	More     int       `json:"more,omitempty" doc:"How many findings are not listed; with any, not all was looked for."`
}

// LastSeal names a digest.
type LastSeal struct {
	Number int64     `json:"number" doc:"Its number."`
	Hash   Hash      `json:"hash" doc:"Its hash."`
	At     time.Time `json:"at" doc:"When it was made."`
}

// Sound reports whether nothing was found.
func (r *Report) Sound() bool { return len(r.Findings) == 0 }

func (r *Report) add(f Finding) {
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, f)
	} else {
		r.More++
	}
}

// full reports whether so much was found that looking for more tells nothing.
func (r *Report) full() bool { return len(r.Findings) == maxFindings }

// ofEvent adds what is wrong with an event.
func (r *Report) ofEvent(kind Kind, ev *store.Event, format string, args ...any) {
	r.add(Finding{
		Kind: kind, Text: fmt.Sprintf("%s (%s, of account %s, %s): ", ev.Link, ev.ID, ev.Account, ev.Time.Format(time.RFC3339)) + fmt.Sprintf(format, args...),
		Chain: ev.Chain.String(), Number: ev.Number, Event: ev.ID.String(), Account: string(ev.Account), Time: ev.Time,
	})
}

// ofPlace adds what is wrong at a place that has no event to show.
func (r *Report) ofPlace(kind Kind, chain metering.ID, number int64, format string, args ...any) {
	r.add(Finding{Kind: kind, Text: fmt.Sprintf("%s: ", store.Link{Chain: chain, Number: number}) + fmt.Sprintf(format, args...), Chain: chain.String(), Number: number})
}

func (r *Report) ofDigest(kind Kind, number int64, format string, args ...any) {
	r.add(Finding{Kind: kind, Text: fmt.Sprintf("digest %d: ", number) + fmt.Sprintf(format, args...), Digest: number})
}

func (r *Report) ofRecord(kind Kind, of *metering.Record, ev *store.Event, format string, args ...any) {
	f := Finding{
		Kind: kind, Text: fmt.Sprintf("record %s (of account %s, received %s): ", of.ID, of.Key.Account, of.Received.Format(time.RFC3339)) + fmt.Sprintf(format, args...),
		Account: string(of.Key.Account), Time: of.Received, Record: of.ID.String(),
	}
	if ev != nil {
		f.Chain, f.Number, f.Event = ev.Chain.String(), ev.Number, ev.ID.String()
	}
	r.add(f)
}
