package policy

import (
	"strings"
	"unicode/utf8"
)

// The tokens of a pattern are characters; what is no character is negative.
const (
	anyRun rune = -1 - iota // *
	anyOne                  // ?
	firstVariable
)

// pattern is a text of a policy, made ready to be compared.
type pattern struct {
	anything bool       // a lone *
	fixed    bool       // neither wildcards nor variables: text is all there is
	fold     bool       // compare ASCII letters without case; text and tokens are in lower case
	text     string     // when fixed
	tokens   []rune     // otherwise; firstVariable-i stands for variables[i]
	vars     []variable // that tokens name
}

// wildPattern reads a text in which * and ? are wildcards and ${…} is a
// variable; exactPattern reads one in which only ${…} is special.
func wildPattern(text string, version string) (pattern, error) {
	return newPattern(text, version, true)
}

func exactPattern(text string, version string) (pattern, error) {
	return newPattern(text, version, false)
}

func newPattern(text, version string, wild bool) (pattern, error) {
	if wild && text == "*" {
		return pattern{anything: true}, nil
	}
	special := "$"
	if wild {
		special = "$*?"
	}
	if !strings.ContainsAny(text, special) {
		return pattern{fixed: true, text: text}, nil
	}

	var p pattern
	for len(text) > 0 {
		if strings.HasPrefix(text, "${") {
			v, rest, err := parseVariable(text, version)
			if err != nil {
				return pattern{}, err
			}
			if v.escape != 0 {
				p.tokens = append(p.tokens, v.escape)
			} else {
				p.tokens = append(p.tokens, firstVariable-rune(len(p.vars)))
				p.vars = append(p.vars, v)
			}
			text = rest
			continue
		}
		c, width := utf8.DecodeRuneInString(text)
		text = text[width:]
		switch {
		case wild && c == '*':
			c = anyRun
		case wild && c == '?':
			c = anyOne
		}
		p.tokens = append(p.tokens, c)
	}
	return p, nil
}

// foldedPattern is a wildPattern without variables that does not tell a from A.
func foldedPattern(text string) pattern {
	lower := []byte(text)
	for i, c := range lower {
		lower[i] = byte(lowerASCII(rune(c))) // bytes beyond ASCII are not letters to it
	}
	p, _ := newPattern(string(lower), "", true) // only variables can be wrong, and its callers allow no $
	p.fold = true
	return p
}

// matches reports whether all of s fits. A pattern that names a variable without
// a value fits nothing; the error is that of a value which cannot be had.
func (p *pattern) matches(s string, r *Request) (bool, error) {
	switch {
	case p.anything:
		return true, nil
	case p.fixed && p.fold:
		return equalFoldASCII(p.text, s), nil
	case p.fixed:
		return p.text == s, nil
	case len(p.vars) == 0:
		return glob(p.tokens, s, p.fold), nil
	}
	tokens, ok, err := p.expand(r)
	return ok && err == nil && glob(tokens, s, p.fold), err
}

// plain is the text of an exactPattern, with its variables replaced.
func (p *pattern) plain(r *Request) (text string, ok bool, err error) {
	if p.fixed {
		return p.text, true, nil
	}
	tokens, ok, err := p.expand(r)
	return string(tokens), ok, err
}

// expand replaces the variables. What a variable holds is never a wildcard:
// otherwise a user who may choose a tag could write himself a *.
func (p *pattern) expand(r *Request) (tokens []rune, ok bool, err error) {
	tokens = make([]rune, 0, len(p.tokens)+32)
	for _, token := range p.tokens {
		if token > firstVariable {
			tokens = append(tokens, token)
			continue
		}
		text, ok, err := p.vars[firstVariable-token].value(r)
		if err != nil || !ok {
			return nil, false, err
		}
		tokens = append(tokens, []rune(text)...)
	}
	return tokens, true, nil
}

// glob goes back to the last * only, which is enough: what an earlier one took
// can always be left as it was. So it takes at most len(tokens)·len(s) steps,
// where trying every split would take exponentially many.
func glob(tokens []rune, s string, fold bool) bool {
	t, at := 0, 0
	star, taken := -1, 0 // the last *, and how far into s it reaches
	for at < len(s) {
		c, width := utf8.DecodeRuneInString(s[at:])
		if fold {
			c = lowerASCII(c)
		}
		switch {
		case t < len(tokens) && tokens[t] == anyRun:
			star, taken = t, at
			t++
		case t < len(tokens) && (tokens[t] == c || tokens[t] == anyOne):
			t++
			at += width
		case star >= 0:
			_, width := utf8.DecodeRuneInString(s[taken:])
			taken += width
			t, at = star+1, taken
		default:
			return false
		}
	}
	for t < len(tokens) && tokens[t] == anyRun {
		t++
	}
	return t == len(tokens)
}

func lowerASCII(c rune) rune {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// equalFoldASCII is narrower than strings.EqualFold, to which the Kelvin sign is
// a k. lower is in lower case.
func equalFoldASCII(lower, s string) bool {
	if len(lower) != len(s) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c != lower[i] && byte(lowerASCII(rune(c))) != lower[i] {
			return false
		}
	}
	return true
}
