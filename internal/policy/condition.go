package policy

import (
	"errors"
	"fmt"
	"strings"
)

// quantifier says how a key with several values is compared.
type quantifier uint8

const (
	single   quantifier = iota
	forAll              // every value of the request must satisfy the operator; so none does
	forAny              // one must; so none does not
	allWords = "ForAllValues:"
	anyWords = "ForAnyValue:"
	ifExists = "IfExists"
)

// condition is one operator on one key. All conditions of a statement must hold.
type condition struct {
	key      key
	set      quantifier
	operator operator
	optional bool // …IfExists
	test     test
}

// parseConditions reads the Condition element.
func parseConditions(p place, n node, version string, trust bool) ([]condition, error) {
	if err := p.object(n); err != nil {
		return nil, err
	}
	var list []condition
	for _, byOperator := range n.members {
		p := p.member(byOperator.name)
		bare, err := parseOperator(byOperator.name)
		if err != nil {
			return nil, p.wrap(err)
		}
		if err := p.object(byOperator.value); err != nil {
			return nil, err
		}
		first := len(list)
		for _, m := range byOperator.value.members {
			c, p := bare, p.member(m.name)
			if c.key, err = parseKey(m.name); err != nil {
				return nil, p.wrap(err)
			}
			for _, other := range list[first:] {
				if other.key.same(c.key) {
					return nil, p.errorf("the key is there twice; case does not tell keys apart")
				}
			}
			if err := c.fits(byOperator.name, trust); err != nil {
				return nil, p.wrap(err)
			}
			texts, err := p.texts(m.value, c.operator.literals())
			if err != nil {
				return nil, err
			}
			if c.test, err = c.operator.build(texts, version); err != nil {
				return nil, p.wrap(err)
			}
			list = append(list, c)
		}
	}
	return list, nil
}

// parseOperator takes an operator's name apart.
func parseOperator(name string) (condition, error) {
	var c condition
	base := name
	if rest, ok := strings.CutPrefix(base, allWords); ok {
		c.set, base = forAll, rest
	} else if rest, ok := strings.CutPrefix(base, anyWords); ok {
		c.set, base = forAny, rest
	}
	base, c.optional = strings.CutSuffix(base, ifExists)
	var ok bool
	if c.operator, ok = operators[base]; !ok {
		return c, fmt.Errorf("unknown condition operator %q", name)
	}
	if c.operator.family == ofPresence && base != name {
		return c, fmt.Errorf("%q: Null asks whether the key is there, and stands alone", name)
	}
	return c, nil
}

// literals are the JSON types that an operator's values may have beside strings.
func (o operator) literals() nodeKind {
	switch o.family {
	case ofBools, ofPresence:
		return boolNode
	case ofNumbers, ofDates:
		return numberNode
	}
	return stringNode
}

// fits refuses an operator that cannot be asked of the key.
func (c *condition) fits(operator string, trust bool) error {
	switch {
	case c.key.webIdentity() && !trust:
		return errors.New("claims of web identities belong in a role's trust policy")
	case c.operator.family == ofPresence:
		return nil
	case c.operator.family&c.key.fits == 0:
		return fmt.Errorf("%s does not fit the kind of value that this key has", operator)
	case c.key.multi() && c.set == single:
		return fmt.Errorf("the key can have several values; write %s%s or %s%s", allWords, operator, anyWords, operator)
	case !c.key.multi() && c.set != single:
		// IAM takes it, and warns: with ForAllValues: a missing key holds.
		return fmt.Errorf("the key has one value; write %s", operator[strings.IndexByte(operator, ':')+1:])
	}
	return nil
}

// holds judges the condition. The error means that it cannot be judged.
func (c *condition) holds(r *Request) (bool, error) {
	if c.key.multi() {
		return c.holdsForSet(r.ProductCodes, r)
	}
	v, err := c.key.value(r)
	absent := errors.Is(err, errAbsent)
	switch {
	case err != nil && !absent:
		return false, err
	case c.operator.family == ofPresence:
		return c.wantsPresence(!absent), nil
	case absent:
		return c.optional || c.operator.negated, nil
	}
	return c.satisfies(v, r)
}

func (c *condition) holdsForSet(values []string, r *Request) (bool, error) {
	switch {
	case r.foreseen:
		return false, errForeseen
	case c.operator.family == ofPresence:
		return c.wantsPresence(len(values) > 0), nil
	case len(values) == 0:
		return c.optional || c.set == forAll, nil
	}
	var failed error
	for _, text := range values {
		ok, err := c.satisfies(value{text: text}, r)
		switch {
		case err != nil:
			failed = err
		case ok && c.set == forAny, !ok && c.set == forAll:
			return ok, nil // whatever the others are
		}
	}
	return c.set == forAll && failed == nil, failed
}

// satisfies reports whether one value is what the operator asks for.
func (c *condition) satisfies(v value, r *Request) (bool, error) {
	ok, err := c.test.matches(v, r)
	return err == nil && ok != c.operator.negated, err
}

// wantsPresence judges Null, whose "true" asks for a key that is not there.
func (c *condition) wantsPresence(present bool) bool {
	null, _ := c.test.(boolTest)
	return null.lists(!present)
}
