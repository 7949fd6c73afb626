package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"github.com/spf13/cobra"
	"pgregory.net/rapid"
)

// sources are where a configuration can come from.
type sources struct {
	flags, environ []string
	file           string            // of meterd.yaml, if it is not empty
	files          map[string]string // others, in the same folder
}

// read reads them. In values and variables @@ stands for the folder.
func (s sources) read(t *testing.T) (reading, string) {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"meterd.yaml": s.file}
	for name, text := range s.files {
		files[name] = text
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := func(list []string) (out []string) {
		for _, text := range list {
			out = append(out, strings.ReplaceAll(text, "@@", dir))
		}
		return out
	}
	flags := in(s.flags)
	if s.file != "" {
		flags = append(flags, "--config", filepath.Join(dir, "meterd.yaml"))
	}
	cmd := new(cobra.Command)
	settingFlags(cmd)
	if err := cmd.ParseFlags(flags); err != nil {
		t.Fatal(err)
	}
	return readConfig(cmd.Flags(), in(s.environ)), dir
}

// problems are what a reading finds wrong, with @@ in place of the folder.
func problems(r reading, dir string) (all []string) {
	for _, p := range r.problems {
		all = append(all, strings.ReplaceAll(p.Error(), dir, "@@"))
	}
	return all
}

// sample is a sound value for each setting, other than its default, as text.
var sample = map[string]string{
	"listen": ":9001", "data": "d", "key_file": "k", "admin_token": testToken, "tls_cert": "c", "tls_key": "k",
	"behind_proxy": "true", "hosts": "a.example,b.example:8443", "metrics_listen": ":9002", "log_level": "warn", "throttle": "off",
	"refusals_kept": "30d", "tokens_kept": "72h", "events_kept": "0", "drain_delay": "1m30s", "drain_timeout": "0", "connections_per_address": "7",
	"store": "postgres://h/d", "store_standbys": "2", "store_connections": "9",
	"trail_files": "s3://trail/a?region=us-east-1", "trail_files_every": "30s", "trail_files_kept": "30d",
	"web_identity": "https://a.example cluster=us-east-1", "regions": "testdata/regions.yaml",
}

// TestEveryLayer gives every setting in every layer, alone and above all those
// below, and sees the value and where it is said to come from.
func TestEveryLayer(t *testing.T) {
	for i := range settings {
		s := &settings[i]
		text, ok := sample[s.name]
		if !ok {
			t.Fatalf("%s: the test has no value for it", s.name)
		}
		var want config
		if err := s.put(&want, splitIf(s.list(), text)); err != nil {
			t.Fatal(err)
		}
		var all sources
		from := "not set"
		if s.required {
			from = "missing"
		}
		if s.standard != "" {
			from = "default"
		}
		check := func(what, origin string, given sources) {
			t.Helper()
			r, dir := given.read(t)
			got := strings.ReplaceAll(r.value(s.name).origin, dir, "@@")
			if got != origin {
				t.Errorf("%s from %s: it is said to come from %q, want %q; %v", s.name, what, got, origin, r.problems)
			}
			if what != "nowhere" && !cmp.Equal(s.field(&r.config), s.field(&want)) {
				t.Errorf("%s from %s: %v, want %v", s.name, what, s.field(&r.config), s.field(&want))
			}
		}
		check("nowhere", from, all)
		layers := []struct {
			what, origin string
			add          func(*sources)
			secret       bool // only for secrets
		}{
			{"the file", "@@/meterd.yaml:2:1", func(g *sources) { g.file = "# a comment\n" + s.name + ": " + yamlOf(s, text) + "\n" }, false},
			{"systemd", "$CREDENTIALS_DIRECTORY/" + s.name, func(g *sources) {
				g.files = map[string]string{s.name: text + "\r\n"}
				g.environ = append(g.environ, "CREDENTIALS_DIRECTORY=@@")
			}, true},
			{"a file of a variable", s.variable() + "_FILE", func(g *sources) {
				g.environ = append(g.environ, s.variable()+"_FILE=@@/"+s.name)
			}, true},
			{"a variable", s.variable(), func(g *sources) {
				g.environ = slices.DeleteFunc(g.environ, func(e string) bool { return strings.HasPrefix(e, s.variable()+"_FILE=") })
				g.environ = append(g.environ, s.variable()+"="+text)
			}, false},
			{"a flag", "--" + s.flag(), func(g *sources) { g.flags = []string{"--" + s.flag() + "=" + text} }, false},
		}
		for _, l := range layers {
			if l.secret && !s.file() || l.what == "a flag" && s.secret() {
				continue
			}
			l.add(&all) // those added before stay, and lose
			check(l.what, l.origin, all)
		}
	}
}

