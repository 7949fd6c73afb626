package policy

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// The oracle decides as the package does, and shares nothing with it but Request:
// it reads the document with encoding/json each time, takes every rule literally
// and cares for no cost. Where both are wrong, they had to go wrong twice.

// answer is what a comparison comes to.
type answer int

const (
	no answer = iota
	yes
	broken // it cannot be told
)

func not(a answer) answer {
	switch a {
	case no:
		return yes
	case yes:
		return no
	}
	return broken
}

// oneOf is yes if one is yes, and otherwise broken if one is.
func oneOf(answers []answer) answer {
	worst := no
	for _, a := range answers {
		if a == yes {
			return yes
		}
		worst = max(worst, a)
	}
	return worst
}

func allOf(answers []answer) answer {
	negated := make([]answer, len(answers))
	for i, a := range answers {
		negated[i] = not(a)
	}
	return not(oneOf(negated))
}

// oracleSays is "deny", "allow" or "".
func oracleSays(doc string, r *Request) string {
	var root map[string]any
	if err := json.Unmarshal([]byte(doc), &root); err != nil {
		panic(err)
	}
	said := ""
	for _, s := range listOf(root["Statement"]) {
		s := s.(map[string]any)
		effect := s["Effect"].(string)
		matched := []answer{oracleAction(s, r)}
		if p, ok := s["Principal"]; ok {
			matched = append(matched, oraclePrincipal(p, effect, r))
		} else {
			matched = append(matched, oracleResource(s, r))
		}
		if c, ok := s["Condition"].(map[string]any); ok {
			for op, keys := range c {
				for key, want := range keys.(map[string]any) {
					matched = append(matched, oracleCondition(op, key, listOf(want), r))
				}
			}
		}
		applies := true
		for _, a := range matched {
			applies = applies && (a == yes || a == broken && effect == "Deny")
		}
		if applies && effect == "Deny" {
			return "deny"
		} else if applies {
			said = "allow"
		}
	}
	return said
}

