// Package store is the wall between the rules and the disk: what any store of
// this service promises, in prose and as one interface. storetest is the court
// that every implementation must pass.
//
// # What a call commits
//
// [Store.Append] commits one call whole: its records, its token, its admission,
// its registration, and what [Call.After] adds once it is known who holds which
// key. All of it is there or nothing is, and it is durable before Append
// returns. Calls that come together may share a commit; they never share a
// failure: a call that cannot be written leaves no trace, and its neighbours in
// the same commit are unharmed.
//
// # Who holds a key
//
// A [metering.Key] is the one place that one record can hold. A record whose key
// is free takes it and is never touched again. A record whose key is held leaves
// the holder as it is. Either way the call is told the holder, byte for byte as
// it is stored. The same key twice in one call: the first takes it, the second
// sees the first. Of any number of callers on one key, one wins and all are told
// the same holder. That the holder was there before does not shorten the wait: a
// call answers when the holder is durable, and if the holder's commit fails, the
// call fails. Who came first is the store's question; whether the holder is a
// repeat or a duplicate is a rule and stays in metering.
//
// # What an error means
//
// An error of Append is definite, nothing of the call was written, unless it
// wraps [ErrUnknown]: then the call may be there or not, and repeating it
// settles the question. A context that is cancelled before the commit begins
// writes nothing; after that the commit runs to its end. After a failed sync no
// call is acknowledged any more until the store is opened again. A store that
// lies elsewhere may be out of reach for a while: then calls get [ErrUnavailable],
// and so they do while it cannot tell whether its catalogue is the newest. A store
// on a disk that is nearly full refuses to write with [ErrNoRoom] and can be read.
//
// # Time
//
// A store has no clock. Every time in it is a value it was given.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

var (
	// ErrUnknown says that a call may have been written or not.
	ErrUnknown = errors.New("store: the outcome is unknown")
	// ErrClosed says that the store was closed before the commit began.
	ErrClosed = errors.New("store: closed")
	// ErrCursor says that a cursor was not made by this store for this query.
	ErrCursor = errors.New("store: not a cursor of this query")
	// ErrConflict says that the catalogue is no longer at [Change.Base].
	ErrConflict = errors.New("store: the catalogue has changed since")
	// ErrUnavailable says that the store can do nothing at present: nothing of
	// the call was written, and later it may well be.
	ErrUnavailable = errors.New("store: unavailable at present")
	// ErrNoRoom is an [ErrUnavailable] of a store whose disk is nearly full: it
	// writes nothing, and it can be read.
	ErrNoRoom = fmt.Errorf("%w: its disk is nearly full", ErrUnavailable)
	// ErrNotEmpty says that a store that is to be imported to holds something.
	ErrNotEmpty = errors.New("store: not empty")
)

