package sdk

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// clockT is T of the vectors.
const clockT = "2026-09-15T10:30:00Z"

// server is a running meterd: one process, or several over one database.
type server struct {
	url   string   // where clients send their calls
	nodes []string // the URL of each process
	token string
	env   map[string]string // what dev's env file exports
}

// start is a server of "meterd dev", see place.start.
func start(t *testing.T, flags ...string) *server {
	t.Helper()
	return place{}.start(t, flags...)
}

var catalogFile = filepath.Join("testdata", "catalog.yaml")

func startCatalog(t *testing.T, catalog []byte, flags []string) *server {
	t.Helper()
	file := writeFile(t, "catalog.yaml", catalog)
	return startDev(t, append([]string{"--catalog", file, "--clock", clockT, "--throttle", "off"}, flags...)...)
}

// withoutContainers drops what stands between the catalogue's own marks.
func withoutContainers(catalog []byte) []byte {
	var kept []byte
	dropping := false
	for line := range bytes.Lines(catalog) {
		mark, _ := bytes.CutPrefix(bytes.TrimSpace(line), []byte("# "))
		dropping = dropping || bytes.HasPrefix(mark, []byte("containers"))
		if !dropping {
			kept = append(kept, line...)
		}
		dropping = dropping && !bytes.HasPrefix(mark, []byte("end of containers"))
	}
	return kept
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// writeFile writes a file of the test's own.
func writeFile(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// startDev runs "meterd dev" on a free port.
func startDev(t *testing.T, flags ...string) *server {
	t.Helper()
	envFile := filepath.Join(t.TempDir(), "env")
	// Not the user's state, where another dev may have left word.
	d := launch(t, binary, append([]string{"dev", "--listen", "127.0.0.1:0", "--env-file", envFile}, flags...),
		"XDG_STATE_HOME="+filepath.Dir(envFile))
	d.await(t, func() bool {
		// The file names the port, and is whole once /readyz says 200.
		url := readEnv(envFile)["METERD_URL"]
		return url != "" && ready(url)
	})
	env := readEnv(envFile)
	return &server{url: env["METERD_URL"], nodes: []string{env["METERD_URL"]}, token: env["METERD_ADMIN_TOKEN"], env: env}
}

func ready(url string) bool {
	resp, err := http.Get(url + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// readEnv reads lines of "export NAME=value", the value quoted for a shell or not.
func readEnv(path string) map[string]string {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	env := map[string]string{}
	for line := range strings.Lines(string(b)) {
		assignment, ok := strings.CutPrefix(strings.TrimSpace(line), "export ")
		if name, value, found := strings.Cut(assignment, "="); ok && found {
			env[name] = strings.Trim(value, `'"`)
		}
	}
	return env
}

// credential is a key of the catalogue.
type credential struct{ id, secret string }

// callers are the catalogue's credentials by the names that the vectors use.
var callers = map[string]credential{
	"seller":       {"AKIATESTSELLER000001", "example-secret-000001"},
	"other-seller": {"AKIATESTSELLER000002", "example-secret-000002"},
	"user-a":       {"AKIATESTBUYERA000001", "example-secret-000003"},
	"i-1":          {"AKIATESTINSTANCE0001", "example-secret-000004"},
	"i-2":          {"AKIATESTINSTANCE0002", "example-secret-000005"},
	"task-1":       {"AKIATESTTASK00000001", "example-secret-000006"},
	"pod-1":        {"AKIATESTPOD000000001", "example-secret-000007"},
	"rt-1":         {"AKIATESTRUNTIME00001", "example-secret-000008"},
}

// callAs is a call to the server by one of the callers, in us-east-1.
func (s *server) callAs(t *testing.T, as, operation, input string) call {
	t.Helper()
	c, ok := callers[as]
	if !ok {
		t.Fatalf("there is no caller %q", as)
	}
	return call{
		Operation: operation, Endpoint: s.url, Region: "us-east-1",
		KeyID: c.id, Secret: c.secret, Input: []byte(input),
	}
}
