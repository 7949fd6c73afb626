package policy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
)

// dice make documents and requests from so few words that they often meet.
type dice struct {
	*rand.Rand
	newer bool // the document may have policy variables
}

func (d dice) one(words ...string) string { return words[d.IntN(len(words))] }
func (d dice) in(n int) bool              { return d.IntN(n) == 0 }

// some is a value, or a list of up to three.
func (d dice) some(value func() any) any {
	if d.in(2) {
		return value()
	}
	list := make([]any, 1+d.IntN(3))
	for i := range list {
		list[i] = value()
	}
	return list
}

func (d dice) action() string {
	return d.one("*", "m:*", "M:Meter", "m:meter", "m:?eter", "m:M*r", "m:*e*e*", "m:Batch", "n:*", "m:B???h", "m:**")
}

// text is a word of a few letters, as a policy or a request may have it.
func (d dice) text(pattern, wild bool) string {
	alphabet := []string{"a", "b", "A", "a", "ä"}
	if wild {
		alphabet = append(alphabet, "*", "*", "?")
	} else if d.in(4) {
		alphabet = append(alphabet, "*", "?", "$") // no more than characters
	}
	if pattern && d.newer && d.in(2) {
		alphabet = append(alphabet, "${*}", "${?}", "${$}", "${aws:username}", "${aws:PrincipalTag/T}", "${aws:username, 'a'}",
			"${aws:RequestedRegion}", "${aws:EpochTime}", "${AWS:sourceip}", "${aws:currentTime}", "${aws:SecureTransport}")
	}
	var b strings.Builder
	for range 1 + d.IntN(3) {
		b.WriteString(d.one(alphabet...))
	}
	return strings.ReplaceAll(b.String(), "$$", "$")
}

func (d dice) arn(pattern bool) string {
	if pattern {
		return fmt.Sprintf("arn:%s:iam::%s:%s", d.one("aws", "*", "a?s"), d.one("1", "*", "?", "2"), d.text(true, true)+d.one("", "", ":a", "/*"))
	}
	return fmt.Sprintf("arn:aws:iam::%s:%s", d.one("1", "2"), d.text(false, false)+d.one("", "", ":a", "/b"))
}

func (d dice) number() string { return d.one("0", "1", "-1", "1.5", "2", "10", "1.50") }
func (d dice) date() string {
	return d.one("2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-02T00:00:00.000Z", "1767225600", "1767225601", "2026-01-02")
}

const testIssuer = "oidc.example/id/A"

// condition is a pair of operator and key that fit, with values.
func (d dice) condition(trust bool) (operator, key string, values any) {
	kinds := []string{"string", "arn", "date", "bool", "ip", "tag", "epoch", "null", "product"}
	kind := d.one(kinds...)
	text := func() (string, any) {
		op := d.one("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike")
		return op, d.some(func() any { return d.text(true, strings.HasSuffix(op, "Like")) })
	}
	number := func() (string, any) {
		return "Numeric" + d.one("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"),
			d.some(func() any { return d.number() })
	}
	date := func() (string, any) {
		return "Date" + d.one("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"),
			d.some(func() any { return d.date() })
	}
	boolean := func() (string, any) {
		return "Bool", d.some(func() any {
			if d.in(2) {
				return d.in(2)
			}
			return d.one("true", "false")
		})
	}
	switch kind {
	case "string":
		key = d.one("aws:RequestedRegion", "aws:PrincipalArn", "aws:PrincipalAccount", "aws:PrincipalType", "aws:userid", "AWS:UserName",
			"sts:ExternalId", "sts:RoleSessionName")
		if trust && d.in(2) {
			key = testIssuer + d.one(":sub", ":aud", ":SUB")
		}
		operator, values = text()
	case "arn":
		key, operator = "aws:PrincipalArn", d.one("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike")
		values = d.some(func() any { return d.arn(true) })
	case "date":
		key = d.one("aws:CurrentTime", "aws:TokenIssueTime")
		operator, values = date()
	case "bool":
		key = "aws:SecureTransport"
		operator, values = boolean()
	case "ip":
		key, operator = d.one("aws:SourceIp", "aws:sourceIP"), d.one("IpAddress", "NotIpAddress")
		values = d.some(func() any {
			return d.one("192.0.2.0/24", "192.0.2.1", "192.0.0.0/8", "2001:db8::/32", "2001:db8::1", "0.0.0.0/0", "::/0")
		})
		if values == "192.0.0.0/8" {
			values = "192.0.0.0/16"
		}
	case "tag":
		key = "aws:PrincipalTag/" + d.one("t", "T", "u")
		operator, values = []func() (string, any){text, number, date, boolean}[d.IntN(4)]()
	case "epoch":
		key = "aws:EpochTime"
		operator, values = []func() (string, any){number, date}[d.IntN(2)]()
	case "null":
		key = d.one("aws:username", "meterd:ProductCode", "aws:SourceIp", "aws:TokenIssueTime", "aws:PrincipalTag/t")
		return "Null", key, d.some(func() any { return d.one("true", "false") })
	case "product":
		key = "meterd:ProductCode"
		operator, values = text()
		operator = d.one("ForAllValues:", "ForAnyValue:") + operator
	}
	if d.in(4) {
		operator += "IfExists"
	}
	return operator, key, values
}

