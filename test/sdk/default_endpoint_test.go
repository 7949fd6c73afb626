package sdk

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// TestDefaultEndpoint: clients that are told no endpoint ask AWS's own names, and
// lines of a hosts file lead them to meterd, over TLS. It runs itself again in a
// network and with a hosts file of its own, where meterd has port 443 and nothing
// else can be reached.
func TestDefaultEndpoint(t *testing.T) {
	if dir := os.Getenv(ownNetwork); dir != "" {
		testDefaultEndpoint(t, dir)
		return
	}
	dir := createCA(t)
	if _, missing := jsClient(); missing == "" {
		if err := installJS(); err != nil {
			t.Fatal(err)
		}
	}
	output, missing := runInOwnNetwork(t, dir)
	if missing != "" {
		remarks.add("left out: AWS's own host names by a hosts file (%s); the SDK for Go alone was led to them, by its dialer", missing)
		t.Skip(missing)
	}
	t.Log(output)
}

// createCA makes a folder with a CA, in tls, and a hosts file as meterd says.
func createCA(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	ca := filepath.Join(dir, "tls")
	if out, err := exec.CommandContext(t.Context(), binary, "ca", "create", ca).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	help, err := exec.CommandContext(t.Context(), binary, "ca", "trust-help", ca).Output()
	if err != nil {
		t.Fatal(err)
	}
	hosts := "127.0.0.1 localhost\n"
	for line := range strings.Lines(string(help)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "127.0.0.1 ") {
			hosts += line + "\n"
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "hosts"), []byte(hosts), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// startOverTLS runs "meterd dev" with the folder's CA, which the client trusts.
func startOverTLS(t *testing.T, dir, listen string) (s *server, client *http.Client) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(readFile(t, filepath.Join(dir, "tls", "ca.pem")))
	client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(client.CloseIdleConnections)
	catalog := writeFile(t, "catalog.yaml", withoutContainers(readFile(t, catalogFile)))
	envFile := filepath.Join(t.TempDir(), "env")
	launch(t, binary, []string{
		"dev", "--tls", filepath.Join(dir, "tls"), "--listen", listen, "--env-file", envFile,
		"--catalog", catalog, "--clock", clockT, "--throttle", "off",
	}, "XDG_STATE_HOME="+filepath.Dir(envFile)).await(t, func() bool {
		url := readEnv(envFile)["METERD_URL"]
		if url == "" {
			return false
		}
		res, err := client.Get(url + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	env := readEnv(envFile)
	return &server{url: env["METERD_URL"], token: env["METERD_ADMIN_TOKEN"], env: env}, client
}

// sellerCalls are what a seller's program does.
var sellerCalls = []string{"ResolveCustomer", "BatchMeterUsage", "GetEntitlements"}

func testDefaultEndpoint(t *testing.T, dir string) {
	s, _ := startOverTLS(t, dir, "127.0.0.1:443")
	ca := filepath.Join(dir, "tls", "ca.pem")
	env := []string{
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_CA_BUNDLE=" + ca, "NODE_EXTRA_CA_CERTS=" + ca,
		"AWS_ACCESS_KEY_ID=" + callers["seller"].id, "AWS_SECRET_ACCESS_KEY=" + callers["seller"].secret,
	}
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	t.Run("go", func(t *testing.T) {
		cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRetryMaxAttempts(1))
		if err != nil {
			t.Fatal(err)
		}
		sellWithGo(t, cfg)
	})
	t.Run("go without the CA", func(t *testing.T) {
		t.Setenv("AWS_CA_BUNDLE", "")
		cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRetryMaxAttempts(1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("got %v, want the certificate to be refused", err)
		}
	})
	fresh := map[string]func() client{
		"js":    func() client { return startNode(env...) },
		"boto3": func() client { return startPython(env...) },
		"cli":   func() client { return cli{} },
	}
	for _, name := range []string{"js", "boto3", "cli"} {
		t.Run(name, func(t *testing.T) {
			open(t, name)
			c := fresh[name]()
			if p, ok := c.(interface{ Close() error }); ok {
				t.Cleanup(func() { _ = p.Close() })
			}
			for _, operation := range sellerCalls {
				answers, err := c.send(t.Context(), call{Operation: operation, Input: json.RawMessage(good[operation].input)})
				if err != nil {
					t.Fatal(err)
				}
				if a := answers[0]; a.Failure != nil || a.Refused != "" {
					t.Errorf("%s: %v", operation, a)
				}
			}
			if name != "cli" {
				return
			}
			out, err := exec.CommandContext(t.Context(), "aws", "sts", "get-caller-identity", "--output", "json").CombinedOutput()
			if err != nil || !strings.Contains(string(out), `"Account": "210987654321"`) {
				t.Errorf("GetCallerIdentity: %v\n%s", err, out)
			}
		})
	}
	// All sent one record, and our own commands trust the CA that the env file names.
	list := exec.CommandContext(t.Context(), binary, "usage", "list", "--product", "scanner", "--output", "name")
	list.Env = os.Environ()
	for _, name := range []string{"METERD_URL", "METERD_ADMIN_TOKEN", "METERD_CA_BUNDLE"} {
		list.Env = append(list.Env, name+"="+s.env[name])
	}
	out, err := list.CombinedOutput()
	if err != nil || len(strings.Fields(string(out))) != 1 {
		t.Errorf("the records are %q, %v; want one", out, err)
	}
}

// sellWithGo makes a seller's calls with the SDK's default endpoints, and sees that
// they went to AWS's names, over HTTP/2.
func sellWithGo(t *testing.T, cfg aws.Config) {
	t.Helper()
	var seen []string
	cfg.APIOptions = append(cfg.APIOptions, noting(&seen))
	for _, operation := range sellerCalls {
		invoke, err := goOperation(cfg, call{Operation: operation, Input: json.RawMessage(good[operation].input)})
		if err != nil {
			t.Fatal(err)
		}
		if a := goAnswer(invoke(t.Context())); a.Failure != nil {
			t.Errorf("%s: %v", operation, a)
		}
	}
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil)
	if err != nil || aws.ToString(who.Account) != "210987654321" {
		t.Errorf("GetCallerIdentity: %+v, %v", who, err)
	}
	want := []string{
		"https://metering.marketplace.us-east-1.amazonaws.com HTTP/2.0",
		"https://metering.marketplace.us-east-1.amazonaws.com HTTP/2.0",
		"https://entitlement.marketplace.us-east-1.amazonaws.com HTTP/2.0",
		"https://sts.us-east-1.amazonaws.com HTTP/2.0",
	}
	if !slices.Equal(seen, want) {
		t.Errorf("asked %q, want %q", seen, want)
	}
}

// noting has a client note whom it asked, and over what.
func noting(seen *[]string) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("Noting", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			if res, ok := out.RawResponse.(*smithyhttp.Response); ok {
				*seen = append(*seen, fmt.Sprintf("%s://%s %s", res.Request.URL.Scheme, res.Request.URL.Host, res.Proto))
			}
			return out, metadata, err
		}), middleware.After)
	}
}

// TestDefaultEndpointByDialer is the nearest that can be had everywhere: the SDK
// asks AWS's own names, and its dialer goes to meterd.
func TestDefaultEndpointByDialer(t *testing.T) {
	t.Parallel()
	dir := createCA(t)
	s, trusting := startOverTLS(t, dir, "127.0.0.1:0")
	transport := awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) {
		tr.TLSClientConfig.RootCAs = trusting.Transport.(*http.Transport).TLSClientConfig.RootCAs
		tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if !strings.HasSuffix(address, ".us-east-1.amazonaws.com:443") {
				return nil, fmt.Errorf("the SDK dials %s", address)
			}
			return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(s.url, "https://"))
		}
	})
	cfg := callers["seller"].config(t, "", "")
	cfg.BaseEndpoint, cfg.HTTPClient = nil, transport
	sellWithGo(t, cfg)
}
