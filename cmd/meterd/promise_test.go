package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/audit"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
	"github.com/meterd/meterd/internal/store/promise"
)

// How tests of the running binary tell the checker what they sent and what came
// back, and how the checker reads the ledger through the operator's API.

// adminLedger is a ledger as an operator reads it. What the operator is not shown
// of a record is not in it.
type adminLedger struct {
	client  *client
	product string
}

func (l *adminLedger) Records(ctx context.Context, q store.RecordQuery) (store.Page[metering.Record], error) {
	var page admin.Records
	if err := l.client.call(ctx, http.MethodGet, "/records?product="+l.product+"&cursor="+url.QueryEscape(q.Cursor), nil, &page); err != nil {
		return store.Page[metering.Record]{}, err
	}
	out := store.Page[metering.Record]{Next: page.Next}
	for _, r := range page.Records {
		id, ok := metering.ParseID(r.ID)
		if !ok {
			return out, fmt.Errorf("record %q: not an id", r.ID)
		}
		kind := metering.KindLegacy
		if strings.Contains(r.Party, "/") {
			kind = metering.KindLicense
		}
		out.Items = append(out.Items, metering.Record{
			ID: id, Timestamp: r.Timestamp, Quantity: r.Quantity,
			Key: metering.Key{Kind: kind, Account: metering.AccountID(r.Account), Region: r.Region, Product: metering.ProductCode(r.Product), Party: r.Party, Dimension: r.Dimension, Hour: metering.HourOf(r.Hour)},
		})
	}
	return out, nil
}

const (
	killBuyer   = "111122223333"
	killLicense = "arn:aws:license-manager::294406891311:license:l-0a"
	killSeller  = "210987654321"
)

// killClaim is a record that the test sends: a place, which is an hour and a
// dimension, and what it says of it.
type killClaim struct {
	at        time.Time
	dimension string
	quantity  int32
}

// newKillClaim is a claim of a new place, or of one that was claimed lately: the
// same claim or another.
func newKillClaim(number int64, r *rand.Rand) killClaim {
	place := number
	if r.IntN(4) == 0 {
		place = max(1, number-r.Int64N(40))
	}
	c := killClaim{
		at:        time.Date(2026, 9, 15, int(place)%killHours, 0, 0, 0, time.UTC),
		dimension: fmt.Sprint("d", int(place)/killHours%killDimensions),
		quantity:  int32(place),
	}
	if place != number && r.IntN(2) == 0 {
		c.quantity++
	}
	return c
}

func (c *killClaim) promised() promise.Claim {
	return promise.Claim{
		Key: metering.Key{
			Kind: metering.KindLicense, Account: killSeller, Region: region, Product: "kill",
			Party: killBuyer + "/" + killLicense, Dimension: c.dimension, Hour: metering.HourOf(c.at),
		},
		Timestamp: c.at, Quantity: c.quantity,
	}
}

// batchBody is the body of a batch.
func batchBody(claims []killClaim) string {
	var body strings.Builder
	body.WriteString(`{"UsageRecords":[`)
	for i := range claims {
		if i > 0 {
			body.WriteByte(',')
		}
		c := &claims[i]
		fmt.Fprintf(&body, `{"Timestamp":%d,"CustomerAWSAccountId":%q,"LicenseArn":%q,"Dimension":%q,"Quantity":%d}`,
			c.at.Unix(), killBuyer, killLicense, c.dimension, c.quantity)
	}
	body.WriteString(`]}`)
	return body.String()
}

// send sends a batch and notes what came back; ok is false when there was no
// answer.
func (s *devServer) send(h *promise.History, claims []killClaim) (ok bool) {
	promised := make([]promise.Claim, len(claims))
	for i := range claims {
		promised[i] = claims[i].promised()
	}
	key, secret := cmp.Or(s.signer[0], "AKIAMETERDSELLER0001"), cmp.Or(s.signer[1], demoSecret)
	req, err := signedRequest(s.env[urlVariable], key, secret, "BatchMeterUsage", batchBody(claims))
	if err != nil {
		return false
	}
	attempt := h.Send(killSeller, promised...)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	switch {
	case err != nil || res.StatusCode >= http.StatusInternalServerError:
		return false
	case res.StatusCode != http.StatusOK:
		attempt.Refuse()
		return true
	}
	var out batchAnswer
	if err := json.Unmarshal(text, &out); err != nil {
		return false
	}
	attempt.Answer(out.told(claims)...)
	return true
}

// batchAnswer is what BatchMeterUsage answers.
type batchAnswer struct {
	Results []struct {
		UsageRecord      batchRecord
		MeteringRecordId string
		Status           metering.Status
	}
	UnprocessedRecords []batchRecord
}

type batchRecord struct {
	Timestamp int64
	Dimension string
	Quantity  int32
}

// told finds for each record of the answer the one that was sent. Two equal ones
// in a call are told apart by their order.
func (a *batchAnswer) told(claims []killClaim) []promise.Told {
	var told []promise.Told
	taken := make([]bool, len(claims))
	place := func(r batchRecord) int {
		for i := range claims {
			c := &claims[i]
			if !taken[i] && c.at.Unix() == r.Timestamp && c.dimension == r.Dimension && c.quantity == r.Quantity {
				taken[i] = true
				return i
			}
		}
		return -1
	}
	for _, r := range a.Results {
		t := promise.Told{Record: place(r.UsageRecord), Verdict: promise.Refused}
		switch r.Status {
		case metering.Success:
			t.Verdict = promise.Accepted
			t.ID, _ = metering.ParseID(r.MeteringRecordId)
		case metering.DuplicateRecord:
			t.Verdict = promise.Duplicate
		case metering.CustomerNotSubscribed:
		}
		told = append(told, t)
	}
	for _, r := range a.UnprocessedRecords {
		told = append(told, promise.Told{Record: place(r), Verdict: promise.Unprocessed})
	}
	return told
}

// operator is a client of the operator's API.
func (s *devServer) operator() *client {
	return &client{url: s.env[urlVariable], token: s.env[tokenVariable]}
}

// trailOf holds the records of a directory that nobody serves from against its
// events, and proves its trail.
func trailOf(t *testing.T, data string) []promise.Violation {
	t.Helper()
	db, err := embedded.Open(embedded.Options{Dir: data})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found, err := promise.CheckTrail(t.Context(), db, db)
	if err != nil {
		t.Fatal(err)
	}
	report, err := audit.Verify(t.Context(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		found = append(found, promise.Violation{Invariant: "I5", Text: f.Text})
	}
	if report.Events == 0 || report.Digests == 0 {
		t.Errorf("a trail of %d events and %d digests", report.Events, report.Digests)
	}
	return found
}

// provenBy asks a server to prove its trail.
func provenBy(t *testing.T, c *client) []promise.Violation {
	t.Helper()
	var report audit.Report
	if err := c.call(t.Context(), http.MethodGet, "/audit/verification", nil, &report); err != nil {
		t.Fatal(err)
	}
	var found []promise.Violation
	for _, f := range report.Findings {
		found = append(found, promise.Violation{Invariant: "I5", Text: f.Text})
	}
	if report.Events == 0 || report.Digests == 0 {
		t.Errorf("a trail of %d events and %d digests", report.Events, report.Digests)
	}
	return found
}
