package meterd

import (
	"fmt"
	"go/ast"
	"io/fs"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// compatibilityPage lists every documented behaviour and every ruling, each with
// the tests that show it in its table's last column.
const compatibilityPage = "docs/compatibility.md"

// vectors is how many conformance vectors there are.
const vectors = 37

func TestCompatibilityNamesTests(t *testing.T) {
	fsys := os.DirFS(".")
	files, err := goFiles(fsys)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range compatibility(fsys, files) {
		t.Error(problem)
	}
}

func TestLinks(t *testing.T) {
	for _, problem := range links(os.DirFS(".")) {
		t.Error(problem)
	}
}

// compatibility says what is wrong with the page: rows that name no test or one
// that does not exist, and rulings cited in the sources that have no row.
func compatibility(fsys fs.FS, files []goFile) []string {
	page, err := fs.ReadFile(fsys, compatibilityPage)
	if err != nil {
		return []string{compatibilityPage + " is missing: it lists every documented behaviour with the test that shows it"}
	}
	tests := testsByName(files)
	rows := testedRows(string(page))
	if len(rows) == 0 {
		return []string{compatibilityPage + `: has no table whose last column is headed "Test" or "Tests"`}
	}
	var found []string
	for _, row := range rows {
		for _, problem := range row.problems(fsys, tests) {
			found = append(found, fmt.Sprintf("%s:%d: %s", compatibilityPage, row.line, problem))
		}
	}
	return append(found, unlisted(string(page), files)...)
}

// testsByName gives the folders in which a test, fuzz target or example of that
// name stands.
func testsByName(files []goFile) map[string][]string {
	tests := map[string][]string{}
	for _, f := range files {
		if !f.isTest() {
			continue
		}
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if ok && fn.Recv == nil && isTestName.MatchString(fn.Name.Name) {
				tests[fn.Name.Name] = append(tests[fn.Name.Name], f.dir())
			}
		}
	}
	return tests
}

var (
	isTestName = regexp.MustCompile(`^(Test|Fuzz|Example)([^a-z]|$)`)
	// named is folder.TestName/subtest; the folder and the subtest may be absent.
	named    = regexp.MustCompile(`^(?:([\w./-]+)\.)?((?:Test|Fuzz|Example)\w*)(?:/(\S+))?$`)
	codeSpan = regexp.MustCompile("`[^`]*`")
	bareTest = regexp.MustCompile(`\b(Test|Fuzz|Example)[A-Z]\w*`)
	ruling   = regexp.MustCompile(`\bR-\d+\b`)
)

// testedRow is a row of a table whose last column names tests.
type testedRow struct {
	line int
	cell string
}

// testedRows finds the tables whose last column is headed "Test" or "Tests".
func testedRows(page string) []testedRow {
	var rows []testedRow
	inTable, counts := false, false
	for i, line := range strings.Split(withoutFences(page), "\n") {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			inTable = false
			continue
		}
		cell := lastCell(line)
		switch {
		case !inTable: // the head
			inTable, counts = true, strings.EqualFold(cell, "Test") || strings.EqualFold(cell, "Tests")
		case strings.Trim(line, "|-: ") == "": // the line below it
		case counts:
			rows = append(rows, testedRow{i + 1, cell})
		}
	}
	return rows
}

func lastCell(line string) string {
	const bar = "\x00" // an escaped bar is text
	line = strings.TrimSuffix(strings.ReplaceAll(line, `\|`, bar), "|")
	cell := line[strings.LastIndex(line, "|")+1:]
	return strings.TrimSpace(strings.ReplaceAll(cell, bar, "|"))
}

func (r testedRow) problems(fsys fs.FS, tests map[string][]string) []string {
	var found []string
	names := 0
	for _, span := range codeSpan.FindAllString(r.cell, -1) {
		for name := range strings.FieldsFuncSeq(span, func(c rune) bool { return strings.ContainsRune("`,; ", c) }) {
			names++
			if problem := checkTestName(fsys, tests, name); problem != "" {
				found = append(found, problem)
			}
		}
	}
	if bare := bareTest.FindString(codeSpan.ReplaceAllString(r.cell, "")); bare != "" {
		found = append(found, "put "+bare+" in backticks, so that it is checked")
	}
	if names == 0 {
		found = append(found, "the row names no test")
	}
	return found
}

