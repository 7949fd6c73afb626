package admin_test

import (
	"testing"
	"time"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

// A check tells the digest of what it has looked at: all records, whatever their
// order, of more than one page.
func TestCheckTellsTheDigest(t *testing.T) {
	db, err := embedded.Open(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s := &admin.Service{Store: db}
	var want store.Digest
	at := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	for n := range store.MaxPage + 1 {
		hour := metering.HourOf(at) - metering.Hour(n)
		r := metering.Record{
			ID:        metering.ID{byte(n >> 8), byte(n)},
			Key:       metering.Key{Kind: metering.KindLegacy, Account: "1", Region: "r", Product: "p", Party: "2", Dimension: "d", Hour: hour},
			Timestamp: hour.Time(), Received: at, Quantity: int32(n),
		}
		want.Add(&r)
		if _, err := db.Append(t.Context(), store.Call{Account: "1", Region: "r", At: at, Records: []metering.Record{r}}); err != nil {
			t.Fatal(err)
		}
	}
	audit, err := s.Check(t.Context(), nil)
	if err != nil || audit.Records != store.MaxPage+1 || audit.Digest != want.String() {
		t.Errorf("got %+v, error %v; want %d records with digest %s", audit, err, store.MaxPage+1, &want)
	}
}
