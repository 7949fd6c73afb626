package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

// Carrier is how a whole installation moves from one store to another. It is for
// a store that serves nobody meanwhile.
type Carrier interface {
	// Export lists everything the store holds, page by page: what Import of any
	// store takes. The catalogue comes first, and an entry's revisions in order.
	// The cursor of the next page is good for as long as nothing is written, in
	// another process, too.
	Export(ctx context.Context, cursor string) (Page[Item], error)
	// Import takes a part of what another store exported: all of it or nothing,
	// durable before it returns. Parts are cut anywhere, may be empty, and come in
	// the order of the export; one may come again, if those after it do, too. at is
	// where the import stands with this part, and is kept with it; "" says that the
	// import has come to its end. A store that holds anything and is not being imported
	// to is refused with [ErrNotEmpty]. The catalogue in memory does not change:
	// the store is to be opened again.
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
	Floor        *CarriedFloor
	Digest       *TrailDigest
}

// CarriedFloor is where the events of a chain begin that some are gone of.
type CarriedFloor struct {
	Chain metering.ID
	Place
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

// Check refuses an item that is not one thing, or that no store can keep.
func (i *Item) Check() error {
	var errs []error
	set := 0
	add := func(checks ...error) { set, errs = set+1, append(errs, checks...) }
	if r := i.Record; r != nil {
		c := Call{Account: r.Key.Account}
		add(CheckText(string(r.Key.Account)), c.checkRecord(r))
	}
	if r := i.Registration; r != nil {
		add(CheckText(string(r.Product), string(r.Account), r.Workload, string(r.Platform), r.Region),
			CheckTime(r.Started), CheckTime(r.LastSeen), CheckTime(r.Stopped))
	}
	if a := i.Admission; a != nil {
		add(CheckText(string(a.Account), a.Workload, string(a.Product)))
	}
	if r := i.Redemption; r != nil {
		add(CheckText(string(r.Account), r.KeyID), CheckTime(r.First), CheckTime(r.Last))
	}
	if b := i.Binding; b != nil {
		add(CheckText(string(b.Account), b.Region, b.Token.Value))
	}
	if ev := i.Event; ev != nil {
		add(ev.check())
	}
	if r := i.Refusal; r != nil {
		add(CheckText(string(r.Account)), r.check(&Call{Account: r.Account}))
	}
	if r := i.Revision; r != nil {
		add(CheckText(string(r.Ref.Kind), r.Ref.Name, r.By), CheckTime(r.At), r.check())
	}
	if i.Floor != nil {
		add()
	}
	if d := i.Digest; d != nil {
		add(CheckTime(d.At))
	}
	if set != 1 {
		errs = append(errs, fmt.Errorf("store: an item that is %d things", set))
	}
	return errors.Join(errs...)
}

func (r *CarriedRevision) check() error {
	if r.Number < 1 {
		return fmt.Errorf("store: %s %s has a revision %d", r.Ref.Kind, r.Ref.Name, r.Number)
	}
	if r.Entry != nil && r.Entry.Ref() != r.Ref {
		ref := r.Entry.Ref()
		return fmt.Errorf("store: %s %s among the revisions of %s %s", ref.Kind, ref.Name, r.Ref.Kind, r.Ref.Name)
	}
	_, err := blank(r.Ref.Kind)
	return err
}

// Day is the UTC day that a time lies in, counted from 1970: ClientTokens are kept by
// whole days.
func Day(t time.Time) int32 { return int32(metering.HourOf(t) / 24) }
