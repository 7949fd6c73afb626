package metering

import (
	"strings"
	"time"
)

// Hour is a UTC hour: hours since 1970-01-01T00:00Z.
type Hour int32

// HourOf is the hour that an instant lies in. Instants before 1970 lie in
// negative hours.
func HourOf(t time.Time) Hour {
	const second = 3600
	s := t.Unix()
	h := s / second
	if s%second < 0 {
		h--
	}
	return Hour(h)
}

// Time is the hour's first instant.
func (h Hour) Time() time.Time { return time.Unix(int64(h)*3600, 0).UTC() }

// KeyKind says what else than the hour, the dimension and the region a record
// is de-duplicated by.
type KeyKind uint8

// The kinds of key. Their numbers are stored.
const (
	KindLegacy   KeyKind = 1 // BatchMeterUsage by product code: the buyer
	KindLicense  KeyKind = 2 // BatchMeterUsage by license: the buyer and the license
	KindResource KeyKind = 3 // MeterUsage: the buyer and the workload
	KindRuntime  KeyKind = 4 // MeterUsage under AgentCore: nothing; each record has a key of its own
)

// Key is the one place that one accepted record can hold.
type Key struct {
	Kind      KeyKind
	Account   AccountID // the calling account
	Region    string    // of the signature's scope
	Product   ProductCode
	Party     string // the buyer, and what Kind adds: "/" and the license ARN or the workload id; KindRuntime: the record's own id
	Dimension string
	Hour      Hour
}

// Buyer is the account whose usage the key is for: the party up to the slash, or
// the calling account where the party is the record itself.
func (k *Key) Buyer() AccountID {
	if k.Kind == KindRuntime {
		return k.Account
	}
	buyer, _, _ := strings.Cut(k.Party, "/")
	return AccountID(buyer)
}

// Record is a fact: usage that was accepted.
type Record struct {
	ID          ID
	Key         Key
	Timestamp   time.Time // as claimed
	Received    time.Time // by the service's clock
	Workload    string    // MeterUsage: who reported it
	Quantity    int32
	Allocations []Allocation // canonical
}

// BatchRecords are the records that the claims of a call of BatchMeterUsage make.
func BatchRecords(newID func() ID, seller AccountID, region string, p *Product, claims []Claim, now time.Time) []Record {
	var room int
	for i := range claims {
		room += len(claims[i].Buyer) + len("/") + len(claims[i].LicenseARN)
	}
	var parties strings.Builder // one text that the parties are parts of
	parties.Grow(room)
	records := make([]Record, len(claims))
	for i := range claims {
		c := &claims[i]
		party := string(c.Buyer)
		if c.LicenseARN != "" {
			from := parties.Len()
			parties.WriteString(party)
			parties.WriteByte('/')
			parties.WriteString(c.LicenseARN)
			party = parties.String()[from:]
		}
		records[i] = batchRecord(newID(), seller, region, p, c, party, now)
	}
	return records
}

// BatchRecord is the record that a claim of BatchMeterUsage makes.
func BatchRecord(id ID, seller AccountID, region string, p *Product, c Claim, now time.Time) Record {
	newID := func() ID { return id }
	return BatchRecords(newID, seller, region, p, []Claim{c}, now)[0]
}

func batchRecord(id ID, seller AccountID, region string, p *Product, c *Claim, party string, now time.Time) Record {
	key := Key{Kind: KindLegacy, Account: seller, Region: region, Product: p.Code, Party: party, Dimension: c.Dimension, Hour: HourOf(c.Timestamp)}
	if c.LicenseARN != "" {
		key.Kind = KindLicense
	}
	return Record{ID: id, Key: key, Timestamp: c.Timestamp, Received: now, Quantity: c.Quantity, Allocations: Canonical(c.Allocations)}
}

// MeterRecord is the record that a call of MeterUsage makes. AgentCore records
// never collide: only their ClientToken de-duplicates them.
func MeterRecord(id ID, caller Caller, region string, p *Product, u *UsageRecord, now time.Time) Record {
	key := Key{Kind: KindResource, Account: caller.Account, Region: region, Product: p.Code, Party: string(caller.Account) + "/" + caller.Resource(), Dimension: u.Dimension, Hour: HourOf(u.Timestamp)}
	if caller.Platform() == PlatformAgentCore {
		key.Kind, key.Party = KindRuntime, id.String()
	}
	return Record{ID: id, Key: key, Timestamp: u.Timestamp, Received: now, Workload: caller.Resource(), Quantity: u.Quantity, Allocations: Canonical(u.Allocations)}
}

// Same reports whether two records of one key say the same: the quantity and
// the set of allocations. The minute within the hour does not count.
func (r *Record) Same(other *Record) bool {
	if r.Quantity != other.Quantity || len(r.Allocations) != len(other.Allocations) {
		return false
	}
	for i := range r.Allocations {
		a, b := &r.Allocations[i], &other.Allocations[i]
		if a.Quantity != b.Quantity || compareTags(a.Tags, b.Tags) != 0 {
			return false
		}
	}
	return true
}

// Status is what became of one record of a batch.
type Status string

// The statuses of BatchMeterUsage. Only Success is counted and billed.
const (
	Success               Status = "Success"
	CustomerNotSubscribed Status = "CustomerNotSubscribed"
	DuplicateRecord       Status = "DuplicateRecord"
)

// StatusOf says what became of a record whose key is now held by holder: taken
// by it, held already by an equal one (a repeat), or by another.
func StatusOf(r, holder *Record, rulings Rulings) Status {
	switch {
	case r.ID == holder.ID:
		return Success
	case r.Same(holder) && !rulings.RepeatIsDuplicate:
		return Success
	}
	return DuplicateRecord
}
