package identity

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meterd/meterd/internal/session"
	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store"
)

const requestID = "0b7e54a2-6a0f-4a53-9c52-5d1d1b6a4f11"

var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func written(t *testing.T, status int, answer any) string {
	t.Helper()
	w := httptest.NewRecorder()
	if err := write(w, status, requestID, answer); err != nil {
		t.Fatal(err)
	}
	if w.Code != status {
		t.Errorf("status %d, want %d", w.Code, status)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/xml", "Cache-Control": "no-store", "Content-Length": fmt.Sprint(w.Body.Len()),
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := map[string][]string(w.Header())["x-amzn-RequestId"]; len(got) != 1 || got[0] != requestID { // spelled like this
		t.Errorf("x-amzn-RequestId: %q", got)
	}
	return w.Body.String()
}

// TestAnswers shows each answer whole, as AWS's pages do.
func TestAnswers(t *testing.T) {
	claims := &session.Claims{
		Account:     "123456789012",
		Role:        session.Role{ARN: "arn:aws:iam::123456789012:role/agent", ID: "AROAEXAMPLE"},
		SessionName: "billing",
		Federation:  session.Federation{Provider: "arn:aws:iam::123456789012:oidc-provider/issuer.example", Subject: "a<b>&c", Audience: "sts.amazonaws.com"},
	}
	creds := session.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "s/e+c", Token: "t-o_k", Expiration: now.Add(time.Hour)}
	const (
		xmlns = ` xmlns="https://sts.amazonaws.com/doc/2011-06-15/"`
		user  = `<AssumedRoleUser><AssumedRoleId>AROAEXAMPLE:billing</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/agent/billing</Arn></AssumedRoleUser>`
		keys  = `<Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>s/e+c</SecretAccessKey><SessionToken>t-o_k</SessionToken><Expiration>2026-11-26T13:00:00Z</Expiration></Credentials>`
		end   = `<ResponseMetadata><RequestId>` + requestID + `</RequestId></ResponseMetadata>`
	)
	for name, test := range map[string]struct {
		answer any
		want   string
	}{
		"AssumeRole": {
			answerAssumeRole(claims, creds, requestID),
			`<AssumeRoleResponse` + xmlns + `><AssumeRoleResult>` + user + keys + `</AssumeRoleResult>` + end + `</AssumeRoleResponse>`,
		},
		"AssumeRoleWithWebIdentity": {
			answerWebIdentity(claims, creds, requestID),
			`<AssumeRoleWithWebIdentityResponse` + xmlns + `><AssumeRoleWithWebIdentityResult>` +
				`<SubjectFromWebIdentityToken>a&lt;b&gt;&amp;c</SubjectFromWebIdentityToken><Audience>sts.amazonaws.com</Audience>` + user + keys +
				`<Provider>arn:aws:iam::123456789012:oidc-provider/issuer.example</Provider>` +
				`</AssumeRoleWithWebIdentityResult>` + end + `</AssumeRoleWithWebIdentityResponse>`,
		},
		"GetCallerIdentity": {
			answerCallerIdentity("arn:aws:iam::123456789012:user/ci", "AIDAEXAMPLE", "123456789012", requestID),
			`<GetCallerIdentityResponse` + xmlns + `><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/ci</Arn>` +
				`<UserId>AIDAEXAMPLE</UserId><Account>123456789012</Account></GetCallerIdentityResult>` + end + `</GetCallerIdentityResponse>`,
		},
	} {
		if d := cmp.Diff(test.want, written(t, 200, test.answer)); d != "" {
			t.Errorf("%s: want, got: %s", name, d)
		}
	}
}

// TestErrorAnswer: an error reads back as it was, also one that tries to be XML.
func TestErrorAnswer(t *testing.T) {
	for _, message := range []string{"plain", `</Message></Error><Error><Code>"'&`, "a\nb\tü\x00\x1b"} {
		answer, status := answerError(&Error{Code: ValidationError, Message: message}, requestID)
		body := written(t, status, answer)
		if !strings.HasPrefix(body, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>ValidationError</Code><Message>`) ||
			!strings.HasSuffix(body, `</Message></Error><RequestId>`+requestID+`</RequestId></ErrorResponse>`) {
			t.Errorf("written is %s", body)
		}
		var got errorAnswer
		if err := xml.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if want := strings.Map(printable, message); got.Error.Message != want {
			t.Errorf("got %q, want %q", got.Error.Message, want)
		}
	}
}

// printable replaces what XML has no form for.
func printable(r rune) rune {
	if r < ' ' && r != '\t' && r != '\n' && r != '\r' {
		return '\uFFFD'
	}
	return r
}

// TestFaults: what each error is called, its status, and that nothing else gets
// out.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		err    error
		code   Code
		status int
		known  bool
	}{
		{&sigv4.Error{Code: sigv4.MissingAuthenticationToken, Message: "m"}, "MissingAuthenticationToken", 403, true},
		{&sigv4.Error{Code: sigv4.IncompleteSignature, Message: "m"}, "IncompleteSignature", 400, true},
		{&sigv4.Error{Code: sigv4.InvalidSignature, Message: "m"}, "SignatureDoesNotMatch", 403, true},
		{&sigv4.Error{Code: sigv4.UnrecognizedClient, Message: "m"}, "InvalidClientTokenId", 403, true},
		{&sigv4.Error{Code: sigv4.ExpiredToken, Message: "m"}, "ExpiredToken", 403, true},
		{&sigv4.Error{Code: "New", Message: "secret"}, "InternalFailure", 500, false},
		{&Error{Code: ExpiredWebToken, Message: "m"}, "ExpiredTokenException", 400, true},
		{fmt.Errorf("wrapped: %w", &Error{Code: IDPRejectedClaim, Message: "m", Cause: errors.New("secret")}), "IDPRejectedClaim", 403, true},
		{&Error{Code: IDPCommunicationError, Message: "m", Cause: errors.New("secret")}, "IDPCommunicationError", 400, true},
		{&Error{Code: Throttling, Message: "Rate exceeded"}, "Throttling", 400, true},
		{&Error{Code: "New", Message: "secret"}, "InternalFailure", 500, false},
		{fmt.Errorf("secret: %w", session.ErrTooLarge), "PackedPolicyTooLarge", 400, true},
		{fmt.Errorf("secret: %w", store.ErrUnavailable), "ServiceUnavailable", 503, true},
		{errors.New("secret"), "InternalFailure", 500, false},
	} {
		f, known := fault(test.err)
		if f.Code != test.code || f.status() != test.status || known != test.known {
			t.Errorf("%v: got %s, %d, %t", test.err, f.Code, f.status(), known)
		}
		answer, status := answerError(f, requestID)
		body := written(t, status, answer)
		if strings.Contains(body, "secret") || f.Message == "" {
			t.Errorf("%v is answered %s", test.err, body)
		}
		if receiver := strings.Contains(body, "<Type>Receiver</Type>"); receiver != (status >= 500) {
			t.Errorf("%v is answered %s", test.err, body)
		}
	}
	for code, status := range statuses {
		if f, known := fault(&Error{Code: code, Message: "m"}); !known || f.status() != status {
			t.Errorf("%s: got %+v, %t", code, f, known)
		}
	}
	if err := error(&Error{Code: AccessDenied, Cause: errRoot}); !errors.Is(err, &Error{Code: AccessDenied}) || !errors.Is(err, errRoot) || errors.Is(err, &Error{Code: Throttling}) {
		t.Error("an Error is not told by its code and its cause")
	}
}

var errRoot = errors.New("root")
