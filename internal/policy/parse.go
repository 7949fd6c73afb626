package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Versions of the policy language. IAM takes a document without one for 2008.
const (
	version2008 = "2008-10-17"
	version2012 = "2012-10-17" // adds policy variables
)

var (
	documentElements  = []string{"Version", "Id", "Statement"}
	statementElements = []string{"Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)

// grammar is what tells the two kinds of documents apart.
type grammar struct {
	trust   bool
	version string
}

// parse reads a document of either kind.
func parse(doc []byte, limit int, trust bool) ([]statement, error) {
	var p place
	root, err := parseDocument(doc, limit)
	if err != nil {
		return nil, err
	}
	if err := p.object(root); err != nil {
		return nil, err
	}
	if err := p.elements(root, documentElements); err != nil {
		return nil, err
	}
	g := grammar{trust: trust, version: version2008}
	if n, ok := root.member("Version"); ok {
		if n.kind != stringNode || n.text != version2008 && n.text != version2012 {
			return nil, p.member("Version").errorf("must be %q or, without policy variables, %q", version2012, version2008)
		}
		g.version = n.text
	}
	if n, ok := root.member("Id"); ok && n.kind != stringNode {
		return nil, p.member("Id").errorf("must be a string, not %s", n.kind)
	}

	n, ok := root.member("Statement")
	p = p.member("Statement")
	if !ok {
		return nil, p.errorf("is missing")
	}
	if n.kind == objectNode {
		s, _, err := g.statement(p, n)
		if err != nil {
			return nil, err
		}
		return []statement{s}, nil
	}
	if n.kind != listNode || len(n.items) == 0 {
		return nil, p.errorf("must be a statement or a list of statements")
	}
	var list []statement
	sids := map[string]bool{}
	for i, item := range n.items {
		s, sid, err := g.statement(p.item(i), item)
		if err != nil {
			return nil, err
		}
		if sid != "" && sids[sid] {
			return nil, p.item(i).member("Sid").errorf("%q names an earlier statement", sid)
		}
		sids[sid] = true
		list = append(list, s)
	}
	return list, nil
}

// statement reads one statement and its Sid.
func (g grammar) statement(p place, n node) (s statement, sid string, err error) {
	if err := p.object(n); err != nil {
		return s, "", err
	}
	if err := p.elements(n, statementElements); err != nil {
		return s, "", err
	}
	if id, ok := n.member("Sid"); ok {
		if id.kind != stringNode || strings.ContainsFunc(id.text, notAlphanumeric) {
			return s, "", p.member("Sid").errorf("must be a string of ASCII letters and digits")
		}
		sid = id.text
	}
	switch effect, _ := n.member("Effect"); effect.text {
	case "Allow":
	case "Deny":
		s.deny = true
	default:
		return s, "", p.member("Effect").errorf("must be \"Allow\" or \"Deny\"")
	}
	if s.actions, s.notActions, err = g.actions(p, n); err != nil {
		return s, "", err
	}
	if g.trust {
		s.principals, err = parsePrincipals(p, n)
	} else {
		s.resources, s.notResources, err = g.resources(p, n)
	}
	if err != nil {
		return s, "", err
	}
	if condition, ok := n.member("Condition"); ok {
		s.conditions, err = parseConditions(p.member("Condition"), condition, g.version, g.trust)
	}
	return s, sid, err
}

// eitherOf finds an element or its negation, of which a statement has one.
func (p place) eitherOf(n node, name string) (texts []string, at place, negated bool, err error) {
	value, plain := n.member(name)
	at = p.member(name)
	if other, ok := n.member("Not" + name); ok {
		if plain {
			return nil, at, false, p.errorf("has both %s and Not%s", name, name)
		}
		value, at, negated = other, p.member("Not"+name), true
	} else if !plain {
		return nil, at, false, p.errorf("has neither %s nor Not%s", name, name)
	}
	texts, err = at.texts(value, stringNode)
	return texts, at, negated, err
}

func (g grammar) actions(p place, n node) (list []pattern, negated bool, err error) {
	texts, at, negated, err := p.eitherOf(n, "Action")
	if err != nil {
		return nil, false, err
	}
	for _, text := range texts {
		if err := checkAction(text); err != nil {
			return nil, false, at.wrap(err)
		}
		action := foldedPattern(text)
		if g.trust && !slices.ContainsFunc(trustActions, func(name string) bool {
			ok, _ := action.matches(name, nil) // no variables, so no request and no error
			return ok
		}) {
			return nil, false, at.errorf("%q is no action of a trust policy: those are %s", text, strings.Join(trustActions, ", "))
		}
		list = append(list, action)
	}
	return list, negated, nil
}

// checkAction wants service:Action, with wildcards in the second half only, as
// IAM does. Names are not looked up: a policy may speak of other services.
func checkAction(text string) error {
	if text == "*" {
		return nil
	}
	service, name, _ := strings.Cut(text, ":")
	outside := func(extra string) func(rune) bool {
		return func(c rune) bool { return notAlphanumeric(c) && !strings.ContainsRune(extra, c) }
	}
	if service == "" || name == "" || strings.ContainsFunc(service, outside("-")) || strings.ContainsFunc(name, outside("*?")) {
		return fmt.Errorf("%q is not an action: write service:Action, where * and ? in Action are wildcards, or * alone for everything", text)
	}
	return nil
}

func (g grammar) resources(p place, n node) (list []arnPattern, negated bool, err error) {
	if _, ok := n.member("Principal"); ok {
		return nil, false, p.member("Principal").errorf("belongs in a role's trust policy; the principal here is who the policy is attached to")
	}
	texts, at, negated, err := p.eitherOf(n, "Resource")
	if err != nil {
		return nil, false, err
	}
	list, err = parseEach(texts, func(s string) (arnPattern, error) { return newResource(s, g.version) })
	if err != nil {
		return nil, false, at.wrap(err)
	}
	return list, negated, nil
}

// elements refuses members that are not in a list.
func (p place) elements(n node, known []string) error {
	for _, m := range n.members {
		if slices.Contains(known, m.name) {
			continue
		}
		at := p.member(m.name)
		if i := slices.IndexFunc(known, func(name string) bool { return strings.EqualFold(name, m.name) }); i >= 0 {
			return at.errorf("unknown element; did you mean %s?", known[i])
		}
		return at.errorf("unknown element: only %s may stand here", strings.Join(known, ", "))
	}
	return nil
}

func notAlphanumeric(c rune) bool {
	return (c < '0' || '9' < c) && (c < 'A' || 'Z' < c) && (c < 'a' || 'z' < c)
}