func splitIf(list bool, text string) []string {
	if list {
		return splitList(text)
	}
	return []string{text}
}

func yamlOf(s *setting, text string) string {
	if s.list() {
		return "[" + text + "]"
	}
	return fmt.Sprintf("%q", text)
}

// TestHigherLayersWin: the value, not only the origin, is the higher layer's.
func TestHigherLayersWin(t *testing.T) {
	given := sources{
		file:    "drain_delay: 1s\nthrottle: off\nbehind_proxy: true\nhosts: [file.example]\n",
		environ: []string{"METERD_DRAIN_DELAY=2s", "METERD_HOSTS=a.example, b.example", "METERD_THROTTLE=", "METERD_METRICS_LISTEN="},
		flags:   []string{"--drain-delay=3s", "--behind-proxy=false"},
	}
	r, dir := given.read(t)
	if found := problems(r, dir); found != nil {
		t.Error(found)
	}
	c := r.config
	if c.drainDelay != 3*time.Second || c.throttle != "off" || c.behindProxy || !slices.Equal(c.hosts, []string{"a.example", "b.example"}) ||
		c.metricsListen != "" || c.connectionsPerAddress != 256 || c.refusalsKept != 90*24*time.Hour || c.tokensKept != 48*time.Hour || c.eventsKept != 90*24*time.Hour {
		t.Errorf("%+v", c)
	}
	given.flags = nil
	if r, _ := given.read(t); r.config.connectionsPerAddress != 0 {
		t.Error("behind a proxy, all connections are the proxy's, and are capped")
	}
	given.environ = append(given.environ, "METERD_CONNECTIONS_PER_ADDRESS=9")
	if r, _ := given.read(t); r.config.connectionsPerAddress != 9 {
		t.Error("a cap that was asked for is not kept behind a proxy")
	}
}

