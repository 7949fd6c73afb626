// Package meterd has no code of its own. Its tests hold the sources to the plan
// of the house (arch_test.go) and the pages to what is there (docs_test.go).
package meterd

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/meterd/meterd"

// anything stands for every package of ours.
const anything = "*"

// plan says who may open which door: for every folder that holds Go, the
// packages of ours that it may import. A folder that is in no row is refused. A
// new row or a wider one is a change of plan: it comes with a decision record
// (docs/decisions/0001).
var plan = map[string][]string{
	".": {},

	// These know nothing of ours; a stranger could lift them out.
	"internal/metering": {},
	"internal/awsjson":  {},
	"internal/rpccbor":  {},
	"internal/sigv4":    {},
	"internal/policy":   {},
	"internal/clock":    {},
	"internal/envelope": {},
	"internal/backup":   {},

	"internal/id":      rooms("metering"),
	"internal/session": rooms("metering"),
	"internal/report":  rooms("metering"),
	"internal/audit":   rooms("metering store"),
	"internal/notify":  rooms("metering"),

	// S3's client is heavy: whoever does not write to it does not link it.
	"internal/bucket":        {},
	"internal/bucket/s3test": {},

	// The wall and its stores. The stores do not know the doors.
	"internal/store":                 rooms("envelope metering"),
	"internal/store/storetest":       rooms("envelope metering store"),
	"internal/store/promise":         rooms("metering store"),
	"internal/store/embedded":        rooms("envelope metering store"),
	"internal/store/postgres":        rooms("envelope metering store"),
	"internal/store/postgres/pgtest": {}, // servers for tests: it knows PostgreSQL, not what we keep in it
	"internal/transfer":              rooms("envelope metering store"),

	// The doors. They do not know one another, except that the console is the
	// operator's API with another face.
	"internal/caller":   rooms("sigv4 policy session metering store"),
	"internal/awsapi":   rooms("awsjson rpccbor sigv4 caller metering audit store"),
	"internal/identity": rooms("sigv4 caller policy session metering audit store"),
	"internal/admin":    rooms("clock policy metering report audit notify store"),
	"internal/console":  rooms("admin metering"),

	"meteringtest":  rooms("awsapi admin metering store/embedded"),
	"cmd/meterd":    {anything},
	"test/sdk":      {anything},
	"test/browser":  {anything},
	"test/load":     {anything},
	"test/sqlcheck": {anything},
	"test/planted":  {},
	"test/soak":     {},
}

// testDoors are what a package's tests may import beyond what mayImport gives the
// tests of every package.
var testDoors = map[string][]string{
	"internal/store/embedded": rooms("store/promise store/storetest"),
	"internal/store/postgres": rooms("audit store/promise store/storetest store/postgres/pgtest"),

	// What is proven of a trail is proven of one that a store has kept.
	"internal/audit":  rooms("id bucket bucket/s3test store/embedded store/postgres store/postgres/pgtest"),
	"internal/bucket": rooms("bucket/s3test"),

	// Ids are a field everywhere; a test has to make some. A wire test needs a
	// catalogue, and the operator's door is where one is read.
	"internal/admin":  rooms("id"),
	"internal/awsapi": rooms("admin clock id store/promise"),
}

// meteringImports is all that the rules may take from the standard library.
var meteringImports = strings.Fields("cmp errors fmt iter maps math slices strconv strings time unicode/utf8")

// clockReaders are the functions of package time that read the true clock or
// wait by it.
var clockReaders = strings.Fields("Now Since Until After AfterFunc Tick NewTimer NewTicker Sleep")

// trueTime names the packages outside cmd/ and test/ that may use clockReaders
// themselves, and why.
var trueTime = map[string]string{
	"internal/store/storetest":       "the court is test code, though its files are ordinary ones",
	"internal/store/postgres":        "waits for a network are bounded, and a look at the catalogue grows old, by the true clock; no time that is stored comes from it",
	"internal/store/postgres/pgtest": "it runs servers for tests, and they take their time; its files are ordinary ones too",
	"internal/bucket/s3test":         "it runs servers for tests, as pgtest does",
	"internal/store/promise":         "the checker is test code, though its files are ordinary ones; it counts how long a run took",
}

// refusedNames say nothing of what is inside.
var refusedNames = strings.Fields("util common helpers types models core pkg")

// maxLines is how long a file may be, tests too.
const maxLines = 400

func rooms(names string) []string {
	list := strings.Fields(names)
	for i, name := range list {
		list[i] = "internal/" + name
	}
	return list
}

