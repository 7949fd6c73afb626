package admin

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Policy is an IAM policy under a name.
type Policy struct {
	Name     string   `json:"name" required:"false" doc:"Its name: up to 128 letters, digits and characters of +=,.@_-." example:"resolve-only"`
	Document Document `json:"document" required:"false" doc:"The IAM policy document: Version and Statement, as a part of this file."`
}

// Role is what sessions act as.
type Role struct {
	Account    metering.AccountID `json:"account" required:"false" doc:"The account it belongs to." example:"210987654321"`
	Name       string             `json:"name" required:"false" doc:"Its name in the account: up to 64 letters, digits and characters of +=,.@_-." example:"meter"`
	Trust      Document           `json:"trust" required:"false" doc:"The IAM trust policy: who may assume it."`
	Policies   []string           `json:"policies,omitempty" doc:"What its sessions may do: names of policies, or names or ARNs of AWS's own. Default: nothing."`
	Boundary   string             `json:"boundary,omitempty" doc:"A policy beyond which nothing is allowed, whatever the others say."`
	MaxSession string             `json:"max_session,omitempty" doc:"A duration from 15m to 12h: the longest that a session may ask for. Default 1h." example:"1h"`
}

// RoleState is a role as the API shows it.
type RoleState struct {
	Role
	ARN     string     `json:"arn" doc:"What AssumeRole calls it."`
	ID      string     `json:"id" doc:"Its id, which a role made anew under the same name does not share."`
	Revoked *time.Time `json:"revoked,omitempty" doc:"Sessions that were issued before this are worth nothing."`
}

func policyOf(p *store.Policy) Policy { return Policy{p.Name, documentOf(p.Document)} }

func roleOf(r *store.Role) Role {
	return Role{
		Account: r.Account, Name: r.Name, Trust: documentOf(r.Trust), Policies: r.Policies, Boundary: r.Boundary,
		MaxSession: r.MaxSession.String(),
	}
}

func roleStateOf(r *store.Role) RoleState {
	return RoleState{Role: roleOf(r), ARN: r.ARN(), ID: r.ID, Revoked: shownTime(r.Revoked)}
}

// Document is a policy document as part of a file or of a body. The YAML library
// makes of it what it likes; from JSON it is read as it was written.
type Document map[string]any

// documentOf reads what text wrote.
func documentOf(text string) Document {
	var d Document
	_ = json.Unmarshal([]byte(text), &d) // it was a document when it was applied
	return d
}

// UnmarshalJSON refuses the second of two equal names, of which encoding/json
// would drop the first: a condition, perhaps. Numbers stay as they are written.
func (d *Document) UnmarshalJSON(b []byte) error {
	if _, err := jsontext.NewDecoder(bytes.NewReader(b)).ReadValue(); err != nil {
		return err
	}
	in := json.NewDecoder(bytes.NewReader(b))
	in.UseNumber()
	return in.Decode((*map[string]any)(d))
}

// MarshalJSON writes the document in the order in which people write one.
func (d Document) MarshalJSON() ([]byte, error) {
	if d == nil {
		return []byte("null"), nil
	}
	var b bytes.Buffer
	err := writeOrdered(&b, map[string]any(d))
	return b.Bytes(), err
}

// text is the document as a store keeps it.
func (d Document) text() (string, error) {
	b, err := d.MarshalJSON()
	return string(b), err
}

// elements are those of a policy, in their usual order.
var elements = []string{"Version", "Id", "Statement", "Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"}

// writeOrdered writes a value as JSON, elements in their order and other names
// by the alphabet.
func writeOrdered(b *bytes.Buffer, v any) error {
	separate := func(i int) {
		if i > 0 {
			b.WriteByte(',')
		}
	}
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for _, name := range elements {
			if _, ok := v[name]; ok {
				names = append(names, name)
			}
		}
		known := len(names)
		for name := range v {
			if !slices.Contains(elements, name) {
				names = append(names, name)
			}
		}
		slices.Sort(names[known:])
		b.WriteByte('{')
		for i, name := range names {
			separate(i)
			if err := writeOrdered(b, name); err != nil {
				return err
			}
			b.WriteByte(':')
			if err := writeOrdered(b, v[name]); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i := range v {
			separate(i)
			if err := writeOrdered(b, v[i]); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	default:
		out := json.NewEncoder(b)
		out.SetEscapeHTML(false) // a < counts as one character of the document, and not as six
		if err := out.Encode(v); err != nil {
			return err
		}
		b.Truncate(b.Len() - 1) // the line break
	}
	return nil
}
