package awsapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store"
)

// benchAgreements is how many buyers there are, from benchBuyer up, with a license
// each: a batch takes 25 of them, and an hour's keys last for so many batches.
const (
	benchAgreements = 10_000
	benchBuyer      = 900_000_000_000
)

const benchPerHour = benchAgreements / maxRecords

// BenchmarkBatchMeterUsage is 25 new records in each call: real HTTP, a signature
// each, 32 clients. Its allocations are the client's, too. The key that is limited
// has a policy that turns on the product and the address.
func BenchmarkBatchMeterUsage(b *testing.B) {
	run := func(b *testing.B, dir string, limited bool) {
		w := newWorld(b, worldOptions{dir: dir})
		giveAgreements(b, w)
		if limited {
			limit(b, w, "AKIASELLERACME001")
		}
		var calls atomic.Int64
		benchmark(b, w, "BatchMeterUsage", "AKIASELLERACME001", func() []byte {
			n := int(calls.Add(1)) - 1
			if n%benchPerHour == 0 {
				w.clock.Set(vectorsNow.Add(time.Duration(n/benchPerHour+1) * time.Hour)) // ahead of those that will report the next hour
			}
			return batchBody(n)
		})
		b.ReportMetric(float64(b.N*maxRecords)/b.Elapsed().Seconds(), "records/s")
	}
	b.Run("memory", func(b *testing.B) { run(b, "", false) })
	b.Run("disk", func(b *testing.B) { run(b, b.TempDir(), false) })
	b.Run("disk,limited", func(b *testing.B) { run(b, b.TempDir(), true) })
}

// limit gives a key a policy that allows what benchmarks do, with conditions.
func limit(b *testing.B, w *world, keyID string) {
	key := *w.store.Catalog().Credential(keyID)
	key.Policy = "limit"
	limit := &store.Policy{Name: key.Policy, Document: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"aws-marketplace:*","Resource":"*",
		"Condition":{"ForAllValues:StringEquals":{"meterd:ProductCode":["scanner","other"]},"IpAddress":{"aws:SourceIp":["127.0.0.0/8","::1/128"]}}}}`}
	if _, err := w.store.Put(context.Background(), store.Change{Entries: []store.Entry{limit, &key}}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkMeterUsage is one new record in each call, with a ClientToken as SDKs
// send it.
func BenchmarkMeterUsage(b *testing.B) {
	run := func(b *testing.B, dir string) {
		w := newWorld(b, worldOptions{dir: dir})
		var calls atomic.Int64
		benchmark(b, w, "MeterUsage", "AKIARUNTIME000001", func() []byte {
			return fmt.Appendf(nil, `{"ProductCode":"assistant","Timestamp":%d,"UsageDimension":"answers","UsageQuantity":1,"ClientToken":"%d"}`,
				vectorsNow.Unix(), calls.Add(1))
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	}
	b.Run("memory", func(b *testing.B) { run(b, "") })
	b.Run("disk", func(b *testing.B) { run(b, b.TempDir()) })
}

// batchBody is the n-th batch of new records; meterBody the n-th call of one.
func batchBody(n int) []byte {
	hour := vectorsNow.Add(time.Duration(n/benchPerHour) * time.Hour)
	body := make([]byte, 0, 256*maxRecords)
	body = append(body, `{"UsageRecords":[`...)
	for i := range maxRecords {
		if i > 0 {
			body = append(body, ',')
		}
		buyer := n%benchPerHour*maxRecords + i
		body = fmt.Appendf(body, `{"Timestamp":%d,"CustomerAWSAccountId":"%d","LicenseArn":"arn:aws:license-manager::294406891311:license:l-be%d","Dimension":"scans","Quantity":%d}`,
			hour.Unix(), benchBuyer+buyer, buyer, i)
	}
	return append(body, "]}"...)
}

func meterBody(n int) []byte {
	return fmt.Appendf(nil, `{"ProductCode":"assistant","Timestamp":%d,"UsageDimension":"answers","UsageQuantity":1,"ClientToken":"%d"}`,
		vectorsNow.Unix()+int64(n/benchPerHour)*3600, n)
}

// giveAgreements gives benchAgreements buyers a license of scanner each.
func giveAgreements(b *testing.B, w *world) {
	var agreements store.Change
	for i := range benchAgreements {
		agreements.Entries = append(agreements.Entries, &store.Agreement{
			ID: metering.AgreementID(fmt.Sprint("bench-", i)), Product: "scanner", Buyer: metering.AccountID(fmt.Sprint(benchBuyer + i)), Status: metering.AgreementActive,
			LicenseARN: fmt.Sprint("arn:aws:license-manager::294406891311:license:l-be", i),
		})
	}
	if _, err := w.store.Put(context.Background(), agreements); err != nil {
		b.Fatal(err)
	}
}

// benchmark sends calls of 32 clients over connections that stay.
func benchmark(b *testing.B, w *world, operation, key string, body func() []byte) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}
	b.Cleanup(client.CloseIdleConnections)
	signer := sigv4.Signer{KeyID: key, Credential: sigv4.Credential{Secret: secret}, Region: "us-east-1", Service: "aws-marketplace"}
	w.truth.Set(time.Now())
	w.truth.Run()
	b.ReportAllocs()
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			sent := body()
			r, err := http.NewRequest("POST", "http://"+w.addr+"/", bytes.NewReader(sent))
			if err != nil {
				b.Error(err)
				return
			}
			r.Header.Set("Content-Type", "application/x-amz-json-1.1")
			r.Header.Set("X-Amz-Target", "AWSMPMeteringService."+operation)
			if err := signer.Sign(sigv4.Request{Method: "POST", RequestURI: "/", Host: w.addr, Header: r.Header, Body: sent}, time.Now()); err != nil {
				b.Error(err)
				return
			}
			response, err := client.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			answer, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || response.StatusCode != 200 || strings.Contains(string(answer), "Duplicate") || strings.Contains(string(answer), "NotSubscribed") {
				b.Errorf("%d %.300s %v", response.StatusCode, answer, err)
				return
			}
		}
	})
	b.StopTimer()
}
