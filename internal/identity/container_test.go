package identity

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/session"
)

func newContainer(s *wellspring) *ContainerEndpoint {
	return &ContainerEndpoint{
		ID: "task-1", Token: "an-authorization-token", Path: "b1946ac92492d2347c6235b4d2611184",
		Account: "111122223333", Role: session.Role{ARN: "arn:aws:iam::111122223333:role/demo"},
		Source: s.give, Now: s.now,
	}
}

// TestContainerEndpoint: who is answered, in either form.
func TestContainerEndpoint(t *testing.T) {
	const (
		full     = "/credentials/task-1"
		relative = "/v2/credentials/b1946ac92492d2347c6235b4d2611184"
		good     = "an-authorization-token"
	)
	for _, test := range []struct {
		name, method, path string
		shown              []string
		status             int
		code               string
	}{
		{"the full form", "GET", full, []string{good}, 200, ""},
		{"the relative form", "GET", relative, nil, 200, ""},
		{"the relative form, with the token", "GET", relative, []string{good}, 200, ""},

		{"no token", "GET", full, nil, 401, "Unauthorized"},
		{"an empty token", "GET", full, []string{""}, 401, "Unauthorized"},
		{"another token", "GET", full, []string{"an-authorization-tokem"}, 401, "Unauthorized"},
		{"part of the token", "GET", full, []string{good[:10]}, 401, "Unauthorized"},
		{"a line break behind it", "GET", full, []string{good + "\n"}, 401, "Unauthorized"},
		{"with a scheme", "GET", full, []string{"Bearer " + good}, 401, "Unauthorized"},
		{"two tokens", "GET", full, []string{good, good}, 401, "Unauthorized"},
		{"no token, another's path", "GET", "/credentials/task-2", nil, 401, "Unauthorized"},
		{"another's path", "GET", "/credentials/task-2", []string{good}, 404, "NotFound"},
		{"below the path", "GET", full + "/x", []string{good}, 404, "NotFound"},
		{"part of the relative path", "GET", relative[:30], nil, 404, "NotFound"},
		{"the relative form, with another token", "GET", relative, []string{"x"}, 404, "NotFound"},
		{"the relative form of the workload's id", "GET", "/v2/credentials/task-1", []string{good}, 404, "NotFound"},
		{"the root", "GET", "/", []string{good}, 404, "NotFound"},
		{"a POST", "POST", full, []string{good}, 405, "MethodNotAllowed"},
		{"a HEAD", "HEAD", full, []string{good}, 405, "MethodNotAllowed"},
	} {
		s := newWellspring()
		var header []string
		for _, value := range test.shown {
			header = append(header, "Authorization", value)
		}
		w := ask(newContainer(s), test.method, test.path, header...)
		if w.Code != test.status || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: got %d %v", test.name, w.Code, w.Header())
		}
		if test.code != "" && (!strings.HasPrefix(w.Body.String(), `{"code":"`+test.code+`","message":"`) || s.asked != 0) {
			t.Errorf("%s: got %s after asking for credentials %d times", test.name, w.Body, s.asked)
		}
		const want = `{"AccessKeyId":"ASIAB","SecretAccessKey":"secret","Token":"token","Expiration":"2026-11-26T13:00:00Z",` +
			`"AccountId":"111122223333","RoleArn":"arn:aws:iam::111122223333:role/demo"}`
		if test.code == "" && w.Body.String() != want {
			t.Errorf("%s: got %s\nwant %s", test.name, w.Body, want)
		}
	}
}

// TestContainerForms: a form whose secret is empty is not there, and nobody can
// show the empty one.
func TestContainerForms(t *testing.T) {
	e := newContainer(newWellspring())
	e.Token, e.Path = "", ""
	for _, path := range []string{"/credentials/task-1", "/credentials/", "/v2/credentials/"} {
		for _, header := range [][]string{nil, {"Authorization", ""}} {
			if w := ask(e, http.MethodGet, path, header...); w.Code != http.StatusNotFound {
				t.Errorf("%s: got %d", path, w.Code)
			}
		}
	}
}

// TestContainerTrouble: what clients are told when there are no credentials, and
// that they never get old ones.
func TestContainerTrouble(t *testing.T) {
	for _, test := range troubles {
		s := newWellspring()
		e := newContainer(s)
		get := func() (int, string) {
			w := ask(e, http.MethodGet, "/credentials/task-1", "Authorization", "an-authorization-token")
			return w.Code, w.Body.String()
		}
		if status, body := get(); status != http.StatusOK {
			t.Fatalf("got %d %s", status, body)
		}
		s.err = test.err
		s.pass(time.Hour - LeastLeft)
		if status, body := get(); status != http.StatusOK {
			t.Errorf("half an hour before they end: got %d %s", status, body)
		}
		s.pass(time.Second)
		want := `{"code":"` + test.code + `","message":"` + test.message + `"}`
		if status, body := get(); status != test.status || body != want {
			t.Errorf("%v: got %d %s, want %d %s", test.err, status, body, test.status, want)
		}
	}
}