// Store is what the doors write to and read from.
type Store interface {
	// Append commits one call: all of it or nothing, durable before it returns.
	// See the package comment for what errors mean. A token that is bound to
	// another hash gives [metering.ErrIdempotencyConflict], and nothing is
	// written.
	Append(ctx context.Context, c Call) (Outcome, error)

	// Records lists records, hours ascending; the order within an hour is the
	// store's. Each record is seen once across pages, while appends go on.
	Records(ctx context.Context, q RecordQuery) (Page[metering.Record], error)
	// Registrations lists a product's registrations, oldest first.
	Registrations(ctx context.Context, q RegistrationQuery) (Page[metering.Registration], error)
	// Registration finds one by its id.
	Registration(ctx context.Context, id metering.ID) (r metering.Registration, ok bool, err error)
	// Refusals lists what was refused, or answered but not counted, oldest first.
	Refusals(ctx context.Context, q RefusalQuery) (Page[Refusal], error)
	// Events lists events by time, oldest first or newest first.
	Events(ctx context.Context, q EventQuery) (Page[Event], error)

	// Trail lists the events by their places in chains: what is durable.
	Chains
	// Digests lists the digests, in their order.
	Digests(ctx context.Context, q DigestQuery) (Page[TrailDigest], error)
	// Seal makes the next digest, durable before it returns; at is the true time.
	// ok is false if nothing has changed since the last one.
	Seal(ctx context.Context, at time.Time) (d TrailDigest, ok bool, err error)

	// Admitted reports whether the workload was admitted for the product.
	Admitted(ctx context.Context, a Admission) (bool, error)
	// Redeemed finds who has resolved a registration token, by its hash.
	Redeemed(ctx context.Context, token [32]byte) (r Redeemed, ok bool, err error)
	// Expire lets go of what need not be kept any longer, durable before it
	// returns. Nothing else of the store changes.
	Expire(ctx context.Context, e Expiry) error

	// Catalog is the catalogue in memory. Lookups do not wait for the disk.
	Catalog() *Catalog
	// Put changes the catalogue: all that the change says or nothing, durable
	// before it returns, seen by the very next lookup. An entry replaces the one
	// of its kind and name; each that differs from what was there gets the next
	// revision and leaves the old one in the history, an equal one changes
	// nothing. What is removed is looked up no more; the removal has a revision,
	// too. It returns the catalogue's revision, or [ErrConflict].
	Put(ctx context.Context, c Change) (revision int64, err error)
	// History lists an entry's revisions, oldest first. It outlasts a removal.
	History(ctx context.Context, ref Ref) ([]Revision, error)

	Carrier

	// Err is why the store acknowledges nothing; nil while it does. If it wraps
	// [ErrUnavailable] that may pass. Otherwise only opening the store again can
	// mend it.
	Err() error
	// Close waits for what has begun and lets go of the store.
	Close() error
}

// Call is everything that one request writes.
type Call struct {
	// Account is the calling account: the seller for BatchMeterUsage and
	// ResolveCustomer, the buyer for MeterUsage and RegisterUsage. Everything
	// the call writes belongs to it.
	Account metering.AccountID
	Region  string
	At      time.Time // by the service's clock

	Records      []metering.Record // up to 25
	Token        *Token            // MeterUsage's ClientToken
	Admission    *Admission
	Registration *RegistrationChange
	Redemption   *Redemption

	// After decides, from who holds what, what else belongs to the call. It is
	// pure and may run again. An error drops the call whole, and Append returns
	// it. nil adds nothing.
	After func(Outcome) (Rest, error)
}

// Token is a ClientToken, unique by (account, region, value) alone, with a hash
// of what it was sent with.
type Token struct {
	Value string
	Hash  [32]byte
}

// Admission marks a workload as let in for a product: its later calls are not
// refused when the buyer has left.
type Admission struct {
	Account  metering.AccountID
	Workload string
	Product  metering.ProductCode
}

// RegistrationChange is what a call does to registrations. Exactly one field is
// set.
type RegistrationChange struct {
	// Begin registers a workload for a product. If its last registration has
	// not stopped by Call.At, that one is seen instead; if it has stopped by a
	// missed heartbeat, the stop is written down. It is a sign of life, too: the
	// workload's other registrations are seen.
	Begin *metering.Registration
	// Seen is a sign of life of a workload: all its registrations, of whatever
	// product, that have not stopped by Call.At are seen.
	Seen *Alive
	// Stop stops the registration of this id, which must be of Call.Account; an
	// unknown one is no error.
	Stop *metering.ID
}

// Alive is a workload that gave a sign of life.
type Alive struct {
	Account  metering.AccountID
	Workload string
}

// Redemption marks a registration token as resolved by the calling account. One
// that another account has resolved is an error: it is one seller's.
type Redemption struct {
	Token [32]byte // its hash
	KeyID string   // what the call was signed with
}

// Redeemed is who has resolved a registration token, and how often.
type Redeemed struct {
	Account     metering.AccountID
	KeyID       string // of the last call
	First, Last time.Time
	Count       int
}

