package pgtest

import (
	"errors"
	"fmt"
	"slices"
)

// setsHold: no UPDATE sets the tenant column, not even that of ON CONFLICT. The
// row would have to move to another machine.
func (Tables) setsHold(s []token) error {
	for i := range s {
		if !s[i].is("set") || i == 0 || s[0].is("alter") {
			continue
		}
		for _, item := range items(clause(s, i+1, "from", "where", "returning")) {
			if len(item) == 0 {
				continue
			}
			targets := item[:1]
			if item[0].is("(") {
				targets = inside(item, 0)
			}
			for _, t := range targets {
				if t.name() && t.text == tenant {
					return fmt.Errorf("an UPDATE sets %s", tenant)
				}
			}
		}
	}
	return nil
}

// writesHold: an UPDATE or DELETE of a table that is spread says which tenant's;
// and a DELETE takes rows by a key or no more of them than a LIMIT.
func (ts Tables) writesHold(s []token) error {
	var found []error
	for i := range s {
		at, verb := target(s, i)
		if verb == "" {
			continue
		}
		name, end := tableName(s, at)
		table, ok := ts[name]
		if !ok {
			found = append(found, fmt.Errorf("%s of %s, which no migration makes", verb, name))
			continue
		}
		scope := clause(s, i)
		equal := equalities(scope, []string{name, alias(s, end)})
		if table.Tenant && !slices.Contains(equal, tenant) {
			found = append(found, fmt.Errorf("%s of %s without a condition on %s", verb, name, tenant))
		}
		limited := slices.ContainsFunc(scope, func(t token) bool { return t.is("limit") })
		if verb == "delete" && !limited && !table.keyIn(equal) {
			found = append(found, fmt.Errorf("delete of %s neither by a key nor with a LIMIT", name))
		}
	}
	return errors.Join(found...)
}

// target finds where the name of the table stands that an UPDATE or DELETE at i
// writes. The same words stand in FOR UPDATE, DO UPDATE and ON DELETE, which are
// others.
func target(s []token, i int) (at int, verb string) {
	if i > 0 {
		for _, before := range []string{"for", "do", "on", "key"} {
			if s[i-1].is(before) {
				return 0, ""
			}
		}
	}
	switch {
	case s[i].is("update"):
		at = skip(s, i+1, "only")
	case s[i].is("delete") && i+1 < len(s) && s[i+1].is("from"):
		at = skip(s, i+2, "only")
	default:
		return 0, ""
	}
	if at >= len(s) || !s[at].name() {
		return 0, ""
	}
	return at, s[i].text
}

// locksHold: a SELECT that locks rows says which tenant's.
func (ts Tables) locksHold(s []token) error {
	var found []error
	for i := range s {
		locks := s[i].is("for") && i+1 < len(s) &&
			(s[i+1].is("update") || s[i+1].is("share") || s[i+1].is("no") || s[i+1].is("key"))
		if !locks {
			continue
		}
		start := i // of the SELECT that it belongs to
		for start > 0 && s[start].depth >= s[i].depth && !(s[start].is("select") && s[start].depth == s[i].depth) {
			start--
		}
		scope := clause(s, start)
		for j := range scope {
			opens := scope[j].is("from") || scope[j].is("join") || scope[j].is(",")
			if !opens || scope[j].depth != scope[0].depth || j+1 >= len(scope) {
				continue
			}
			name, end := tableName(scope, j+1)
			if ts[name].Tenant && !slices.Contains(equalities(scope, []string{name, alias(scope, end)}), tenant) {
				found = append(found, fmt.Errorf("a lock of rows of %s without a condition on %s", name, tenant))
			}
		}
	}
	return errors.Join(found...)
}

// clause is what follows at the same depth, with all that lies deeper, up to the
// closing bracket or one of the words.
func clause(s []token, start int, ends ...string) []token {
	for i := start; i < len(s); i++ {
		if s[i].depth < s[start].depth || i > start && s[i].is(")") && s[i].depth < s[start].depth {
			return s[start:i]
		}
		if s[i].kind == word && s[i].depth == s[start].depth && slices.Contains(ends, s[i].text) {
			return s[start:i]
		}
	}
	return s[min(start, len(s)):]
}

// alias is what a table is called after its name, if anything.
func alias(s []token, i int) string {
	i = skip(s, i, "as")
	if i < len(s) && s[i].name() {
		return s[i].text // or a word of SQL, which no column is qualified with
	}
	return ""
}

// equalities are the columns of a table that every row which a clause finds is
// compared with something in: column = …, column IN …, (columns) = … or IN …, as
// conditions that all must hold. With an OR among them there are none.
func equalities(s []token, names []string) []string {
	var found []string
	condition := false // past what is selected or set
	for i := range s {
		if s[i].depth != s[0].depth {
			continue
		}
		condition = condition || s[i].is("where") || s[i].is("on")
		switch {
		case !condition:
		case s[i].is("or"):
			return nil
		case s[i].is("where"), s[i].is("and"), s[i].is("on"):
			found = append(found, compared(s, i+1, names)...)
		case s[i].is("="): // … = column
			column, end := qualified(s, i+1, names)
			if column != "" && (end >= len(s) || s[end].kind == word) {
				found = append(found, column)
			}
		}
	}
	return found
}

// compared are the columns that a condition begins with.
func compared(s []token, i int, names []string) []string {
	equals := func(i int) bool { return i < len(s) && (s[i].is("=") || s[i].is("in")) }
	if i < len(s) && s[i].is("(") {
		within := inside(s, i)
		if !equals(i + len(within) + 2) {
			return nil
		}
		var found []string
		for _, item := range items(within) {
			if column, end := qualified(item, 0, names); column != "" && end == len(item) {
				found = append(found, column)
			}
		}
		return found
	}
	if column, end := qualified(s, i, names); column != "" && equals(end) {
		return []string{column}
	}
	return nil
}

// qualified reads a column's name, which is ours with one of some names before it
// or with none, and where it ends.
func qualified(s []token, i int, names []string) (column string, end int) {
	switch {
	case i >= len(s) || !s[i].name():
		return "", i
	case i+2 < len(s) && s[i+1].is("."):
		if !slices.Contains(names, s[i].text) {
			return "", i
		}
		return s[i+2].text, i + 3
	}
	return s[i].text, i + 1
}

// keyIn reports whether columns make up a key.
func (t Table) keyIn(equal []string) bool {
	for _, key := range append(t.Unique, t.Primary) {
		missing := slices.ContainsFunc(key, func(c string) bool { return !slices.Contains(equal, c) })
		if len(key) > 0 && !missing {
			return true
		}
	}
	return false
}
