package metering

import "fmt"

// ProductCode names a product on the wire.
type ProductCode string

// ProductType decides which operations meter a product, and from where.
type ProductType string

// The product types.
const (
	SaaS      ProductType = "saas"
	AMI       ProductType = "ami"
	Container ProductType = "container"
	Agent     ProductType = "agent"
)

// Pricing is how a product is charged. It never decides whether an operation is
// allowed, save that some regions, AWS's GovCloud, meter AMI products by
// usage alone.
type Pricing string

// The pricing models.
const (
	PricedByUsage Pricing = "usage"
	PricedHourly  Pricing = "hourly"
	PricedMonthly Pricing = "monthly"
	Free          Pricing = "free"
	BYOL          Pricing = "byol"
)

// Generation is how a SaaS product's buyers are named in BatchMeterUsage.
type Generation string

const (
	// LicenseGeneration is Concurrent Agreements, required of new SaaS products
	// since 2026-06-01: every record carries an account id and a license ARN.
	LicenseGeneration Generation = "license"
	// LegacyGeneration is the form before it: the request carries the product
	// code, and a record a customer identifier or an account id.
	LegacyGeneration Generation = "legacy"
)

// Dimension is a unit a product is metered in. Names are case-sensitive.
type Dimension struct {
	Name  string
	Unit  string
	Price string // per unit, a decimal; "" when not priced here
}

// Product is what a seller lists.
type Product struct {
	Code           ProductCode
	Title          string
	Seller         AccountID
	Type           ProductType
	Pricing        Pricing
	Generation     Generation // of SaaS products
	Published      bool
	FulfillmentURL string // where a buyer's browser brings a registration token
	Dimensions     []Dimension
}

// CheckDimension refuses a dimension that is not the product's (case counts).
func (p *Product) CheckDimension(name string) error {
	for i := range p.Dimensions {
		if p.Dimensions[i].Name == name {
			return nil
		}
	}
	return fmt.Errorf("%w: product %s has no dimension %q", ErrInvalidUsageDimension, p.Code, name)
}

// Previewed reports whether the caller is the product's own seller, for whom
// MeterUsage and RegisterUsage do not ask for a subscription: AWS's preview mode.
func (p *Product) Previewed(c Caller) bool { return p.Seller == c.Account }

// CheckProduct refuses a product that the caller cannot meter by this
// operation. p is nil when there is none of that code. What is another
// seller's, and what is not published, is answered like what does not exist.
func CheckProduct(op Operation, code ProductCode, p *Product, c Caller, region string, r *Regions) error {
	own := p != nil && p.Seller == c.Account
	if p == nil || !own && (op == BatchMeterUsage || !p.Published) {
		return fmt.Errorf("%w: %q is not the code of a published product that this account can meter", ErrInvalidProductCode, code)
	}
	if !p.Published {
		switch {
		case op == BatchMeterUsage:
			return fmt.Errorf("%w: product %s is not published", ErrInvalidProductCode, p.Code)
		case !within(r.Preview, region):
			return fmt.Errorf("%w: product %s is not published, and its seller can try it in %s only", ErrInvalidProductCode, p.Code, names(r.Preview))
		}
	}
	if !p.Type.meteredBy(op) {
		return fmt.Errorf("%w: %s does not meter product %s, whose type is %s", ErrInvalidProductCode, op, p.Code, p.Type)
	}
	if within(r.UsageOnly, region) && (p.Type != AMI || p.Pricing != PricedByUsage) {
		return fmt.Errorf("%w: in %s, only AMI products with usage pricing are metered", ErrInvalidEndpointRegion, region)
	}
	return nil
}

// meteredBy says which operations meter products of the type.
func (t ProductType) meteredBy(op Operation) bool {
	switch t {
	case SaaS:
		return op == BatchMeterUsage
	case AMI, Agent:
		return op == MeterUsage
	case Container:
		return op == MeterUsage || op == RegisterUsage
	}
	return false
}
