package awsapi

import (
	"context"
	"crypto/sha256"

	"github.com/meterd/meterd/internal/awsjson"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// ResolveCustomer: a seller's registration page asks who the buyer is that
// brought a token. The answer does not say that the agreement is active yet.
// https://docs.aws.amazon.com/marketplace/latest/APIReference/API_marketplace-metering_ResolveCustomer.html
func (s *Service) resolveCustomer(ctx context.Context, req *request, in *resolveCustomerInput) (*resolveCustomerOutput, error) {
	if err := metering.CheckRegion(req.op, req.caller, req.region, s.Regions); err != nil {
		return nil, err
	}
	catalog := s.Store.Catalog()
	hash := sha256.Sum256([]byte(in.registrationToken.Value))
	token := catalog.Token(hash)
	var agreement *metering.Agreement
	var product *metering.Product
	if token != nil {
		if agreement = catalog.Agreement(token.Agreement); agreement != nil {
			product = catalog.Product(agreement.Product)
		}
	}
	if product != nil && product.Seller == req.caller.Account { // another seller's is answered like none
		req.product = product.Code
		if err := s.permit(req, product.Code); err != nil {
			return nil, err
		}
	}
	if err := metering.CheckToken(token, product, req.caller, req.now); err != nil {
		return nil, err
	}
	_, err := s.append(ctx, req, store.Call{
		Account: req.caller.Account, Region: req.region, At: req.now, Registration: req.alive(),
		Redemption: &store.Redemption{Token: hash, KeyID: req.caller.KeyID},
		After: func(store.Outcome) (store.Rest, error) {
			ev := s.event(req)
			ev.Told = toldOf(agreement)
			return store.Rest{Event: ev}, nil
		},
	})
	if err != nil {
		return nil, err
	}
	return &resolveCustomerOutput{agreement}, nil
}

// toldOf is what an event has of the answer.
func toldOf(a *metering.Agreement) []store.Detail {
	told := []store.Detail{{Name: "productCode", Value: string(a.Product)}, {Name: "customerAWSAccountId", Value: string(a.Buyer)}}
	if a.Customer != "" {
		told = append(told, store.Detail{Name: "customerIdentifier", Value: string(a.Customer)})
	}
	if a.LicenseARN != "" {
		told = append(told, store.Detail{Name: "licenseArn", Value: a.LicenseARN})
	}
	return told
}

type resolveCustomerInput struct{ registrationToken awsjson.Opt[string] }

func (in *resolveCustomerInput) decode(d *awsjson.Decoder) {
	for name := range d.Object() {
		switch string(name) {
		case "RegistrationToken":
			in.registrationToken = d.String()
		default:
			d.Skip()
		}
	}
}

// product is told by the token, if it is one.
func (in *resolveCustomerInput) product() string { return "" }

func (in *resolveCustomerInput) check(metering.Caller) error {
	var v awsjson.Violations
	at := (*awsjson.Path)(nil).Member("registrationToken")
	if in.registrationToken.Set {
		v.Length(at, in.registrationToken.Value, 1, 0)
	} else {
		v.Null(at)
	}
	return v.Err()
}

type resolveCustomerOutput struct{ agreement *metering.Agreement }

// appendJSON leaves out what the agreement does not have: products of the newer
// generation have no customer identifiers.
func (out *resolveCustomerOutput) appendJSON(b []byte) []byte {
	a := out.agreement
	b = append(b, '{')
	if a.Customer != "" {
		b = awsjson.AppendMember(b, "CustomerIdentifier", string(a.Customer))
	}
	b = awsjson.AppendMember(b, "ProductCode", string(a.Product))
	b = awsjson.AppendMember(b, "CustomerAWSAccountId", string(a.Buyer))
	if a.LicenseARN != "" {
		b = awsjson.AppendMember(b, "LicenseArn", a.LicenseARN)
	}
	return append(b, '}')
}