// Expiry says how far back to let go. Zero times keep everything.
type Expiry struct {
	Refusals time.Time // refusals before this time go
	Tokens   time.Time // ClientTokens bound before the UTC day of this time go
	// Events goes chain by chain, oldest first: those of a chain that came before
	// its first one of this time or later. The last that goes is its Floor.
	Events time.Time
}

// Outcome is who holds what after a call.
type Outcome struct {
	// Holders are the records that now hold the call's keys, in input order.
	// A record that took its key is its own holder. Not to be changed, and nor are
	// the call's records, which may be among them.
	Holders []*metering.Record
	// Answer is what the call's token was bound to before, with the same hash.
	// The call's records were then not looked at, and Holders is empty.
	Answer *metering.ID
	// Registration is the one that Begin or Stop left.
	Registration *metering.Registration
}

// Rest is what belongs to a call once it is known who holds what.
type Rest struct {
	Event    *Event
	Refusals []Refusal
	// Bind binds the call's token to this answer; nil leaves it unbound.
	Bind *metering.ID
}

// Refusal is a call that was refused, or one record of a call that was answered
// 200 and is not counted, with the reason.
type Refusal struct {
	ID        metering.ID
	Time      time.Time          // by the service's clock
	Seller    metering.AccountID // whose product it was about; the calling account where none is known
	Account   metering.AccountID // the calling account
	KeyID     string
	Region    string
	Operation metering.Operation
	RequestID string
	Product   metering.ProductCode // "": none was told
	Reason    string               // the record's metering.Status, or the exception's name
	Detail    string               // what the caller was told; "" of records
	// Record is what is not counted; nil if the whole call was refused.
	Record *RefusedRecord
}

// RefusedRecord is a record that was answered and is not counted.
type RefusedRecord struct {
	Key       metering.Key
	Timestamp time.Time
	Quantity  int32
	// Held is what holds the key, for DuplicateRecord.
	Held *Held
}

// Held is the holder of a key that was refused to another.
type Held struct {
	ID       metering.ID
	Quantity int32
}

// MaxPage is the most that a page holds, and what it holds when no limit is
// asked for.
const MaxPage = 1000

// Page is a part of a list. Next, when not empty, is the cursor of the rest.
type Page[T any] struct {
	Items []T
	Next  string
}

// RecordQuery picks records of the hours From to To, To excluded: every record
// of them, if neither Product nor Account is set. Party and Buyer ask for both.
type RecordQuery struct {
	Product  metering.ProductCode
	Account  metering.AccountID // the calling account
	Party    string             // as in metering.Key
	Buyer    metering.AccountID // as metering.Key.Buyer tells it; other buyers' records are not read
	From, To metering.Hour
	Limit    int    // 1 to MaxPage; 0: MaxPage
	Cursor   string // opaque, from Page.Next of the same query
}

// RegistrationQuery picks a product's registrations.
type RegistrationQuery struct {
	Product metering.ProductCode
	Limit   int
	Cursor  string
}

// RefusalQuery picks a seller's refusals of a time, To excluded; zero times are
// no bounds.
type RefusalQuery struct {
	Seller   metering.AccountID
	From, To time.Time
	Limit    int
	Cursor   string
}

// EventQuery picks an account's events of a time, To excluded; zero times are no
// bounds, an empty operation is any. An empty account is any, too, and then the
// list is by account, and is not asked for by operation or newest first.
type EventQuery struct {
	Account   metering.AccountID
	Operation metering.Operation
	From, To  time.Time
	Newest    bool // first
	Limit     int
	Cursor    string
}

// Check refuses a query that no index serves.
func (q *EventQuery) Check() error {
	if q.Account == "" && (q.Operation != "" || q.Newest || !q.From.IsZero() || !q.To.IsZero()) {
		return errors.New("store: events of all accounts are asked for all at once")
	}
	return CheckText(string(q.Account), string(q.Operation))
}