func TestPlan(t *testing.T) {
	files, err := goFiles(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(files, func(f goFile) bool { return f.dir() == "internal/metering" }) {
		t.Fatal("internal/metering was not found, so the walk over the sources is broken")
	}
	for _, v := range violations(files) {
		t.Error(v)
	}
}

// goFile is a source file, read and parsed.
type goFile struct {
	name string // slash-separated, from the root
	text string
	set  *token.FileSet
	ast  *ast.File
}

func (f goFile) dir() string  { return path.Dir(f.name) }
func (f goFile) isTest() bool { return strings.HasSuffix(f.name, "_test.go") }

// goFiles reads every Go file of the repository, the modules under test/
// included.
func goFiles(fsys fs.FS) ([]goFile, error) {
	var files []goFile
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		hidden := name != "." && (base[0] == '.' || base[0] == '_') // the go command does not see these either
		if d.IsDir() {
			if hidden || base == "testdata" || base == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		if hidden || path.Ext(base) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		f := goFile{name: name, text: string(text), set: token.NewFileSet()}
		f.ast, err = parser.ParseFile(f.set, name, text, parser.ParseComments|parser.SkipObjectResolution)
		files = append(files, f)
		return err
	})
	return files, err
}

// violations says where the files break the plan: file, what, and which rule.
func violations(files []goFile) []string {
	var found []string
	for _, f := range files {
		say := func(rule, format string, args ...any) {
			found = append(found, f.name+": "+fmt.Sprintf(format, args...)+"; the rule: "+rule)
		}
		checkImports(f, say)
		checkTime(f, say)
		checkForm(f, say)
	}
	return append(found, undescribed(files)...)
}

type sayer func(rule, format string, args ...any)

func checkImports(f goFile, say sayer) {
	dir := f.dir()
	if _, ok := plan[dir]; !ok {
		say("every folder that holds Go has a row in the plan of arch_test.go", "%s is in no row", dir)
		return
	}
	for _, spec := range f.ast.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		ours, ok := strings.CutPrefix(imported, module+"/")
		switch {
		case ok && !mayImport(dir, ours, f.isTest()):
			say("a package imports only what its row in the plan of arch_test.go names", "imports %s", ours)
		case dir == "internal/metering" && !f.isTest() && !slices.Contains(meteringImports, imported):
			say("the rules are pure: they import only "+strings.Join(meteringImports, ", "), "imports %s", imported)
		}
	}
}

// mayImport: code imports what its row names. A test may import its own package
// and all that lies below it, the embedded store (a real part in place of a mock)
// and what testDoors adds.
func mayImport(dir, ours string, test bool) bool {
	row := plan[dir]
	if test {
		const store = "internal/store/embedded"
		row = slices.Concat([]string{dir, store}, below(dir), below(store), testDoors[dir])
	}
	return slices.Contains(row, ours) || slices.Contains(row, anything)
}

// below is all that a package may reach through others.
func below(dir string) []string {
	reach := slices.Clone(plan[dir])
	for i := 0; i < len(reach); i++ {
		for _, next := range plan[reach[i]] {
			if !slices.Contains(reach, next) {
				reach = append(reach, next)
			}
		}
	}
	return reach
}

func checkTime(f goFile, say sayer) {
	const rule = "the clock is an argument or a field; only cmd/ and tests read the true one"
	inside := func(folder string) bool { return strings.HasPrefix(f.name, folder) }
	if f.isTest() || inside("cmd/") || inside("test/") || trueTime[f.dir()] != "" {
		return
	}
	name := ""
	for _, spec := range f.ast.Imports {
		if spec.Path.Value != `"time"` {
			continue
		}
		name = "time"
		if spec.Name != nil {
			name = spec.Name.Name
		}
	}
	if name == "." {
		say(rule, "imports time with a dot, which hides who reads the clock")
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			x, ok := sel.X.(*ast.Ident)
			if ok && x.Name == name && slices.Contains(clockReaders, sel.Sel.Name) {
				say(rule, "line %d uses time.%s", f.set.Position(sel.Pos()).Line, sel.Sel.Name)
			}
		}
		return true
	})
}

func checkForm(f goFile, say sayer) {
	if lines := strings.Count(f.text, "\n"); lines > maxLines {
		say(fmt.Sprintf("a file has at most %d lines", maxLines), "has %d lines", lines)
	}
	for _, name := range append(strings.Split(f.dir(), "/"), f.ast.Name.Name) {
		if slices.Contains(refusedNames, name) {
			say("a package is named for what it holds", "lies in a package or folder named %s", name)
			break
		}
	}
	for _, decl := range f.ast.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			say("no global state: what a program needs is made in cmd/ and handed over", "has a func init")
		}
	}
}

// undescribed names the packages that have no package comment. A package that
// is only tests may have it in one of them.
func undescribed(files []goFile) []string {
	type state struct{ code, described bool }
	packages := map[string]state{}
	var dirs []string
	for _, f := range files {
		s, seen := packages[f.dir()]
		if !seen {
			dirs = append(dirs, f.dir())
		}
		if !f.isTest() && !s.code {
			s = state{code: true} // its tests' comments do not count
		}
		if f.isTest() != s.code && f.ast.Doc.Text() != "" {
			s.described = true
		}
		packages[f.dir()] = s
	}
	var found []string
	for _, dir := range dirs {
		if !packages[dir].described {
			found = append(found, dir+": has no package comment; the rule: every package says what it is, so that a newcomer can read it alone")
		}
	}
	return found
}
