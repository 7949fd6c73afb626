package main

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/sigv4"
)

// The kinds of request.
const (
	kindBatch  = "BatchMeterUsage"
	kindMeter  = "MeterUsage"
	kindLegacy = "legacy" // BatchMeterUsage by product code and customer identifier, as moto reads it
)

// host is what the requests are signed for: a name of loopback's is every
// server's, so that a connection to either of two nodes can take any request.
const host = "localhost"

// claimedHours is how many hours before the present one new records are for. No
// window that the service has is shorter.
const claimedHours = 6

// requests makes so many requests, signed now and whole as they go over the wire.
// They may be fewer: the hours have room for so many.
func requests(w world, kind string, n int, seed uint64) ([][]byte, error) {
	now := time.Now()
	if kind != kindMeter {
		n = min(n, claimedHours*w.batches())
	}
	made := make([]unsigned, n)
	b := newBatches(w, seed)
	for i := range made {
		if kind == kindMeter {
			made[i] = meterUsage(i, seed, now)
			continue
		}
		hour, claims := b.next()
		at := metering.HourOf(now) - claimedHours + metering.Hour(hour)
		made[i] = batch(w, kind, at.Time().Add(30*time.Minute), claims[:])
	}
	signed := make([][]byte, n)
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for k := range workers {
		wg.Go(func() {
			for i := k; i < n; i += workers {
				var err error
				if signed[i], err = made[i].sign(now); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				made[i].body = nil
			}
		})
	}
	wg.Wait()
	return signed, failed
}

// unsigned is a request's body, and who is to sign it for which operation.
type unsigned struct {
	key, operation string
	body           []byte
}

// sign makes the request of it.
func (u *unsigned) sign(now time.Time) ([]byte, error) {
	header := map[string][]string{
		"Content-Type": {"application/x-amz-json-1.1"},
		"X-Amz-Target": {"AWSMPMeteringService." + u.operation},
	}
	signer := sigv4.Signer{KeyID: u.key, Credential: sigv4.Credential{Secret: secret}, Region: region, Service: "aws-marketplace"}
	err := signer.Sign(sigv4.Request{Method: "POST", RequestURI: "/", Host: host, Header: header, Body: u.body}, now)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Grow(len(u.body) + 600)
	fmt.Fprintf(&b, "POST / HTTP/1.1\r\nHost: %s\r\n", host)
	for _, name := range []string{"Content-Type", "X-Amz-Target", "X-Amz-Date", "Authorization"} {
		fmt.Fprintf(&b, "%s: %s\r\n", name, header[name][0])
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", len(u.body))
	b.Write(u.body)
	return b.Bytes(), nil
}

// batch is a BatchMeterUsage.
func batch(w world, kind string, at time.Time, claims []claim) unsigned {
	product := claims[0].product
	b := make([]byte, 0, 200*len(claims)+200)
	b = append(b, '{')
	if kind == kindLegacy {
		b = fmt.Appendf(b, `"ProductCode":"%s",`, productCode(product))
	}
	b = append(b, `"UsageRecords":[`...)
	for i, c := range claims {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"Timestamp":%d,`, at.Unix())
		if kind == kindLegacy {
			b = fmt.Appendf(b, `"CustomerIdentifier":"cust-%06d",`, c.buyer)
		} else {
			b = fmt.Appendf(b, `"CustomerAWSAccountId":"%s","LicenseArn":"%s",`, buyerAccount(c.buyer), w.license(c.product, c.buyer))
		}
		b = fmt.Appendf(b, `"Dimension":"%s","Quantity":%d`, dimension(c.dim), c.quantity)
		if c.allocated {
			b = fmt.Appendf(b, `,"UsageAllocations":[{"AllocatedUsageQuantity":%d,"Tags":[{"Key":"team","Value":"blue"}]}]`, c.quantity)
		}
		b = append(b, '}')
	}
	b = append(b, "]}"...)
	return unsigned{sellerKey(w.seller(product)), "BatchMeterUsage", b}
}

// meterUsage is the n-th MeterUsage, with a ClientToken as SDKs send it.
func meterUsage(n int, seed uint64, now time.Time) unsigned {
	at := now.Truncate(time.Hour).Add(-time.Hour)
	return unsigned{runtimeKey(n % runtimes), "MeterUsage", fmt.Appendf(nil,
		`{"ProductCode":"%s","Timestamp":%d,"UsageDimension":"%s","UsageQuantity":%d,"ClientToken":"%08x-0000-4000-8000-%012x"}`,
		agentProduct, at.Unix(), dimension(n%dimensions), 1+n%999, uint32(seed), n)}
}
