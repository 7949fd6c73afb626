package sdk

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
// test ends. Flags given override ours.
func start(t *testing.T, flags ...string) *server {
	t.Helper()
	return startDev(t, append([]string{
		"--catalog", filepath.Join("testdata", "catalog.yaml"), "--clock", clockT, "--throttle", "off",
	}, flags...)...)
}

// neverServed holds once a server did not come up: then no other will, and one
// log says it better than a hundred.
var neverServed bool

// startDev runs "meterd dev" on a free port.
func startDev(t *testing.T, flags ...string) *server {
	t.Helper()
	if neverServed {
		t.Fatal("meterd did not serve an earlier test either")
	}
	neverServed = true
	envFile := filepath.Join(t.TempDir(), "env")
	args := append([]string{"dev", "--listen", "127.0.0.1:0", "--env-file", envFile}, flags...)
	cmd := exec.Command(binary, args...)
	cmd.SysProcAttr = dieWithParent()
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
			t.Fatal("meterd ended instead of serving")
		case <-time.After(5 * time.Millisecond):
		}
		// The file names the port, and is whole once /readyz says 200.
		env := readEnv(envFile)
		if env["METERD_URL"] == "" || !ready(env["METERD_URL"]) {
			continue
		}
		neverServed = false
		env = readEnv(envFile)
		return &server{url: env["METERD_URL"], token: env["METERD_ADMIN_TOKEN"], env: env}
	}
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
	"seller":       {"AKIATESTSELLER000001", "example-secret-1"},
	"other-seller": {"AKIATESTSELLER000002", "example-secret-2"},
	"user-a":       {"AKIATESTBUYERA000001", "example-secret-3"},
	"i-1":          {"AKIATESTINSTANCE0001", "example-secret-4"},
	"i-2":          {"AKIATESTINSTANCE0002", "example-secret-5"},
	"task-1":       {"AKIATESTTASK00000001", "example-secret-6"},
	"pod-1":        {"AKIATESTPOD000000001", "example-secret-7"},
	"rt-1":         {"AKIATESTRUNTIME00001", "example-secret-8"},
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
