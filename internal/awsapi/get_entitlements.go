package awsapi

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/awsjson"
	"github.com/meterd/meterd/internal/metering"
)

// maxEntitlements is the most that a page holds, and what it holds when the
// caller does not say (API reference of GetEntitlements).
const maxEntitlements = 25

// Filter keys of GetEntitlements.
const (
	filterCustomer  = "CUSTOMER_IDENTIFIER"
	filterAccount   = "CUSTOMER_AWS_ACCOUNT_ID"
	filterDimension = "DIMENSION"
	filterLicense   = "LICENSE_ARN"
)

// GetEntitlements: a seller asks what the contracts for a product grant. It is
// the Entitlement Service's, and served in every region: elsewhere than in
// us-east-1 and cn-northwest-1 AWS has no host that could answer.
// https://docs.aws.amazon.com/marketplace/latest/APIReference/API_marketplace-entitlements_GetEntitlements.html
func (s *Service) getEntitlements(_ context.Context, req *request, in *getEntitlementsInput) (*getEntitlementsOutput, error) {
	code := metering.ProductCode(*in.ProductCode)
	if err := s.permit(req, code); err != nil {
		return nil, err
	}
	p := s.Store.Catalog().Product(code)
	if p == nil || p.Seller != req.caller.Account { // a foreign product and a missing one answer alike
		return nil, fmt.Errorf("%w: %q is not the code of a product of this account", metering.ErrInvalidParameter, code)
	}
	after, skip, err := parsePage(in.NextToken)
	if err != nil {
		return nil, err
	}
	limit := maxEntitlements
	if in.MaxResults != nil {
		limit = int(*in.MaxResults)
	}

	out := &getEntitlementsOutput{Entitlements: []entitlement{}}
	for _, a := range s.entitlingAgreements(p, in.Filter) {
		if a.ID < after || !in.picks(a) || s.suspended(a.Buyer) || !a.OpenAt(req.now, req.compat.Rulings) {
			continue
		}
		for i := range a.Entitlements {
			e := &a.Entitlements[i]
			if a.ID == after && i < skip || !in.allows(filterDimension, e.Dimension) || !e.Expires.IsZero() && !req.now.Before(e.Expires) {
				continue
			}
			if len(out.Entitlements) == limit {
				next := formatPage(a.ID, i)
				out.NextToken = &next
				return out, nil
			}
			out.Entitlements = append(out.Entitlements, entitlementOf(a, e))
		}
	}
	return out, nil
}

// entitlingAgreements lists, by id, the agreements that a filter can pick from
// without looking at every one where it names whose.
func (s *Service) entitlingAgreements(p *metering.Product, filter map[string][]string) []*metering.Agreement {
	catalog := s.Store.Catalog()
	var all []*metering.Agreement
	switch {
	case filter[filterLicense] != nil:
		for _, arn := range filter[filterLicense] {
			if a := catalog.License(arn); a != nil && a.Product == p.Code {
				all = append(all, a)
			}
		}
	case filter[filterAccount] != nil:
		for _, account := range filter[filterAccount] {
			all = append(all, catalog.Agreements(p.Code, metering.AccountID(account))...)
		}
	case filter[filterCustomer] != nil:
		for _, id := range filter[filterCustomer] {
			if buyer, issued := catalog.Customer(p.Code, metering.CustomerID(id)); issued {
				all = append(all, catalog.Agreements(p.Code, buyer)...)
			}
		}
	default:
		for _, id := range catalog.AgreementIDs(p.Code) {
			all = append(all, catalog.Agreement(id))
		}
	}
	slices.SortFunc(all, func(a, b *metering.Agreement) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return slices.Compact(all)
}

// picks reports whether the filter lets the agreement through; values of a key
// are alternatives, keys are conditions.
func (in *getEntitlementsInput) picks(a *metering.Agreement) bool {
	return in.allows(filterCustomer, string(a.Customer)) && in.allows(filterAccount, string(a.Buyer)) && in.allows(filterLicense, a.LicenseARN)
}

func (in *getEntitlementsInput) allows(key, value string) bool {
	values, ok := in.Filter[key]
	return !ok || value != "" && slices.Contains(values, value) // "" is what an agreement does not have
}

// formatPage and parsePage are the NextToken: which entitlement comes next.
func formatPage(id metering.AgreementID, i int) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(i) + "/" + string(id)))
}

func parsePage(token *string) (id metering.AgreementID, i int, err error) {
	if token == nil {
		return "", 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*token)
	index, after, ok := strings.Cut(string(b), "/")
	if i, ierr := strconv.Atoi(index); err == nil && ok && ierr == nil {
		return metering.AgreementID(after), i, nil
	}
	return "", 0, fmt.Errorf("%w: NextToken was not given by this service", metering.ErrInvalidParameter)
}

// getEntitlementsInput is read from JSON by decode and from CBOR by its fields'
// names, which are the wire's.
type getEntitlementsInput struct {
	ProductCode *string
	Filter      map[string][]string
	NextToken   *string
	MaxResults  *int32

	nullIn string // a filter key with a null among its values
}

func (in *getEntitlementsInput) decode(d *awsjson.Decoder) {
	for name := range d.Object() {
		switch string(name) {
		case "ProductCode":
			in.ProductCode = d.String().Ptr()
		case "Filter":
			in.decodeFilter(d)
		case "NextToken":
			in.NextToken = d.String().Ptr()
		case "MaxResults":
			in.MaxResults = d.Int32().Ptr()
		default:
			d.Skip()
		}
	}
}

func (in *getEntitlementsInput) product() string {
	if in.ProductCode == nil {
		return ""
	}
	return *in.ProductCode
}