func listOf(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

// oracleGlob tries everything. It treats escaped characters as themselves.
func oracleGlob(pattern, s []rune, escaped []bool) bool {
	if len(pattern) == 0 {
		return len(s) == 0
	}
	switch {
	case pattern[0] == '*' && !escaped[0]:
		return oracleGlob(pattern[1:], s, escaped[1:]) || len(s) > 0 && oracleGlob(pattern, s[1:], escaped)
	case len(s) == 0:
		return false
	case pattern[0] == '?' && !escaped[0], pattern[0] == s[0]:
		return oracleGlob(pattern[1:], s[1:], escaped[1:])
	}
	return false
}

// oracleText replaces variables, and says which characters are escaped.
func oracleText(text string, r *Request) (out []rune, escaped []bool, state answer) {
	for text != "" {
		if !strings.HasPrefix(text, "${") {
			c := []rune(text)[0]
			out, escaped = append(out, c), append(escaped, false)
			text = text[len(string(c)):]
			continue
		}
		end := strings.Index(text, "}")
		name := text[2:end]
		text = text[end+1:]
		var value string
		switch {
		case name == "*" || name == "?" || name == "$":
			value = name
		default:
			name, fallback, hasDefault := strings.Cut(name, ", ")
			values, ok := oracleValues(name, r)
			switch {
			case !ok:
				return nil, nil, broken
			case len(values) == 1:
				value = values[0]
			case hasDefault:
				value = strings.Trim(fallback, "'")
			default:
				return nil, nil, no
			}
		}
		for _, c := range value {
			out, escaped = append(out, c), append(escaped, true)
		}
	}
	return out, escaped, yes
}

func oracleMatch(pattern, s string, wild bool, r *Request) answer {
	text, escaped, state := oracleText(pattern, r)
	if state != yes {
		return state
	}
	if !wild {
		return answerOf(string(text) == s)
	}
	return answerOf(oracleGlob(text, []rune(s), escaped))
}

func answerOf(ok bool) answer {
	if ok {
		return yes
	}
	return no
}

func oracleAction(s map[string]any, r *Request) answer {
	element, negated := s["Action"], false
	if element == nil {
		element, negated = s["NotAction"], true
	}
	var answers []answer
	for _, a := range listOf(element) {
		answers = append(answers, oracleMatch(strings.ToLower(a.(string)), strings.ToLower(r.Action), true, r))
	}
	if negated {
		return not(oneOf(answers))
	}
	return oneOf(answers)
}

func oracleResource(s map[string]any, r *Request) answer {
	element, negated := s["Resource"], false
	if element == nil {
		element, negated = s["NotResource"], true
	}
	resource := r.Resource
	if resource == "" {
		resource = "*"
	}
	var answers []answer
	for _, p := range listOf(element) {
		switch {
		case p == "*":
			answers = append(answers, yes)
		case resource == "*":
			answers = append(answers, no)
		default:
			answers = append(answers, oracleARN(p.(string), resource, r))
		}
	}
	if negated {
		return not(oneOf(answers))
	}
	return oneOf(answers)
}

func oracleARN(pattern, arn string, r *Request) answer {
	want, got := strings.SplitN(pattern, ":", 6), strings.SplitN(arn, ":", 6)
	if len(got) < 6 || got[0] != "arn" || got[5] == "" {
		return broken
	}
	for i := range want { // in order: a field that differs spares us the variables
		if a := oracleMatch(want[i], got[i], true, r); a != yes {
			return a
		}
	}
	return yes
}

// oracleValues is what the request has for a key; not ok if that cannot be told.
func oracleValues(key string, r *Request) (values []string, ok bool) {
	one := func(s string) ([]string, bool) {
		if s == "" {
			return nil, true
		}
		return []string{s}, true
	}
	switch lower := strings.ToLower(key); {
	case lower == "aws:currenttime":
		return []string{r.Time.UTC().Format("2006-01-02T15:04:05Z")}, !r.Time.IsZero()
	case lower == "aws:epochtime":
		return []string{fmt.Sprint(r.Time.Unix())}, !r.Time.IsZero()
	case lower == "aws:tokenissuetime":
		if r.Principal.TokenIssued.IsZero() {
			return nil, true
		}
		return one(r.Principal.TokenIssued.UTC().Format("2006-01-02T15:04:05Z"))
	case lower == "aws:sourceip":
		if !r.SourceIP.IsValid() {
			return nil, false
		}
		return one(net.ParseIP(r.SourceIP.WithZone("").String()).String())
	case lower == "aws:securetransport":
		return one(fmt.Sprint(r.TLS))
	case lower == "aws:requestedregion":
		return []string{r.Region}, r.Region != ""
	case lower == "meterd:productcode":
		return r.ProductCodes, true
	case strings.HasPrefix(lower, "aws:principaltag/"):
		for tag, value := range r.Principal.Tags {
			if strings.ToLower(tag) == lower[len("aws:principaltag/"):] {
				values = append(values, value)
			}
		}
		return values, len(values) < 2
	case strings.HasSuffix(lower, ":sub"), strings.HasSuffix(lower, ":aud"):
		if lower[:len(lower)-4] != strings.ToLower(strings.TrimPrefix(r.WebIdentity.Issuer, "https://")) {
			return nil, true
		}
		if strings.HasSuffix(lower, ":sub") {
			return one(r.WebIdentity.Subject)
		}
		return one(r.WebIdentity.Audience)
	default:
		text, known := map[string]string{
			"aws:principalarn": r.Principal.ARN, "aws:principalaccount": r.Principal.Account, "aws:principaltype": r.Principal.Type,
			"aws:userid": r.Principal.UserID, "aws:username": r.Principal.Username,
			"sts:externalid": r.ExternalID, "sts:rolesessionname": r.RoleSessionName,
		}[lower]
		if !known {
			panic(key)
		}
		return one(text)
	}
}

func oracleCondition(op, key string, want []any, r *Request) answer {
	got, ok := oracleValues(key, r)
	if !ok {
		return broken
	}
	if op == "Null" {
		var answers []answer
		for _, w := range want {
			answers = append(answers, answerOf((fmt.Sprint(w) == "true") == (len(got) == 0)))
		}
		return oneOf(answers)
	}
	set, rest, hasSet := strings.Cut(op, ":")
	if !hasSet {
		set, rest = "", op
	}
	base, optional := strings.CutSuffix(rest, "IfExists")
	negated := strings.Contains(base, "Not")
	if len(got) == 0 {
		switch set {
		case "ForAllValues":
			return yes
		case "ForAnyValue":
			return answerOf(optional)
		}
		return answerOf(optional || negated)
	}
	var perValue []answer
	for _, g := range got {
		var answers []answer
		for _, w := range want {
			answers = append(answers, oracleCompare(strings.Replace(base, "Not", "", 1), g, fmt.Sprint(w), r))
		}
		if a := oneOf(answers); negated {
			perValue = append(perValue, not(a))
		} else {
			perValue = append(perValue, a)
		}
	}
	if set == "ForAnyValue" {
		return oneOf(perValue)
	}
	return allOf(perValue)
}

// oracleCompare knows the operators by their positive names.
func oracleCompare(op, got, want string, r *Request) answer {
	switch op {
	case "StringEquals":
		return oracleMatch(want, got, false, r)
	case "StringLike":
		return oracleMatch(want, got, true, r)
	case "StringEqualsIgnoreCase":
		text, _, state := oracleText(want, r)
		if state != yes {
			return state
		}
		return answerOf(strings.EqualFold(string(text), got))
	case "ArnEquals", "ArnLike":
		return oracleARN(want, got, r)
	case "Bool":
		if got != "true" && got != "false" {
			return broken
		}
		return answerOf(got == want)
	case "IpAddress":
		if !strings.Contains(want, "/") {
			return answerOf(net.ParseIP(want).Equal(net.ParseIP(got)))
		}
		_, network, err := net.ParseCIDR(want)
		if err != nil {
			panic(err)
		}
		return answerOf(network.Contains(net.ParseIP(got)))
	}
	number := func(s string) (float64, bool) {
		f, err := strconv.ParseFloat(s, 64)
		return f, err == nil
	}
	if strings.HasPrefix(op, "Date") {
		number = func(s string) (float64, bool) {
			for _, layout := range []string{time.RFC3339, "2006-01-02"} {
				if t, err := time.Parse(layout, s); err == nil {
					return float64(t.Unix()), true
				}
			}
			n, err := strconv.ParseInt(s, 10, 64)
			return float64(n), err == nil && len(s) >= 9
		}
	}
	a, ok := number(got)
	b, _ := number(want)
	if !ok {
		return broken
	}
	return map[string]answer{
		"Equals": answerOf(a == b), "LessThan": answerOf(a < b), "LessThanEquals": answerOf(a <= b),
		"GreaterThan": answerOf(a > b), "GreaterThanEquals": answerOf(a >= b),
	}[strings.TrimPrefix(strings.TrimPrefix(op, "Date"), "Numeric")]
}
