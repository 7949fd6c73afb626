package policy

import (
	"errors"
	"fmt"
	"strings"
)

// arnFields is how many fields an ARN has, separated by colons; the last one may
// hold more colons: arn:partition:service:region:account:resource.
const arnFields = 6

var errNoARN = errors.New("not an ARN")

// splitARN cuts an ARN into its fields.
func splitARN(s string) (fields [arnFields]string, ok bool) {
	for i := range arnFields - 1 {
		if fields[i], s, ok = strings.Cut(s, ":"); !ok {
			return fields, false
		}
	}
	fields[arnFields-1] = s
	return fields, fields[0] == "arn" && s != ""
}

// accountOf is the account in an ARN, or "".
func accountOf(arn string) string {
	fields, ok := splitARN(arn)
	if !ok {
		return ""
	}
	return fields[4]
}

// arnPattern matches ARNs field by field, so that a wildcard does not reach over
// a colon, except in the last field.
type arnPattern struct {
	anything bool // a lone *, which also stands for no resource at all
	fields   [arnFields]pattern
}

func newARNPattern(text, version string) (arnPattern, error) {
	fields, ok := splitARN(text)
	if !ok {
		return arnPattern{}, fmt.Errorf("%q is not an ARN: write arn:partition:service:region:account:resource, in which * and ? are wildcards", text)
	}
	var p arnPattern
	for i, field := range fields {
		if i < arnFields-1 && strings.Contains(field, "${") {
			// As in IAM; the colon in a variable's name would make fields of its own.
			return arnPattern{}, fmt.Errorf("%q has a policy variable before the fifth colon; only the last field of an ARN may have one", text)
		}
		var err error
		if p.fields[i], err = wildPattern(field, version); err != nil {
			return arnPattern{}, err
		}
	}
	return p, nil
}

// newResource reads a pattern of Resource and NotResource, where a lone * is
// allowed too.
func newResource(text, version string) (arnPattern, error) {
	if text == "*" {
		return arnPattern{anything: true}, nil
	}
	p, err := newARNPattern(text, version)
	if err != nil {
		return p, fmt.Errorf("%w; or * alone for everything", err)
	}
	return p, nil
}

// matchesResource is matches for a request's resource, which may be no ARN but
// "*": that it is about none.
func (p *arnPattern) matchesResource(resource string, r *Request) (bool, error) {
	if resource == noResource {
		return p.anything, nil
	}
	return p.matches(resource, r)
}

// matches reports whether an ARN fits. Anything else is an error.
func (p *arnPattern) matches(arn string, r *Request) (bool, error) {
	if p.anything {
		return true, nil
	}
	fields, ok := splitARN(arn)
	if !ok {
		return false, errNoARN
	}
	for i := range fields {
		if ok, err := p.fields[i].matches(fields[i], r); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}
