package meterd

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestPlanCanFail breaks each rule of the plan once, on small sources.
func TestPlanCanFail(t *testing.T) {
	const (
		rules  = "internal/metering/a.go"
		awsapi = "internal/awsapi/a.go"
	)
	imports := func(pkg string, paths ...string) string {
		src := "// Package " + pkg + " is here for a test.\npackage " + pkg + "\n"
		for _, p := range paths {
			src += "import _ \"" + p + "\"\n"
		}
		return src
	}
	ours := func(pkg string, names ...string) string {
		for i, name := range names {
			names[i] = module + "/" + name
		}
		return imports(pkg, names...)
	}
	reads := func(spec, use string) string {
		return "// Package awsapi is here for a test.\npackage awsapi\nimport " + spec + "\nvar _ = " + use + "\n"
	}

	tests := []struct {
		name  string
		files map[string]string // Go source by path
		want  []string          // one part of each message
	}{
		{"nothing wrong", map[string]string{
			rules:                                imports("metering", "errors", "time"),
			"internal/metering/a_test.go":        imports("metering_test", "testing", "pgregory.net/rapid", module+"/internal/metering"),
			awsapi:                               ours("awsapi", "internal/awsjson", "internal/store"),
			"internal/awsapi/a_test.go":          ours("awsapi", "internal/awsapi", "internal/sigv4", "internal/store/embedded"),
			"internal/store/embedded/a.go":       ours("embedded", "internal/store"),
			"internal/store/embedded/.#a.go":     "an editor's",
			"internal/store/embedded/b_test.go":  ours("embedded", "internal/store/storetest"),
			"cmd/meterd/main.go":                 ours("main", "internal/awsapi", "internal/id"),
			"internal/.old/util.go":              "package util",
			"internal/metering/testdata/util.go": "package util",
			"test/sdk/node_modules/x/util.go":    "package util",
			"test/sdk/a_test.go":                 ours("sdk", "internal/sigv4"),
		}, nil},
		{"a door opens another door", map[string]string{awsapi: ours("awsapi", "internal/admin")}, []string{awsapi + ": imports internal/admin"}},
		{"a store knows a door", map[string]string{"internal/store/embedded/a.go": ours("embedded", "internal/awsapi")}, []string{"imports internal/awsapi"}},
		{"a package imports cmd", map[string]string{awsapi: ours("awsapi", "cmd/meterd")}, []string{"imports cmd/meterd"}},
		{"a test opens a foreign door", map[string]string{
			awsapi: ours("awsapi"), "internal/caller/a_test.go": ours("caller", "internal/admin"),
		}, []string{"a_test.go: imports internal/admin"}},
		{"only the stores' tests call the court", map[string]string{
			awsapi: ours("awsapi"), "internal/awsapi/a_test.go": ours("awsapi", "internal/store/storetest"),
		}, []string{"imports internal/store/storetest"}},
		{"code takes what only tests may", map[string]string{awsapi: ours("awsapi", "internal/store/embedded")}, []string{"imports internal/store/embedded"}},
		{"no row", map[string]string{"internal/cache/a.go": imports("cache")}, []string{"internal/cache is in no row"}},
		{"the rules know a room", map[string]string{rules: ours("metering", "internal/awsjson")}, []string{"imports internal/awsjson"}},
		{"the rules read the disk", map[string]string{rules: imports("metering", "os")}, []string{"the rules are pure"}},
		{"the rules use a module", map[string]string{rules: imports("metering", "pgregory.net/rapid")}, []string{"imports pgregory.net/rapid"}},
		{"now", map[string]string{awsapi: reads(`"time"`, "time.Now()")}, []string{"line 4 uses time.Now"}},
		{"now, handed on", map[string]string{awsapi: reads(`"time"`, "time.Now")}, []string{"uses time.Now"}},
		{"a timer", map[string]string{awsapi: reads(`"time"`, "time.NewTimer(1)")}, []string{"uses time.NewTimer"}},
		{"now, renamed", map[string]string{awsapi: reads(`tick "time"`, "tick.Since")}, []string{"uses time.Since"}},
		{"now, dotted", map[string]string{awsapi: reads(`. "time"`, "Now()")}, []string{"imports time with a dot"}},
		{"not the clock", map[string]string{awsapi: reads(`"time"`, "time.Unix(0, 0)")}, nil},
		{"cmd reads the clock", map[string]string{"cmd/meterd/main.go": reads(`"time"`, "time.Now()")}, nil},
		{"too long", map[string]string{awsapi: imports("awsapi") + strings.Repeat("\n", maxLines-1)}, []string{"has 401 lines"}},
		{"long enough", map[string]string{awsapi: imports("awsapi") + strings.Repeat("\n", maxLines-2)}, nil},
		{"a drawer", map[string]string{"internal/util/a.go": imports("util")}, []string{"is in no row", "named util"}},
		{"a drawer by another path", map[string]string{awsapi: imports("helpers")}, []string{"named helpers"}},
		{"init", map[string]string{awsapi: imports("awsapi") + "func init() {}\n"}, []string{"has a func init"}},
		{"a method may be called init", map[string]string{awsapi: imports("awsapi") + "type T struct{}\nfunc (T) init() {}\n"}, nil},
		{"no package comment", map[string]string{awsapi: "package awsapi\n"}, []string{"internal/awsapi: has no package comment"}},
		{"a directive is no comment", map[string]string{awsapi: "//go:build linux\npackage awsapi\n"}, []string{"has no package comment"}},
		{"only a test has the comment", map[string]string{
			awsapi: "package awsapi\n", "internal/awsapi/0_test.go": imports("awsapi"), "internal/awsapi/z_test.go": imports("awsapi"),
		}, []string{"internal/awsapi: has no package comment"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files, err := goFiles(sources(test.files))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, violations(files), test.want)
		})
	}
}

func TestPlanReadsOnlyGo(t *testing.T) {
	if _, err := goFiles(sources(map[string]string{"internal/awsapi/a.go": "not Go"})); err == nil {
		t.Error("a file that does not parse passed")
	}
}

// TestPlanIsSound: the plan names only packages it has rows for, and no package
// lies below itself.
func TestPlanIsSound(t *testing.T) {
	for _, rows := range []map[string][]string{plan, testDoors} {
		for dir, row := range rows {
			for _, name := range row {
				if _, ok := plan[name]; !ok && name != anything {
					t.Errorf("%s may import %s, which has no row", dir, name)
				}
			}
		}
	}
	for dir := range plan {
		if slices.Contains(below(dir), dir) {
			t.Errorf("%s lies below itself", dir)
		}
	}
}

func sources(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

// compare wants as many messages as parts, each part in the message at its
// place.
func compare(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d messages, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range got {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("got %q, want it to say %q", got[i], want[i])
		}
	}
}
