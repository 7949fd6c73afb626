package metering

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestHourOf: usage belongs to the UTC hour that its timestamp lies in.
func TestHourOf(t *testing.T) {
	for _, row := range []struct{ at, hour string }{
		{"2026-09-15T10:00:00Z", "2026-09-15T10:00:00Z"},
		{"2026-09-15T10:59:59.999999999Z", "2026-09-15T10:00:00Z"},
		{"2026-09-15T11:00:00Z", "2026-09-15T11:00:00Z"},
		{"2026-09-15T10:30:00+05:45", "2026-09-15T04:00:00Z"},
		{"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
		{"1969-12-31T23:59:59.999999999Z", "1969-12-31T23:00:00Z"},
		{"1969-12-31T23:00:00Z", "1969-12-31T23:00:00Z"},
		{"1969-12-31T22:59:59Z", "1969-12-31T22:00:00Z"},
		{"2028-02-29T23:30:00Z", "2028-02-29T23:00:00Z"},
		{"9999-12-31T23:59:59Z", "9999-12-31T23:00:00Z"},
		{"0001-01-01T00:00:01Z", "0001-01-01T00:00:00Z"},
	} {
		if got := HourOf(instant(row.at)).Time(); !got.Equal(instant(row.hour)) {
			t.Errorf("%s is of hour %s, want %s", row.at, got.Format(time.RFC3339), row.hour)
		}
	}
}

// TestKeys: what a record is de-duplicated by (contract 6.1). Every row differs
// from the first in one thing, and says whether that makes another place.
func TestKeys(t *testing.T) {
	now := instant("2026-09-15T12:00:00Z")
	type batch struct {
		seller  AccountID
		region  string
		product ProductCode
		claim   Claim
	}
	batchKey := func(b batch) Key {
		return BatchRecord(ID{1}, b.seller, b.region, &Product{Code: b.product}, b.claim, now).Key
	}
	base := func(license string) batch {
		return batch{"210987654321", "us-east-1", "p", Claim{
			UsageRecord: &UsageRecord{Timestamp: instant("2026-09-15T10:05:00Z"), Dimension: "scans", Quantity: 7, Account: "111122223333", LicenseARN: license},
			Buyer:       "111122223333",
		}}
	}
	for _, license := range []string{"", "arn:aws:license-manager::294406891311:license:l-0f"} {
		for _, row := range []struct {
			name   string
			change func(*batch)
			same   bool
		}{
			{"another quantity", func(b *batch) { b.claim.Quantity = 8 }, true},
			{"allocations", func(b *batch) { b.claim.Allocations = []Allocation{{7, nil}} }, true},
			{"another minute of the hour", func(b *batch) { b.claim.Timestamp = instant("2026-09-15T10:59:59.999Z") }, true},
			{"the buyer by the customer identifier (R-29)", func(b *batch) { b.claim.Account, b.claim.Customer = "", "c-1" }, true},
			{"another hour", func(b *batch) { b.claim.Timestamp = instant("2026-09-15T11:00:00Z") }, false},
			{"the same hour of another day", func(b *batch) { b.claim.Timestamp = instant("2026-09-14T10:05:00Z") }, false},
			{"another region (vector 6)", func(b *batch) { b.region = "eu-west-1" }, false},
			{"another product", func(b *batch) { b.product = "q" }, false},
			{"another buyer", func(b *batch) { b.claim.Buyer = "444455556666" }, false},
			{"another dimension", func(b *batch) { b.claim.Dimension = "users" }, false},
			{"a dimension in another case", func(b *batch) { b.claim.Dimension = "Scans" }, false},
			{"another license", func(b *batch) { b.claim.LicenseARN += "x" }, false},
			{"with and without a license: both are billed", func(b *batch) {
				if b.claim.LicenseARN = ""; license == "" {
					b.claim.LicenseARN = "l"
				}
			}, false},
			{"another seller", func(b *batch) { b.seller = "999999999999" }, false},
		} {
			one, other := base(license), base(license)
			row.change(&other)
			if same := batchKey(one) == batchKey(other); same != row.same {
				t.Errorf("license %q: %s: one place: %v, want %v", license, row.name, same, row.same)
			}
		}
	}

	type meter struct {
		id       ID
		platform Platform
		caller   Caller
		region   string
		product  ProductCode
		usage    UsageRecord
	}
	meterKey := func(m meter) Key {
		if m.platform != PlatformNone {
			m.caller.Workload = &Workload{ID: m.caller.KeyID, Platform: m.platform}
		}
		return MeterRecord(m.id, m.caller, m.region, &Product{Code: m.product}, &m.usage, now).Key
	}
	for _, row := range []struct {
		name   string
		change func(*meter)
		same   bool // but never under AgentCore
	}{
		{"another call (vector 23)", func(*meter) {}, true},
		{"another quantity", func(m *meter) { m.usage.Quantity = 4 }, true},
		{"another minute of the hour", func(m *meter) { m.usage.Timestamp = instant("2026-09-15T10:50:00Z") }, true},
		{"another hour", func(m *meter) { m.usage.Timestamp = instant("2026-09-15T11:00:00Z") }, false},
		{"another resource (vector 26)", func(m *meter) { m.caller.KeyID = "i-2" }, false},
		{"another buyer", func(m *meter) { m.caller.Account = "444455556666" }, false},
		{"another region", func(m *meter) { m.region = "eu-west-1" }, false},
		{"another product", func(m *meter) { m.product = "q" }, false},
		{"another dimension", func(m *meter) { m.usage.Dimension = "users" }, false},
	} {
		for _, platform := range []Platform{PlatformEC2, PlatformECS, PlatformEKS, PlatformAgentCore, PlatformNone} {
			one := meter{ID{1}, platform, Caller{Account: "111122223333", KeyID: "i-1"}, "us-east-1", "p", UsageRecord{Timestamp: instant("2026-09-15T10:05:00Z"), Dimension: "scans", Quantity: 3}}
			other := one
			other.id = ID{2}
			row.change(&other)
			want := row.same && platform != PlatformAgentCore // there the ClientToken alone decides (vector 27)
			if same := meterKey(one) == meterKey(other); same != want {
				t.Errorf("from %s: %s: one place: %v, want %v", platformName(platform), row.name, same, want)
			}
		}
	}

	// A workload cannot be named so that it takes another buyer's place.
	one := meter{ID{1}, PlatformEC2, Caller{Account: "1", KeyID: "2/i"}, "us-east-1", "p", UsageRecord{}}
	other := meter{ID{1}, PlatformEC2, Caller{Account: "1/2", KeyID: "i"}, "us-east-1", "p", UsageRecord{}}
	if meterKey(one) == meterKey(other) {
		t.Error("the workloads of two buyers share a key")
	}
}

// TestRecords: what is kept of a claim.
func TestRecords(t *testing.T) {
	at, now := instant("2026-09-15T10:05:00.25Z"), instant("2026-09-15T12:00:00Z")
	usage := UsageRecord{
		Timestamp: at, Dimension: "scans", Quantity: 7, Account: "111122223333", LicenseARN: "arn",
		Allocations: []Allocation{{4, tags("b=1", "a=1")}, {3, nil}},
	}
	canonical := []Allocation{{3, nil}, {4, tags("a=1", "b=1")}}
	p := &Product{Code: "p"}
	hour := HourOf(instant("2026-09-15T10:00:00Z"))

	got := BatchRecord(ID{1}, "210987654321", "us-east-1", p, Claim{UsageRecord: &usage, Buyer: "111122223333"}, now)
	want := Record{
		ID: ID{1}, Timestamp: at, Received: now, Quantity: 7, Allocations: canonical,
		Key: Key{Kind: KindLicense, Account: "210987654321", Region: "us-east-1", Product: "p", Party: "111122223333/arn", Dimension: "scans", Hour: hour},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("by license (-want +got):\n%s", diff)
	}

	usage.LicenseARN = ""
	got = BatchRecord(ID{1}, "210987654321", "us-east-1", p, Claim{UsageRecord: &usage, Buyer: "111122223333"}, now)
	want.Key.Kind, want.Key.Party = KindLegacy, "111122223333"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("by product code (-want +got):\n%s", diff)
	}

	caller := Caller{Account: "111122223333", KeyID: "AKIA", Workload: &Workload{ID: "i-1", Platform: PlatformEC2}}
	got = MeterRecord(ID{1}, caller, "us-east-1", p, &usage, now)
	want.Key.Kind, want.Key.Account, want.Key.Party, want.Workload = KindResource, "111122223333", "111122223333/i-1", "i-1"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("by a workload (-want +got):\n%s", diff)
	}

	caller.Workload = nil // the key stands for a resource
	got = MeterRecord(ID{1}, caller, "us-east-1", p, &usage, now)
	want.Key.Party, want.Workload = "111122223333/AKIA", "AKIA"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("by a key (-want +got):\n%s", diff)
	}

	caller.Workload = &Workload{ID: "agent-1", Platform: PlatformAgentCore}
	got = MeterRecord(ID{1}, caller, "us-east-1", p, &usage, now)
	want.Key.Kind, want.Key.Party, want.Workload = KindRuntime, ID{1}.String(), "agent-1"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("by an agent runtime (-want +got):\n%s", diff)
	}
}

