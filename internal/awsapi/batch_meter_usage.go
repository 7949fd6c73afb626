package awsapi

import (
	"context"
	"fmt"
	"slices"

	"github.com/meterd/meterd/internal/awsjson"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// BatchMeterUsage: a seller reports up to 25 usage records of buyers of one
// product. What is wrong with the request refuses all of it; what is wrong with
// one buyer, or with a key that is held, is the status of that one record.
// https://docs.aws.amazon.com/marketplace/latest/APIReference/API_marketplace-metering_BatchMeterUsage.html
func (s *Service) batchMeterUsage(ctx context.Context, req *request, in *batchMeterUsageInput) (*batchMeterUsageOutput, error) {
	if err := metering.CheckRegion(req.op, req.caller, req.region, s.Regions); err != nil {
		return nil, err
	}
	if len(in.records) == 0 {
		return &batchMeterUsageOutput{}, s.permit(req)
	}
	p, licenses, err := s.productOf(req, in)
	if err != nil {
		return nil, err
	}
	claims, err := s.claimsOf(req, p, licenses, in)
	if err != nil {
		return nil, err
	}
	if err := metering.CheckUsage(p, metering.BatchMeterUsageWindow, claims, req.now, req.compat.Rulings); err != nil {
		return nil, err
	}
	if s.Faults.unprocessed() {
		return &batchMeterUsageOutput{unprocessed: in.records}, nil
	}

	made := metering.BatchRecords(s.NewID, req.caller.Account, req.region, p, claims, req.now)
	results := make([]usageRecordResult, len(claims))
	offered := make([]int, 0, len(claims)) // where in results each offered record stands
	for i := range claims {
		results[i] = usageRecordResult{record: &in.records[i], id: made[i].ID, key: &made[i].Key, status: metering.CustomerNotSubscribed}
		if claims[i].Subscribed {
			offered = append(offered, i)
		}
	}
	records := made
	if len(offered) < len(made) {
		records = make([]metering.Record, len(offered))
		for i, at := range offered {
			records[i] = made[at]
		}
	}
	_, err = s.append(ctx, req, store.Call{
		Account: req.caller.Account, Region: req.region, At: req.now, Records: records, Registration: req.alive(),
		After: func(out store.Outcome) (store.Rest, error) {
			for i := range records {
				result, holder := &results[offered[i]], out.Holders[i]
				result.id, result.status = holder.ID, metering.StatusOf(&records[i], holder, req.compat.Rulings)
				result.held, result.made = holder, nil
				if holder.ID == records[i].ID {
					result.made = &records[i]
				}
			}
			return s.batchRest(req, claims, results), nil
		},
	})
	if err != nil {
		return nil, err
	}
	req.records = make([]metering.Status, 0, len(results))
	for i := range results {
		req.records = append(req.records, results[i].status)
		if r := &results[i]; r.status != metering.Success { // a 200 that many clients take for money
			s.Log.InfoContext(ctx, "record not counted", "request_id", req.id, "status", r.status,
				"buyer", claims[i].Buyer, "product", p.Code, "dimension", claims[i].Dimension, "quantity", claims[i].Quantity)
		}
	}
	return &batchMeterUsageOutput{results: results}, nil
}

// productOf finds the one product that a batch is for: the request's, or that of
// the licenses. It finds each record's agreement, too, if its license is one of
// the caller's: another seller's is answered like none. A license that nobody here
// holds is judged in its turn, after the product; the product is nil when there is
// no other.
func (s *Service) productOf(req *request, in *batchMeterUsageInput) (*metering.Product, []*metering.Agreement, error) {
	catalog := s.Store.Catalog()
	licenses := make([]*metering.Agreement, len(in.records))
	if in.productCode.Set {
		code := metering.ProductCode(in.productCode.Value)
		if err := s.permit(req, code); err != nil {
			return nil, nil, err
		}
		p := catalog.Product(code)
		return p, licenses, metering.CheckProduct(req.op, code, p, req.caller, req.region, s.Regions)
	}
	var products []*metering.Product
	for i := range in.records {
		a := catalog.License(in.records[i].licenseARN.Value)
		if a == nil {
			continue
		}
		at := slices.IndexFunc(products, func(p *metering.Product) bool { return p.Code == a.Product })
		if at < 0 {
			p := catalog.Product(a.Product)
			if p == nil || p.Seller != req.caller.Account {
				continue
			}
			products = append(products, p)
		}
		licenses[i] = a
	}
	if len(products) > 0 {
		req.product = products[0].Code
	}
	if err := s.permit(req, codesOf(products)...); err != nil {
		return nil, nil, err
	}
	for _, p := range products {
		if err := metering.CheckProduct(req.op, p.Code, p, req.caller, req.region, s.Regions); err != nil {
			return nil, nil, err
		}
	}
	return append(products, nil)[0], licenses, nil
}

// claimsOf weighs every record by its license or its customer.
func (s *Service) claimsOf(req *request, p *metering.Product, licenses []*metering.Agreement, in *batchMeterUsageInput) ([]metering.Claim, error) {
	catalog := s.Store.Catalog()
	claims := make([]metering.Claim, len(in.records))
	usage := make([]metering.UsageRecord, len(in.records))
	for i := range in.records {
		u := &usage[i]
		*u = in.records[i].usage()
		var err error
		if u.LicenseARN != "" {
			claims[i], err = metering.ClaimByLicense(u, licenses[i], p, s.suspended(u.Account), req.now, req.compat.Rulings)
		} else {
			buyer := u.Account
			if in.records[i].customer.Set && p.Generation != metering.LicenseGeneration {
				var issued bool
				if buyer, issued = catalog.Customer(p.Code, u.Customer); !issued {
					return nil, fmt.Errorf("%w: %q was not issued for product %s", metering.ErrInvalidCustomerIdentifier, u.Customer, p.Code)
				}
			}
			claims[i], err = metering.ClaimBySubscription(u, buyer, p, catalog.Agreements(p.Code, buyer), s.suspended(buyer), req.now, req.compat.Rulings)
		}
		if err != nil {
			return nil, err
		}
	}
	return claims, nil
}

// suspended reports whether a buyer's account is.
func (s *Service) suspended(buyer metering.AccountID) bool {
	a := s.Store.Catalog().Account(buyer)
	return a != nil && a.Suspended
}

type batchMeterUsageInput struct {
	productCode awsjson.Opt[string]
	given       bool // UsageRecords is there, be it empty
	sent        int
	records     []usageRecord // of those sent, as many as there may be
}

// usageRecord is a record as it came, kept so that it can be echoed.
type usageRecord struct {
	null        bool
	timestamp   awsjson.Opt[awsjson.Timestamp]
	customer    awsjson.Opt[string]
	account     awsjson.Opt[string]
	licenseARN  awsjson.Opt[string]
	dimension   awsjson.Opt[string]
	quantity    awsjson.Opt[int32]
	allocations awsjson.Opt[[]usageAllocation]
}

func (in *batchMeterUsageInput) decode(d *awsjson.Decoder) {
	for name := range d.Object() {
		switch string(name) {
		case "ProductCode":
			in.productCode = d.String()
		case "UsageRecords":
			if in.given = !d.Null(); !in.given {
				continue
			}
			for range d.List() {
				if in.sent++; in.sent > maxRecords { // what makes it too many is not kept
					new(usageRecord).decode(d)
					continue
				}
				in.records = append(in.records, usageRecord{})
				in.records[in.sent-1].decode(d)
			}
		default:
			d.Skip()
		}
	}
}

func (r *usageRecord) decode(d *awsjson.Decoder) {
	if r.null = d.Null(); r.null {
		return
	}
	for name := range d.Object() {
		switch string(name) {
		case "Timestamp":
			r.timestamp = d.Timestamp()
		case "CustomerIdentifier":
			r.customer = d.String()
		case "CustomerAWSAccountId":
			r.account = d.String()
		case "LicenseArn":
			r.licenseARN = d.String()
		case "Dimension":
			r.dimension = d.String()
		case "Quantity":
			r.quantity = d.Int32()
		case "UsageAllocations":
			r.allocations = decodeAllocations(d)
		default:
			d.Skip()
		}
	}
}

// product is "" where licenses tell it: productOf looks them up.
func (in *batchMeterUsageInput) product() string { return in.productCode.Value }

func (in *batchMeterUsageInput) check(metering.Caller) error {
	var v awsjson.Violations
	checkProductCode(&v, in.productCode, false)
	at := (*awsjson.Path)(nil).Member("usageRecords")
	if !in.given {
		v.Null(at)
	}
	v.Size(at, in.sent, 0, maxRecords)
	for i := range in.records {
		in.records[i].check(&v, (*awsjson.Path)(nil).Element("usageRecords", i), in.productCode.Set)
	}
	return v.Err()
}

func (r *usageRecord) check(v *awsjson.Violations, at awsjson.Path, byProduct bool) {
	if r.null {
		v.Null(at)
		return
	}
	if !r.timestamp.Set {
		v.Null(at.Member("timestamp"))
	}
	checkDimension(v, at.Member("dimension"), r.dimension)
	v.AtLeast(at.Member("quantity"), r.quantity.Value, 0)
	if r.customer.Set {
		v.Length(at.Member("customerIdentifier"), r.customer.Value, 0, maxCustomer)
		v.NoNUL(at.Member("customerIdentifier"), r.customer.Value)
	}
	if r.account.Set {
		v.Length(at.Member("customerAWSAccountId"), r.account.Value, 1, maxCustomer)
		if !metering.IsAccountDigits(r.account.Value) {
			v.Pattern(at.Member("customerAWSAccountId"), r.account.Value, metering.AccountPattern)
		}
	}
	if r.licenseARN.Set && !metering.IsLicenseARN(r.licenseARN.Value) {
		v.Pattern(at.Member("licenseArn"), r.licenseARN.Value, metering.LicenseARNPattern)
	}
	checkAllocations(v, &at, r.allocations)
	r.checkParties(v, at, byProduct)
}

// checkParties checks the members that exclude or ask for one another (R-10,
// The model cannot say so; AWS refuses them, by what name is not known.
func (r *usageRecord) checkParties(v *awsjson.Violations, at awsjson.Path, byProduct bool) {
	switch {
	case r.customer.Set && r.account.Set:
		v.Value(at, "CustomerIdentifier and CustomerAWSAccountId", "Member must name one of them, not both")
	case !r.customer.Set && !r.account.Set:
		v.Value(at, "neither CustomerIdentifier nor CustomerAWSAccountId", "Member must name one of them")
	}
	switch {
	case byProduct && r.licenseARN.Set:
		v.Value(at, "ProductCode and LicenseArn", "Member must not carry a LicenseArn in a request that carries a ProductCode")
	case !byProduct && !r.licenseARN.Set:
		v.Value(at, "neither ProductCode nor LicenseArn", "Member must carry a LicenseArn, or the request a ProductCode")
	case r.licenseARN.Set && r.customer.Set:
		v.Value(at, "LicenseArn and CustomerIdentifier", "Member must name its buyer by CustomerAWSAccountId when it carries a LicenseArn")
	}
}

// usage is what a checked record claims.
func (r *usageRecord) usage() metering.UsageRecord {
	return metering.UsageRecord{
		Timestamp:   r.timestamp.Value.Time,
		Dimension:   r.dimension.Value,
		Quantity:    r.quantity.Value,
		Allocations: allocationsOf(r.allocations.Value),
		Account:     metering.AccountID(r.account.Value),
		Customer:    metering.CustomerID(r.customer.Value),
		LicenseARN:  r.licenseARN.Value,
	}
}

type batchMeterUsageOutput struct {
	results     []usageRecordResult
	unprocessed []usageRecord
}

type usageRecordResult struct {
	record *usageRecord
	id     metering.ID
	key    *metering.Key
	status metering.Status
	held   *metering.Record // who holds the key; nil when none was asked for
	made   *metering.Record // that took the key; nil if none did
}

func (out *batchMeterUsageOutput) appendJSON(b []byte) []byte {
	size := len(`{"Results":[],"UnprocessedRecords":[]}`)
	for i := range out.results {
		size += out.results[i].record.size()
	}
	b = append(slices.Grow(b, size), `{"Results":[`...)
	for i := range out.results {
		if i > 0 {
			b = append(b, ',')
		}
		r := &out.results[i]
		b = append(b, `{"UsageRecord":`...)
		b = r.record.appendJSON(b)
		b = append(b, `,"MeteringRecordId":"`...)
		b = r.id.AppendText(b)
		b = append(b, `","Status":"`...)
		b = append(b, r.status...)
		b = append(b, `"}`...)
	}
	b = append(b, `],"UnprocessedRecords":[`...)
	for i := range out.unprocessed {
		if i > 0 {
			b = append(b, ',')
		}
		b = out.unprocessed[i].appendJSON(b)
	}
	return append(b, `]}`...)
}

// size is about what a record takes in an answer, with its id and status, if it
// has no allocations.
func (r *usageRecord) size() int {
	const names = 192
	return names + len(r.timestamp.Value.Literal) + len(r.customer.Value) + len(r.account.Value) + len(r.licenseARN.Value) + len(r.dimension.Value)
}

// appendJSON echoes the record: what came, as it came, and the quantity even if
// it was left out.
func (r *usageRecord) appendJSON(b []byte) []byte {
	b = append(awsjson.AppendName(append(b, '{'), "Timestamp"), r.timestamp.Value.Literal...)
	for _, m := range []struct {
		name  string
		value awsjson.Opt[string]
	}{
		{"CustomerIdentifier", r.customer},
		{"CustomerAWSAccountId", r.account},
		{"LicenseArn", r.licenseARN},
		{"Dimension", r.dimension},
	} {
		if m.value.Set {
			b = awsjson.AppendMember(b, m.name, m.value.Value)
		}
	}
	b = awsjson.AppendInt(b, "Quantity", int64(r.quantity.Value))
	if r.allocations.Set {
		b = appendAllocations(b, r.allocations.Value)
	}
	return append(b, '}')
}
