package postgres_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// TestStatementsPrepare: every statement is one that the database takes, with the
// tables that the migrations make.
func TestStatementsPrepare(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		conn, err := pgx.Connect(t.Context(), migrated(t, c))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		for _, s := range postgres.Statements() {
			if _, err := conn.Prepare(t.Context(), s.Name, s.SQL); err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
		}
	})
}

// TestNoSmallIntegers is reliability.md's P7: no column is of a type that counting
// can overflow.
func TestNoSmallIntegers(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		url := migrated(t, c)
		small := query[string](t, url, `SELECT coalesce(string_agg(table_name || '.' || column_name || ' ' || data_type, ', '), '')
			FROM information_schema.columns
			WHERE table_schema = current_schema() AND table_name NOT LIKE 'meterd_migration%' AND data_type IN ('smallint', 'integer', 'real', 'double precision', 'numeric')`)
		if small != "" {
			t.Errorf("columns that can overflow or round: %s", small)
		}
		if n := query[int64](t, url, `SELECT count(*) FROM information_schema.columns WHERE table_schema = current_schema() AND data_type = 'bigint'`); n < 20 {
			t.Errorf("%d columns of bigint were found: the test looks in the wrong place", n)
		}
	})
}

// sources are the files of this package that talk to a database.
func sources(t *testing.T) (set *token.FileSet, files []*ast.File) {
	t.Helper()
	set = token.NewFileSet()
	//lint:ignore SA1019 one package, without build tags
	packages, err := parser.ParseDir(set, ".", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range packages["postgres"].Files {
		if !strings.HasSuffix(name, "_test.go") {
			files = append(files, file)
		}
	}
	return set, files
}

// ofCitus are the statements that no other database knows: they are in no list.
var ofCitus = []string{"hasCitus", "isDistributed", "distributeTable", "referenceTable"}

// TestEveryStatementIsListed: what the sources send is a constant, and every
// constant that is SQL is in the list, so that whoever checks the list has checked
// everything.
func TestEveryStatementIsListed(t *testing.T) {
	set, files := sources(t)
	constants := make(map[string]bool)
	listed := make(map[string]bool)
	verbs := []string{"SELECT", "INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT", "ROLLBACK", "SET"}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			verb, _, _ := strings.Cut(firstText(spec.Values[0]), " ")
			if slices.Contains(verbs, verb) {
				constants[spec.Names[0].Name] = true
			}
			return true
		})
		ast.Inspect(file, func(n ast.Node) bool {
			if fn, ok := n.(*ast.FuncDecl); ok && fn.Name.Name == "Statements" {
				ast.Inspect(fn, func(n ast.Node) bool {
					if id, ok := n.(*ast.Ident); ok {
						listed[id.Name] = true
					}
					return true
				})
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"Query", "QueryRow", "Exec", "Queue"}, sel.Sel.Name) {
				return true
			}
			for _, arg := range call.Args {
				if text := firstText(arg); text != "" {
					t.Errorf("%s: %s is sent as a literal", set.Position(arg.Pos()), text)
				}
			}
			return true
		})
	}
	if len(constants) < 40 {
		t.Fatalf("%d statements were found: the test looks in the wrong place", len(constants))
	}
	for name := range constants {
		if !listed[name] && !slices.Contains(ofCitus, name) {
			t.Errorf("%s is in no list", name)
		}
	}
}

// firstText is the text that an expression begins with, if it begins with one.
func firstText(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.BinaryExpr:
			e = x.X
		case *ast.BasicLit:
			if x.Kind != token.STRING {
				return ""
			}
			text, _ := strconv.Unquote(x.Value)
			return text
		default:
			return ""
		}
	}
}