// TestRepeatOrDuplicate: R-1 by both readings, R-3, R-26, and vectors 2 to 5.
func TestRepeatOrDuplicate(t *testing.T) {
	hour := instant("2026-09-15T10:05:00Z")
	held := Record{ID: ID{1}, Timestamp: hour, Quantity: 10, Allocations: []Allocation{{4, nil}, {6, tags("a=1")}}}
	for _, row := range []struct {
		name             string
		change           func(*Record)
		repeat, switched Status
	}{
		{"the one that took the key", func(*Record) {}, Success, Success},
		{"an identical one", func(r *Record) { r.ID = ID{2} }, Success, DuplicateRecord},
		{"another minute of the hour", func(r *Record) { r.ID, r.Timestamp = ID{2}, hour.Add(time.Minute) }, Success, DuplicateRecord},
		{"received later", func(r *Record) { r.ID, r.Received = ID{2}, hour.Add(time.Hour) }, Success, DuplicateRecord},
		{"another quantity", func(r *Record) { r.ID, r.Quantity = ID{2}, 11 }, DuplicateRecord, DuplicateRecord},
		{"a zero after a number", func(r *Record) { r.ID, r.Quantity = ID{2}, 0 }, DuplicateRecord, DuplicateRecord},
		{"no allocations", func(r *Record) { r.ID, r.Allocations = ID{2}, nil }, DuplicateRecord, DuplicateRecord},
		{"other allocations (R-26)", func(r *Record) { r.ID, r.Allocations = ID{2}, []Allocation{{5, nil}, {5, tags("a=1")}} }, DuplicateRecord, DuplicateRecord},
		{"other tags (R-26)", func(r *Record) { r.ID, r.Allocations = ID{2}, []Allocation{{4, nil}, {6, tags("a=2")}} }, DuplicateRecord, DuplicateRecord},
		{"fewer allocations", func(r *Record) { r.ID, r.Allocations = ID{2}, r.Allocations[:1] }, DuplicateRecord, DuplicateRecord},
	} {
		r := held
		row.change(&r)
		if got := StatusOf(&r, &held, Rulings{}); got != row.repeat {
			t.Errorf("%s: %s, want %s", row.name, got, row.repeat)
		}
		if got := StatusOf(&r, &held, Rulings{RepeatIsDuplicate: true}); got != row.switched {
			t.Errorf("%s: with the switch: %s, want %s", row.name, got, row.switched)
		}
	}
}

