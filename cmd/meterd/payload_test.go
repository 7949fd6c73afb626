package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

// payloads are what people send to see what breaks: lines and fields of logs,
// terminals, pages, spreadsheets, SQL, headers, and texts that are none.
var payloads = []string{
	"\n" + `{"level":"INFO","msg":"forged"}`, `","msg":"forged","x":"`, "a\r\nSet-Cookie: forged=1\r\n\r\n<html>", "%0d%0aSet-Cookie:%20forged=1",
	"\x1b[2J\x1b[31mforged", "\x9b31m", "\u009b31m", "\U000e0001", "a\bb\a", "\u202edegrof", "a\u2028b\u2029c\u0085d", "a\tb\vc\fd",
	"<script>alert(1)</script>", "]]><x/>&lt;", "=HYPERLINK(\"http://x\")", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1+1",
	"'; DROP TABLE records; --", "\\'; --", "${jndi:ldap://x}", "{{7*7}}", "../../etc/passwd", "a\x00b", "\xff\xfe", strings.Repeat("é", 5000),
}

// lines is a log that many may write to.
type lines struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

// sent is a request of the doors, past whatever a connection would refuse.
func sent(t *testing.T, handler http.Handler, service, region, agent, contentType, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Host = "localhost"
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("User-Agent", agent)
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
	}
	signer := sigv4.Signer{KeyID: "AKIAMETERDSELLER0001", Credential: sigv4.Credential{Secret: demoSecret}, Region: region, Service: service}
	request := sigv4.Request{Method: r.Method, RequestURI: "/", Host: r.Host, Header: r.Header, Body: []byte(body)}
	if err := signer.Sign(request, time.Now()); err != nil { // it cannot be signed, but it can be sent
		r.Header.Del("X-Amz-Target")
		if err := signer.Sign(request, time.Now()); err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", target)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	for name, values := range w.Header() {
		if text := name + strings.Join(values, ""); strings.ContainsFunc(text, unicode.IsControl) || strings.Contains(text, "forged") {
			t.Errorf("header %s: %q", name, values)
		}
	}
	return w
}

