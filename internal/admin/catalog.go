package admin

import (
	"errors"
	"regexp"

	"github.com/meterd/meterd/internal/metering"
)

// Catalog is a catalogue file: everything a marketplace consists of, and the
// points on which it reads AWS another way. Its parts are also what the API
// takes and shows, one by one, and its schema is made of the same fields.
//
// Times are texts here, RFC 3339 or a duration from the service's clock, and
// nothing has an UnmarshalYAML or UnmarshalText of its own: for each value that
// has, goccy/go-yaml 1.19.2 goes through the whole file once more (4,000
// agreements took 40 s).
type Catalog struct {
	Sellers     []Seller     `json:"sellers,omitempty"`
	Buyers      []Buyer      `json:"buyers,omitempty"`
	Products    []Product    `json:"products,omitempty"`
	Agreements  []Agreement  `json:"agreements,omitempty"`
	Workloads   []Workload   `json:"workloads,omitempty"`
	Policies    []Policy     `json:"policies,omitempty"`
	Roles       []Role       `json:"roles,omitempty"`
	Credentials []Credential `json:"credentials,omitempty"`
	Tokens      []Token      `json:"tokens,omitempty"`
	Quotas      []Quota      `json:"quotas,omitempty"`
	Compat      *Compat      `json:"compat,omitempty" doc:"Absent: as it was applied before."`

	parts []part // of the file, if it is from one
}

// Seller is an account that lists products.
type Seller struct {
	Account metering.AccountID `json:"account" required:"false" doc:"The account's id: twelve digits." example:"210987654321"`
	Name    string             `json:"name,omitempty" doc:"What people call it."`
}

// Buyer is an account that buys them.
type Buyer struct {
	Account metering.AccountID `json:"account" required:"false" doc:"The account's id: twelve digits." example:"111122223333"`
	Name    string             `json:"name,omitempty" doc:"What people call it."`
	Status  string             `json:"status,omitempty" enum:"active,suspended" doc:"Default active. A suspended buyer's usage is not accepted."`
}

// Product is what a seller lists.
type Product struct {
	Code           metering.ProductCode `json:"code" required:"false" doc:"The product code, as calls name it." example:"acme-scanner"`
	Title          string               `json:"title,omitempty" doc:"What buyers read."`
	Seller         metering.AccountID   `json:"seller" required:"false" doc:"The seller's account." example:"210987654321"`
	Type           metering.ProductType `json:"type" required:"false" enum:"saas,ami,container,agent" doc:"Decides which operations meter it."`
	Pricing        metering.Pricing     `json:"pricing,omitempty" enum:"usage,hourly,monthly,free,byol" doc:"Default usage."`
	Metering       metering.Generation  `json:"metering,omitempty" enum:"license,legacy" doc:"How buyers are named; for saas only. Default license."`
	Published      *bool                `json:"published,omitempty" doc:"Default true. What is not published can be tried by its seller alone."`
	FulfillmentURL string               `json:"fulfillment_url,omitempty" doc:"Where a buyer's browser brings a registration token."`
	Dimensions     []Dimension          `json:"dimensions,omitempty" doc:"What it is metered in."`
}

// Dimension is a unit that a product is metered in.
type Dimension struct {
	Name  string `json:"name" required:"false" doc:"Its name on the wire; case counts." example:"scans"`
	Unit  string `json:"unit,omitempty" doc:"What is counted." example:"Scans"`
	Price string `json:"price,omitempty" doc:"Of one unit: a decimal, as a text." example:"0.05"`
}

// Agreement is a purchase.
type Agreement struct {
	ID                 metering.AgreementID     `json:"id" required:"false" doc:"Its name." example:"agmt-0001"`
	Product            metering.ProductCode     `json:"product" required:"false" doc:"The product's code."`
	Buyer              metering.AccountID       `json:"buyer" required:"false" doc:"The buyer's account."`
	LicenseARN         string                   `json:"license_arn,omitempty" doc:"Made when absent."`
	CustomerIdentifier metering.CustomerID      `json:"customer_identifier,omitempty" doc:"Of products metered the legacy way; made when absent."`
	Status             metering.AgreementStatus `json:"status,omitempty" enum:"pending,active,suspended,ending,ended" doc:"Default active."`
	Start              string                   `json:"start,omitempty" doc:"RFC 3339, or a duration from the service's clock, such as -720h. Default: when it is first applied."`
	End                string                   `json:"end,omitempty" doc:"The same, of agreements that are ending (when winding down began) or ended."`
	Entitlements       []Entitlement            `json:"entitlements,omitempty" doc:"What a contract grants."`
}

