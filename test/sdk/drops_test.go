package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	marketplace "github.com/aws/aws-sdk-go-v2/service/marketplacemetering"
	"github.com/aws/aws-sdk-go-v2/service/marketplacemetering/types"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
	"github.com/meterd/meterd/internal/store/promise"
)

// TestAnswersDropped: a tenth of the answers to the SDK for Go is lost on the way,
// and the SDK tries again. What the ledger holds in the end is what was reported:
// each quantity once, under the id that the SDK was told.
func TestAnswersDropped(t *testing.T) {
	places := []struct {
		name string
		place
	}{{"dev", place{}}, {"two nodes", newPlace(t, 2, pgtest.Shared(t, pgtest.Versions[0]))}}
	tally := promise.NewTally(t)
	for seed := range tally.Runs(len(places)) {
		p := places[seed%uint64(len(places))]
		// A part of its own, so that a run's servers end with it.
		t.Run(p.name, func(t *testing.T) { answersDropped(t, p.place, seed, tally) })
	}
}

const dropSeller metering.AccountID = "210987654321"

const (
	dropBuyer   = "111122223333"
	dropLicense = "arn:aws:license-manager::294406891311:license:l-0a"
	// A place is an hour and a dimension.
	dropHours, dropDimensions = 5, 200
)

func answersDropped(t *testing.T, p place, seed uint64, tally *promise.Tally) {
	const workers, calls = 8, dropHours * dropDimensions
	s := p.serve(t, dropCatalog(), nil)
	var history promise.History
	d := &dropper{t: t, target: s.url, history: &history, tally: tally, dice: rand.New(rand.NewPCG(seed, 0)), part: 0.1}
	c := droppedClient(t, s, d.start())
	var (
		done  sync.WaitGroup
		next  atomic.Int64
		total atomic.Int64 // of what was reported, each quantity once
	)
	for range workers {
		done.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= calls || t.Failed() {
					return
				}
				quantity := int32(1 + n%1000)
				out, err := c.BatchMeterUsage(t.Context(), &marketplace.BatchMeterUsageInput{UsageRecords: []types.UsageRecord{{
					Timestamp:            aws.Time(dropNow(t).Add(-time.Duration(n%dropHours) * time.Hour)),
					CustomerAWSAccountId: aws.String(dropBuyer), LicenseArn: aws.String(dropLicense),
					Dimension: aws.String(fmt.Sprint("d", n/dropHours)), Quantity: aws.Int32(quantity),
				}}})
				if err != nil || len(out.Results) != 1 || out.Results[0].Status != types.UsageRecordResultStatusSuccess {
					t.Errorf("seed %d, call %d: %+v, error %v", seed, n, out, err)
					return
				}
				total.Add(int64(quantity))
			}
		})
	}
	done.Wait()
	ledger := &operatorLedger{s, "drops"}
	found, err := history.Check(t.Context(), ledger)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Errorf("seed %d: %v", seed, v)
	}
	count, sum := ledger.sum(t)
	if count != calls || sum != total.Load() {
		t.Errorf("seed %d: the ledger has %d records of %d in all; reported were %d of %d", seed, count, sum, calls, total.Load())
	}
	counts := history.Counts()
	tally.Add("calls", calls)
	tally.Add("attempts", counts.Attempts)
	tally.Add("records", count)
	if counts.Unknown < calls/50 {
		t.Errorf("%+v: the test shows nothing", counts)
	}
}

// dropNow is the time of the service's clock.
func dropNow(t *testing.T) time.Time {
	at, err := time.Parse(time.RFC3339, clockT)
	if err != nil {
		t.Error(err)
	}
	return at
}

// droppedClient is the SDK's client at an address. Its retries are on, and do not wait:
// how long it waits between them is the SDK's own business.
func droppedClient(t *testing.T, s *server, at string) *marketplace.Client {
	t.Helper()
	seller := s.callAs(t, "seller", "BatchMeterUsage", "")
	seller.Endpoint = at
	cfg, err := goConfig(context.Background(), seller)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff, o.RateLimiter = 12, 10*time.Millisecond, ratelimit.None
		})
	}
	return marketplace.NewFromConfig(cfg)
}

func dropCatalog() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `sellers: [{account: %q}]
buyers: [{account: %q}]
agreements: [{id: a, product: drops, buyer: %q, start: 2020-08-01T00:00:00Z, license_arn: %q}]
credentials: [{access_key_id: %s, secret_access_key: %s, account: %q}]
products:
  - code: drops
    seller: %q
    type: saas
    dimensions:
`, dropSeller, dropBuyer, dropBuyer, dropLicense, callers["seller"].id, callers["seller"].secret, dropSeller, dropSeller)
	for i := range dropDimensions {
		fmt.Fprintf(&b, "      - {name: d%d}\n", i)
	}
	return []byte(b.String())
}

// operatorLedger is a product's ledger as the operator reads it.
type operatorLedger struct {
	s       *server
	product string
}

func (l *operatorLedger) Records(ctx context.Context, q store.RecordQuery) (store.Page[metering.Record], error) {
	var page struct {
		Records []struct {
			ID                                         string
			Account, Region, Product, Party, Dimension string
			Timestamp, Hour                            time.Time
			Quantity                                   int32
		}
		Next string
	}
	var out store.Page[metering.Record]
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.s.url+"/admin/v1/records?product="+l.product+"&cursor="+url.QueryEscape(q.Cursor), nil)
	if err != nil {
		return out, err
	}
	req.Header.Set("Authorization", "Bearer "+l.s.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return out, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return out, fmt.Errorf("the records: %s", res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(&page); err != nil {
		return out, err
	}
	out.Next = page.Next
	for _, r := range page.Records {
		id, ok := metering.ParseID(r.ID)
		if !ok {
			return out, fmt.Errorf("record %q: not an id", r.ID)
		}
		out.Items = append(out.Items, metering.Record{
			ID: id, Timestamp: r.Timestamp, Quantity: r.Quantity,
			Key: metering.Key{
				Kind: metering.KindLicense, Account: metering.AccountID(r.Account), Region: r.Region, Product: metering.ProductCode(r.Product),
				Party: r.Party, Dimension: r.Dimension, Hour: metering.HourOf(r.Hour),
			},
		})
	}
	return out, nil
}

// sum is how many records there are, and of how much in all.
func (l *operatorLedger) sum(t *testing.T) (count int, total int64) {
	t.Helper()
	var q store.RecordQuery
	for {
		page, err := l.Records(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Items {
			count, total = count+1, total+int64(page.Items[i].Quantity)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return count, total
		}
	}
}
