package pgtest

import (
	"errors"
	"fmt"
	"strings"
)

// tenant is the column that spreads every large table.
const tenant = "account"

// refusals are what some distributed database does not understand, or does
// otherwise than PostgreSQL: words as they follow one another. ^ is the beginning
// of a statement, a word that ends in * begins so.
var refusals = []struct{ words, why string }{
	{"serial", "sequences"},
	{"bigserial", "sequences"},
	{"smallserial", "sequences"},
	{"serial2", "sequences"},
	{"serial4", "sequences"},
	{"serial8", "sequences"},
	{"sequence", "sequences"},
	{"nextval", "sequences"},
	{"as identity", "sequences"},
	{"trigger", "triggers"},
	{"function", "functions of our own"},
	{"procedure", "functions of our own"},
	{"plpgsql", "functions of our own"},
	{"^do", "DO blocks"},
	{"^listen", "LISTEN and NOTIFY"},
	{"^unlisten", "LISTEN and NOTIFY"},
	{"^notify", "LISTEN and NOTIFY"},
	{"pg_notify", "LISTEN and NOTIFY"},
	{"pg_advisory_*", "advisory locks"},
	{"pg_try_advisory_*", "advisory locks"},
	{"^lock", "LOCK TABLE"},
	{"deferrable", "deferrable constraints"},
	{"initially deferred", "deferrable constraints"},
	{"set constraints", "deferrable constraints"},
	{"exclude using", "exclusion constraints"},
	{"exclude (", "exclusion constraints"},
	{"partition of", "partitions"},
	{"attach partition", "partitions"},
	{"partition by range", "partitions"}, // a window's PARTITION BY is another
	{"partition by list", "partitions"},
	{"partition by hash", "partitions"},
	{"^merge", "MERGE"},
	{"rollup (", "ROLLUP and GROUPING SETS"},
	{"cube (", "ROLLUP and GROUPING SETS"},
	{"grouping sets", "ROLLUP and GROUPING SETS"},
	{"create temp", "temporary tables"},
	{"create temporary", "temporary tables"},
	{"on commit", "temporary tables"},
	{"^truncate", "TRUNCATE"},
	{"savepoint", "savepoints"},
	{"rollback to", "savepoints"},
	{"create domain", "domains"},
	{"extension", "extensions"},
	{"using brin", "BRIN indexes"},
	{"nulls not distinct", "NULLS NOT DISTINCT"},
	{"collate", "COLLATE"},
	{"skip locked", "SKIP LOCKED"},
	{"int", "integers other than BIGINT"},
	{"integer", "integers other than BIGINT"},
	{"smallint", "integers other than BIGINT"},
	{"int2", "integers other than BIGINT"},
	{"int4", "integers other than BIGINT"},
	{"int8", "integers other than BIGINT"}, // the same, but one spelling is enough
}

// Portable reports what in SQL distributed databases that speak PostgreSQL's
// language would not run, or not keep: words they do not know, keys without the
// tenant column, writes that look for it nowhere. What it says of writes rests on
// the tables; it reads SQL as it is written, and no plan.
func (ts Tables) Portable(sql string) error {
	var found []error
	for _, s := range split(sql) {
		for _, r := range refusals {
			if holds(s, r.words) {
				found = append(found, fmt.Errorf("%s: refused are %s", r.words, r.why))
			}
		}
		found = append(found, ts.keysHold(s), ts.setsHold(s), ts.writesHold(s), ts.locksHold(s))
	}
	return errors.Join(found...)
}

// holds reports whether a statement has words one after another.
func holds(s []token, words string) bool {
	phrase, first := strings.CutPrefix(words, "^")
	list := strings.Fields(phrase)
	for i := range s {
		if first && i > 0 {
			return false
		}
		n := 0
		for n < len(list) && i+n < len(s) && matches(s[i+n], list[n]) {
			n++
		}
		if n == len(list) {
			return true
		}
	}
	return false
}

func matches(t token, pattern string) bool {
	if start, ok := strings.CutSuffix(pattern, "*"); ok {
		return t.kind == word && strings.HasPrefix(t.text, start)
	}
	return t.is(pattern)
}
