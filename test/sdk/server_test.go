package sdk

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// clockT is T of the vectors.
const clockT = "2026-09-15T10:30:00Z"

// server is one running meterd.
type server struct {
	url   string
	token string
	env   map[string]string // what its env file exports
}

// start runs "meterd dev" with our catalogue, its clock stopped at T, until the
// test ends. Flags given override ours. Container products are left out: the key
// that is made for one takes twenty times as long as all the rest of a start.
func start(t *testing.T, flags ...string) *server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "catalog.yaml")
	if err := os.WriteFile(file, withoutContainers(readFile(t, catalogFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	return startCatalog(t, file, flags...)
}

// startWithContainers is start with all of the catalogue.
func startWithContainers(t *testing.T, flags ...string) *server {
	t.Helper()
	return startCatalog(t, catalogFile, flags...)
}

var catalogFile = filepath.Join("testdata", "catalog.yaml")

func startCatalog(t *testing.T, file string, flags ...string) *server {
	t.Helper()
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

// neverServed holds once a server did not come up: then no other will, and one
// log says it better than a hundred.
var neverServed atomic.Bool

// startDev runs "meterd dev" on a free port.
func startDev(t *testing.T, flags ...string) *server {
	t.Helper()
	if neverServed.Load() {
		t.Fatal("meterd did not serve an earlier test either")
	}
	if err := neverCached(); err != nil {
		t.Fatal(err)
	}
	envFile := filepath.Join(t.TempDir(), "env")
	args := append([]string{"dev", "--listen", "127.0.0.1:0", "--env-file", envFile}, flags...)
	cmd := exec.Command(binary, args...)
	cmd.SysProcAttr = dieWithParent()
	// Not the user's, where another dev may have left word.
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Dir(envFile))
	var log bytes.Buffer // exec writes both streams from one goroutine, for they are equal
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { cmd.Wait(); close(gone) }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-gone
		if t.Failed() {
			t.Logf("meterd %s\n%s", strings.Join(args, " "), &log)
		}
	})

	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		select {
		case <-gone:
			neverServed.Store(true)
			t.Fatal("meterd ended instead of serving")
		case <-time.After(5 * time.Millisecond):
		}
		// The file names the port, and is whole once /readyz says 200.
		env := readEnv(envFile)
		if env["METERD_URL"] == "" || !ready(env["METERD_URL"]) {
			continue
		}
		env = readEnv(envFile)
		return &server{url: env["METERD_URL"], token: env["METERD_ADMIN_TOKEN"], env: env}
	}
	neverServed.Store(true)
	t.Fatal("meterd is not ready after 30 s")
	return nil
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
