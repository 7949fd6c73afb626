package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/envelope"
)

// production is the built binary serving over a directory, watched from all
// sides: its output, its metrics, its traces, and what it answers.
type production struct {
	*testing.T
	url, metrics string
	process      *exec.Cmd
	output       *bytes.Buffer
	heard        bytes.Buffer // every answer that shows no secret by intent
	traces       *traceSink
	token        string
}

// traceSink takes traces in, as a collector would.
type traceSink struct {
	mu  sync.Mutex
	got bytes.Buffer
}

func (s *traceSink) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.got.ReadFrom(r.Body)
}

func startProduction(t *testing.T, dir, token string) *production {
	t.Helper()
	binary := filepath.Join(dir, "meterd")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	p := &production{T: t, output: new(bytes.Buffer), traces: new(traceSink), token: token}
	collector := httptest.NewServer(p.traces)
	t.Cleanup(collector.Close)
	address, metrics := "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
	p.url, p.metrics = "http://"+address, "http://"+metrics
	p.process = exec.CommandContext(t.Context(), binary, "serve", "--behind-proxy", "--log-level", "debug", "--drain-delay", "0s", //nolint:gosec // it is what was built
		"--listen", address, "--metrics-listen", metrics, "--data", filepath.Join(dir, "data"), "--key-file", filepath.Join(dir, "keys"))
	p.process.Env = append(os.Environ(), tokenVariable+"="+token, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "OTEL_BSP_SCHEDULE_DELAY=50", "GOTRACEBACK=all")
	p.process.Stdout, p.process.Stderr = p.output, p.output
	if err := p.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.process.Process.Kill() })
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if res, err := http.Get(p.url + "/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return p
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("not ready in time:\n%s", p.output)
		}
	}
}

// do sends a request; what it is answered is heard unless it is to show a secret.
func (p *production) do(r *http.Request, shows bool) (int, []byte) {
	p.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.Fatal(err)
	}
	if !shows {
		fmt.Fprintf(&p.heard, "%s %s\n%v\n%s\n", r.Method, r.URL.Path, res.Header, b)
	}
	return res.StatusCode, b
}

