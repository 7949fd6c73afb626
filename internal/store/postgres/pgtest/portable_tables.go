package pgtest

import (
	"errors"
	"fmt"
	"slices"
)

// Tables are the tables that migrations make, by name.
type Tables map[string]Table

// Table is what the rules ask of a table.
type Table struct {
	Tenant  bool // it has the column that spreads it
	Primary []string
	Unique  [][]string
}

// ReadTables reads the tables that SQL makes.
func ReadTables(ddl ...string) Tables {
	ts := Tables{}
	for _, sql := range ddl {
		for _, s := range split(sql) {
			name, table := definition(s)
			if name == "" {
				continue
			}
			known := ts[name]
			known.Tenant = known.Tenant || table.Tenant
			known.Unique = append(known.Unique, table.Unique...)
			if table.Primary != nil {
				known.Primary = table.Primary
			}
			ts[name] = known
		}
	}
	return ts
}

// keysHold: the tenant column leads a table's primary key and is in every unique
// one. An engine that is spread by it can keep no other key.
func (ts Tables) keysHold(s []token) error {
	name, made := definition(s)
	if name == "" {
		return nil
	}
	if !made.Tenant && !ts[name].Tenant {
		return nil
	}
	var found []error
	if made.Tenant && made.Primary == nil {
		found = append(found, fmt.Errorf("table %s has no primary key", name))
	}
	if made.Primary != nil && made.Primary[0] != tenant {
		found = append(found, fmt.Errorf("the primary key of table %s does not begin with %s", name, tenant))
	}
	for _, key := range made.Unique {
		if !slices.Contains(key, tenant) {
			found = append(found, fmt.Errorf("a unique key of table %s, %v, is without %s", name, key, tenant))
		}
	}
	return errors.Join(found...)
}

// definition reads what a statement says of a table: CREATE TABLE, ALTER TABLE,
// CREATE UNIQUE INDEX. name is empty if it says nothing of any.
func definition(s []token) (name string, t Table) {
	switch {
	case holds(s, "^create table"), holds(s, "^alter table"):
		i := skip(s, 2, "if", "not", "exists", "only")
		if i >= len(s) {
			return "", t
		}
		name, i = tableName(s, i)
		if s[0].is("create") {
			if i >= len(s) || !s[i].is("(") {
				return "", t
			}
			for _, item := range items(inside(s, i)) {
				t.define(item)
			}
			return name, t
		}
		for _, item := range items(s[i:]) {
			t.define(item[skip(item, 0, "add", "column", "if", "not", "exists"):])
		}
		return name, t
	case holds(s, "^create unique index"):
		on := slices.IndexFunc(s, func(t token) bool { return t.is("on") })
		open := slices.IndexFunc(s, func(t token) bool { return t.is("(") })
		if on < 0 || open < on {
			return "", t
		}
		name, _ = tableName(s, skip(s, on+1, "only"))
		t.Unique = append(t.Unique, columns(inside(s, open)))
		return name, t
	}
	return "", t
}

// define takes in one column or one constraint.
func (t *Table) define(item []token) {
	if len(item) > 1 && item[0].is("constraint") {
		item = item[2:] // and its name
	}
	if len(item) == 0 {
		return
	}
	own := []string{item[0].text} // the key of a column that is one by itself
	if item[0].is("primary") || item[0].is("unique") {
		own = nil
	} else if item[0].name() && item[0].text == tenant {
		t.Tenant = true
	}
	for i := range item {
		key := own
		if own == nil {
			open := slices.IndexFunc(item, func(t token) bool { return t.is("(") })
			if open < 0 {
				return
			}
			key = columns(inside(item, open))
		}
		switch {
		case item[i].depth != item[0].depth:
		case item[i].is("primary"):
			t.Primary = key
		case item[i].is("unique"):
			t.Unique = append(t.Unique, key)
		}
	}
}

// tableName reads a name, with or without its schema, and where it ends.
func tableName(s []token, i int) (string, int) {
	for i+2 < len(s) && s[i+1].is(".") {
		i += 2
	}
	if i >= len(s) {
		return "", i
	}
	return s[i].text, i + 1
}

// skip passes over words, whichever of them are there.
func skip(s []token, i int, words ...string) int {
	for i < len(s) && s[i].kind == word && slices.Contains(words, s[i].text) {
		i++
	}
	return i
}

// inside is what stands between a bracket and its counterpart.
func inside(s []token, open int) []token {
	for i := open + 1; i < len(s); i++ {
		if s[i].is(")") && s[i].depth == s[open].depth {
			return s[open+1 : i]
		}
	}
	return s[open+1:]
}

// items splits a list at its own commas.
func items(s []token) [][]token {
	var all [][]token
	start := 0
	for i := range s {
		if s[i].is(",") && s[i].depth == s[0].depth {
			all = append(all, s[start:i])
			start = i + 1
		}
	}
	if start < len(s) {
		all = append(all, s[start:])
	}
	return all
}

// columns are the names that the items of a list begin with.
func columns(s []token) []string {
	var names []string
	for _, item := range items(s) {
		if len(item) > 0 {
			names = append(names, item[0].text)
		}
	}
	return names
}
