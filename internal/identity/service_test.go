package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/session"
	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

const (
	acme, buyer = "210987654321", "111122223333"
	trustAll    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"StringEquals":{"sts:ExternalId":"x-1"}}}]}`
	clusterURL  = "https://oidc.example"
	trustWeb    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.example"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.example:sub":"system:serviceaccount:shop:meter"}}}]}`
	metersAll   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	metersNone  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"aws-marketplace:*","Resource":"*"}]}`
)

// office is the door over a store of its own.
type office struct {
	*Service
	store  *embedded.Store
	door   http.Handler
	signer jose.Signer
	at     time.Time
}

func newOffice(t *testing.T) *office {
	t.Helper()
	db, err := embedded.Open(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	o := &office{store: db, at: time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)}
	now := func() time.Time { return o.at }
	n := uint16(0)
	o.Service = &Service{
		Store: db, Callers: caller.NewAuthenticator(db.Catalog(), now), Throttle: caller.NewThrottle(Limits(), now), Regions: metering.AWSRegions(), Now: now, Clock: now,
		NewID: func() (id metering.ID) { n++; binary.BigEndian.PutUint16(id[:], n); return id }, Log: slog.New(slog.DiscardHandler),
		Clusters: map[string]string{clusterURL: "us-east-1"},
	}
	o.door = o.Handler()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	o.WebIdentity, err = NewWebIdentity([]Issuer{{URL: clusterURL, Audiences: []string{"sts.amazonaws.com"}, KeySet: set}})
	if err != nil {
		t.Fatal(err)
	}
	o.signer, _ = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	o.put(t,
		(*store.Account)(&metering.Account{ID: acme, Seller: true}), (*store.Account)(&metering.Account{ID: buyer, Buyer: true}),
		&store.SessionKey{ID: "1", Secret: make([]byte, 32), Created: o.at},
		&store.Policy{Name: "everything", Document: metersAll}, &store.Policy{Name: "metering", Document: metersNone},
		&store.Credential{KeyID: "AKIAROOT", Secret: "secret", Account: buyer},
		&store.Credential{KeyID: "AKIAUSER", Secret: "secret", Account: buyer, User: "ci", Policy: "metering"},
		&store.Credential{KeyID: "AKIAACME", Secret: "secret", Account: acme},
		&store.Role{Account: acme, Name: "meter", ID: "AROA1", Trust: trustAll, Policies: []string{"metering"}, MaxSession: 2 * time.Hour},
		&store.Role{Account: buyer, Name: "app", ID: "AROA2", Trust: trustWeb, Policies: []string{"everything"}, MaxSession: time.Hour},
		&store.Role{Account: acme, Name: "broken", ID: "AROA3", Trust: "{", Policies: []string{"metering"}, MaxSession: time.Hour},
		&store.Role{Account: buyer, Name: "chained", ID: "AROA4", Trust: strings.ReplaceAll(trustAll, `,"Condition":{"StringEquals":{"sts:ExternalId":"x-1"}}`, ""), Policies: []string{"metering"}, MaxSession: 12 * time.Hour},
	)
	return o
}

func (o *office) put(t *testing.T, entries ...store.Entry) {
	t.Helper()
	if _, err := o.store.Put(context.Background(), store.Change{Entries: entries}); err != nil {
		t.Fatal(err)
	}
}

// answered is what can be read of any answer.
type answered struct {
	status    int
	Code      string `xml:"Error>Code"`
	Message   string `xml:"Error>Message"`
	KeyID     string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	Secret    string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
	Token     string `xml:"AssumeRoleResult>Credentials>SessionToken"`
	Ends      string `xml:"AssumeRoleResult>Credentials>Expiration"`
	ARN       string `xml:"AssumeRoleResult>AssumedRoleUser>Arn"`
	WebKeyID  string `xml:"AssumeRoleWithWebIdentityResult>Credentials>AccessKeyId"`
	WebToken  string `xml:"AssumeRoleWithWebIdentityResult>Credentials>SessionToken"`
	Provider  string `xml:"AssumeRoleWithWebIdentityResult>Provider"`
	CallerARN string `xml:"GetCallerIdentityResult>Arn"`
	CallerID  string `xml:"GetCallerIdentityResult>UserId"`
}

// ask sends a form, signed unless there is no key.
func (o *office) ask(t *testing.T, key sigv4.Signer, from string, pairs ...string) answered {
	t.Helper()
	form := url.Values{"Version": {"2011-06-15"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	body := form.Encode()
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.RemoteAddr = from + ":1"
	r.Header.Set("Content-Type", formType)
	if key.KeyID != "" {
		if key.Region == "" {
			key.Region = "us-east-1"
		}
		key.Service = "sts"
		if err := key.Sign(sigv4.Request{Method: "POST", RequestURI: "/", Host: r.Host, Header: r.Header, Body: []byte(body)}, o.at); err != nil {
			t.Fatal(err)
		}
	}
	if !Asked(r) {
		t.Fatal("it is not taken for a form of STS")
	}
	w := httptest.NewRecorder()
	o.door.ServeHTTP(w, r)
	a := answered{status: w.Code}
	if err := xml.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return a
}

func longTerm(id string) sigv4.Signer {
	return sigv4.Signer{KeyID: id, Credential: sigv4.Credential{Secret: "secret"}}
}

func (a answered) signer() sigv4.Signer {
	return sigv4.Signer{KeyID: a.KeyID, Credential: sigv4.Credential{Secret: a.Secret, SessionToken: a.Token}}
}

// token is what a pod of the cluster has been given.
func (o *office) token(t *testing.T, sub string, lasts time.Duration) string {
	t.Helper()
	claims := fmt.Sprintf(`{"iss":%q,"sub":%q,"aud":["sts.amazonaws.com"],"iat":%d,"exp":%d,"kubernetes.io":{"namespace":"shop","pod":{"name":"p","uid":"uid-1"},"serviceaccount":{"name":"meter","uid":"u"}}}`,
		clusterURL, sub, o.at.Unix(), o.at.Add(lasts).Unix())
	signed, err := o.signer.Sign([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := signed.CompactSerialize()
	return text
}

const meterARN = "arn:aws:iam::210987654321:role/meter"

// TestAssumeRole: both sides have to allow it, and what is refused is refused in
// AWS's words.
func TestAssumeRole(t *testing.T) {
	o := newOffice(t)
	usual := []string{"Action", "AssumeRole", "RoleArn", meterARN, "RoleSessionName", "prod", "ExternalId", "x-1"}
	with := func(more ...string) []string { return append(append([]string(nil), usual...), more...) }
	const refusedRoot = "User: arn:aws:iam::111122223333:root is not authorized to perform: sts:AssumeRole on resource: "
	for _, tt := range []struct {
		name, key string
		form      []string
		code      Code
		message   string
	}{
		{"good", "AKIAROOT", usual, "", ""},
		{"tags", "AKIAROOT", with("Tags.member.1.Key", "team", "Tags.member.1.Value", "a"), "", ""},
		{"as long as the role allows", "AKIAROOT", with("DurationSeconds", "7200"), "", ""},
		{"longer", "AKIAROOT", with("DurationSeconds", "7201"), ValidationError, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
		{"another external id", "AKIAROOT", with("ExternalId", "x-2"), AccessDenied, refusedRoot + meterARN},
		{"no such role", "AKIAROOT", with("RoleArn", meterARN+"s"), AccessDenied, refusedRoot + meterARN + "s"},
		{"a trust policy that cannot be read", "AKIAROOT", with("RoleArn", "arn:aws:iam::210987654321:role/broken"), AccessDenied, refusedRoot + "arn:aws:iam::210987654321:role/broken"},
		{"the caller's own policy does not allow it", "AKIAUSER", usual, AccessDenied, "User: arn:aws:iam::111122223333:user/ci is not authorized to perform: sts:AssumeRole on resource: " + meterARN + " because no identity-based policy allows the sts:AssumeRole action"},
		{"the role does not trust the account", "AKIAACME", usual, AccessDenied, "User: arn:aws:iam::210987654321:root is not authorized to perform: sts:AssumeRole on resource: " + meterARN},
		{"a session policy that is none", "AKIAROOT", with("Policy", "{}"), MalformedPolicyDocument, "policy: is empty"},
		{"tags that pass on", "AKIAROOT", with("TransitiveTagKeys.member.1", "team"), ValidationError, "The parameter TransitiveTagKeys is not served here."},
		{"unknown key", "AKIANOBODY", usual, InvalidClientTokenID, "The security token included in the request is invalid."},
		{"nobody", "", usual, MissingAuthenticationToken, "Request is missing Authentication Token"},
	} {
		key := sigv4.Signer{}
		if tt.key != "" {
			key = longTerm(tt.key)
		}
		a := o.ask(t, key, "192.0.2.1", tt.form...)
		if a.Code != string(tt.code) || tt.code != "" && a.Message != tt.message || (tt.code == "") != (a.status == http.StatusOK && a.Token != "") {
			t.Errorf("%s: %+v", tt.name, a)
		}
	}
}

// TestChain: a session is who it is, calls with its policies, and what it assumes
// in turn lasts an hour at the most and is of no workload.
func TestChain(t *testing.T) {
	o := newOffice(t)
	first := o.ask(t, longTerm("AKIAROOT"), "192.0.2.1", "Action", "AssumeRole", "RoleArn", "arn:aws:iam::111122223333:role/chained", "RoleSessionName", "one", "DurationSeconds", "43200")
	who := o.ask(t, first.signer(), "192.0.2.1", "Action", "GetCallerIdentity")
	if who.CallerARN != "arn:aws:sts::111122223333:assumed-role/chained/one" || who.CallerID != "AROA4:one" || first.ARN != who.CallerARN {
		t.Errorf("%+v %+v", first, who)
	}
	again := []string{"Action", "AssumeRole", "RoleArn", "arn:aws:iam::111122223333:role/chained", "RoleSessionName", "two"}
	if a := o.ask(t, first.signer(), "192.0.2.1", again...); a.Code != "AccessDenied" || !strings.Contains(a.Message, "no identity-based policy") {
		t.Errorf("its policies do not allow it: %+v", a)
	}
	o.put(t, &store.Policy{Name: "metering", Document: metersAll})
	if a := o.ask(t, first.signer(), "192.0.2.1", append(again, "DurationSeconds", "3601")...); a.Code != "ValidationError" || !strings.Contains(a.Message, "role chaining") {
		t.Errorf("longer than an hour: %+v", a)
	}
	if a := o.ask(t, first.signer(), "192.0.2.1", again...); a.status != 200 || a.Ends != o.at.Add(time.Hour).Format(time.RFC3339) {
		t.Errorf("chained: %+v", a)
	}
	o.at = o.at.Add(12 * time.Hour)
	if a := o.ask(t, first.signer(), "192.0.2.1", "Action", "GetCallerIdentity"); a.Code != "ExpiredToken" || a.status != 403 {
		t.Errorf("expired: %+v", a)
	}
}

// TestCallerIdentity: whoever can sign is told who he is, whatever he may do, in
// any listed region.
func TestCallerIdentity(t *testing.T) {
	o := newOffice(t)
	for key, arn := range map[string]string{"AKIAROOT": "arn:aws:iam::111122223333:root", "AKIAUSER": "arn:aws:iam::111122223333:user/ci"} {
		if a := o.ask(t, longTerm(key), "192.0.2.1", "Action", "GetCallerIdentity"); a.CallerARN != arn || a.CallerID == "" {
			t.Errorf("%+v", a)
		}
	}
	k := longTerm("AKIAROOT")
	k.Region = "eu-west-1"
	if a := o.ask(t, k, "192.0.2.1", "Action", "GetCallerIdentity"); a.status != 200 {
		t.Errorf("eu-west-1: %+v", a)
	}
	k.Region = "nowhere-1"
	if a := o.ask(t, k, "192.0.2.1", "Action", "GetCallerIdentity"); a.Code != "SignatureDoesNotMatch" {
		t.Errorf("nowhere: %+v", a)
	}
	o.Regions = &metering.Regions{Tables: []metering.Table{{Operation: metering.BatchMeterUsage, Regions: []string{"nowhere-1"}}}}
	if a := o.ask(t, k, "192.0.2.1", "Action", "GetCallerIdentity"); a.status != 200 {
		t.Errorf("nowhere, where it is listed: %+v", a)
	}
	for _, header := range []http.Header{{"Content-Type": {formType}, "X-Amz-Target": {"x"}}, {"Content-Type": {"application/x-amz-json-1.1"}}, {}} {
		if r := (&http.Request{Method: "POST", RequestURI: "/", Header: header}); Asked(r) {
			t.Errorf("%v is taken for a form of STS", header)
		}
	}
}

// TestWebIdentitySession: a pod's token makes a session that is a workload's; who
// is not trusted is told no more than that; strangers are bounded by address.
func TestWebIdentitySession(t *testing.T) {
	o := newOffice(t)
	token := func(sub string) string { return o.token(t, sub, time.Hour) }
	form := func(token string) []string {
		return []string{"Action", "AssumeRoleWithWebIdentity", "RoleArn", "arn:aws:iam::111122223333:role/app", "RoleSessionName", "botocore", "WebIdentityToken", token}
	}
	a := o.ask(t, sigv4.Signer{}, "192.0.2.1", form(token("system:serviceaccount:shop:meter"))...)
	keys, _ := o.Callers.SessionKeys()
	claims, _, err := keys.Open(a.WebKeyID, a.WebToken, o.at)
	if err != nil || a.Provider != "arn:aws:iam::111122223333:oidc-provider/oidc.example" {
		t.Fatalf("%+v %v", a, err)
	}
	if want := (session.Workload{Platform: metering.PlatformEKS, ID: "uid-1", Region: "us-east-1"}); claims.Workload != want || claims.Source != session.WebIdentity || claims.Account != buyer {
		t.Errorf("%+v", claims)
	}
	if a := o.ask(t, sigv4.Signer{}, "192.0.2.1", form(token("system:serviceaccount:shop:other"))...); a.Code != "AccessDenied" || a.Message != "Not authorized to perform sts:AssumeRoleWithWebIdentity" {
		t.Errorf("another service account: %+v", a)
	}
	if a := o.ask(t, sigv4.Signer{}, "192.0.2.1", form(token("system:serviceaccount:shop:meter")+"A")...); a.Code != "InvalidIdentityToken" {
		t.Errorf("a forged token: %+v", a)
	}
	throttled := 0
	for range 60 {
		if o.ask(t, sigv4.Signer{}, "192.0.2.7", form("none.at.all")...).Code == "Throttling" {
			throttled++
		}
	}
	if a := o.ask(t, sigv4.Signer{}, "192.0.2.8", form("none.at.all")...); throttled != 10 || a.Code != "InvalidIdentityToken" {
		t.Errorf("%d of 60 calls of an address throttled; another address: %+v", throttled, a)
	}
	// Behind a proxy there are no addresses, and one bucket.
	o.Callers.BehindProxy = true
	throttled = 0
	for range 520 {
		if o.ask(t, sigv4.Signer{}, "192.0.2.9", form("none.at.all")...).Code == "Throttling" {
			throttled++
		}
	}
	if throttled != 20 {
		t.Errorf("%d of 520 calls through a proxy throttled", throttled)
	}
	o.Callers.BehindProxy = false
}

// TestLogHasNoAuthorization: a header that cannot be read, which may be a secret in
// the wrong place, is quoted to its sender and not in the log.
func TestLogHasNoAuthorization(t *testing.T) {
	o := newOffice(t)
	var log strings.Builder
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	for _, header := range []string{"AWS4-HMAC-SHA256 canary", "AWS4-canary x", "AWS4-HMAC-SHA256 canary=1", "AWS4-HMAC-SHA256 Credential=canary, SignedHeaders=content-type;host;x-amz-date, Signature=0"} {
		r := httptest.NewRequest("POST", "/", strings.NewReader("Action=GetCallerIdentity&Version=2011-06-15"))
		r.Header.Set("Content-Type", formType)
		r.Header.Set("Authorization", header)
		r.Header.Set("X-Amz-Date", o.at.Format("20060102T150405Z"))
		w := httptest.NewRecorder()
		o.door.ServeHTTP(w, r)
		if w.Code == http.StatusOK || !strings.Contains(log.String(), "call refused") {
			t.Errorf("%s: %d, logged:\n%s", header, w.Code, log.String())
		}
	}
	if strings.Contains(log.String(), "canary") {
		t.Errorf("the log quotes the header:\n%s", log.String())
	}
}

// TestForeignSignatures: a signature for metering is none here, whatever the scope
// is then made to say; and a key that is disabled is not even told who it is.
func TestForeignSignatures(t *testing.T) {
	o := newOffice(t)
	o.put(t, &store.Credential{KeyID: "AKIAGONE", Secret: "secret", Account: buyer, Disabled: o.at})
	if a := o.ask(t, longTerm("AKIAGONE"), "192.0.2.1", "Action", "GetCallerIdentity"); a.Code != string(InvalidClientTokenID) {
		t.Errorf("a disabled key: %+v", a)
	}
	const body = "Action=GetCallerIdentity&Version=2011-06-15"
	for _, rewritten := range []bool{false, true} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", formType)
		key := longTerm("AKIAROOT")
		key.Region, key.Service = "us-east-1", caller.SigningName
		if err := key.Sign(sigv4.Request{Method: "POST", RequestURI: "/", Host: r.Host, Header: r.Header, Body: []byte(body)}, o.at); err != nil {
			t.Fatal(err)
		}
		if rewritten {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/"+caller.SigningName+"/", "/sts/", 1))
		}
		w := httptest.NewRecorder()
		o.door.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "<Code>SignatureDoesNotMatch</Code>") {
			t.Errorf("a signature for metering, its scope rewritten: %t: %d %s", rewritten, w.Code, w.Body)
		}
	}
}