// TestConfigProblems: what is wrong, in whose words.
func TestConfigProblems(t *testing.T) {
	const place = "@@/meterd.yaml:1:1: "
	for _, test := range []struct {
		given sources
		want  []string
	}{
		{sources{file: "listen: [a]"}, []string{place + "listen: it is a list; it takes one value"}},
		{sources{file: "hosts: {a: b}"}, []string{place + "hosts: it is not a plain value: text, number, true or false"}},
		{sources{file: "hosts: [{a: b}]"}, []string{place + "hosts: it is not a plain value: text, number, true or false"}},
		{sources{file: "hosts: ~"}, []string{place + `hosts: it has no value; leave the line out, or write "" for an empty one`}},
		{sources{file: "web_identity: [https://a.example cluster=nowhere-1]"}, []string{place + "web_identity: cluster=nowhere-1: nothing is served in that region"}},
		{sources{file: "web_identity: [https://a.example cluster=acme-central-1]\nregions: testdata/regions.yaml"}, nil},
		{sources{file: "regions: none.yaml"}, []string{place + "regions: open none.yaml: no such file or directory"}},
		{sources{file: `listen: ""`}, []string{place + "listen: the value is empty"}},
		{sources{file: "behind_proxy: yes"}, []string{place + `behind_proxy: "yes" is neither true nor false`}},
		{sources{file: "connections_per_address: 1.5"}, []string{place + `connections_per_address: "1.5" is not a whole number from 0 to 1000000`}},
		{sources{file: "drain_delay: 3"}, []string{place + `drain_delay: "3" is not a duration such as 30s, 48h or 90d`}},
		{sources{file: "drain_delay: 99999999999999h"}, []string{place + `drain_delay: "99999999999999h" is not a duration such as 30s, 48h or 90d`}},
		{sources{file: "<<: {listen: a}"}, []string{place + `there is no setting "<<"; 'meterd config print' lists them all`}},
		{sources{file: "listen: a:1\n\"listen\": b:1"}, []string{`@@/meterd.yaml:2:1: mapping key "listen" already defined at [1:1]`}},
		{sources{file: "buyers: !0"}, []string{place + `there is no setting "buyers"; 'meterd config print' lists them all`}},
		{sources{file: "data: [\n"}, []string{"@@/meterd.yaml:1:7: sequence end token ']' not found"}},
		{sources{file: "# nothing"}, nil},
		{sources{flags: []string{"--config=@@/none.yaml"}}, []string{"--config: open @@/none.yaml: no such file or directory"}},
		{sources{environ: []string{"METERD_CONFIG=@@/none.yaml"}}, []string{"METERD_CONFIG: open @@/none.yaml: no such file or directory"}},
		{sources{environ: []string{"METERD_ADMIN_TOKEN_FILE=@@/none"}}, []string{"METERD_ADMIN_TOKEN_FILE: open @@/none: no such file or directory"}},
		{sources{environ: []string{"METERD_ADMIN_TOKEN_FILE=@@/t"}, files: map[string]string{"t": "\n"}}, []string{"METERD_ADMIN_TOKEN_FILE: @@/t is empty"}},
		{
			sources{environ: []string{"CREDENTIALS_DIRECTORY=@@"}, files: map[string]string{"admin_token": "x"}},
			[]string{"$CREDENTIALS_DIRECTORY/admin_token: admin_token: it has 1 characters; it needs 32; make one with: openssl rand -base64 32"},
		},
		{
			sources{environ: []string{"METERD_ADMIN_TOKEN=" + testToken, "METERD_ADMIN_TOKEN_FILE=@@/t"}},
			[]string{"METERD_ADMIN_TOKEN_FILE: METERD_ADMIN_TOKEN is set, too; set one of them"},
		},
		{sources{environ: []string{"METERD_DRAIN_DELAY_FILE=x"}}, []string{"METERD_DRAIN_DELAY_FILE: there is no such variable; did you mean METERD_DRAIN_DELAY?"}},
		{sources{environ: []string{"METERD_LISTN=", "meterd_listen=x", "METERDX=1"}}, []string{"METERD_LISTN: there is no such variable; did you mean METERD_LISTEN?"}},
		{sources{environ: []string{"METERD_Listen=:1"}}, []string{"METERD_Listen: there is no such variable; did you mean METERD_LISTEN?"}},
		{sources{environ: []string{"METERD_URL=x", "METERD_SDK_JS=off", "METERD_TEST_X=1", "METERD_BINARY=x", "METERD_SIGV4_VECTORS=x", "METERD_CONFIG="}}, nil},
		{sources{environ: []string{"METERD_TLS_CERT=c"}}, []string{"METERD_TLS_CERT: tls_cert is given without tls_key; give both or neither"}},
		{sources{file: "tls_key: k"}, []string{place + "tls_key: tls_key is given without tls_cert; give both or neither"}},
		{sources{environ: []string{"METERD_HOSTS=a.example,,b"}}, []string{`METERD_HOSTS: "" is not a Host header such as metering.example.com or metering.example.com:8443`}},
		{sources{environ: []string{"METERD_LISTEN=127.0.0.1:99999"}}, []string{`METERD_LISTEN: "127.0.0.1:99999" is not an address such as 127.0.0.1:8484 or :8484`}},
		{sources{environ: []string{"METERD_DRAIN_DELAY=soon", "METERD_THROTTLE=on"}}, []string{
			`METERD_THROTTLE: "on" is none of aws, off`, `METERD_DRAIN_DELAY: "soon" is not a duration such as 30s, 48h or 90d`,
		}},
	} {
		r, dir := test.given.read(t)
		if diff := cmp.Diff(test.want, problems(r, dir)); diff != "" {
			t.Errorf("%+v (-want +got)\n%s", test.given, diff)
		}
	}
}