// TestPayloads sends every payload wherever a text is taken, and then reads what
// is made of them: the log has an object a line and no line of theirs, tables have
// a row a thing and nothing that moves a terminal, CSV no formulas, the trail and
// the answers texts that their forms can carry.
func TestPayloads(t *testing.T) {
	db, err := embedded.Open(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	const token = "0123456789abcdef0123456789abcdef"
	log := new(lines)
	s := newServer(db, newLog(log, slog.LevelDebug), token, nil)
	s.drainTimeout = 5 * time.Second
	c, err := admin.ParseCatalog([]byte(killCatalog()))
	if err == nil {
		_, err = s.admin.Apply(t.Context(), c, admin.Applying{})
	}
	if err != nil {
		t.Fatal(err)
	}
	handler := s.handler()
	quoted := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	operator := func(method, path, body string) {
		r := httptest.NewRequest(method, admin.Prefix+path, strings.NewReader(body))
		r.Host = "localhost"
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= 500 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: %d %.300s", method, path, w.Code, w.Body)
		}
	}
	now := time.Now().Truncate(time.Hour).Format("2006-01-02T15:04:05Z")
	for i, p := range payloads {
		const amz, target = "application/x-amz-json-1.1", "AWSMPMeteringService."
		json11 := func(region, operation, body string) {
			if w := sent(t, handler, caller.SigningName, region, p, amz, target+operation, body); w.Code >= 500 || !json.Valid(w.Body.Bytes()) {
				t.Errorf("%q as %s: %d %.300s", p, operation, w.Code, w.Body)
			}
		}
		tags := `"UsageAllocations":[{"AllocatedUsageQuantity":1,"Tags":[{"Key":` + quoted(p) + `,"Value":` + quoted(p) + `}]}]`
		json11(p, "BatchMeterUsage", `{"ProductCode":"kill","UsageRecords":[]}`)
		json11(region, "BatchMeterUsage", `{"ProductCode":`+quoted(p)+`,"UsageRecords":[]}`)
		json11(region, "BatchMeterUsage", `{"ProductCode":"kill","UsageRecords":[{"Timestamp":`+quoted(p)+`}]}`)
		json11(region, "BatchMeterUsage", `{"ProductCode":"kill","UsageRecords":[{"Timestamp":`+quoted(now)+`,"Dimension":`+quoted(p)+`,"CustomerAWSAccountId":`+quoted(p)+`,"Quantity":1,`+tags+`}]}`)
		json11(region, "BatchMeterUsage", `{"ProductCode":"kill","UsageRecords":[{"Timestamp":`+quoted(now)+`,"Dimension":"d0","CustomerAWSAccountId":"111122223333","Quantity":1,`+tags+`}]}`)
		json11(region, "ResolveCustomer", `{"RegistrationToken":`+quoted(p)+`}`)
		json11(region, p, "{}")
		for _, region := range []string{region, p} {
			form := url.Values{"Version": {"2011-06-15"}, "Action": {"AssumeRole"}, "RoleArn": {"arn:aws:iam::111122223333:role/" + p}, "RoleSessionName": {p}, "ExternalId": {p}, "Policy": {p}, "Tags.member.1.Key": {p}, "Tags.member.1.Value": {p}}
			w := sent(t, handler, caller.STSSigningName, region, p, "application/x-www-form-urlencoded", "", form.Encode())
			if err := xml.Unmarshal(w.Body.Bytes(), new(struct{})); err != nil || w.Code >= 500 {
				t.Errorf("%q as AssumeRole: %d %v %.300s", p, w.Code, err, w.Body)
			}
		}
		account := string([]byte{'4', '4', '4', '4', '5', '5', '5', '5', '6', '6', byte('0' + i/10), byte('0' + i%10)})
		operator("PUT", "/buyers/"+account, `{"name":`+quoted(p)+`}`)
		operator("POST", "/accesses", `{"name":`+quoted(p)+`,"role":"read-only"}`)
		operator("POST", "/credentials", `{"account":"111122223333","user":`+quoted(p)+`}`)
		operator("PUT", "/workloads/"+url.PathEscape(p), `{"platform":"ecs","account":"111122223333","region":"us-east-1"}`)
		operator("PUT", "/products/"+url.PathEscape(p), `{"seller":"210987654321","type":"saas","title":`+quoted(p)+`,"dimensions":[{"name":`+quoted(p)+`}]}`)
		operator("PUT", "/products/titled", `{"seller":"210987654321","type":"saas","title":`+quoted(p)+`,"dimensions":[{"name":"d","unit":`+quoted(p)+`}]}`)
	}

	decoder := json.NewDecoder(bytes.NewReader(log.Bytes()))
	for n, line := range strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n") {
		var object map[string]any
		if err := decoder.Decode(&object); err != nil || !json.Valid([]byte(line)) {
			t.Fatalf("line %d of the log: %v: %s", n+1, err, line)
		}
		if object["msg"] == "forged" || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsGraphic(r) }) {
			t.Errorf("line %d of the log: %s", n+1, line)
		}
	}
	trail, err := db.Events(t.Context(), store.EventQuery{Account: "210987654321"})
	if err != nil || len(trail.Items) < 5*len(payloads) {
		t.Fatalf("%d events, %v", len(trail.Items), err)
	}
	for i := range trail.Items {
		if len(store.AppendEvent(nil, &trail.Items[i])) > 8<<10 {
			t.Errorf("event %d is large: %.300q", i, store.AppendEvent(nil, &trail.Items[i]))
		}
	}

	addr := startServer(t, s)
	t.Setenv("METERD_ADMIN_TOKEN", token)
	for _, list := range []string{"usage problems", "usage list", "usage summary", "buyer list", "product list", "workload list", "credential list", "access list", "agreement list"} {
		call := func(form string) string {
			root := newRoot()
			var out strings.Builder
			root.SetOut(&out)
			root.SetErr(io.Discard)
			root.SetArgs(append(strings.Fields(list), "--url", "http://"+addr, "--output", form))
			if err := root.Execute(); err != nil {
				t.Errorf("%s as %s: %v", list, form, err)
			}
			return out.String()
		}
		var items []any
		if err := json.Unmarshal([]byte(call("json")), &items); err != nil {
			t.Errorf("%s: %v", list, err)
			continue
		}
		table := strings.Split(strings.TrimSuffix(call("table"), "\n"), "\n")
		if len(table) != len(items)+1 && len(items) > 0 {
			t.Errorf("%s: a table of %d lines for %d things", list, len(table), len(items))
		}
		for _, line := range table {
			if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsGraphic(r) }) {
				t.Errorf("%s: %q", list, line)
			}
		}
		rows, err := csv.NewReader(strings.NewReader(call("csv"))).ReadAll()
		if err != nil || len(rows) != len(items)+1 {
			t.Errorf("%s: %d rows for %d things, %v", list, len(rows), len(items), err)
		}
		for _, cell := range slices.Concat(rows...) {
			if first := []rune(cell + " ")[0]; strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
				t.Errorf("%s: the cell %q", list, cell)
			}
		}
	}
}

// TestPayloadsOneByOne: a line of the log reads back as what was logged, and one
// thing shown alone has a line a field.
func TestPayloadsOneByOne(t *testing.T) {
	for _, p := range payloads {
		log := new(lines)
		newLog(log, slog.LevelInfo).Info("m", "text", p)
		var read struct{ Text string }
		if err := json.Unmarshal(log.Bytes(), &read); err != nil || utf8.ValidString(p) && read.Text != p || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%q is read back as %q, %v", p, read.Text, err)
		}
		out, err := oneText(t, "table", thingView, thing{Name: p})
		if err != nil || strings.Count(out, "\n") != 2 || strings.ContainsFunc(out, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }) {
			t.Errorf("%q is shown as %q, %v", p, out, err)
		}
	}
}
