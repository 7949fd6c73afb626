package sdk

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/google/go-cmp/cmp"
)

// The Go SDK ships the bytes that it is tested by: what it sends for each
// operation, and what it takes for each answer and each modelled error. They are
// read from the module cache, so they are always those of the SDK in go.mod.
const (
	meteringModule    = "github.com/aws/aws-sdk-go-v2/service/marketplacemetering"
	entitlementModule = "github.com/aws/aws-sdk-go-v2/service/marketplaceentitlementservice"
)

// snapshot is one of these files: a first line, headers, an empty line, a body.
type snapshot struct {
	first  string
	header http.Header
	body   []byte
}

// operation is the last part of the target, or of the path where there is none.
func (s snapshot) operation() string {
	target := s.header.Get("X-Amz-Target")
	if target == "" {
		return "GetEntitlements"
	}
	return target[strings.IndexByte(target, '.')+1:]
}

// readSnapshots reads the files of a kind by their names without the tail.
func readSnapshots(t *testing.T, module, folder, tail string) map[string]snapshot {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), folder, "*"+tail))
	if err != nil || len(files) == 0 {
		t.Fatalf("the SDK has no %s/*%s (%v)", folder, tail, err)
	}
	all := map[string]snapshot{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(bytes.NewReader(b))
		first, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if folder == "request_snapshot" { // an empty query stands on a line of its own
			if _, err := r.ReadString('\n'); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
		header, err := textproto.NewReader(r).ReadMIMEHeader()
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[strings.TrimSuffix(filepath.Base(file), tail)] = snapshot{strings.TrimSpace(first), http.Header(header), body}
	}
	return all
}

// TestRequestSnapshots sends what the SDK sends. Its placeholders are nobody's,
// so each is refused, but for what it says and never for how it is said.
func TestRequestSnapshots(t *testing.T) { oneOrTwo(t, testRequestSnapshots) }

func testRequestSnapshots(t *testing.T, p place) {
	s := p.startWithContainers(t)
	want := map[string]string{
		"BatchMeterUsage": "ValidationException", // a placeholder is no license and no account
		"MeterUsage":      "InvalidProductCodeException",
		"RegisterUsage":   "InvalidProductCodeException",
		"ResolveCustomer": "InvalidTokenException",
		"GetEntitlements": "InvalidParameterException",
	}
	for _, module := range []string{meteringModule, entitlementModule} {
		for operation, snap := range readSnapshots(t, module, "request_snapshot", ".request.snap") {
			t.Run(operation, func(t *testing.T) {
				path := strings.TrimPrefix(snap.first, "POST ")
				resp, err := post(t.Context(), s.goodCall(t, operation), path, snap.header, snap.body)
				if err != nil {
					t.Fatal(err)
				}
				body := decodeBody(t, resp.header, resp.body)
				if resp.status != http.StatusBadRequest || body["__type"] != want[operation] {
					t.Errorf("got %d %v, want 400 %s", resp.status, body, want[operation])
				}
			})
		}
	}
}

// TestErrorSnapshots compares each error's answer with the SDK's own: status,
// type of content, and body, but for the words.
func TestErrorSnapshots(t *testing.T) { oneOrTwo(t, testErrorSnapshots) }

func testErrorSnapshots(t *testing.T, p place) {
	s := p.startWithContainers(t)
	seen := map[string]bool{}
	for _, module := range []string{meteringModule, entitlementModule} {
		for name, snap := range readSnapshots(t, module, "response_snapshot", ".error.snap") {
			operation := snap.operation()
			seen[name] = true
			t.Run(operation+"/"+name, func(t *testing.T) {
				s.fault(t, operation, name, 1)
				resp := s.wire(t, operation)
				status, err := strconv.Atoi(snap.first)
				if err != nil {
					t.Fatal(err)
				}
				if resp.status != status {
					t.Errorf("the status is %d, want %d", resp.status, status)
				}
				for _, header := range []string{"Content-Type", "Smithy-Protocol"} {
					if got, want := resp.header.Get(header), snap.header.Get(header); got != want {
						t.Errorf("%s is %q, want %q", header, got, want)
					}
				}
				got, want := decodeBody(t, resp.header, resp.body), decodeBody(t, snap.header, snap.body)
				if text, _ := got["message"].(string); text == "" {
					t.Errorf("there is no text in %v", got)
				}
				delete(got, "message")
				delete(want, "message")
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("the body differs (-want +got):\n%s", diff)
				}
				if resp.header.Get("X-Amzn-Requestid") == "" {
					t.Error("there is no request id")
				}
				if got := resp.header.Get("X-Amzn-Errortype"); got != name {
					t.Errorf("x-amzn-ErrorType is %q", got)
				}
			})
		}
	}
	for name := range errorsByName {
		if !seen[name] {
			t.Errorf("the SDK knows no %s", name)
		}
	}
	if len(seen) != len(errorsByName) {
		t.Errorf("the SDK knows %d errors, testdata/errors.json %d", len(seen), len(errorsByName))
	}
}

