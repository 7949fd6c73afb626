package meterd

import (
	"testing"
)

// TestCompatibilityCanFail gives the check of docs/compatibility.md small pages,
// one for each thing it must see.
func TestCompatibilityCanFail(t *testing.T) {
	const head = "# Page\n\n| Behaviour | Rule | Tests |\n|---|---|---|\n"
	tests := []struct {
		name, page string
		want       []string
	}{
		{"nothing wrong", head +
			"| a \\| b | R-1 | `TestWindow`, `internal/metering.TestWindow/six_hours` |\n" +
			"| c | – | `FuzzDecode ExampleWindow` and `internal/metering.FuzzDecode/seed` |\n" +
			"| d | – | `TestTranscripts/repeat`; `TestScripts/kill` |\n" +
			"| e | – | `test/sdk.TestVectors/37`, `TestVectors/javascript/01`, `TestVectors/get-vanilla` |\n", nil},
		{"another table, and a fence", head + "| a | R-1 | `TestWindow` |\n\n" +
			"| Word | Meaning |\n|---|---|\n| a | b |\n\n```\n| x | Tests |\n|---|---|\n| x | `TestGone` |\n```\n", nil},
		{"no page", "", []string{"docs/compatibility.md is missing"}},
		{"no table", "# Page\n", []string{"has no table whose last column"}},
		{"no such test", head + "| a | R-1 | `TestWindows` |\n", []string{"md:5: there is no test TestWindows"}},
		{"one of two", head + "| a | R-1 | `TestWindow`, `TestGone` |\n", []string{"there is no test TestGone"}},
		{"before a bar that is text", head + "| a | R-1 | `TestGone` \\| `TestWindow` |\n", []string{"there is no test TestGone"}},
		{"not in that package", head + "| a | R-1 | `internal/store.TestWindow` |\n", []string{"there is no test TestWindow in internal/store"}},
		{"a method is no test", head + "| a | R-1 | `TestMethod` |\n", []string{"there is no test TestMethod"}},
		{"not a test file", head + "| a | R-1 | `TestElsewhere` |\n", []string{"there is no test TestElsewhere"}},
		{"no test at all", head + "| a | R-1 | to come |\n", []string{"names no test"}},
		{"no backticks", head + "| a | R-1 | TestWindow |\n", []string{"put TestWindow in backticks", "names no test"}},
		{"not a name", head + "| a | R-1 | `make test` |\n", []string{"`make` is not the name of a test", "`test` is not the name of a test"}},
		{"no such transcript", head + "| a | R-1 | `TestTranscripts/twice` |\n", []string{"there is no internal/awsapi/testdata/twice.txtar"}},
		{"no such script", head + "| a | R-1 | `TestScripts/stop` |\n", []string{"there is no cmd/meterd/testdata/script/stop.txtar"}},
		{"no such vector", head + "| a | R-1 | `TestVectors/38` |\n", []string{"there is no vector 38"}},
		{"a ruling without a row", head + "| a | R-2 | `TestWindow` |\n", []string{"window.go: cites R-1"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			repo := map[string]string{
				"internal/metering/window.go": "package metering // R-1, and again R-1\nfunc TestElsewhere() {}\n",
				"internal/metering/window_test.go": "package metering\nfunc TestWindow() {}\nfunc FuzzDecode() {}\nfunc ExampleWindow() {}\n" +
					"type T struct{}\nfunc (T) TestMethod() {}\nfunc Testify() {}\n",
				"internal/awsapi/wire_test.go":               "package awsapi\nfunc TestTranscripts() {}\n",
				"internal/awsapi/testdata/repeat.txtar":      "",
				"cmd/meterd/script_test.go":                  "package main\nfunc TestScripts() {}\n",
				"cmd/meterd/testdata/script/kill.txtar":      "",
				"test/sdk/vectors_test.go":                   "package sdk\nfunc TestVectors() {}\n",
				"test/sdk/js/node_modules/gone/gone_test.go": "package gone\nfunc TestGone() {}\n",
			}
			if test.page != "" {
				repo[compatibilityPage] = test.page
			}
			fsys := sources(repo)
			files, err := goFiles(fsys)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, compatibility(fsys, files), test.want)
		})
	}
}

// TestLinksCanFail gives the check of links pages that lead somewhere and
// nowhere.
func TestLinksCanFail(t *testing.T) {
	tests := []struct {
		name, page string
		want       []string
	}{
		{"nothing wrong", "[a](../README.md#try) [b](decisions/) ![c](<one.md> \"One\") [d](https://example.com/x) [e](#here) [f](mailto:a@b)\n\n[g]: one.md\n", nil},
		{"code is no link", "`[a](gone.md)`\n```\n[a](gone.md)\n```\n", nil},
		{"nowhere", "[a](gone.md)", []string{"docs/page.md: the link gone.md leads nowhere"}},
		{"nowhere, with a place in it", "[a](gone.md#there)", []string{"leads nowhere"}},
		{"out of the repository", "[a](../../issues)", []string{"leads nowhere"}},
		{"from the root", "[a](/README.md)", []string{"leads nowhere"}},
		{"a reference", "[a]\n\n[a]: gone.md\n", []string{"leads nowhere"}},
		{"two", "[a](gone.md) [b](lost.md)", []string{"gone.md", "lost.md"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			compare(t, links(sources(map[string]string{
				"README.md": "", "CONTRIBUTING.md": "", "SECURITY.md": "", "CHANGELOG.md": "",
				"docs/one.md": "", "docs/decisions/0001.md": "", "docs/page.md": test.page,
			})), test.want)
		})
	}
	t.Run("a page is missing", func(t *testing.T) {
		compare(t, links(sources(map[string]string{
			"README.md": "", "SECURITY.md": "", "CHANGELOG.md": "", "docs/one.md": "",
		})), []string{"CONTRIBUTING.md is missing"})
	})
}
