package awsapi

import (
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

func (w *world) put(t testing.TB, entries ...store.Entry) {
	t.Helper()
	if _, err := w.store.Put(t.Context(), store.Change{Entries: entries}); err != nil {
		t.Error(err)
	}
}

// TestReadingHoldsForTheCall: a reading that changes while a call is on its way
// holds for the next one, in every part of it.
func TestReadingHoldsForTheCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	post := func(dimension, want string) {
		t.Helper()
		if _, answer := w.post(t, "BatchMeterUsage", "AKIASELLERACME001", batchOf(recordOf(vectorsNow, dimension, 5))); !strings.Contains(answer, want) {
			t.Errorf("%s: %s", dimension, answer)
		}
	}
	post("scans", "Success")
	change := &store.Compat{Rulings: metering.Rulings{RepeatIsDuplicate: true}, ErrorNamespace: true}
	w.api.Now = func() time.Time {
		w.put(t, change)
		return w.clock.Now()
	}
	post("scans", "Success")
	change = new(store.Compat)
	post("scans", "DuplicateRecord")
	change = &store.Compat{ErrorNamespace: true}
	post("pages", `"InvalidUsageDimension`)
	change = new(store.Compat)
	post("pages", `"com.amazonaws.marketplacemetering#InvalidUsageDimension`)
	post("pages", `"InvalidUsageDimension`)
}

// TestSuspendedAgreement: an agreement that an operator has suspended is not
// open, as a pending one: its records are not subscribed, its buyer is not
// entitled save where a workload was let in before, and it grants nothing.
func TestSuspendedAgreement(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	set := func(id metering.AgreementID, status metering.AgreementStatus) {
		a := *w.store.Catalog().Agreement(id)
		a.Status = status
		w.put(t, (*store.Agreement)(&a))
	}
	expect := func(operation, key, body, want string) {
		t.Helper()
		if _, answer := w.post(t, operation, key, body); !strings.Contains(answer, want) {
			t.Errorf("%s by %s: %s, want %s", operation, key, answer, want)
		}
	}
	const (
		meter    = `{"ProductCode":"appliance","Timestamp":1789468200,"UsageDimension":"requests","UsageQuantity":3}`
		register = `{"ProductCode":"sidecar","PublicKeyVersion":1}`
		legacy   = `{"ProductCode":"classic","UsageRecords":[{"Timestamp":1789468200,"CustomerIdentifier":"customer-a","Dimension":"scans","Quantity":5}]}`
		contract = `{"ProductCode":"suite","Filter":{"CUSTOMER_AWS_ACCOUNT_ID":["444455556666"]}}`
	)
	expect("MeterUsage", "AKIAINSTANCE00001", meter, "MeteringRecordId")
	for _, status := range []metering.AgreementStatus{metering.AgreementSuspended, metering.AgreementPending, metering.AgreementActive} {
		for _, id := range []metering.AgreementID{"a-scanner", "a-classic", "a-appliance", "a-sidecar", "b-suite"} {
			set(id, status)
		}
		batch, entitled, signed, granted := "CustomerNotSubscribed", "CustomerNotEntitledException", "CustomerNotEntitledException", `"Entitlements":[]`
		if status == metering.AgreementActive {
			batch, entitled, signed, granted = `"Success"`, "MeteringRecordId", "Signature", "seats"
		}
		expect("BatchMeterUsage", "AKIASELLERACME001", batchOf(recordOf(vectorsNow, "scans", 5)), batch)
		expect("BatchMeterUsage", "AKIASELLERACME001", legacy, batch)
		expect("MeterUsage", "AKIAINSTANCE00001", meter, "MeteringRecordId") // admitted before
		expect("MeterUsage", "AKIAINSTANCE00002", meter, entitled)
		expect("RegisterUsage", "AKIATASK000000001", register, signed)
		expect("GetEntitlements", "AKIASELLERACME001", contract, granted)
	}
}