// TestSuccessSnapshots compares the member names of our answers with those that
// the SDK reads: it would pass over any other without a word.
func TestSuccessSnapshots(t *testing.T) { oneOrTwo(t, testSuccessSnapshots) }

func testSuccessSnapshots(t *testing.T, p place) {
	s := p.startWithContainers(t)
	for _, module := range []string{meteringModule, entitlementModule} {
		for operation, snap := range readSnapshots(t, module, "response_snapshot", ".response.snap") {
			t.Run(operation, func(t *testing.T) {
				resp := s.wire(t, operation)
				if got, want := resp.header.Get("Content-Type"), snap.header.Get("Content-Type"); resp.status != http.StatusOK || got != want {
					t.Fatalf("got %d %s, want 200 %s\n%q", resp.status, got, want, resp.body)
				}
				known := members("", decodeBody(t, snap.header, snap.body))
				got := members("", decodeBody(t, resp.header, resp.body))
				if len(got) == 0 {
					t.Fatalf("nothing was answered: %q", resp.body)
				}
				for _, name := range got {
					if !slices.Contains(known, name) {
						t.Errorf("the SDK knows no %s, only %v", name, known)
					}
				}
			})
		}
	}
}

// wire makes the operation's good call as bytes, in the protocol that the Go SDK
// speaks for it.
func (s *server) wire(t *testing.T, operation string) *response {
	t.Helper()
	c := s.goodCall(t, operation)
	if operation != "GetEntitlements" {
		resp, err := postJSON(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	resp, err := post(t.Context(), c, "/service/AWSMPEntitlementService/operation/GetEntitlements", http.Header{
		"Content-Type": {"application/cbor"}, "Smithy-Protocol": {"rpc-v2-cbor"}, "Accept": {"application/cbor"},
	}, cbor.Encode(cbor.Map{"ProductCode": cbor.String("suite")}))
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// decodeBody reads a body in the protocol that its headers name.
func decodeBody(t *testing.T, header http.Header, body []byte) map[string]any {
	t.Helper()
	out := map[string]any{}
	if header.Get("Content-Type") != "application/cbor" {
		if err := json.Unmarshal(body, &out); err != nil {
			t.Fatalf("%v: %q", err, body)
		}
		return out
	}
	v, err := cbor.Decode(body)
	if err != nil {
		t.Fatalf("%v: %x", err, body)
	}
	out, ok := plain(v).(map[string]any)
	if !ok {
		t.Fatalf("not a map: %x", body)
	}
	return out
}

// plain turns CBOR into what JSON would have been read as, near enough to
// compare names and texts.
func plain(v cbor.Value) any {
	switch v := v.(type) {
	case cbor.Map:
		out := map[string]any{}
		for name, member := range v {
			out[name] = plain(member)
		}
		return out
	case cbor.List:
		var out []any
		for _, item := range v {
			out = append(out, plain(item))
		}
		return out
	case cbor.String:
		return string(v)
	}
	return fmt.Sprint(v)
}

// members lists the paths of all members, those within lists once.
func members(path string, v any) []string {
	var all []string
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			all = append(append(all, path+"/"+name), members(path+"/"+name, member)...)
		}
	case []any:
		for _, item := range v {
			all = append(all, members(path, item)...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
