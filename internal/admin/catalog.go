package admin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/meterd/meterd/internal/metering"
)

// Catalog is a catalogue file: everything a marketplace consists of, and the
// points on which it reads AWS another way.
//
// Times are texts here, RFC 3339 or a duration from the service's clock, and
// nothing has an UnmarshalYAML or UnmarshalText of its own: for each value that
// has, goccy/go-yaml 1.19.2 goes through the whole file once more (4,000
// agreements took 40 s).
type Catalog struct {
	Sellers     []CatalogSeller     `yaml:"sellers"`
	Buyers      []CatalogBuyer      `yaml:"buyers"`
	Products    []CatalogProduct    `yaml:"products"`
	Agreements  []CatalogAgreement  `yaml:"agreements"`
	Workloads   []CatalogWorkload   `yaml:"workloads"`
	Credentials []CatalogCredential `yaml:"credentials"`
	Tokens      []CatalogToken      `yaml:"tokens"`
	Compat      Compat              `yaml:"compat"`

	source []byte
}

// CatalogSeller is an account that lists products.
type CatalogSeller struct {
	Account metering.AccountID `yaml:"account"`
	Name    string             `yaml:"name"`
}

// CatalogBuyer is an account that buys them.
type CatalogBuyer struct {
	Account metering.AccountID `yaml:"account"`
	Name    string             `yaml:"name"`
	Status  string             `yaml:"status"` // active (default) | suspended
}

// CatalogProduct is a product.
type CatalogProduct struct {
	Code           metering.ProductCode `yaml:"code"`
	Title          string               `yaml:"title"`
	Seller         metering.AccountID   `yaml:"seller"`
	Type           metering.ProductType `yaml:"type"`      // saas | ami | container | agent
	Pricing        metering.Pricing     `yaml:"pricing"`   // usage (default) | hourly | monthly | free | byol
	Metering       metering.Generation  `yaml:"metering"`  // license (default) | legacy; saas only
	Published      *bool                `yaml:"published"` // default true
	FulfillmentURL string               `yaml:"fulfillment_url"`
	Dimensions     []CatalogDimension   `yaml:"dimensions"`
}

// CatalogDimension is a unit that a product is metered in.
type CatalogDimension struct {
	Name  string `yaml:"name"`
	Unit  string `yaml:"unit"`
	Price string `yaml:"price"`
}

// CatalogAgreement is a purchase.
type CatalogAgreement struct {
	ID                 metering.AgreementID     `yaml:"id"`
	Product            metering.ProductCode     `yaml:"product"`
	Buyer              metering.AccountID       `yaml:"buyer"`
	LicenseARN         string                   `yaml:"license_arn"`         // made when absent
	CustomerIdentifier metering.CustomerID      `yaml:"customer_identifier"` // legacy only; made when absent
	Status             metering.AgreementStatus `yaml:"status"`              // pending | active (default) | ending | ended
	Start              string                   `yaml:"start"`               // a time; default: when first applied
	End                string                   `yaml:"end"`                 // a time, for ending and ended
	Entitlements       []CatalogEntitlement     `yaml:"entitlements"`
}

// CatalogEntitlement is what a contract grants; one of the values is given. The
// library would cut an integer of 5.5 to 5: Apply looks at what it is.
type CatalogEntitlement struct {
	Dimension string   `yaml:"dimension"`
	Integer   any      `yaml:"integer"`
	Double    *float64 `yaml:"double"`
	Boolean   *bool    `yaml:"boolean"`
	String    *string  `yaml:"string"`
	Expires   string   `yaml:"expires"` // a time; default: with the agreement
}

// CatalogWorkload is a running instance, task, pod or runtime.
type CatalogWorkload struct {
	ID        string             `yaml:"id"`
	Platform  metering.Platform  `yaml:"platform"` // ec2 | ecs | eks | agentcore
	Account   metering.AccountID `yaml:"account"`
	Region    string             `yaml:"region"`
	Heartbeat string             `yaml:"heartbeat"` // a duration opts in
}

