package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/session"
	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store"
)

// events are those that the accounts have, oldest first, as text: whose, which, who
// asked, what for, and what came of it.
func (o *office) events(t *testing.T) (all []string) {
	t.Helper()
	for _, account := range []metering.AccountID{acme, buyer, "999988887777"} { // there is no such account
		page, err := o.store.Events(t.Context(), store.EventQuery{Account: account})
		if err != nil || page.Next != "" {
			t.Fatalf("events: more %q, error %v", page.Next, err)
		}
		for i := range page.Items {
			all = append(all, eventText(&page.Items[i]))
		}
	}
	return all
}

func eventText(ev *store.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s by %s", ev.Account, ev.Operation, ev.Caller.ARN)
	if ev.Caller.ARN == "" || ev.Caller.Origin == metering.OriginWebIdentity {
		b.WriteString(ev.Caller.UserID)
	}
	fmt.Fprintf(&b, " with %s from %s %s", ev.Caller.KeyID, ev.SourceIP, ev.Region)
	for _, d := range ev.Asked {
		fmt.Fprintf(&b, " %s=%s", d.Name, d.Value)
	}
	if ev.Error != "" {
		fmt.Fprintf(&b, ": %s", ev.Error)
	}
	if ev.Calls > 0 {
		fmt.Fprintf(&b, " ×%d", ev.Calls)
	}
	for _, d := range ev.Told {
		if d.Name == "credentials.accessKeyId" {
			d.Value = d.Value[:4]
		}
		fmt.Fprintf(&b, " → %s=%s", d.Name, d.Value)
	}
	return b.String()
}

