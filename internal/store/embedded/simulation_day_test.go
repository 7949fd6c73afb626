package embedded_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
	"github.com/meterd/meterd/internal/store/promise"
)

const (
	customers  = 20
	simSeller  = metering.AccountID("111111111111")
	simRegion  = "us-east-1"
	simProduct = metering.ProductCode("p")
)

// day is one seed.
type day struct {
	t       testing.TB
	rand    *rand.Rand
	trace   *bytes.Buffer // nil: nobody reads it
	counts  map[string]int
	disk    *simDisk
	store   *embedded.Stepped
	history promise.History

	now        time.Time // by the service's clock
	end        time.Time
	ids        uint64
	product    metering.Product
	agreements [customers]metering.Agreement
	sent       []*message // what was sent, to be repeated
	lost       []*message // what got no answer, to be sent again
	problems   []string
}

// message is what a client sends: a batch of a seller's, or a workload's call.
type message struct {
	usage  []metering.UsageRecord
	caller *metering.Caller // of MeterUsage; nil: the seller's batch
	token  string
}

func newDay(t testing.TB, seed uint64, trace *bytes.Buffer) *day {
	d := &day{t: t, rand: rand.New(rand.NewPCG(seed, 14)), trace: trace, counts: make(map[string]int), disk: newSimDisk(seed)}
	// A third of the days begin or end a month.
	d.now = time.Date(2026, time.Month(1+d.rand.IntN(12)), 1, 0, 0, 0, 0, time.UTC)
	if d.rand.IntN(3) > 0 {
		d.now = d.now.AddDate(0, 0, d.rand.IntN(28))
	} else if d.rand.IntN(2) == 0 {
		d.now = d.now.AddDate(0, 0, -1)
	}
	d.end = d.now.Add(24 * time.Hour)
	d.product = metering.Product{
		Code: simProduct, Seller: simSeller, Type: metering.SaaS, Generation: metering.LegacyGeneration, Published: true,
		Dimensions: []metering.Dimension{{Name: "calls"}, {Name: "gb"}, {Name: "hours"}},
	}
	for i := range d.agreements {
		a := &d.agreements[i]
		*a = metering.Agreement{
			ID: metering.AgreementID(fmt.Sprint("a", i)), Product: simProduct, Buyer: metering.AccountID(fmt.Sprintf("%012d", 300+i)),
			Status: metering.AgreementActive, Start: d.now.AddDate(0, 0, -60),
		}
		if i%2 == 0 {
			a.LicenseARN = fmt.Sprint("arn:aws:license-manager::294406891311:license:l-", i)
		}
		if d.rand.IntN(10) == 0 { // leaves in the course of the day
			a.Status, a.End = metering.AgreementEnded, d.now.Add(time.Duration(d.rand.IntN(24))*time.Hour)
		}
	}
	return d
}

func (d *day) say(format string, args ...any) {
	if d.trace != nil {
		fmt.Fprintf(d.trace, "%s ", d.now.Format("01-02T15:04:05"))
		fmt.Fprintf(d.trace, format+"\n", args...)
	}
}

func (d *day) problem(format string, args ...any) {
	d.problems = append(d.problems, fmt.Sprintf(format, args...))
}

// live lives through the day and says what was broken.
func (d *day) live() []string {
	d.open()
	for d.now.Before(d.end) && len(d.problems) == 0 {
		d.pass()
		switch d.rand.IntN(60) {
		case 0:
			d.losePower()
		case 1:
			if d.rand.IntN(16) == 0 { // a store that fails is never let go of: few of them
				d.failSync()
			}
		case 2, 3:
			d.read()
		default:
			d.commit(d.messages())
		}
	}
	if len(d.problems) > 0 {
		return d.problems
	}
	for i := 0; len(d.lost) > 0 && i < 100; i++ { // whoever got no answer asks until there is one
		d.commit(d.again())
	}
	d.check()
	return d.problems
}

func (d *day) open() {
	s, err := embedded.OpenStepped(embedded.Options{Dir: dataDir, FS: d.disk.files()})
	if err != nil {
		d.problem("opening: %v", err)
		return
	}
	d.store = s
}

// pass lets time go by, and now and then sets the clock.
func (d *day) pass() {
	step := time.Duration(d.rand.IntN(1500)) * time.Second
	switch d.rand.IntN(40) {
	case 0:
		step = -time.Duration(1+d.rand.IntN(7200)) * time.Second
	case 1:
		step = time.Duration(1+d.rand.IntN(4)) * time.Hour
	case 2, 3, 4:
		step = 0 // it stands
	}
	d.now = d.now.Add(step)
}

func (d *day) newID() (id metering.ID) {
	d.ids++
	binary.BigEndian.PutUint64(id[8:], d.ids)
	id[6], id[8] = 0x70, 0x80
	return id
}

