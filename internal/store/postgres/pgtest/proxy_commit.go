package pgtest

import (
	"bytes"
	"strings"
)

// commits knows which messages of a client are a COMMIT. A prepared one comes in
// three: Parse names a statement, Bind makes a portal of it, Execute runs that.
type commits struct {
	statements map[string]bool // names of prepared COMMITs
	portals    map[string]bool
}

// see takes notice of a message and reports whether it commits.
func (c *commits) see(m []byte) bool {
	if c.statements == nil {
		c.statements, c.portals = map[string]bool{}, map[string]bool{}
	}
	first, rest := text(m[5:])
	second, _ := text(rest)
	switch m[0] {
	case 'Q': // Query: SQL
		return isCommit(first)
	case 'P': // Parse: statement, SQL, types
		c.statements[first] = isCommit(second)
	case 'B': // Bind: portal, statement, values
		c.portals[first] = c.statements[second]
	case 'E': // Execute: portal, how many rows
		return c.portals[first]
	}
	return false
}

// text splits off a string, which ends in a zero byte.
func text(b []byte) (s string, rest []byte) {
	before, after, _ := bytes.Cut(b, []byte{0})
	return string(before), after
}

// isCommit reports whether SQL ends a transaction well. A semicolon within a
// string splits it too; what stands there would have to begin with the word.
func isCommit(sql string) bool {
	for statement := range strings.SplitSeq(sql, ";") {
		words := strings.Fields(strings.ToLower(statement))
		if len(words) > 0 && (words[0] == "commit" || words[0] == "end") {
			return true
		}
	}
	return false
}