// Entitlement is what a contract grants; one of the values is given. The YAML
// library would cut an integer of 5.5 to 5: Apply looks at what it is.
type Entitlement struct {
	Dimension string   `json:"dimension" required:"false" doc:"The dimension it is for."`
	Integer   any      `json:"integer,omitempty" doc:"A whole number of 32 bits."`
	Double    *float64 `json:"double,omitempty"`
	Boolean   *bool    `json:"boolean,omitempty"`
	String    *string  `json:"string,omitempty"`
	Expires   string   `json:"expires,omitempty" doc:"RFC 3339, or a duration from the service's clock. Default: with the agreement."`
}

// Workload is a running instance, task, pod or runtime.
type Workload struct {
	ID        string             `json:"id" required:"false" doc:"Its id, as the platform names it." example:"i-0abc"`
	Platform  metering.Platform  `json:"platform" required:"false" enum:"ec2,ecs,eks,agentcore"`
	Account   metering.AccountID `json:"account" required:"false" doc:"The buyer's account that it runs in."`
	Region    string             `json:"region" required:"false" example:"us-east-1"`
	Heartbeat string             `json:"heartbeat,omitempty" doc:"A duration such as 5m: how long it may stay silent before its registrations count as stopped." example:"5m"`
}

// Credential is an access key. With a workload it stands for that workload's
// role session.
type Credential struct {
	AccessKeyID     string             `json:"access_key_id" required:"false" doc:"16 to 128 capitals and digits." example:"AKIAMETERDSELLER0001"`
	SecretAccessKey string             `json:"secret_access_key,omitempty" doc:"Absent: the one that the key has already. It is never shown again."`
	Account         metering.AccountID `json:"account" required:"false" doc:"The account it belongs to."`
	Workload        string             `json:"workload,omitempty" doc:"The workload it stands for."`
	User            string             `json:"user,omitempty" doc:"The user of the account it stands for, if it stands for no workload. Default: one of its own."`
	Policy          string             `json:"policy,omitempty" doc:"The policy it is limited to: a name, or a name or an ARN of AWS's own. Default: all that its account may do."`
	Status          string             `json:"status,omitempty" enum:"active,disabled" doc:"Default active. A principal has two active keys at the most."`
}

// Token is a registration token that is known beforehand.
type Token struct {
	Token     string               `json:"token" required:"false"`
	Agreement metering.AgreementID `json:"agreement" required:"false" doc:"The agreement it is for."`
}

// Compat are the readings of AWS, where AWS contradicts itself.
type Compat struct {
	Repeat         string `json:"repeat,omitempty" enum:"success,duplicate" doc:"What a record is answered that is held already by an equal one (R-1). Default success."`
	MonthEnd       string `json:"month_end,omitempty" enum:"restrict,extend" doc:"How far the grace after a month's end reaches back (R-4). Default restrict."`
	FinalHour      string `json:"final_hour,omitempty" enum:"ending,ended" doc:"When the final reporting hour begins (R-24). Default ending."`
	KeyAsResource  bool   `json:"key_as_resource,omitempty" doc:"Lets a key without a workload call MeterUsage (R-17)."`
	ErrorNamespace bool   `json:"error_namespace,omitempty" doc:"Writes __type with a namespace (R-21)."`
}

// ParseCatalog reads a catalogue file strictly: a key that is not of the format
// is an error, and so is one that occurs twice. What the values mean to one
// another is checked when the catalogue is applied.
func ParseCatalog(source []byte) (*Catalog, error) {
	c := new(Catalog)
	if err := c.parse(source, partBytes, maxWhole); err != nil {
		var wrong *CatalogError
		if errors.As(err, &wrong) && err == error(wrong) {
			return nil, err
		}
		return nil, &CatalogError{[]Problem{{Message: err.Error()}}}
	}
	return c, nil
}

// secretValue finds the values of a file that nobody else should read.
var secretValue = regexp.MustCompile(`((?:secret_access_key|token)["']?\s*:\s*)("[^"\n]*"?|'[^'\n]*'?|[^\s,}\]]+)`)

// hushed is a text that quotes a file, without the file's secrets.
func hushed(text string) string { return secretValue.ReplaceAllString(text, "$1***") }
