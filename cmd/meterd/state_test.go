package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meterd/meterd/internal/admin"
)

// alone gives a test an environment in which nothing is set that commands read.
func alone(t *testing.T) (stateHome string) {
	t.Helper()
	for _, name := range append(append([]string{urlVariable, tokenVariable, caVariable}, awsVariables...), rivals...) {
		t.Setenv(name, "")
	}
	dir := t.TempDir()
	t.Setenv("HOME", filepath.Join(dir, "home"))
	t.Setenv("XDG_STATE_HOME", filepath.Join(dir, "state"))
	return filepath.Join(dir, "state")
}

func demoEnvironment(port int) environment {
	c := &admin.Catalog{Credentials: []admin.Credential{{AccessKeyID: "AKIAMETERDSELLER0001", SecretAccessKey: "example-secret"}}}
	return environmentOf(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}, c, "token-1", "")
}

func TestState(t *testing.T) {
	dir := filepath.Join(alone(t), "meterd")
	forget, ok := demoEnvironment(8484).remember(slog.New(slog.DiscardHandler))
	if !ok {
		t.Fatal("not written")
	}
	path := filepath.Join(dir, "dev.json")
	for name, want := range map[string]os.FileMode{dir: 0o700, path: 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want mode %v", name, info, err, want)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("in the directory: %v, %v", entries, err)
	}
	c, err := connect("")
	if err != nil {
		t.Fatal(err)
	}
	want := []variable{
		{"AWS_ENDPOINT_URL_MARKETPLACE_METERING", "http://127.0.0.1:8484"},
		{"AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE", "http://127.0.0.1:8484"},
		{"AWS_ENDPOINT_URL_STS", "http://127.0.0.1:8484"},
		{"AWS_ENDPOINT_URL_CLOUDTRAIL", "http://127.0.0.1:8484"},
		{"AWS_REGION", "us-east-1"},
		{"AWS_DEFAULT_REGION", "us-east-1"},
		{"AWS_ACCESS_KEY_ID", "AKIAMETERDSELLER0001"},
		{"AWS_SECRET_ACCESS_KEY", "example-secret"},
		{"METERD_URL", "http://127.0.0.1:8484"},
		{"METERD_ADMIN_TOKEN", "token-1"},
	}
	if diff := cmp.Diff(want, c.variables(), cmp.AllowUnexported(variable{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	// Another dev has written it since: it is that one's to remove.
	forgetOther, _ := demoEnvironment(9999).remember(slog.New(slog.DiscardHandler))
	forget()
	if c, err := connect(""); err != nil || c.url != "http://127.0.0.1:9999" {
		t.Errorf("after the first has ended: %+v, %v", c, err)
	}
	// At the same address, too.
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	later := strings.Replace(string(text), fmt.Sprint(os.Getpid()), "1", 1)
	if err := os.WriteFile(path, []byte(later), 0o600); err != nil {
		t.Fatal(err)
	}
	forgetOther()
	if got, err := os.ReadFile(path); string(got) != later {
		t.Errorf("what another process wrote: %s, %v", got, err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	forgetOther()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("after both have ended: %v", err)
	}
}

// TestNoState: without a home dev serves all the same, and says so to who asks;
// where the file cannot be written, it says so to everyone.
func TestNoState(t *testing.T) {
	alone(t)
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	t.Setenv("HOME", "")
	t.Setenv("XDG_STATE_HOME", "relative") // which the specification has us ignore
	forget, ok := demoEnvironment(8484).remember(logger)
	forget()
	if ok || !strings.Contains(log.String(), "level=DEBUG") {
		t.Errorf("without a home: %t, log %q", ok, &log)
	}
	if _, err := connect(""); err == nil || !strings.Contains(err.Error(), "no 'meterd dev' runs for this user") {
		t.Errorf("got %v", err)
	}

	log.Reset()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_STATE_HOME", file)
	forget, ok = demoEnvironment(8484).remember(logger)
	forget()
	if ok || !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("below a file: %t, log %q", ok, &log)
	}

	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "/home/someone")
	if path, err := statePath(); path != "/home/someone/.local/state/meterd/dev.json" || err != nil {
		t.Errorf("got %s, %v", path, err)
	}
}

func TestConnect(t *testing.T) {
	const dev, other = "http://127.0.0.1:8484", "https://metering.example.com"
	for name, test := range map[string]struct {
		flag, url, token string
		running          bool
		want             connection
		wrong            string
	}{
		"nothing":                  {wrong: "METERD_ADMIN_TOKEN is not set, and no 'meterd dev' runs for this user: start 'meterd dev', or set METERD_URL and METERD_ADMIN_TOKEN"},
		"dev":                      {running: true, want: connection{url: dev, token: "token-1"}},
		"dev's url":                {running: true, url: dev + "/", want: connection{url: dev, token: "token-1"}},
		"dev's url as a flag":      {running: true, flag: dev, url: other, want: connection{url: dev, token: "token-1"}},
		"dev's token":              {running: true, token: "token-1", want: connection{url: dev, token: "token-1"}},
		"another token":            {running: true, token: "token-2", want: connection{url: defaultURL, token: "token-2"}},
		"token only":               {token: "token-2", want: connection{url: defaultURL, token: "token-2"}},
		"both":                     {running: true, url: other, token: "token-2", want: connection{url: other, token: "token-2"}},
		"flag and token":           {flag: other, url: dev, token: "token-2", want: connection{url: other, token: "token-2"}},
		"dev's token is not given": {running: true, url: other, wrong: "METERD_ADMIN_TOKEN is not set, and the 'meterd dev' that runs is not at " + other + " but at " + dev},
		"url only":                 {url: other, wrong: "METERD_ADMIN_TOKEN is not set, and no 'meterd dev' runs"},
		"no url":                   {url: "metering.example.com", token: "t", wrong: `METERD_URL is "metering.example.com"; it begins with http:// or https://`},
	} {
		t.Run(name, func(t *testing.T) {
			alone(t)
			if test.running {
				demoEnvironment(8484).remember(slog.New(slog.DiscardHandler))
			}
			t.Setenv(urlVariable, test.url)
			t.Setenv(tokenVariable, test.token)
			got, err := connect(test.flag)
			if test.wrong != "" {
				if err == nil || !strings.HasPrefix(err.Error(), test.wrong) {
					t.Errorf("got %v, want %s", err, test.wrong)
				}
				return
			}
			if err != nil || got.url != test.want.url || got.token != test.want.token {
				t.Errorf("got %s with %s, %v; want %s with %s", got.url, got.token, err, test.want.url, test.want.token)
			}
		})
	}
}

// TestVariablesOfEnvironment: without a dev, what is set counts, and is completed.
func TestVariablesOfEnvironment(t *testing.T) {
	alone(t)
	for name, value := range map[string]string{urlVariable: "https://m.example.com", tokenVariable: "t", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIA1"} {
		t.Setenv(name, value)
	}
	c, err := connect("")
	if err != nil {
		t.Fatal(err)
	}
	want := []variable{
		{"AWS_ENDPOINT_URL_MARKETPLACE_METERING", "https://m.example.com"},
		{"AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE", "https://m.example.com"},
		{"AWS_ENDPOINT_URL_STS", "https://m.example.com"},
		{"AWS_ENDPOINT_URL_CLOUDTRAIL", "https://m.example.com"},
		{"AWS_REGION", "eu-west-1"},
		{"AWS_DEFAULT_REGION", "eu-west-1"},
		{"AWS_ACCESS_KEY_ID", "AKIA1"},
		{"METERD_URL", "https://m.example.com"},
		{"METERD_ADMIN_TOKEN", "t"},
	}
	if diff := cmp.Diff(want, c.variables(), cmp.AllowUnexported(variable{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestBanner(t *testing.T) {
	alone(t)
	c, err := admin.ParseCatalog(demoCatalog)
	if err != nil {
		t.Fatal(err)
	}
	for shell, want := range map[string]string{"/bin/zsh": `eval "$(`, "/usr/bin/fish": " env | source\n"} {
		t.Setenv("SHELL", shell)
		var out bytes.Buffer
		banner(&out, "", demoEnvironment(8484), c, true)
		if lines := strings.Count(out.String(), "\n"); lines >= 15 || !strings.Contains(out.String(), want) || strings.Contains(out.String(), "example-secret") {
			t.Errorf("%d lines; want fewer than 15, %q, and no secret:\n%s", lines, want, &out)
		}
	}
	var out bytes.Buffer
	banner(&out, "", demoEnvironment(8484), c, false)
	if !strings.Contains(out.String(), "export METERD_ADMIN_TOKEN=token-1\n") {
		t.Errorf("no state file, and no exports:\n%s", &out)
	}
}
