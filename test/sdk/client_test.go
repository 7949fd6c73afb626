package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A call is one request as a client's user would make it.
type call struct {
	Operation string          `json:"operation"`
	Endpoint  string          `json:"endpoint"` // "" leaves endpoint, region and credentials to the environment
	Region    string          `json:"region"`
	KeyID     string          `json:"keyID"`
	Secret    string          `json:"secret"`
	Input     json.RawMessage `json:"input"`             // the wire's member names; instants as RFC 3339
	Attempts  int             `json:"attempts"`          // at most; 0 is what the client does by itself
	Signing   string          `json:"signing,omitempty"` // "none", or the service to sign for in place of the right one
	Copies    int             `json:"copies,omitempty"`  // this many at once; 0 is one
}

// An answer is what the client's user got: an output, a failure, or the
// client's own refusal to send.
type answer struct {
	Output    map[string]any `json:"output"`
	Failure   *failure       `json:"failure"`
	Refused   string         `json:"refused"`
	Attempts  int            `json:"attempts"` // 0 where the client does not tell
	RequestID string         `json:"requestID"`
}

// A failure is a service error as the client decoded it.
type failure struct {
	Name    string `json:"name"`
	Message string `json:"message"`
	Status  int    `json:"status"` // 0 where the client does not tell; then Typed says nothing either
	Typed   bool   `json:"typed"`  // whether the client has a type of this name and used it
}

func (a answer) String() string {
	switch {
	case a.Refused != "":
		return "not sent: " + a.Refused
	case a.Failure != nil:
		return fmt.Sprintf("%s (status %d, typed %t): %s", a.Failure.Name, a.Failure.Status, a.Failure.Typed, a.Failure.Message)
	}
	b, err := json.Marshal(a.Output)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// A client is one of the SDKs. Its error is its own trouble, never the
// service's answer.
type client interface {
	send(ctx context.Context, c call) ([]answer, error)
}

// verifier is a client that can also check a PS256 signature by the means of its
// platform, as a container's software would.
type verifier interface {
	verify(ctx context.Context, pem, token string) (header, claims map[string]any, err error)
}

// makers make a client, or say in one line why they cannot.
var makers = map[string]func() (client, string){
	"go":    func() (client, string) { return goClient{}, "" },
	"js":    jsClient,
	"boto3": boto3Client,
	"cli":   cliClient,
}

var started = map[string]client{}

// everySDK runs a test under each of the three SDKs.
func everySDK(t *testing.T, f func(t *testing.T, name string, c client)) {
	for _, name := range []string{"go", "js", "boto3"} {
		t.Run(name, func(t *testing.T) { f(t, name, open(t, name)) })
	}
}

// open returns the client of that name, or skips the test where the client is
// not installed.
func open(t *testing.T, name string) client {
	t.Helper()
	if c := started[name]; c != nil {
		return c
	}
	c, missing := makers[name]()
	if missing != "" {
		remarks.add("%s", missing)
		t.Skip(missing)
	}
	started[name] = c
	return c
}

func closeClients() {
	for _, c := range started {
		if p, ok := c.(io.Closer); ok {
			p.Close()
		}
	}
}

func jsClient() (client, string) {
	switch os.Getenv("METERD_SDK_JS") {
	case "off":
		return nil, "METERD_SDK_JS is off: the vectors of the AWS SDK for JavaScript were not run"
	case "required": // what is missing is then a failure
	default:
		for _, tool := range []string{"node", "npm"} {
			if _, err := exec.LookPath(tool); err != nil {
				return nil, tool + " is not installed: the vectors of the AWS SDK for JavaScript were not run"
			}
		}
	}
	return startNode(), ""
}

// startNode and startPython take variables for the SDK to find, beyond our own.
func startNode(env ...string) node {
	return node{&process{argv: []string{"node", "js/runner.mjs"}, env: env, prepare: installJS}}
}

func startPython(env ...string) *process {
	return &process{argv: []string{"python3", "python/runner.py"}, env: env}
}

// askBoto3 prints the members of a usage record. A model from before February
// 2026 lacks one that the vectors need, and it is not the service's fault.
const askBoto3 = `import boto3
model = boto3.client("meteringmarketplace", region_name="us-east-1").meta.service_model
print(*model.shape_for("UsageRecord").members)`

func boto3Client() (client, string) {
	members, err := exec.Command("python3", "-c", askBoto3).Output()
	switch {
	case err != nil:
		return nil, "boto3 is not installed: its vectors were not run"
	case !bytes.Contains(members, []byte("LicenseArn")):
		return nil, "boto3 is too old to know LicenseArn: its vectors were not run"
	}
	return startPython(), ""
}

func cliClient() (client, string) {
	skeleton, err := exec.Command("aws", "meteringmarketplace", "batch-meter-usage", "--generate-cli-skeleton").Output()
	switch {
	case err != nil:
		return nil, "the AWS CLI is not installed: its vectors were not run"
	case !bytes.Contains(skeleton, []byte("LicenseArn")):
		return nil, "the AWS CLI is too old to know LicenseArn: its vectors were not run"
	}
	return cli{}, ""
}

// isolate keeps a developer's own AWS settings away from every client.
func isolate() {
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			os.Unsetenv(name)
		}
	}
	os.Setenv("AWS_CONFIG_FILE", os.DevNull)
	os.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}