// TestTrail: a call whose caller is known leaves its event in its own account; one
// that took another account's role leaves one there, too; strangers leave none.
func TestTrail(t *testing.T) {
	const (
		app    = "arn:aws:iam::111122223333:role/app"
		who    = "system:serviceaccount:shop:meter"
		issued = " → credentials.accessKeyId=ASIA → credentials.expiration=2026-11-02T09:00:00Z"
		prod   = issued + " → assumedRoleUser.assumedRoleId=AROA1:prod → assumedRoleUser.arn=arn:aws:sts::210987654321:assumed-role/meter/prod"
		root   = "AssumeRole by arn:aws:iam::111122223333:root with "
		asked  = "from 192.0.2.1 us-east-1 roleArn=" + meterARN + " roleSessionName=prod"
		web    = "111122223333 AssumeRoleWithWebIdentity by arn:aws:iam::111122223333:oidc-provider/oidc.exampleoidc.example:sts.amazonaws.com:"
	)
	usual := []string{"Action", "AssumeRole", "RoleArn", meterARN, "RoleSessionName", "prod", "ExternalId", "x-1"}
	with := func(more ...string) []string { return append(append([]string(nil), usual...), more...) }
	for _, tt := range []struct {
		name, key string
		form      []string
		events    []string
	}{
		{"who am I", "AKIAUSER", []string{"Action", "GetCallerIdentity", "RoleArn", "x"}, []string{"111122223333 GetCallerIdentity by arn:aws:iam::111122223333:user/ci with AKIAUSER from 192.0.2.1 us-east-1"}},
		{"another account's role", "AKIAROOT", with("DurationSeconds", "3600", "Policy", metersAll), []string{
			"210987654321 " + root + " " + asked + " durationSeconds=3600 externalId=x-1 policy=" + metersAll + prod,
			"111122223333 " + root + "AKIAROOT " + asked + " durationSeconds=3600 externalId=x-1 policy=" + metersAll + prod,
		}},
		{"one's own", "AKIAROOT", []string{"Action", "AssumeRole", "RoleArn", "arn:aws:iam::111122223333:role/chained", "RoleSessionName", "one", "Tags.member.1.Key", "team", "Tags.member.1.Value", "a"}, []string{
			"111122223333 " + root + "AKIAROOT from 192.0.2.1 us-east-1 roleArn=arn:aws:iam::111122223333:role/chained roleSessionName=one tags=team=a" + issued +
				" → assumedRoleUser.assumedRoleId=AROA4:one → assumedRoleUser.arn=arn:aws:sts::111122223333:assumed-role/chained/one",
		}},
		{"not trusted: the role's account is not told of it", "AKIAROOT", with("ExternalId", "x-2"), []string{"111122223333 " + root + "AKIAROOT " + asked + " externalId=x-2: AccessDenied"}},
		{"not allowed", "AKIAUSER", usual, []string{"111122223333 AssumeRole by arn:aws:iam::111122223333:user/ci with AKIAUSER " + asked + " externalId=x-1: AccessDenied"}},
		{"not valid", "AKIAROOT", with("DurationSeconds", "a\x00b"), []string{"111122223333 " + root + "AKIAROOT " + asked + " durationSeconds=a\uFFFDb externalId=x-1: ValidationError"}},
		{"a long text", "AKIAROOT", with("Policy", strings.Repeat("x", 300)), []string{"111122223333 " + root + "AKIAROOT " + asked + " externalId=x-1 policy=" + strings.Repeat("x", 256) + "…: MalformedPolicyDocument"}},
		{"no such region", "AKIAROOT nowhere-1", usual, []string{"111122223333 " + root + "AKIAROOT from 192.0.2.1 nowhere-1 roleArn=" + meterARN + " roleSessionName=prod externalId=x-1: SignatureDoesNotMatch"}},
		{"unknown key", "AKIANOBODY", usual, nil},
		{"nobody", "", usual, nil},
		{"no operation of this door", "AKIAROOT", []string{"Action", "GetSessionToken"}, nil},
		{"a pod", who, []string{"RoleArn", app}, []string{web + who + " with  from 192.0.2.1 us-east-1 roleArn=" + app + " roleSessionName=pod" + issued +
			" → assumedRoleUser.assumedRoleId=AROA2:pod → assumedRoleUser.arn=arn:aws:sts::111122223333:assumed-role/app/pod" +
			" → subjectFromWebIdentityToken=" + who + " → audience=sts.amazonaws.com → provider=arn:aws:iam::111122223333:oidc-provider/oidc.example"}},
		{"another pod", who + "s", []string{"RoleArn", app}, []string{web + who + "s with  from 192.0.2.1 us-east-1 roleArn=" + app + " roleSessionName=pod: AccessDenied"}},
		{"a pod of another role", who, []string{"RoleArn", app + "s"}, []string{web + who + " with  from 192.0.2.1 us-east-1 roleArn=" + app + "s roleSessionName=pod: AccessDenied"}},
		{"a pod in an account that is not there", who, []string{"RoleArn", "arn:aws:iam::999988887777:role/app"}, nil},
		{"a pod's token that is over", "over " + who, []string{"RoleArn", app}, []string{web + who + " with  from 192.0.2.1 us-east-1 roleArn=" + app + " roleSessionName=pod: ExpiredTokenException"}},
		{"a forged token", "forged " + who, []string{"RoleArn", app}, nil},
	} {
		o := newOffice(t)
		sub, _ := strings.CutPrefix(tt.key, "over ")
		sub, forged := strings.CutPrefix(sub, "forged ")
		form, key := tt.form, sigv4.Signer{}
		id, region, _ := strings.Cut(tt.key, " ")
		switch {
		case strings.HasPrefix(sub, "system"):
			token := o.token(t, sub, time.Hour)
			if forged {
				token += "A"
			}
			if tt.key[:4] == "over" {
				o.at = o.at.Add(2 * time.Hour)
			}
			form = append(form, "Action", "AssumeRoleWithWebIdentity", "RoleSessionName", "pod", "WebIdentityToken", token)
		case id != "":
			key = longTerm(id)
			key.Region = region
		}
		o.ask(t, key, "192.0.2.1", form...)
		got := o.events(t)
		if strings.Join(got, "\n") != strings.Join(tt.events, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, strings.Join(got, "\n"), strings.Join(tt.events, "\n"))
		}
	}
}