// operate calls the admin API with a token.
func (p *production) operate(token, method, path, body string, shows bool) []byte {
	p.Helper()
	r, err := http.NewRequestWithContext(p.Context(), method, p.url+admin.Prefix+path, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	_, b := p.do(r, shows)
	return b
}

// sign calls an operation with a key.
func (p *production) sign(key, secret, operation, body string) int {
	p.Helper()
	r, err := signedRequest(p.url, key, secret, operation, body)
	if err != nil {
		p.Fatal(err)
	}
	status, _ := p.do(r, false)
	return status
}

// TestCanaries puts a secret of its own into everything that takes one, lets
// calls succeed and fail in every way that has to do with them, and finds none of
// the secrets in a log, a metric, a trace, an error, a goroutine dump, a file of
// the store or a backup.
func TestCanaries(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary")
	}
	dir := t.TempDir()
	line := envelope.NewLine()
	if err := os.WriteFile(filepath.Join(dir, "keys"), []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const credential, token, key = "canary-of-the-credential-0001", "canary-of-the-registration-token-0001", "AKIACANARY0000000001"
	secrets := map[string]string{
		"the admin token": "canary-of-the-admin-token-0123456789", "the credential's": credential, "the registration token": token,
		"the key file's": strings.SplitN(line, ":", 2)[1], "a session token": "canary-of-a-session-token",
		"a wrong bearer": "canary-of-a-wrong-bearer", "an idempotent": "canary-of-no-one",
	}
	p := startProduction(t, dir, secrets["the admin token"])

	catalog := fmt.Sprintf(`
sellers: [{account: "210987654321"}]
buyers: [{account: "111122223333"}]
products:
  - {code: p, seller: "210987654321", type: saas, metering: legacy, dimensions: [{name: d}]}
  - {code: box, seller: "210987654321", type: container}
agreements: [{id: a, product: p, buyer: "111122223333"}]
credentials: [{access_key_id: %s, secret_access_key: %s, account: "210987654321"}]
tokens: [{token: %s, agreement: a}]
`, key, credential, token)
	p.operate(p.token, "POST", "/catalog", catalog, false)
	p.operate(p.token, "POST", "/catalog", catalog+"colour: red\n", false)
	p.operate(p.token, "POST", "/catalog", strings.Replace(catalog, "account: \"210987654321\"}]\ntokens", "account: none}]\ntokens", 1), false)
	p.operate(p.token, "POST", "/catalog", strings.Replace(catalog, "[{access_key_id", "[[{access_key_id", 1), false)
	p.operate(secrets["a wrong bearer"], "GET", "/clock", "", false)

	made := func(what, field, path, body string) string {
		var out map[string]any
		if err := json.Unmarshal(p.operate(p.token, "POST", path, body, true), &out); err != nil {
			t.Fatal(err)
		}
		secret, _ := out[field].(string)
		if len(secret) < 20 {
			t.Fatalf("%s: no secret in %v", what, out)
		}
		secrets[what] = secret
		return secret
	}
	made("a made key's", "secret_access_key", "/credentials", `{"account":"210987654321"}`)
	made("a rotated key's", "secret_access_key", "/credentials/"+key+"/rotate", "")
	issued := made("an issued token", "token", "/tokens", `{"agreement":"a"}`)
	seller := made("a granted access", "token", "/accesses", `{"name":"s","role":"seller","account":"210987654321"}`)
	p.operate(seller, "GET", "/credentials", "", false)
	p.operate(seller, "PUT", "/compat", "{}", false)

	record := fmt.Sprintf(`{"ProductCode":"p","UsageRecords":[{"Timestamp":%d,"CustomerAWSAccountId":"111122223333","Dimension":"d","Quantity":1}]}`, time.Now().Unix())
	if status := p.sign(key, credential, "BatchMeterUsage", record); status != http.StatusOK {
		t.Fatalf("the batch was answered %d:\n%s", status, p.heard.String())
	}
	for _, known := range []string{token, issued} {
		if status := p.sign(key, credential, "ResolveCustomer", `{"RegistrationToken":"`+known+`"}`); status != http.StatusOK {
			t.Fatalf("a token was answered %d", status)
		}
		p.sign(key, credential, "ResolveCustomer", `{"RegistrationToken":["`+known+`"]}`)
		p.sign(key, credential, "ResolveCustomer", `{"RegistrationToken":"`+known)
		p.sign(key, credential, "ResolveCustomer", `{"RegistrationToken":"`+known+` "}`)
		p.sign(key, "another", "ResolveCustomer", `{"RegistrationToken":"`+known+`"}`)
	}
	r, err := signedRequest(p.url, key, credential, "BatchMeterUsage", record)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Security-Token", secrets["a session token"])
	p.do(r, false)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+credential+", Signature="+credential)
	p.do(r, false)
	for _, path := range []string{"/catalog", "/credentials", "/tokens", "/accesses", "/refusals", "/events", "/history?kind=credential&name=" + key, "/products/box/keys/1", "/check", "/openapi.json"} {
		p.operate(p.token, "GET", path, "", false)
	}
	backup := p.operate(p.token, "GET", "/backup", "", false)
	if len(backup) < 1000 {
		t.Errorf("a backup of %d bytes: %s", len(backup), backup)
	}
	time.Sleep(200 * time.Millisecond) // for the traces, which are sent every 50 ms
	res, err := http.Get(p.metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	measured, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.process.Process.Signal(syscall.SIGQUIT); err != nil { // every goroutine, as a panic would show them
		t.Fatal(err)
	}
	_ = p.process.Wait()

	p.traces.mu.Lock()
	defer p.traces.mu.Unlock()
	places := map[string]string{
		"the output": p.output.String(), "the answers": p.heard.String(), "the metrics": string(measured), "the traces": p.traces.got.String(),
	}
	for place, sign := range map[string]string{"the output": "goroutine ", "the answers": "UnrecognizedClientException", "the metrics": "meterd_", "the traces": "ResolveCustomer"} {
		if !strings.Contains(places[place], sign) {
			t.Errorf("%s show nothing of %q: the test is blind there", place, sign)
		}
	}
	err = filepath.WalkDir(filepath.Join(dir, "data"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			b, rerr := os.ReadFile(path)
			places[path], err = string(b), rerr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for what, secret := range secrets {
		for place, text := range places {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s secret is in %s: …%q…", what, place, text[max(i-80, 0):min(i+len(secret)+20, len(text))])
			}
		}
	}
}