// messages are what comes next, to share one commit.
func (d *day) messages() []*message {
	var all []*message
	for range 1 + d.rand.IntN(4) {
		var m *message
		switch n := d.rand.IntN(10); {
		case n == 0 && len(d.lost) > 0:
			all = append(all, d.again()...)
			continue
		case n <= 2 && len(d.sent) > 0: // a repetition, word for word
			m = d.sent[d.rand.IntN(len(d.sent))]
		case n == 3 && len(d.sent) > 0: // the same places, other quantities
			m = d.sent[d.rand.IntN(len(d.sent))].contradiction(d.rand)
		case n <= 5:
			m = d.meter()
		default:
			m = d.batch()
		}
		if len(d.sent) < 64 {
			d.sent = append(d.sent, m)
		} else {
			d.sent[d.rand.IntN(len(d.sent))] = m
		}
		all = append(all, m)
	}
	return all
}

// again takes what got no answer.
func (d *day) again() []*message {
	n := min(len(d.lost), 5)
	again := d.lost[:n:n]
	d.lost = d.lost[n:]
	d.counts["retries"] += n
	return again
}

// batch is a seller's batch: usage of the hours before, some of it too late, some
// of it ahead.
func (d *day) batch() *message {
	m := new(message)
	for range 1 + d.rand.IntN(12) {
		customer := &d.agreements[d.rand.IntN(customers)]
		u := metering.UsageRecord{
			Timestamp: d.now.Add(-time.Duration(d.rand.IntN(5*3600)) * time.Second),
			Dimension: d.product.Dimensions[d.rand.IntN(3)].Name, Quantity: int32(d.rand.IntN(6)),
			Account: customer.Buyer, LicenseARN: customer.LicenseARN,
		}
		switch d.rand.IntN(60) {
		case 0:
			u.Timestamp = d.now.Add(-time.Duration(20+d.rand.IntN(10)) * time.Hour) // at the window's edge
		case 1:
			u.Timestamp = d.now.Add(time.Duration(d.rand.IntN(700)) * time.Second)
		}
		if u.Quantity > 1 && d.rand.IntN(4) == 0 {
			part := 1 + d.rand.Int32N(u.Quantity-1)
			u.Allocations = []metering.Allocation{{Quantity: part, Tags: []metering.Tag{{Key: "team", Value: "a"}}}, {Quantity: u.Quantity - part}}
		}
		m.usage = append(m.usage, u)
	}
	return m
}

// meter is a workload's call, some with a ClientToken. AgentCore's records have
// nothing else.
func (d *day) meter() *message {
	customer := &d.agreements[d.rand.IntN(customers)]
	platform := metering.PlatformEC2
	if d.rand.IntN(3) == 0 {
		platform = metering.PlatformAgentCore
	}
	m := &message{
		usage:  []metering.UsageRecord{{Timestamp: d.now.Add(-time.Duration(d.rand.IntN(7*3600)) * time.Second), Dimension: "hours", Quantity: int32(d.rand.IntN(6))}},
		caller: &metering.Caller{Account: customer.Buyer, Workload: &metering.Workload{ID: fmt.Sprint("i-", d.rand.IntN(2)), Platform: platform, Account: customer.Buyer}},
	}
	if platform == metering.PlatformAgentCore || d.rand.IntN(2) == 0 {
		m.token = fmt.Sprint("t", d.rand.IntN(200))
	}
	return m
}

func (m *message) contradiction(r *rand.Rand) *message {
	other := &message{caller: m.caller, token: m.token, usage: append([]metering.UsageRecord(nil), m.usage...)}
	u := &other.usage[r.IntN(len(other.usage))]
	u.Quantity++
	u.Allocations = nil
	return other
}

// read looks at some hours, as an operator does.
func (d *day) read() {
	shown := d.history.Reading("")
	hour := metering.HourOf(d.now)
	p, err := d.store.Records(context.Background(), store.RecordQuery{Product: simProduct, From: hour - 3, To: hour + 1, Limit: 100})
	if err != nil {
		d.problem("reading: %v", err)
		return
	}
	shown(p.Items...)
	d.counts["reads"]++
	d.say("read %d", len(p.Items))
}

// check holds the ledger against what everybody was told.
func (d *day) check() {
	ctx := context.Background()
	found, err := d.history.CheckStore(ctx, d.store)
	if err != nil {
		d.problem("checking: %v", err)
	}
	for _, v := range found {
		d.problem("%v", v)
	}
	if d.trace != nil {
		for q := (store.RecordQuery{From: math.MinInt32, To: math.MaxInt32}); ; {
			p, err := d.store.Records(ctx, q)
			if err != nil {
				d.t.Fatal(err)
			}
			for i := range p.Items {
				d.say("%+v", p.Items[i])
			}
			if q.Cursor = p.Next; q.Cursor == "" {
				break
			}
		}
	}
	if err := d.store.Close(); err != nil {
		d.problem("closing: %v", err)
	}
	counts := d.history.Counts()
	d.counts["attempts"], d.counts["accepted"], d.counts["duplicates"] = counts.Attempts, counts.Accepted, counts.Duplicate
	d.counts["refused"], d.counts["unknown"] = counts.Refused, counts.Unknown
}