// TestKeyTellsItsBuyer: whose usage a key is for, of every kind of key.
func TestKeyTellsItsBuyer(t *testing.T) {
	const seller, buyer = AccountID("210987654321"), AccountID("111122223333")
	now, p := instant("2026-09-15T12:00:00Z"), &Product{Code: "p"}
	u := &UsageRecord{Timestamp: now, Dimension: "scans"}
	batch := func(license string) Key {
		return BatchRecord(ID{1}, seller, "us-east-1", p, Claim{UsageRecord: &UsageRecord{Timestamp: now, LicenseARN: license}, Buyer: buyer}, now).Key
	}
	meter := func(platform Platform, workload string) Key {
		return MeterRecord(ID{1}, Caller{Account: buyer, Workload: &Workload{ID: workload, Platform: platform}}, "us-east-1", p, u, now).Key
	}
	for kind, keys := range map[KeyKind][]Key{
		KindLegacy:   {batch("")},
		KindLicense:  {batch("arn:aws:license-manager::294406891311:license:l-0f/g")},
		KindResource: {meter(PlatformEC2, "i-1"), meter(PlatformEKS, "a/pod/with/slashes"), meter(PlatformECS, "")},
		KindRuntime:  {meter(PlatformAgentCore, "rt-1"), meter(PlatformAgentCore, "rt/1")},
	} {
		for _, k := range keys {
			if k.Kind != kind || k.Buyer() != buyer {
				t.Errorf("the buyer of %+v is %s, want %s; kind %d, want %d", k, k.Buyer(), buyer, k.Kind, kind)
			}
		}
	}
}
