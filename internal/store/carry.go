package store

import (
	"context"

	"github.com/meterd/meterd/internal/metering"
)

// Carrier is how a whole installation moves from one store to another. It is for
// a store that serves nobody meanwhile.
type Carrier interface {
	// Export lists everything the store holds, part by part: what Import of any
	// store takes. An entry's revisions come together, in order. The cursor of
	// the next part is good for as long as nothing is written.
	Export(ctx context.Context, cursor string) (Page[Item], error)
	// Import takes a part of what another store exported: all of it or nothing,
	// durable before it returns. Parts come in the order of the export. at is
	// where the import stands with this part, and is kept with it; "" says that
	// it was the last. A store that holds anything and is not being imported to
	// is refused with [ErrNotEmpty]. The same part twice does no harm. The
	// catalogue in memory does not change: the store is to be opened again.
	Import(ctx context.Context, part []Item, at string) error
	// Importing is where an import stands that has not come to its end; "": none
	// is under way. A store with one is not to be served from.
	Importing(ctx context.Context) (at string, err error)
}

// Item is one thing that a store holds, on its way to another. Exactly one field
// is set.
type Item struct {
	Record       *metering.Record
	Registration *CarriedRegistration
	Admission    *Admission
	Redemption   *CarriedRedemption
	Binding      *Binding
	Event        *Event
	Refusal      *Refusal
	Revision     *CarriedRevision
}

// CarriedRegistration is a registration, and whether it is its workload's last
// one of its product.
type CarriedRegistration struct {
	metering.Registration
	Last bool
}

// CarriedRedemption is who has resolved a registration token, and which.
type CarriedRedemption struct {
	Token [32]byte // its hash
	Redeemed
}

// CarriedRevision is a revision of a catalogue entry, and of which.
type CarriedRevision struct {
	Ref Ref
	Revision
}

// Binding is a ClientToken and what it is bound to.
type Binding struct {
	Account metering.AccountID
	Region  string
	Token   Token
	Day     int32 // UTC days since 1970: when it was bound
	Answer  metering.ID
}