func (d dice) statement(trust bool) map[string]any {
	s := map[string]any{"Effect": d.one("Allow", "Allow", "Deny")}
	action, resource := d.one("Action", "Action", "Action", "NotAction"), d.one("Resource", "Resource", "Resource", "NotResource")
	if trust {
		s[action] = d.some(func() any {
			return d.one("*", "sts:*", "sts:AssumeRole", "sts:assumerolewith*", "sts:T*", "sts:??????Role")
		})
		s["Principal"] = d.principal()
	} else {
		s[action] = d.some(func() any { return d.action() })
		s[resource] = d.some(func() any {
			if d.in(2) {
				return "*"
			}
			return d.arn(true)
		})
	}
	if !d.in(3) {
		conditions := map[string]any{}
		for range 1 + d.IntN(2) {
			operator, key, values := d.condition(trust)
			conditions[operator] = map[string]any{key: values}
		}
		s["Condition"] = conditions
	}
	return s
}

func (d dice) principal() any {
	if d.in(5) {
		return "*"
	}
	aws := func() any {
		return d.one("*", "111111111111", "arn:aws:iam::222222222222:root", "arn:aws:iam::111111111111:role/a",
			"arn:aws:iam::111111111111:user/p/b", "arn:aws:sts::111111111111:assumed-role/a/s")
	}
	provider := func() any {
		return d.one("https://"+testIssuer, testIssuer, "arn:aws:iam::111111111111:oidc-provider/"+testIssuer, "other.example")
	}
	service := func() any { return d.one("ec2.amazonaws.com", "ecs-tasks.amazonaws.com") }
	p := map[string]any{}
	for len(p) == 0 {
		for kind, values := range map[string]func() any{"AWS": aws, "Federated": provider, "Service": service} {
			if d.in(2) {
				p[kind] = d.some(values)
			}
		}
	}
	return p
}

func (d dice) document(trust bool) string {
	doc := map[string]any{}
	d.newer = d.in(2)
	if d.newer {
		doc["Version"] = "2012-10-17"
	} else if d.in(2) {
		doc["Version"] = "2008-10-17"
	}
	if d.in(4) {
		doc["Statement"] = d.statement(trust)
	} else {
		list := make([]any, 1+d.IntN(3))
		for i := range list {
			list[i] = d.statement(trust)
		}
		doc["Statement"] = list
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// maybe leaves a field of a request empty now and then.
func (d dice) maybe(text string) string {
	if d.in(3) {
		return ""
	}
	return text
}

func (d dice) request(trust bool) *Request {
	r := &Request{
		Action: d.one("m:Meter", "m:Batch", "m:Resolve"), Resource: d.one("", "*", "no ARN", d.arn(false), d.arn(false), d.arn(false)),
		Region: d.maybe(d.text(false, false)), TLS: d.in(2), ExternalID: d.maybe(d.text(false, false)), RoleSessionName: d.maybe(d.text(false, false)),
	}
	instants := []time.Time{{}, time.Unix(1767225600, 0), time.Unix(1767225601, 999), time.Unix(1767312000, 5e8), time.Unix(1_000_000_000, 0)}
	r.Time, r.Principal.TokenIssued = instants[d.IntN(5)], instants[d.IntN(5)]
	r.SourceIP, _ = netip.ParseAddr(d.one("", "192.0.2.1", "192.0.2.77", "10.1.1.1", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::2%eth0", "fe80::1"))
	for range d.IntN(3) {
		r.ProductCodes = append(r.ProductCodes, d.text(false, false))
	}
	p := &r.Principal
	p.Tags = map[string]string{}
	for range d.IntN(4) {
		p.Tags[d.one("t", "T", "u")] = d.one(d.text(false, false), d.number(), d.date(), "true", "")
	}
	p.ARN, p.Account, p.Type = d.maybe(d.one(d.arn(false), d.text(false, false))), d.maybe(d.text(false, false)), d.maybe(d.text(false, false))
	p.UserID, p.Username = d.maybe(d.text(false, false)), d.maybe(d.text(false, false))
	if !trust {
		return r
	}
	r.Action, r.Resource = d.one("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:TagSession"), "arn:aws:iam::"+d.one("111111111111", "222222222222")+":role/r"
	switch d.IntN(4) {
	case 0:
		*p = Principal{ARN: "arn:aws:iam::111111111111:role/a", Account: "111111111111", SessionARN: "arn:aws:sts::111111111111:assumed-role/a/" + d.one("s", "t")}
	case 1:
		*p = Principal{ARN: "arn:aws:iam::222222222222:user/p/b", Account: "222222222222"}
	case 2:
		*p = Principal{Service: d.one("ec2.amazonaws.com", "lambda.amazonaws.com")}
	case 3:
		*p = Principal{}
		r.WebIdentity = WebIdentity{Issuer: "https://" + d.one(testIssuer, "other.example"), Subject: d.maybe(d.text(false, false)), Audience: d.maybe(d.text(false, false))}
	}
	return r
}