// CatalogCredential is an access key. With a workload it stands for that
// workload's role session.
type CatalogCredential struct {
	AccessKeyID     string             `yaml:"access_key_id"`
	SecretAccessKey string             `yaml:"secret_access_key"`
	Account         metering.AccountID `yaml:"account"`
	Workload        string             `yaml:"workload"`
}

// CatalogToken is a registration token that is known beforehand.
type CatalogToken struct {
	Token     string               `yaml:"token"`
	Agreement metering.AgreementID `yaml:"agreement"`
}

// Compat are the settings for the points on which AWS contradicts itself.
type Compat struct {
	Repeat         string `yaml:"repeat"`          // success (default) | duplicate: R-1
	MonthEnd       string `yaml:"month_end"`       // restrict (default) | extend: R-4
	FinalHour      string `yaml:"final_hour"`      // ending (default) | ended: R-24
	KeyAsResource  bool   `yaml:"key_as_resource"`
	ErrorNamespace bool   `yaml:"error_namespace"`
}

// Rulings is what the settings mean to the rules.
func (c Compat) Rulings() metering.Rulings {
	return metering.Rulings{
		RepeatIsDuplicate:   c.Repeat == "duplicate",
		MonthEndExtends:     c.MonthEnd == "extend",
		FinalHourAfterEnded: c.FinalHour == "ended",
		KeyAsResource:       c.KeyAsResource,
	}
}

// CatalogError says what is wrong with a catalogue file, and shows where: each
// problem with its line and column.
type CatalogError struct{ problems []string }

func (e *CatalogError) Error() string { return strings.Join(e.problems, "\n") }

// ParseCatalog reads a catalogue file strictly: a key that is not of the format
// is an error, and so is one that occurs twice. What the values mean to one
// another is checked when the catalogue is applied.
func ParseCatalog(source []byte) (*Catalog, error) {
	c := &Catalog{source: source}
	err := calmly(func() error {
		file := yaml.NewDecoder(bytes.NewReader(source), yaml.Strict())
		if err := file.Decode(c); err != nil {
			return err
		}
		if err := file.Decode(new(any)); !errors.Is(err, io.EOF) {
			return errors.New("a catalogue is one document: there is another after ---")
		}
		return nil
	})
	if err != nil && !errors.Is(err, io.EOF) { // an empty file is an empty catalogue
		return nil, &CatalogError{[]string{strings.TrimRight(yaml.FormatError(err, false, true), "\n")}}
	}
	return c, nil
}

// calmly turns a panic into an error: goccy/go-yaml 1.19.2 panics on some input
// that is no YAML (FuzzCatalog found "buyers: !0").
func calmly(read func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("this cannot be read as YAML: %v", cause)
		}
	}()
	return read()
}

// problems collects what is wrong with a catalogue whose form is right.
type problems struct {
	source []byte
	file   *ast.File // parsed when the first problem asks where it stands
	found  []string
}

// maxProblems bounds how much is said at once.
const maxProblems = 20

// add notes a problem at a path such as agreements[0].product, with the place in
// the file.
func (p *problems) add(path, format string, args ...any) {
	if len(p.found) > maxProblems {
		return
	}
	message := path + ": " + fmt.Sprintf(format, args...)
	if len(p.found) == maxProblems {
		p.found = append(p.found, "and more")
		return
	}
	if line, column, ok := p.position(path); ok {
		message = fmt.Sprintf("[%d:%d] %s", line, column, message)
	}
	p.found = append(p.found, message)
}

// position finds a path in the file, or the nearest thing above it.
func (p *problems) position(path string) (line, column int, ok bool) {
	for path != "" {
		err := calmly(func() error {
			if p.file == nil {
				var err error
				if p.file, err = parser.ParseBytes(p.source, 0); err != nil {
					return err
				}
			}
			at, err := yaml.PathString("$." + path)
			if err != nil {
				return err
			}
			node, err := at.FilterFile(p.file)
			if err != nil {
				return err
			}
			start := node.GetToken().Position
			line, column = start.Line, start.Column
			return nil
		})
		if err == nil {
			return line, column, true
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0, 0, false
}

func (p *problems) err() error {
	if len(p.found) == 0 {
		return nil
	}
	return &CatalogError{p.found}
}
