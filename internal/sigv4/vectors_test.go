package sigv4

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestVectors runs the header-signed requests of AWS's public suite
// (awslabs/aws-c-auth, tests/aws-signing-test-suite/v4). They are not part of
// this repository: METERD_SIGV4_VECTORS names the folder that holds v4/, from
// the root of the repository.
//
// A case with a query must be refused, because this wire has none; a case for
// services that do not normalise paths is passed over, as is one whose request
// line net/http does not read. Every other must be accepted, its intermediate
// results must be AWS's, and every mutant of it must be refused.
func TestVectors(t *testing.T) {
	dir := os.Getenv("METERD_SIGV4_VECTORS")
	if dir == "" {
		t.Skip("METERD_SIGV4_VECTORS is not set: AWS's public signing vectors were not run")
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join("..", "..", dir)
	}
	cases, err := filepath.Glob(filepath.Join(dir, "v4", "*", "header-signed-request.txt"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no vectors in %s (%v)", dir, err)
	}

	var root, paths, queries, passed, refused int
	for _, file := range cases {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			v := readVector(t, dir)
			switch {
			case v.Request.Method == "" || !v.Normalize && v.Request.RequestURI != "/":
				passed++
				return
			case strings.Contains(v.RequestURI, "?"):
				queries++
				if v.verify(only(v.signer), nil) == nil {
					t.Error("accepted a query")
				}
				return
			case v.Request.RequestURI == "/":
				root++
			default:
				paths++
			}

			verifier := only(v.signer)
			v.compareSteps(t, dir)
			if err := v.verify(verifier, nil); err != nil {
				t.Fatalf("not accepted: %v", err)
			}
			for _, skew := range []time.Duration{5 * time.Minute, -5 * time.Minute} {
				v := v
				v.clock = v.clock.Add(skew)
				if err := v.verify(verifier, nil); err != nil {
					t.Errorf("not accepted when the clock is off by %v: %v", skew, err)
				}
			}
			for m := range mutants(v.Request, v.clock) {
				if m.verify(verifier, nil) == nil {
					t.Errorf("accepted a mutant: %s", m.what)
				}
				refused++
			}
		})
	}
	t.Logf("%d cases: accepted %d with path / and %d with other paths; refused %d with a query and %d mutants; passed over %d",
		len(cases), root, paths, queries, refused, passed)
	if root == 0 {
		t.Error("no case had the path /")
	}
}

type vector struct {
	mutant
	signer    Signer
	Normalize bool
}

func readVector(t *testing.T, dir string) vector {
	t.Helper()
	var c struct {
		Credentials struct {
			ID     string `json:"access_key_id"`
			Secret string `json:"secret_access_key"`
			Token  string
		}
		Region, Service string
		Timestamp       time.Time
		Normalize       bool
	}
	if err := json.Unmarshal([]byte(read(t, dir, "context.json")), &c); err != nil {
		t.Fatal(err)
	}
	v := vector{
		mutant:    mutant{clock: c.Timestamp},
		signer:    Signer{c.Credentials.ID, Credential{Secret: c.Credentials.Secret, SessionToken: c.Credentials.Token}, c.Region, c.Service},
		Normalize: c.Normalize,
	}
	// Some files end without the empty line that ends a header.
	text := read(t, dir, "header-signed-request.txt")
	if !strings.Contains(text, "\n\n") {
		text += "\n\n"
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		t.Logf("net/http does not read it: %v", err)
		return v
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	v.Request = Request{Method: r.Method, RequestURI: r.RequestURI, Host: r.Host, Header: r.Header, Body: body}
	return v
}

// compareSteps compares the canonical request and the string to sign with AWS's.
func (v vector) compareSteps(t *testing.T, dir string) {
	t.Helper()
	a := header(t, v.Request)
	canonical, err := appendHead(nil, v.Request, a.signedHeaders)
	if err != nil {
		t.Fatal(err)
	}
	canonical = appendHexSHA256(canonical, v.Body)
	if got, want := string(canonical), read(t, dir, "header-canonical-request.txt"); got != want {
		t.Errorf("canonical request\n%s\nwant\n%s", got, want)
	}
	_, stamp, _ := v.date()
	_, scope, _ := strings.Cut(a.credential, "/")
	if got, want := string(appendStringToSign(nil, stamp, scope, canonical)), read(t, dir, "header-string-to-sign.txt"); got != want {
		t.Errorf("string to sign\n%s\nwant\n%s", got, want)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
