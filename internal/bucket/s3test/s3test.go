// Package s3test runs an S3 server for tests: moto, if it is installed
// (pip install 'moto[server]').
package s3test

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// program is moto's server.
const program = "moto_server"

// patience is how long a server may take to start.
const patience = time.Minute

// LeftOut says that there is no server here; "" if there is.
func LeftOut() string {
	if _, err := exec.LookPath(program); err != nil {
		return "files of the trail in an S3 bucket (" + program + " is not installed)"
	}
	return ""
}

// Start starts a server with a bucket and returns its address, as a bucket is
// written. The test has credentials for it in its environment. It skips a test, and
// says so, where there is no server.
func Start(t *testing.T) string {
	t.Helper()
	if why := LeftOut(); why != "" {
		t.Skip("LEFT OUT: " + why)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, port, _ := strings.Cut(address, ":")
	cmd := exec.Command(program, "-H", "127.0.0.1", "-p", port)
	cmd.Dir = t.TempDir()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-tests")
	t.Setenv("AWS_SESSION_TOKEN", "")
	for end := time.Now().Add(patience); ; {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+address+"/trail", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Fatalf("making a bucket: %s", res.Status)
			}
			return fmt.Sprintf("s3://trail/kept?region=us-east-1&endpoint=http://%s", address)
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not start: %v", program, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