func (in *getEntitlementsInput) decodeFilter(d *awsjson.Decoder) {
	in.Filter = make(map[string][]string)
	for name := range d.Object() {
		key := string(name)
		if d.Null() {
			continue
		}
		in.Filter[key] = []string{}
		for range d.List() {
			value := d.String()
			if !value.Set {
				in.nullIn = key
			}
			in.Filter[key] = append(in.Filter[key], value.Value)
		}
	}
}

// check refuses parameters in the Entitlement Service's own way: it has one
// exception for all of them.
func (in *getEntitlementsInput) check(metering.Caller) error {
	var v awsjson.Violations
	var top *awsjson.Path
	if in.ProductCode == nil {
		v.Null(top.Member("productCode"))
	} else {
		v.Length(top.Member("productCode"), *in.ProductCode, 1, maxProductCode)
	}
	if in.NextToken != nil {
		v.Length(top.Member("nextToken"), *in.NextToken, 1, 0)
	}
	if in.MaxResults != nil {
		v.AtLeast(top.Member("maxResults"), *in.MaxResults, 1)
		v.AtMost(top.Member("maxResults"), *in.MaxResults, maxEntitlements)
	}
	maps.DeleteFunc(in.Filter, func(_ string, values []string) bool { return values == nil }) // null is absent, in CBOR too
	filter := top.Member("filter")
	for _, key := range slices.Sorted(maps.Keys(in.Filter)) {
		switch key {
		case filterCustomer, filterAccount, filterDimension, filterLicense:
			v.Size(filter.Member(key), len(in.Filter[key]), 1, 0)
		default:
			v.Value(filter, key, "Member must satisfy enum value set: [CUSTOMER_IDENTIFIER, CUSTOMER_AWS_ACCOUNT_ID, DIMENSION, LICENSE_ARN]")
		}
	}
	if in.nullIn != "" {
		v.Null(filter.Member(in.nullIn))
	}
	if in.Filter[filterCustomer] != nil && in.Filter[filterAccount] != nil {
		v.Value(filter, filterCustomer+" and "+filterAccount, "Member must name one of them, not both")
	}
	if err := v.Err(); err != nil {
		return fmt.Errorf("%w: %s", metering.ErrInvalidParameter, err.Error())
	}
	return nil
}

// getEntitlementsOutput is written to JSON by appendJSON and to CBOR by its
// fields' names, which are the wire's.
type getEntitlementsOutput struct {
	Entitlements []entitlement
	NextToken    *string `cbor:",omitempty"`
}

type entitlement struct {
	ProductCode          string
	Dimension            string
	CustomerIdentifier   string `cbor:",omitempty"`
	CustomerAWSAccountId string //nolint:revive // the name on the wire
	Value                entitlementValue
	ExpirationDate       *time.Time `cbor:",omitempty"`
	LicenseArn           string     `cbor:",omitempty"`
}

// entitlementValue is a union: one of its members is there.
type entitlementValue struct {
	IntegerValue *int32   `cbor:",omitempty"`
	DoubleValue  *float64 `cbor:",omitempty"`
	BooleanValue *bool    `cbor:",omitempty"`
	StringValue  *string  `cbor:",omitempty"`
}

func entitlementOf(a *metering.Agreement, e *metering.Entitlement) entitlement {
	out := entitlement{
		ProductCode:          string(a.Product),
		Dimension:            e.Dimension,
		CustomerIdentifier:   string(a.Customer),
		CustomerAWSAccountId: string(a.Buyer),
		Value:                entitlementValue{e.Integer, e.Double, e.Boolean, e.String},
		LicenseArn:           a.LicenseARN,
	}
	if !e.Expires.IsZero() {
		out.ExpirationDate = &e.Expires
	}
	return out
}

func (out *getEntitlementsOutput) appendJSON(b []byte) []byte {
	b = append(b, `{"Entitlements":[`...)
	for i := range out.Entitlements {
		if i > 0 {
			b = append(b, ',')
		}
		b = out.Entitlements[i].appendJSON(b)
	}
	b = append(b, ']')
	if out.NextToken != nil {
		b = awsjson.AppendMember(b, "NextToken", *out.NextToken)
	}
	return append(b, '}')
}

func (e *entitlement) appendJSON(b []byte) []byte {
	b = awsjson.AppendMember(append(b, '{'), "ProductCode", e.ProductCode)
	b = awsjson.AppendMember(b, "Dimension", e.Dimension)
	if e.CustomerIdentifier != "" {
		b = awsjson.AppendMember(b, "CustomerIdentifier", e.CustomerIdentifier)
	}
	b = awsjson.AppendMember(b, "CustomerAWSAccountId", e.CustomerAWSAccountId)
	b = append(awsjson.AppendName(b, "Value"), '{')
	switch v := e.Value; {
	case v.IntegerValue != nil:
		b = awsjson.AppendInt(b, "IntegerValue", int64(*v.IntegerValue))
	case v.DoubleValue != nil:
		b = strconv.AppendFloat(awsjson.AppendName(b, "DoubleValue"), *v.DoubleValue, 'g', -1, 64)
	case v.BooleanValue != nil:
		b = strconv.AppendBool(awsjson.AppendName(b, "BooleanValue"), *v.BooleanValue)
	case v.StringValue != nil:
		b = awsjson.AppendMember(b, "StringValue", *v.StringValue)
	}
	b = append(b, '}')
	if e.ExpirationDate != nil {
		b = awsjson.AppendTime(b, "ExpirationDate", *e.ExpirationDate)
	}
	if e.LicenseArn != "" {
		b = awsjson.AppendMember(b, "LicenseArn", e.LicenseArn)
	}
	return append(b, '}')
}
