package identity

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/session"
)

// assumption is what both operations that issue a session are asked.
type assumption struct {
	RoleARN     string
	SessionName string
	Duration    time.Duration // zero: not given
	Policy      string        // a document; empty: not given
	PolicyARNs  []string
}

// assumeRole is the parameters of AssumeRole.
type assumeRole struct {
	assumption
	ExternalID string
	Tags       []tag
	Transitive []string // keys of tags that pass on to further sessions
}

// assumeRoleWithWebIdentity is the parameters of AssumeRoleWithWebIdentity.
type assumeRoleWithWebIdentity struct {
	assumption
	Token session.Secret
}

// tag is a session tag.
type tag struct{ Key, Value string }

const (
	minDuration = 15 * 60 // seconds
	maxDuration = int(session.MaxDuration / time.Second)
	maxPolicies = 10 // of PolicyArns, by AWS's page
	maxTags     = 50
)

// unserved are parameters that AWS knows and this service does not. They bind a
// session to something, so that to pass over them would promise too much.
var unserved = []string{"SerialNumber", "TokenCode", "SourceIdentity", "ProvidedContexts", "ProviderId"}

func (f form) assumeRole() (assumeRole, error) {
	p := parameters{form: f}
	in := assumeRole{assumption: p.assumption(), ExternalID: p.optional("ExternalId", externalID)}
	tags := p.list("Tags", "Key", "Value")
	p.size("tags", len(tags), maxTags)
	for i, member := range tags {
		at := "tags." + strconv.Itoa(i+1) + ".member."
		p.member(at+"key", member["Key"], tagKey)
		p.member(at+"value", member["Value"], tagValue)
		if key, value := member["Key"], member["Value"]; key != nil && value != nil {
			in.Tags = append(in.Tags, tag{*key, *value})
		}
	}
	keys := p.list("TransitiveTagKeys", "")
	p.size("transitiveTagKeys", len(keys), maxTags)
	for i, member := range keys {
		p.member("transitiveTagKeys."+strconv.Itoa(i+1)+".member", member[""], tagKey)
		in.Transitive = append(in.Transitive, *member[""])
	}
	if err := p.done(); err != nil {
		return assumeRole{}, err
	}
	for i, t := range in.Tags {
		if slices.ContainsFunc(in.Tags[:i], func(other tag) bool { return strings.EqualFold(other.Key, t.Key) }) {
			return assumeRole{}, invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
	}
	return in, nil
}

func (f form) assumeRoleWithWebIdentity() (assumeRoleWithWebIdentity, error) {
	p := parameters{form: f}
	in := assumeRoleWithWebIdentity{
		assumption: p.assumption(),
		Token:      session.Secret(p.required("WebIdentityToken", webIdentityToken)),
	}
	if err := p.done(); err != nil {
		return assumeRoleWithWebIdentity{}, err
	}
	return in, nil
}

// parameters reads a form against the model, and collects what breaks it.
type parameters struct {
	form
	violations
	err error // what no constraint has words for; the first
}

func (p *parameters) assumption() assumption {
	for _, name := range unserved {
		for _, sent := range p.names() {
			if sent == name || strings.HasPrefix(sent, name+".") {
				p.refuse("The parameter " + name + " is not served here.")
			}
		}
	}
	a := assumption{
		RoleARN:     p.required("RoleArn", roleARN),
		SessionName: p.required("RoleSessionName", roleSessionName),
		Policy:      p.optional("Policy", sessionPolicy),
	}
	arns := p.list("PolicyArns", "arn")
	p.size("policyArns", len(arns), maxPolicies)
	for i, member := range arns {
		p.member("policyArns."+strconv.Itoa(i+1)+".member.arn", member["arn"], roleARN)
		a.PolicyARNs = append(a.PolicyARNs, *member["arn"])
	}
	if text, ok := p.form["DurationSeconds"]; ok {
		seconds, err := strconv.Atoi(text)
		if err != nil || strconv.Itoa(seconds) != text {
			p.refuse("DurationSeconds is not a whole number.")
		} else {
			p.number("durationSeconds", seconds, minDuration, maxDuration)
			a.Duration = time.Duration(seconds) * time.Second
		}
	}
	return a
}

// names is in order, so that of two faults always the same one is named.
func (p *parameters) names() []string { return slices.Sorted(maps.Keys(p.form)) }

func (p *parameters) refuse(message string) {
	if p.err == nil {
		p.err = invalid(message)
	}
}

// done is the first thing that is wrong. What breaks the model goes first.
func (p *parameters) done() error {
	if err := p.violations.err(); err != nil {
		return err
	}
	return p.err
}

func (p *parameters) required(name string, c constraint) string {
	value, ok := p.form[name]
	if !ok {
		p.add(lowerFirst(name), nil, "not be null")
		return ""
	}
	p.text(lowerFirst(name), value, c)
	return value
}

func (p *parameters) optional(name string, c constraint) string {
	if _, ok := p.form[name]; !ok {
		return ""
	}
	return p.required(name, c)
}

// member checks a member of a list's element, which is required.
func (p *parameters) member(at string, value *string, c constraint) {
	if value == nil {
		p.add(at, nil, "not be null")
		return
	}
	p.text(at, *value, c)
}

// list reads a list, whose parameters are named List.member.N.Member, or
// List.member.N for a list of texts, which fields then is "" for. N counts from
// one without a gap. Of an element only the members that were sent are there. A
// list without elements may be sent as "List=".
//
// A name that begins like the list's and does not go on so is refused, and not
// passed over like other names: it may be a restriction that was misspelled.
func (p *parameters) list(list string, fields ...string) []map[string]*string {
	elements := map[int]map[string]*string{}
	last := 0
	for _, name := range p.names() {
		value := p.form[name]
		rest, ok := strings.CutPrefix(name, list)
		if !ok || rest != "" && rest[0] != '.' {
			continue
		}
		if rest == "" && value == "" {
			continue
		}
		number, ok := strings.CutPrefix(rest, ".member.")
		field := ""
		if fields[0] != "" {
			number, field, _ = strings.Cut(number, ".")
		}
		n, err := strconv.Atoi(number)
		if !ok || err != nil || n < 1 || n > maxForm || strconv.Itoa(n) != number || !slices.Contains(fields, field) {
			p.refuse("The parameter " + shorten(name) + " is no member of the list " + list + ".")
			continue
		}
		if elements[n] == nil {
			elements[n] = map[string]*string{}
		}
		elements[n][field] = &value
		last = max(last, n)
	}
	if last != len(elements) {
		p.refuse("The members of the list " + list + " are not numbered from 1 without a gap.")
		return nil
	}
	members := make([]map[string]*string, 0, last)
	for n := range last {
		members = append(members, elements[n+1])
	}
	return members
}

// lowerFirst is how errors spell a parameter's name.
func lowerFirst(name string) string { return strings.ToLower(name[:1]) + name[1:] }