// checkTestName says what is wrong with the name of a test; "" is nothing.
func checkTestName(fsys fs.FS, tests map[string][]string, name string) string {
	parts := named.FindStringSubmatch(name)
	if parts == nil {
		return "`" + name + "` is not the name of a test; write `TestName`, `TestName/subtest` or `internal/metering.TestName`"
	}
	folder, test, sub := parts[1], parts[2], parts[3]
	dirs := tests[test]
	if folder != "" && slices.Contains(dirs, folder) {
		dirs = []string{folder}
	} else if folder != "" {
		return "there is no test " + test + " in " + folder
	}
	if len(dirs) == 0 {
		return "there is no test " + test
	}
	// A subtest is looked for where it is a file or a vector's number.
	file := map[string]string{"TestTranscripts": "testdata", "TestScripts": "testdata/script"}[test]
	first, _, _ := strings.Cut(sub, "/")
	switch {
	case sub == "":
	case file != "":
		file = path.Join(file, first+".txtar")
		if !slices.ContainsFunc(dirs, func(dir string) bool { return exists(fsys, path.Join(dir, file)) }) {
			return "`" + name + "`: there is no " + path.Join(dirs[0], file)
		}
	case strings.Contains(test, "Vector"):
		for step := range strings.SplitSeq(sub, "/") {
			if n, err := strconv.Atoi(step); err == nil && (n < 1 || n > vectors) {
				return fmt.Sprintf("`%s`: there is no vector %d, only 1 to %d", name, n, vectors)
			}
		}
	}
	return ""
}

// unlisted names the rulings that code cites and the page does not have. The
// package comment of metering promises that it has them.
func unlisted(page string, files []goFile) []string {
	listed := ruling.FindAllString(page, -1)
	var found []string
	for _, f := range files {
		if f.isTest() {
			continue
		}
		for _, cited := range ruling.FindAllString(f.text, -1) {
			if !slices.Contains(listed, cited) {
				listed = append(listed, cited) // say it once
				found = append(found, f.name+": cites "+cited+", which "+compatibilityPage+" does not have")
			}
		}
	}
	return found
}

// withoutFences empties the lines of fenced code blocks and keeps their number.
func withoutFences(page string) string {
	lines := strings.Split(page, "\n")
	inside := false
	for i, line := range lines {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		if fence || inside {
			lines[i] = ""
		}
		if fence {
			inside = !inside
		}
	}
	return strings.Join(lines, "\n")
}

var (
	inlineLink    = regexp.MustCompile(`\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)`)
	referenceLink = regexp.MustCompile(`(?m)^\s*\[[^\]]+\]:\s+<?(\S+?)>?(?:\s|$)`)
)

// links says which relative links of the pages lead nowhere.
func links(fsys fs.FS) []string {
	pages := []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"}
	err := fs.WalkDir(fsys, "docs", func(name string, _ fs.DirEntry, err error) error {
		if path.Ext(name) == ".md" {
			pages = append(pages, name)
		}
		return err
	})
	if err != nil {
		return []string{"docs: " + err.Error()}
	}
	var found []string
	for _, page := range pages {
		text, err := fs.ReadFile(fsys, page)
		if err != nil {
			found = append(found, page+" is missing")
			continue
		}
		prose := codeSpan.ReplaceAllString(withoutFences(string(text)), "")
		targets := append(inlineLink.FindAllStringSubmatch(prose, -1), referenceLink.FindAllStringSubmatch(prose, -1)...)
		for _, target := range targets {
			if problem := checkLink(fsys, page, target[1]); problem != "" {
				found = append(found, page+": "+problem)
			}
		}
	}
	return found
}

func checkLink(fsys fs.FS, page, target string) string {
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return "the link " + target + " cannot be read: " + err.Error()
	case u.Scheme != "" || u.Host != "" || u.Path == "": // elsewhere, or in the page itself
		return ""
	case !exists(fsys, path.Join(path.Dir(page), u.Path)):
		return "the link " + target + " leads nowhere"
	}
	return ""
}

func exists(fsys fs.FS, name string) bool {
	_, err := fs.Stat(fsys, name)
	return err == nil
}