// TestRegionOfHost: a call that nobody has signed happened where its endpoint is.
func TestRegionOfHost(t *testing.T) {
	o := newOffice(t)
	for host, want := range map[string]string{
		"sts.amazonaws.com": "us-east-1", "sts.eu-west-1.amazonaws.com": "eu-west-1", "sts-fips.us-west-2.amazonaws.com": "us-west-2",
		"sts.us-gov-west-1.amazonaws.com:443": "us-gov-west-1", "sts.nowhere-1.amazonaws.com": "us-east-1", "127.0.0.1:8000": "us-east-1", "": "us-east-1",
	} {
		if got := o.regionOf(host); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

// TestTrailHasNoSecrets: neither what was shown nor what was issued is in it.
func TestTrailHasNoSecrets(t *testing.T) {
	o := newOffice(t)
	a := o.ask(t, longTerm("AKIAROOT"), "192.0.2.1", "Action", "AssumeRole", "RoleArn", meterARN, "RoleSessionName", "prod", "ExternalId", "x-1")
	token := o.token(t, "system:serviceaccount:shop:meter", time.Hour)
	b := o.ask(t, sigv4.Signer{}, "192.0.2.1", "Action", "AssumeRoleWithWebIdentity", "RoleArn", "arn:aws:iam::111122223333:role/app", "RoleSessionName", "pod", "WebIdentityToken", token)
	handed, err := o.SessionFor(t.Context(), o.store.Catalog().Role(buyer, "app"), session.Instance, "i-1", session.Workload{Platform: metering.PlatformEC2, ID: "i-1", Region: "us-east-1"}, time.Hour)
	if err != nil || a.Token == "" || b.WebToken == "" {
		t.Fatalf("%+v %+v %v", a, b, err)
	}
	secrets := []string{a.Secret, a.Token, token, b.WebToken, string(handed.SecretAccessKey), string(handed.Token)}
	n := 0
	for _, account := range []metering.AccountID{acme, buyer} {
		page, err := o.store.Events(t.Context(), store.EventQuery{Account: account})
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Items {
			n++
			text := string(store.AppendEvent(nil, &page.Items[i]))
			for _, secret := range secrets {
				if strings.Contains(text, secret) {
					t.Errorf("%s: %q is in it", page.Items[i].Operation, secret)
				}
			}
		}
	}
	if n != 4 {
		t.Errorf("%d events, want 4", n)
	}
}

// TestHandedOut: a session that a platform takes for its workload leaves the event
// that AWS's leave.
func TestHandedOut(t *testing.T) {
	o := newOffice(t)
	_, err := o.SessionFor(t.Context(), o.store.Catalog().Role(buyer, "app"), session.Container, "task-1", session.Workload{Platform: metering.PlatformECS, ID: "task-1", Region: "eu-west-1"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	want := "111122223333 AssumeRole by ecs-tasks.amazonaws.com with  from ecs-tasks.amazonaws.com eu-west-1 roleArn=arn:aws:iam::111122223333:role/app roleSessionName=task-1" +
		" → credentials.accessKeyId=ASIA → credentials.expiration=2026-11-02T09:00:00Z → assumedRoleUser.assumedRoleId=AROA2:task-1 → assumedRoleUser.arn=arn:aws:sts::111122223333:assumed-role/app/task-1"
	if got := strings.Join(o.events(t), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestTrailOfFloods: of calls that are throttled, and of refused ones that nobody
// has signed, one a second is written down, and stands for the others.
func TestTrailOfFloods(t *testing.T) {
	o := newOffice(t)
	for range 150 {
		o.ask(t, longTerm("AKIAROOT"), "192.0.2.1", "Action", "GetCallerIdentity")
	}
	if got := o.events(t); len(got) != 101 || !strings.HasSuffix(got[100], ": Throttling") {
		t.Errorf("%d events of 100 calls and 50 throttled ones, the last %s", len(got), got[len(got)-1])
	}
	o.at = o.at.Add(time.Second)
	for range 101 {
		o.ask(t, longTerm("AKIAROOT"), "192.0.2.1", "Action", "GetCallerIdentity")
	}
	if got := o.events(t); len(got) != 202 || !strings.HasSuffix(got[201], ": Throttling ×50") {
		t.Errorf("%d events a second later, the last %s", len(got), got[len(got)-1])
	}
	o = newOffice(t)
	token := o.token(t, "system:serviceaccount:shop:other", time.Hour)
	for i := range 60 {
		o.ask(t, sigv4.Signer{}, fmt.Sprintf("192.0.2.%d", i), "Action", "AssumeRoleWithWebIdentity", "RoleArn", "arn:aws:iam::111122223333:role/app", "RoleSessionName", "pod", "WebIdentityToken", token)
	}
	if got := o.events(t); len(got) != 1 {
		t.Errorf("%d events of 60 pods that are not trusted", len(got))
	}
}

// failing is a store that writes so many calls, and then fails; once, if the error
// is one of ours.
type failing struct {
	store.Store
	writes int
	err    error
}

var errOurs = errors.New("a failure of ours")

func (s *failing) Append(ctx context.Context, c store.Call) (store.Outcome, error) {
	if s.writes--; s.writes < 0 && (s.writes == -1 || s.err != errOurs) {
		return store.Outcome{}, s.err
	}
	return s.Store.Append(ctx, c)
}

// TestNoSessionWithoutItsEvent: a store that does not write issues no session, in
// either account's trail; who somebody is, is told on a full disk all the same.
func TestNoSessionWithoutItsEvent(t *testing.T) {
	o := newOffice(t)
	app := []string{"Action", "AssumeRoleWithWebIdentity", "RoleArn", "arn:aws:iam::111122223333:role/app", "RoleSessionName", "pod", "WebIdentityToken", o.token(t, "system:serviceaccount:shop:meter", time.Hour)}
	meter := []string{"Action", "AssumeRole", "RoleArn", meterARN, "RoleSessionName", "prod", "ExternalId", "x-1"}
	identity := []string{"Action", "GetCallerIdentity"}
	for _, tt := range []struct {
		name   string
		form   []string
		writes int
		err    error
		status int
		code   Code
	}{
		{"no room", meter, 0, store.ErrNoRoom, 503, ServiceUnavailable},
		{"no room for the role's account's", meter, 1, store.ErrNoRoom, 503, ServiceUnavailable},
		{"out of reach", meter, 0, store.ErrUnavailable, 503, ServiceUnavailable},
		{"written or not", meter, 0, store.ErrUnknown, 500, InternalFailure},
		{"a pod, no room", app, 0, store.ErrNoRoom, 503, ServiceUnavailable},
		{"who am I, no room", identity, 0, store.ErrNoRoom, 200, ""},
		{"who am I, out of reach", identity, 0, store.ErrUnavailable, 503, ServiceUnavailable},
	} {
		o.Store = &failing{o.store, tt.writes, tt.err}
		key := longTerm("AKIAROOT")
		if tt.form[1] == opAssumeRoleWithWebIdentity {
			key = sigv4.Signer{}
		}
		if a := o.ask(t, key, "192.0.2.1", tt.form...); a.status != tt.status || a.Code != string(tt.code) || a.Token+a.WebToken != "" {
			t.Errorf("%s: %+v", tt.name, a)
		}
	}
	o.Store = &failing{o.store, 0, errOurs}
	before := len(o.events(t))
	if a := o.ask(t, longTerm("AKIAROOT"), "192.0.2.1", meter...); a.status != http.StatusInternalServerError {
		t.Errorf("%+v", a)
	}
	if got := o.events(t); len(got) != before+1 || !strings.HasSuffix(got[len(got)-1], ": InternalFailure") {
		t.Errorf("a failure of ours: %d events more, the last %s", len(got)-before, got[len(got)-1])
	}
	o.Store = &failing{o.store, 0, store.ErrNoRoom}
	creds, err := o.SessionFor(t.Context(), o.store.Catalog().Role(buyer, "app"), session.Container, "task-1", session.Workload{Platform: metering.PlatformECS, ID: "task-1", Region: "us-east-1"}, time.Hour)
	if err == nil || creds != (session.Credentials{}) {
		t.Errorf("handed out: %v %v", creds, err)
	}
	// What is refused is refused as it is.
	if a := o.ask(t, longTerm("AKIAUSER"), "192.0.2.1", meter...); a.status != http.StatusForbidden {
		t.Errorf("refused without a trail: %+v", a)
	}
}
