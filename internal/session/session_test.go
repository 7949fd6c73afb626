package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meterd/meterd/internal/metering"
)

var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func newKeys(t testing.TB, masters ...byte) *Keys {
	t.Helper()
	var all [][]byte
	for _, m := range masters {
		all = append(all, bytes.Repeat([]byte{m}, masterSize))
	}
	ks, err := NewKeys(all...)
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

func newClaims() Claims {
	return Claims{
		Account:     "123456789012",
		Role:        Role{ARN: "arn:aws:iam::123456789012:role/metering/agent", ID: "AROAEXAMPLEEXAMPLE234"},
		SessionName: "billing-7c9f",
		Issued:      now,
		Expires:     now.Add(time.Hour),
		Source:      WebIdentity,
		Workload:    Workload{Platform: metering.PlatformEKS, ID: "0b7e54a2-6a0f-4a53-9c52-5d1d1b6a4f11", Region: "eu-central-1"},
		Federation: Federation{
			Provider: "arn:aws:iam::123456789012:oidc-provider/issuer.example/id/AB12",
			Issuer:   "https://issuer.example/id/AB12",
			Subject:  "system:serviceaccount:shop:billing",
			Audience: "sts.amazonaws.com",
		},
	}
}

func issue(t testing.TB, ks *Keys, c Claims) Credentials {
	t.Helper()
	creds, err := ks.Issue(c)
	if err != nil {
		t.Fatal(err)
	}
	return creds
}

// TestRoundTrip: what is issued opens, with the same secret, and says what was
// put in.
func TestRoundTrip(t *testing.T) {
	ks := newKeys(t, 1)
	text := func(most int) *rapid.Generator[string] { return rapid.StringN(0, most, -1) }
	rapid.Check(t, func(t *rapid.T) {
		c := newClaims()
		c.Role.ID = rapid.StringMatching(`AROA[A-Z2-7]{17}`).Draw(t, "role id")
		c.SessionName = rapid.StringMatching(`[\w+=,.@-]{2,64}`).Draw(t, "name")
		c.Issued = time.Unix(rapid.Int64Range(-1e9, 1e11).Draw(t, "issued"), rapid.Int64Range(0, 1e9-1).Draw(t, "nanoseconds")).UTC()
		c.Expires = c.Issued.Add(time.Duration(rapid.Int64Range(int64(time.Second), int64(MaxDuration)).Draw(t, "lifetime")))
		c.Source = rapid.SampledFrom([]Source{AssumeRole, WebIdentity, Container, Instance, PodIdentity}).Draw(t, "source")
		c.Workload = Workload{metering.Platform(text(8).Draw(t, "platform")), text(40).Draw(t, "id"), text(20).Draw(t, "region")}
		c.Federation = Federation{text(40).Draw(t, "provider"), text(40).Draw(t, "issuer"), text(40).Draw(t, "subject"), text(40).Draw(t, "audience")}
		c.Policy = []byte(rapid.StringN(0, 2048, 3000).Draw(t, "policy"))
		if len(c.Policy) == 0 {
			c.Policy = nil
		}
		if tags := rapid.MapOfN(text(10), text(10), 0, 8).Draw(t, "tags"); len(tags) > 0 {
			c.Tags = tags
		}

		creds, err := ks.Issue(c)
		if errors.Is(err, ErrTooLarge) && len(c.Policy) > 300 {
			t.Skip(err) // random characters do not deflate
		}
		if err != nil {
			t.Fatal(err)
		}
		c.Issued, c.Expires = c.Issued.Truncate(time.Second), c.Expires.Truncate(time.Second)
		got, secret, err := ks.Open(creds.AccessKeyID, string(creds.Token), c.Expires.Add(-1))
		if err != nil {
			t.Fatal(err)
		}
		c.KeyID = creds.AccessKeyID
		if d := cmp.Diff(&c, got); d != "" {
			t.Error("want, got: " + d)
		}
		if secret != creds.SecretAccessKey || !creds.Expiration.Equal(c.Expires) || len(creds.Token) > MaxToken {
			t.Errorf("secret equal: %t, expires %v, %d characters", secret == creds.SecretAccessKey, creds.Expiration, len(creds.Token))
		}
	})
}

// TestForms: the three parts of credentials look as AWS's do.
func TestForms(t *testing.T) {
	ks := newKeys(t, 1)
	creds := issue(t, ks, newClaims())
	for _, part := range []struct{ value, pattern string }{
		{creds.AccessKeyID, `^ASIA[A-Z2-7]{16}$`},
		{string(creds.SecretAccessKey), `^[A-Za-z0-9+/]{40}$`},
		{string(creds.Token), `^[A-Za-z0-9_-]+$`},
	} {
		if !regexp.MustCompile(part.pattern).MatchString(part.value) {
			t.Errorf("%q does not match %s", part.value, part.pattern)
		}
	}
	other := issue(t, ks, newClaims())
	if creds.AccessKeyID == other.AccessKeyID || creds.SecretAccessKey == other.SecretAccessKey || creds.Token == other.Token {
		t.Error("two sessions share a part of their credentials")
	}
}

func TestSize(t *testing.T) {
	ks := newKeys(t, 1)
	random := func(n int) []byte { // hexadecimal digits: deflate halves them, no more
		return []byte(strings.ReplaceAll(rapid.StringOfN(rapid.RuneFrom([]rune("0123456789abcdef")), n, n, n).Example(1), "\n", ""))
	}
	statement := func(i int) string {
		return fmt.Sprintf(`{"Effect":"Allow","Action":["aws-marketplace:MeterUsage","aws-marketplace:BatchMeterUsage"],"Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"team-%d"}}},`, i)
	}
	var policy strings.Builder
	for i := 0; policy.Len() < 2048; i++ {
		policy.WriteString(statement(i))
	}
	for _, test := range []struct {
		name   string
		policy []byte
		least  int
		most   int // of characters; zero is ErrTooLarge
	}{
		{"without a policy", nil, 400, 600},
		{"a policy of 1,000 bytes, as it is", random(1000), 1700, 2000},
		{"the longest policy", []byte(policy.String()[:2048]), 500, 1200},
		{"what deflate can do", random(2000), 1600, MaxToken},
		{"more than it can", random(3000), 0, 0},
		{"a bomb", bytes.Repeat([]byte(" "), maxClaims+1), 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newClaims()
			c.Policy = test.policy
			creds, err := ks.Issue(c)
			if test.most == 0 {
				if !errors.Is(err, ErrTooLarge) {
					t.Fatalf("got %v, want ErrTooLarge", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d characters", len(creds.Token))
			if n := len(creds.Token); n < test.least || n > test.most || n > MaxToken {
				t.Errorf("the token has %d characters, not %d to %d", n, test.least, test.most)
			}
			got, _, err := ks.Open(creds.AccessKeyID, string(creds.Token), now)
			if err != nil || !bytes.Equal(got.Policy, test.policy) {
				t.Errorf("opens with another policy, or %v", err)
			}
		})
	}
}

func TestIssueRefuses(t *testing.T) {
	ks := newKeys(t, 1)
	for name, spoil := range map[string]func(*Claims){
		"no account":               func(c *Claims) { c.Account = "" },
		"role of another account":  func(c *Claims) { c.Account = "210987654321" },
		"user for a role":          func(c *Claims) { c.Role.ARN = "arn:aws:iam::123456789012:user/agent" },
		"role of no name":          func(c *Claims) { c.Role.ARN = "arn:aws:iam::123456789012:role/metering/" },
		"no role id":               func(c *Claims) { c.Role.ID = "" },
		"no session name":          func(c *Claims) { c.SessionName = "" },
		"no source":                func(c *Claims) { c.Source = "" },
		"over before it begins":    func(c *Claims) { c.Expires = c.Issued },
		"over within its second":   func(c *Claims) { c.Expires = c.Issued.Add(time.Second - 1) },
		"longer than twelve hours": func(c *Claims) { c.Expires = c.Issued.Add(MaxDuration + time.Second) },
	} {
		c := newClaims()
		spoil(&c)
		if creds, err := ks.Issue(c); err == nil || creds != (Credentials{}) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNewKeysRefuses(t *testing.T) {
	good := bytes.Repeat([]byte{1}, masterSize)
	for name, masters := range map[string][][]byte{
		"none": nil, "short": {good[1:]}, "long": {append(good, 1)}, "the same twice": {good, good},
	} {
		if _, err := NewKeys(masters...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestNames(t *testing.T) {
	for arn, want := range map[string]string{
		"arn:aws:iam::123456789012:role/agent":     "arn:aws:sts::123456789012:assumed-role/agent/billing-7c9f",
		"arn:aws:iam::123456789012:role/a/b/agent": "arn:aws:sts::123456789012:assumed-role/agent/billing-7c9f",
		"arn:aws-us-gov:iam::123456789012:role/x":  "arn:aws-us-gov:sts::123456789012:assumed-role/x/billing-7c9f",
	} {
		c := newClaims()
		c.Role.ARN = arn
		issue(t, newKeys(t, 1), c)
		if got := c.AssumedRoleARN(); got != want {
			t.Errorf("%s: got %s, want %s", arn, got, want)
		}
		if got, want := c.AssumedRoleID(), "AROAEXAMPLEEXAMPLE234:billing-7c9f"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestNothingIsPrinted: neither keys nor credentials show in any format.
func TestNothingIsPrinted(t *testing.T) {
	ks := newKeys(t, 'k')
	creds := issue(t, ks, newClaims())
	encoded, err := json.Marshal(creds)
	if err != nil {
		t.Fatal(err)
	}
	printed := string(encoded)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if verb != "%x" && verb != "%d" { // of a Secret these print ***, or its code
			printed += fmt.Sprintf(verb, creds)
		}
		printed += fmt.Sprintf(verb, ks)
		if got := fmt.Sprintf(verb, ks); got != "***" {
			t.Errorf("keys print as %s", got)
		}
	}
	for _, secret := range []Secret{creds.SecretAccessKey, creds.Token} {
		if strings.Contains(printed, string(secret)) {
			t.Errorf("printed in %s", printed)
		}
	}
}
