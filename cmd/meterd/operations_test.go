package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// shBlock is a block of shell in a page.
var shBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// TestOperationsPage runs docs/operations.md from its first block to its last, in
// one shell, as it is written, save that the ports are free ones and the binary
// goes to a place of its own. Where the AWS CLI is not installed, its call is
// left out.
func TestOperationsPage(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary")
	}
	for _, tool := range []string{"bash", "curl", "jq", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("LEFT OUT: %s is not installed", tool)
		}
	}
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	script := "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
	if !awsHasEndpoints() {
		script += "aws() { echo left out; }\n"
	}
	for i, block := range shBlock.FindAllStringSubmatch(string(page), -1) {
		script += fmt.Sprintf("echo '=== block %d'\n%s", i+1, block[1])
	}
	script += "meterd check\nkill $server\nwait $server\n"
	metrics := freePort(t)
	script = strings.NewReplacer(
		"8443", freePort(t), "8485", metrics, "data: data", "data: data\nmetrics_listen: 127.0.0.1:"+metrics+"\ndrain_delay: 0s",
		"-o bin/", "-o "+work+"/bin/", "$PWD/bin", work+"/bin", "mkdir -p meterd && cd meterd", "cd "+work,
	).Replace(script)
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = "../.."
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "METERD_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "AWS_CONFIG_FILE="+filepath.Join(work, "none"), "XDG_STATE_HOME="+work)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(work, "meterd.log"))
		t.Fatalf("%v\n%s\nthe server's log:\n%s", err, out, log)
	}
	if awsHasEndpoints() && !regexp.MustCompile(`(?s)"Status": "Success".*acme-scanner.*scans`).Match(out) {
		t.Errorf("the batch is not to be seen:\n%s", out)
	}
}

// awsHasEndpoints reports whether there is an AWS CLI that reads AWS_ENDPOINT_URL_…:
// older ones would call AWS.
func awsHasEndpoints() bool {
	out, err := exec.Command("aws", "--version").CombinedOutput()
	version := regexp.MustCompile(`aws-cli/(\d+)\.(\d+)`).FindStringSubmatch(string(out))
	if err != nil || version == nil {
		return false
	}
	return version[1] == "1" && len(version[2]) == 2 && version[2] >= "29" || version[1] == "2" && len(version[2]) == 2 && version[2] >= "13"
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