// TestStrongToken: what guards the operator's door can not be guessed, and is
// never repeated.
func TestStrongToken(t *testing.T) {
	for token, want := range map[string]string{
		testToken:                          "",
		"f00dfeed1234567890abcdef12345678": "", // hex
		"f3Q9-zR7f3Q9-zR7f3Q9-zR7f3Q9-zR":  "it has 31 characters",
		strings.Repeat("x", 64):            "1 different characters",
		strings.Repeat("abcdefg", 9):       "7 different characters",
		"CHANGEME-f3Q9-zR7f3Q9-zR7f3Q9-zR": `begins with "changeme"`,
		"Replace-Me-f3Q9-zR7f3Q9-zR7f3Q9z": `begins with "replace-me"`,
		"0123456789abcdef0123456789abcdef": `begins with "0123456789"`,
		"f3Q9-zR7f3Q9-zR7f3Q9-zR7f3Q9-zR ": "a header cannot carry",
		"f3Q9-zR7f3Q9-zR7f3Q9-zR7f3Q9-zRü": "a header cannot carry",
	} {
		err := strongToken(token)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", token, err, want)
		}
		if err != nil && strings.Contains(err.Error(), token) {
			t.Errorf("the error repeats the token: %v", err)
		}
	}
}

// TestConfigSchema: what serve reads, the schema takes, and the other way round.
func TestConfigSchema(t *testing.T) {
	b, err := json.Marshal(configSchema())
	if err != nil {
		t.Fatal(err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(b, &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
	if err != nil {
		t.Fatal(err)
	}
	full := make(map[string]any)
	for i := range settings {
		s := &settings[i]
		if s.list() {
			full[s.name] = []any{splitList(sample[s.name])[0]}
		} else {
			full[s.name] = plainOf(s, sample[s.name])
		}
	}
	if len(schema.Properties) != len(settings) {
		t.Errorf("%d properties for %d settings", len(schema.Properties), len(settings))
	}
	for name, test := range map[string]struct {
		file map[string]any
		ok   bool
	}{
		"everything": {full, true}, "nothing": {map[string]any{}, true},
		"unknown": {map[string]any{"colour": "red"}, false}, "word": {map[string]any{"throttle": "never"}, false},
		"type": {map[string]any{"behind_proxy": "yes"}, false}, "duration": {map[string]any{"drain_delay": "soon"}, false},
		"list": {map[string]any{"hosts": []any{1}}, false}, "negative": {map[string]any{"connections_per_address": -1}, false},
	} {
		if err := resolved.Validate(test.file); (err == nil) != test.ok {
			t.Errorf("%s: the schema says %v", name, err)
		}
		text, err := yaml.Marshal(test.file)
		if err != nil {
			t.Fatal(err)
		}
		if r, _ := (sources{file: string(text)}).read(t); name != "list" && (len(r.problems) == 0) != test.ok {
			t.Errorf("%s: serve says %v", name, r.problems)
		}
	}
}

// TestConfigFileIsReadCalmly: no file ends the process, and whatever is wrong with
// one has a place in it.
func TestConfigFileIsReadCalmly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "meterd.yaml")
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom(strings.Split(`listen|hosts|data|: |:|- |[|]|{|}|,|"|'|\n|  |# |!0|!|&a|*a|<<|? |---|...|%YAML|~|1|true| a.example|\t|\|`, "|")), 0, 12)
		source := strings.ReplaceAll(strings.Join(parts.Draw(t, "parts"), ""), `\n`, "\n")
		if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		var r reading
		r.fileLayer(path, true)
		for _, p := range r.problems {
			if !strings.HasPrefix(p.Error(), path+":") {
				t.Fatalf("%q: no place: %v", source, p)
			}
		}
	})
}
