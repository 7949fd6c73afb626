package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

const (
	region     = "us-east-1"
	dimensions = 16
	perRequest = 25 // as many as BatchMeterUsage takes
	runtimes   = 64 // that call MeterUsage
	// secret is every key's. Production refuses those that are short.
	secret = "the-secret-of-the-load-0123456789-ABCDEF"
	// agentProduct is what MeterUsage reports.
	agentProduct = "prod-agent"
	// repeatShare is how many of a hundred records were sent before, half of them
	// with another quantity.
	repeatShare = 5
)

// world is the catalogue, which all servers have and the requests are for: so many
// calling accounts, and agreements of so many products. A place is a buyer and a
// dimension of a product: what one record of an hour can be for.
type world struct {
	Accounts   int
	Products   int
	Agreements int
}

// newWorld is a world of so many calling accounts, with a product each or more.
func newWorld(accounts, agreements int) world {
	w := world{Accounts: accounts, Products: 128}
	for w.Products < accounts {
		w.Products *= 2
	}
	w.Agreements = max(agreements, 2*w.Products)
	return w
}

// name tells worlds apart in the cache.
func (w world) name() string {
	return fmt.Sprintf("v2-%d-accounts-%d-agreements", w.Accounts, w.Agreements)
}

func (w world) buyers() int { return w.Agreements / w.Products } // of each product
func (w world) places() int { return w.buyers() * dimensions }   // of each product
func (w world) hour() int   { return w.places() * w.Products }   // how many records one hour can have
func (w world) batches() int { // how many whole batches one hour's records make
	return w.places() / perRequest * w.Products
}

func (w world) seller(product int) int { return product % w.Accounts }

func sellerAccount(seller int) metering.AccountID {
	return metering.AccountID(fmt.Sprint(700_000_000_000 + seller))
}

func buyerAccount(buyer int) metering.AccountID {
	return metering.AccountID(fmt.Sprint(900_000_000_000 + buyer))
}
func sellerKey(seller int) string   { return fmt.Sprintf("AKIALOADSELLER%06d", seller) }
func runtimeKey(runtime int) string { return fmt.Sprintf("AKIALOADRUNTIME%05d", runtime) }
func dimension(n int) string        { return fmt.Sprintf("req-%02d", n) }
func productCode(product int) metering.ProductCode {
	return metering.ProductCode(fmt.Sprintf("prod-%020d", product))
}

// license is an agreement's license. Its digits are as scattered as real ones are.
func (w world) license(product, buyer int) string {
	n := uint64(product*w.buyers()+buyer+1) * 0x9e3779b97f4a7c15
	return fmt.Sprintf("arn:aws:license-manager::294406891311:license:l-%010x", n>>24)
}

// place is the buyer and the dimension of a place.
func (w world) place(n int) (buyer, dim int) { return n / dimensions, n % dimensions }

// entries are the catalogue.
func (w world) entries() []store.Entry {
	began := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	dims := make([]metering.Dimension, dimensions)
	for i := range dims {
		dims[i].Name = dimension(i)
	}
	var all []store.Entry
	for s := range w.Accounts {
		all = append(all,
			&store.Account{ID: sellerAccount(s), Seller: true},
			&store.Credential{KeyID: sellerKey(s), Secret: secret, Account: sellerAccount(s), User: "load", Created: began})
	}
	for b := range max(w.buyers(), runtimes) {
		all = append(all, &store.Account{ID: buyerAccount(b), Buyer: true})
	}
	for p := range w.Products {
		all = append(all, &store.Product{
			Code: productCode(p), Seller: sellerAccount(w.seller(p)), Type: metering.SaaS, Pricing: metering.PricedByUsage,
			Generation: metering.LicenseGeneration, Published: true, Dimensions: dims,
		})
		for b := range w.buyers() {
			all = append(all, &store.Agreement{
				ID: metering.AgreementID(fmt.Sprintf("agmt-%07d", p*w.buyers()+b)), Product: productCode(p), Buyer: buyerAccount(b),
				LicenseARN: w.license(p, b), Status: metering.AgreementActive, Start: began,
			})
		}
	}
	return append(all, w.runtimeEntries(began, dims)...)
}

// runtimeEntries are what MeterUsage needs: AgentCore runtimes, because any number
// of records of an hour can be theirs.
func (w world) runtimeEntries(began time.Time, dims []metering.Dimension) []store.Entry {
	all := []store.Entry{&store.Product{
		Code: agentProduct, Seller: sellerAccount(0), Type: metering.Agent, Pricing: metering.PricedByUsage, Published: true, Dimensions: dims,
	}}
	for r := range runtimes {
		id := fmt.Sprintf("arn:aws:bedrock-agentcore:%s:%s:runtime/load-%04d", region, buyerAccount(r), r)
		all = append(all,
			&store.Agreement{
				ID: metering.AgreementID(fmt.Sprintf("agmt-agent-%04d", r)), Product: agentProduct, Buyer: buyerAccount(r),
				LicenseARN: fmt.Sprintf("arn:aws:license-manager::294406891311:license:l-agent%04d", r), Status: metering.AgreementActive, Start: began,
			},
			&store.Workload{ID: id, Platform: metering.PlatformAgentCore, Account: buyerAccount(r), Region: region},
			&store.Credential{KeyID: runtimeKey(r), Secret: secret, Account: buyerAccount(r), Workload: id, Created: began})
	}
	return all
}

// claim is a record as a request has it.
type claim struct {
	product, buyer, dim int
	quantity            int
	allocated           bool // has allocations
}

// batches are the claims of one request after the other, in an order that only the
// seed decides: 25 of a product each, no place twice in an hour but for repeats.
type batches struct {
	w    world
	dice *rand.Rand
	mix  uint64
	n    int
	sent map[int][]claim // by product: what was sent first in this hour
}

func newBatches(w world, seed uint64) *batches {
	return &batches{w: w, dice: rand.New(rand.NewPCG(seed, 1)), mix: seed, sent: make(map[int][]claim)}
}

// next is a request's claims, and which of the hours, from 0 up, they are for.
func (b *batches) next() (hour int, claims [perRequest]claim) {
	w := b.w
	hour, in := b.n/w.batches(), b.n%w.batches()
	b.n++
	if in == 0 {
		clear(b.sent)
	}
	product, chunk := in%w.Products, in/w.Products
	// An odd factor goes round all places, since there are a power of two of them.
	factor := int((b.mix*uint64(2*product+3)+uint64(hour))|1) & (w.places() - 1)
	before := b.sent[product]
	for i := range claims {
		if len(before) >= perRequest && b.dice.IntN(100) < repeatShare {
			claims[i] = before[b.dice.IntN(len(before))]
			claims[i].quantity += b.dice.IntN(2)
			continue
		}
		buyer, dim := w.place((chunk*perRequest + i) * factor & (w.places() - 1))
		claims[i] = claim{product: product, buyer: buyer, dim: dim, quantity: 1 + b.dice.IntN(999), allocated: b.dice.IntN(5) == 0}
		b.sent[product] = append(b.sent[product], claims[i])
	}
	return hour, claims
}
