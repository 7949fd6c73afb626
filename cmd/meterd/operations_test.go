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

	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// shBlock is a block of shell in a page.
var shBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

const operationsPage = "../../docs/operations.md"

// pastOneMachine begins the page's part that needs PostgreSQL.
const pastOneMachine = "\n# Past one machine\n"

// TestOperationsPage runs docs/operations.md from its first block to the last that
// one machine needs, in one shell, as it is written, save that the ports are free
// ones and the binary goes to a place of its own. Where the AWS CLI is not
// installed, its call is left out.
func TestOperationsPage(t *testing.T) {
	metrics := freePort(t)
	work := t.TempDir()
	out := runPage(t, work, nil, func(page string) string {
		page, _, _ = strings.Cut(page, pastOneMachine)
		return page
	}, "meterd check\nkill $server\nwait $server\n",
		"8443", freePort(t), "8485", metrics, "data: data", "data: data\nmetrics_listen: 127.0.0.1:"+metrics+"\ndrain_delay: 0s",
		"-o bin/", "-o "+work+"/bin/", "$PWD/bin", work+"/bin", "mkdir -p meterd && cd meterd", "cd "+work)
	if awsHasEndpoints() && !regexp.MustCompile(`(?s)"Status": "Success".*acme-scanner.*scans`).MatchString(out) {
		t.Errorf("the batch is not to be seen:\n%s", out)
	}
}

// TestOperationsPagePostgres runs the rest: three nodes behind HAProxy on a primary
// with a synchronous standby, and a failover.
func TestOperationsPagePostgres(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary")
	}
	server := pgtest.Programs(t, 15)
	if _, err := exec.LookPath("haproxy"); err != nil {
		t.Skip("LEFT OUT: haproxy is not installed")
	}
	work, err := os.MkdirTemp("", "meterd-page-") // the server's user can enter it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(work) })
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(work, "bin")+"/", ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	swaps := []string{"mkdir -p cluster && cd cluster", "cd " + work}
	for _, port := range []string{"5440", "5441", "8443", "8461", "8462", "8463"} {
		swaps = append(swaps, port, freePort(t))
	}
	swaps = append(swaps, "127.0.0.1:846$n", "127.0.0.1:$(sed -n \"s/.*node$n 127.0.0.1:\\([0-9]*\\).*/\\1/p\" nodes)",
		"--metrics-listen 127.0.0.1:847$n", "--metrics-listen ''", "behind_proxy: true", "behind_proxy: true\ndrain_delay: 0s")
	// The AWS CLI may be another user's: curl signs, too, and says as much.
	const aws = `aws() {
  curl -sS --cacert tls-cert.pem --aws-sigv4 aws:amz:us-east-1:aws-marketplace --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
    -H 'Content-Type: application/x-amz-json-1.1' -H 'X-Amz-Target: AWSMPMeteringService.BatchMeterUsage' "$METERD_URL/" \
    -d "{\"UsageRecords\":[{\"Timestamp\":$(date +%s),\"CustomerAWSAccountId\":\"111122223333\",\"LicenseArn\":\"$license\",\"Dimension\":\"scans\",\"Quantity\":5}]}"
}
`
	before := aws + fmt.Sprintf("export PATH=%s:%s/bin:$PATH HOME=%s\ncd %s\ntrap 'kill $(jobs -p) 2>/dev/null || true; for d in primary standby next; do pg_ctl -D %s/$d -m immediate stop || true; done >/dev/null 2>&1' EXIT\n", server, work, work, work, work)
	nodes := "cat >nodes <<'END'\n  server node1 127.0.0.1:8461\n  server node2 127.0.0.1:8462\n  server node3 127.0.0.1:8463\nEND\n"
	out := runPage(t, work, pgtest.Command, func(page string) string {
		_, page, _ = strings.Cut(page, pastOneMachine)
		return "```sh\n" + before + nodes + "```\n" + page
	}, "", swaps...)
	if ids := regexp.MustCompile(`"MeteringRecordId":"([^"]+)"`).FindAllStringSubmatch(out, -1); len(ids) != 3 || ids[0][1] != ids[1][1] || ids[1][1] != ids[2][1] {
		t.Errorf("three nodes answered %v, want one id three times:\n%s", ids, out)
	}
}

// runPage runs a part of the page, with some texts swapped for others, and returns
// what it printed. prepare, if not nil, says as whom and where.
func runPage(t *testing.T, work string, prepare func(testing.TB, *exec.Cmd, string), part func(page string) string, last string, swaps ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the binary")
	}
	for _, tool := range []string{"bash", "curl", "jq", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("LEFT OUT: %s is not installed", tool)
		}
	}
	page, err := os.ReadFile(operationsPage)
	if err != nil {
		t.Fatal(err)
	}
	script := "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
	if !awsHasEndpoints() {
		script += "aws() { echo left out; }\n"
	}
	for i, block := range shBlock.FindAllStringSubmatch(part(string(page)), -1) {
		script += fmt.Sprintf("echo '=== block %d'\n%s", i+1, block[1])
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", strings.NewReplacer(swaps...).Replace(script+last))
	cmd.Dir = "../.."
	if prepare != nil {
		prepare(t, cmd, work)
	}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "METERD_") && !strings.HasPrefix(v, "PG") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "AWS_CONFIG_FILE="+filepath.Join(work, "none"), "XDG_STATE_HOME="+work)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		logs, _ := filepath.Glob(filepath.Join(work, "*.log"))
		for _, name := range logs {
			text, _ := os.ReadFile(name)
			t.Logf("%s:\n%s", filepath.Base(name), text)
		}
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
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
