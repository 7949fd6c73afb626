package admin

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// drawPolicies adds policies, and roles that have them.
func drawPolicies(t *rapid.T, c *Catalog, accounts []metering.AccountID) {
	text := rapid.SampledFrom([]string{"a", "*", "no", "1", "0x1F", "2026-01-01", "n: m", "<&>", "é", "", "${aws:username}", " a", "#", "-"})
	for i := range rapid.IntRange(0, 2).Draw(t, "policies") {
		statement := map[string]any{
			"Effect": "Allow", "Action": []any{"aws-marketplace:*"}, "Resource": "*", "Sid": "",
			"Condition": map[string]any{
				"StringLike":      map[string]any{"aws:PrincipalTag/team": []any{text.Draw(t, "tag"), text.Draw(t, "tag")}},
				"NumericLessThan": map[string]any{"aws:PrincipalTag/" + rapid.SampledFrom([]string{"n", "yes", "a b", "é"}).Draw(t, "key"): rapid.SampledFrom([]any{"5", 1.5, uint64(7), -3}).Draw(t, "number")},
				"Bool":            map[string]any{"aws:SecureTransport": rapid.SampledFrom([]any{true, "true"}).Draw(t, "bool")},
			},
		}
		c.Policies = append(c.Policies, Policy{fmt.Sprintf("n%d+=,.@_-", i), Document{"Version": "2012-10-17", "Statement": []any{statement}}})
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "roles") {
		r := Role{
			Account: rapid.SampledFrom(accounts).Draw(t, "account"), Name: fmt.Sprintf("r%d", i),
			Trust:      Document{"Statement": map[string]any{"Effect": "Allow", "Principal": map[string]any{"AWS": "000000000009"}, "Action": "sts:AssumeRole"}},
			Policies:   rapid.SampledFrom([][]string{nil, {}, {"arn:aws:iam::aws:policy/AWSMarketplaceMeteringFullAccess"}}).Draw(t, "of AWS"),
			MaxSession: rapid.SampledFrom([]string{"", "15m", "12h", "3601s"}).Draw(t, "longest"),
		}
		if len(c.Policies) > 0 {
			r.Policies, r.Boundary = append(r.Policies, c.Policies[0].Name), c.Policies[len(c.Policies)-1].Name
		}
		c.Roles = append(c.Roles, r)
	}
}

// guarded has a policy, roles and keys that are built on it.
const guarded = `
sellers: [{account: "210987654321", name: Acme}]
buyers: [{account: "111122223333"}]
workloads: [{id: task-1, platform: ecs, account: "111122223333", region: us-east-1}]
policies:
  - name: resolve-only
    document:
      Version: "2012-10-17"
      Statement:
        - Effect: Allow
          Action: aws-marketplace:ResolveCustomer
          Resource: "*"
          Condition:
            IpAddress: {"aws:SourceIp": 203.0.113.0/24}
            NumericLessThan: {"aws:PrincipalTag/age": 3}
  - {name: all, document: {"Statement": [{"Action": "*", "Effect": "Allow", "Resource": "*"}], "Version": "2012-10-17"}}
roles:
  - account: "210987654321"
    name: meter
    trust:
      Version: "2012-10-17"
      Statement:
        - Effect: Allow
          Principal: {AWS: "arn:aws:iam::111122223333:root"}
          Action: sts:AssumeRole
          Condition: {StringEquals: {"sts:ExternalId": acme-1}}
    policies: [resolve-only, AWSMarketplaceMeteringFullAccess]
    boundary: all
    max_session: 2h
credentials:
  - {access_key_id: AKIAMETERDSELLER0001, secret_access_key: s, account: "210987654321", policy: resolve-only}
  - {access_key_id: AKIAMETERDSELLER0002, secret_access_key: s, account: "210987654321", policy: "arn:aws:iam::aws:policy/AWSMarketplaceMeteringFullAccess"}
`

// TestPolicies: documents are kept as JSON in the order in which people write
// them, roles get an id, and what is exported applies and changes nothing.
func TestPolicies(t *testing.T) {
	s := newService(t)
	apply(t, s, guarded)
	known := s.Store.Catalog()
	const want = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"aws-marketplace:ResolveCustomer","Resource":"*",` +
		`"Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"},"NumericLessThan":{"aws:PrincipalTag/age":3}}}]}`
	if got := known.Policy("resolve-only"); got == nil || got.Document != want {
		t.Errorf("got %+v\nwant %s", got, want)
	}
	role := known.Role("210987654321", "meter")
	if role == nil || !regexp.MustCompile(`^AROA[A-Z2-7]{17}$`).MatchString(role.ID) || role.MaxSession != 2*time.Hour || !role.Revoked.IsZero() || role.ARN() != "arn:aws:iam::210987654321:role/meter" {
		t.Errorf("the role: %+v", role)
	}
	if got := known.Credential("AKIAMETERDSELLER0001").Policy; got != "resolve-only" {
		t.Errorf("the key is limited to %q", got)
	}
	text := exported(t, s)
	for name, again := range map[string]string{"again": guarded, "exported": text} {
		if plan := changes(t, s, parsed(t, again), Applying{Prune: true}); plan.Changed() != 0 {
			t.Errorf("%s: %+v", name, plan.Changes)
		}
	}
	other := newService(t)
	if c := parsed(t, text); len(c.Credentials) == 2 {
		for i := range c.Credentials {
			c.Credentials[i].SecretAccessKey = "s"
		}
		changes(t, other, c, Applying{})
	}
	if diff := cmp.Diff(text, exported(t, other)); diff != "" {
		t.Errorf("elsewhere (-here +there)\n%s", diff)
	}

	plan := changes(t, s, parsed(t, strings.Replace(strings.Replace(guarded, "ResolveCustomer", "MeterUsage", 1), "2h", "90m", 1)), Applying{DryRun: true})
	var told []string
	for _, c := range plan.Changes {
		for _, f := range c.Fields {
			told = append(told, fmt.Sprint(c.Action, " ", c.Kind, " ", c.Name, " ", f.Field))
		}
	}
	if diff := cmp.Diff([]string{"update policy resolve-only document", "update role 210987654321/meter max_session"}, told); diff != "" {
		t.Errorf("a plan (-want +got)\n%s", diff)
	}
	changes(t, s, parsed(t, ""), Applying{Prune: true})
	if n := known.Len(store.KindPolicy) + known.Len(store.KindRole); n != 0 {
		t.Errorf("%d policies and roles were not pruned", n)
	}
	apply(t, s, guarded)
	if again := known.Role("210987654321", "meter"); again.ID == role.ID {
		t.Errorf("a role made anew has the id of the one before, %s", role.ID)
	}
}

// TestPolicyProblems: what is wrong with a policy, a role or what a key is
// limited to is told with its place, in the file and in the document.
func TestPolicyProblems(t *testing.T) {
	for _, row := range []struct{ old, wrong, says string }{
		{"name: resolve-only", "name: resolve only", `[6:11] policies[0].name: "resolve only" is not a policy's name`},
		{"name: resolve-only", "name: AWSMarketplaceMeteringFullAccess", `policies[0].name: "AWSMarketplaceMeteringFullAccess" is a policy of AWS's`},
		{"name: all", "name: resolve-only", `policies[1]: policy "resolve-only" occurs twice`},
		{"Effect: Allow\n          Action", "Effect: Perhaps\n          Action", `[10:19] policies[0].document.Statement[0].Effect: `},
		{"IpAddress:", "IpAddresses:", `policies[0].document.Statement[0].Condition.IpAddresses: `},
		{`"aws:SourceIp"`, `"aws:SourceIP6"`, `policies[0].document.Statement[0].Condition.IpAddress.aws:SourceIP6: `},
		{"203.0.113.0/24", "203.0.113.0/240", `policies[0].document.Statement[0].Condition.IpAddress.aws:SourceIp: `},
		{"document: {\"Statement\": [{\"Action\": \"*\", \"Effect\": \"Allow\", \"Resource\": \"*\"}], \"Version\": \"2012-10-17\"}", "document: {}", `policies[1].document: is empty`},
		{"document: {\"Statement\": [{\"Action\": \"*\", \"Effect\": \"Allow\", \"Resource\": \"*\"}], \"Version\": \"2012-10-17\"}", "document: ~", `policies[1].document: is missing`},
		{"age\": 3", "age\": .inf", `policies[0].document: `},
		{"account: \"210987654321\"\n    name: meter", "account: \"210987654322\"\n    name: meter", `roles[0].account: there is no account "210987654322"`},
		{"account: \"210987654321\"\n    name: meter", "account: \"2\"\n    name: meter", `roles[0].account: "2" is not an account id`},
		{"name: meter", "name: a/b", `roles[0].name: "a/b" is not a role's name`},
		{"Principal: {AWS: \"arn:aws:iam::111122223333:root\"", "Principal: {AWS: 111122223333", `roles[0].trust.Statement[0].Principal.AWS: `},
		{"Principal: {AWS", "Principal: {Nobody", `roles[0].trust.Statement[0].Principal`},
		{"sts:AssumeRole", "sts:AssumeRoles", `roles[0].trust.Statement[0].Action`},
		{"policies: [resolve-only", "policies: [resolve", `roles[0].policies[0]: there is no policy "resolve"`},
		{"policies: [resolve-only", "policies: [AWSMarketplaceMeteringFullAccess", `roles[0].policies[1]: policy "AWSMarketplaceMeteringFullAccess" occurs twice`},
		{"policies: [resolve-only", "policies: [\"arn:aws:iam::aws:policy/AdministratorAccess\"", `roles[0].policies[0]: there is no policy "arn:aws:iam::aws:policy/AdministratorAccess", neither of yours nor of AWS's (AWSMarketplaceMeteringFullAccess, `},
		{"boundary: all", "boundary: none", `roles[0].boundary: there is no policy "none"`},
		{"max_session: 2h", "max_session: 13h", `[29:18] roles[0].max_session: "13h" is not a duration from 15m to 12h`},
		{"max_session: 2h", "max_session: 899s", `roles[0].max_session: "899s" is not`},
		{"policy: resolve-only", "policy: none", `credentials[0].policy: there is no policy "none"`},
	} {
		t.Run(row.wrong, func(t *testing.T) {
			s := newService(t)
			if !strings.Contains(guarded, row.old) {
				t.Fatalf("the sample has no %q", row.old)
			}
			c := parsed(t, strings.Replace(guarded, row.old, row.wrong, 1))
			_, err := s.Apply(t.Context(), c, Applying{})
			var wrong *CatalogError
			if !errors.As(err, &wrong) || !strings.Contains(wrong.Error(), row.says) || !strings.HasPrefix(wrong.Error(), "[") {
				t.Errorf("got  %v\nwant %s", err, row.says)
			}
			if got := s.Store.Catalog().Revision(); got != 0 {
				t.Errorf("something was stored: revision %d", got)
			}
		})
	}
}

// TestHeldPolicies: what a role or a key is limited to does not go, and neither
// does the account that a role is of.
func TestHeldPolicies(t *testing.T) {
	for _, row := range []struct {
		kind       store.Kind
		name, says string
	}{
		{store.KindPolicy, "resolve-only", "policy resolve-only cannot go: credential AKIAMETERDSELLER0001 is built on it"},
		{store.KindPolicy, "resolve-only", "policy resolve-only cannot go: role 210987654321/meter is built on it"},
		{store.KindPolicy, "all", "policy all cannot go: role 210987654321/meter is built on it"},
		{store.KindAccount, "210987654321", "account 210987654321 cannot go: role 210987654321/meter is built on it"},
		{store.KindRole, "210987654321/meter", ""},
	} {
		s := newService(t)
		apply(t, s, guarded)
		_, err := s.Apply(t.Context(), new(Catalog), Applying{Remove: []store.Ref{{Kind: row.kind, Name: row.name}}})
		if (err == nil) != (row.says == "") || err != nil && !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s %s: %v; want %q", row.kind, row.name, err, row.says)
		}
	}
}

// TestDocumentNames: of two equal names in a body none is dropped in silence,
// and numbers stay as they are written.
func TestDocumentNames(t *testing.T) {
	var d Document
	if err := d.UnmarshalJSON([]byte(`{"Statement":[{"Effect":"Deny","Effect":"Allow"}]}`)); err == nil {
		t.Errorf("read as %v", d)
	}
	if _, err := ParseCatalog([]byte(strings.Replace(guarded, "Action: aws", "Effect: Deny\n          Action: aws", 1))); err == nil || !strings.Contains(err.Error(), "already defined") {
		t.Errorf("an element twice in a file: %v", err)
	}
	const text = `{"Version":"2012-10-17","Statement":{"Sid":"a<b","Condition":{"NumericEquals":{"k":[100000000000000000001,1.50]}}},"Z":null}`
	if err := d.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if got, err := d.text(); err != nil || got != text {
		t.Errorf("got %s, %v\nwant %s", got, err, text)
	}
	var b bytes.Buffer
	if err := (&Catalog{Policies: []Policy{{"n", d}}}).WriteYAML(&b); err != nil {
		t.Fatal(err)
	}
	if got, err := parsed(t, b.String()).Policies[0].Document.text(); err != nil || !strings.Contains(got, "a<b") {
		t.Errorf("as YAML: %s, %v\n%s", got, err, b.String())
	}
}

// TestCatalogPage: the files that the page on catalogues shows can be applied,
// one after the other.
func TestCatalogPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/catalog.md")
	if err != nil {
		t.Fatal(err)
	}
	s := newService(t)
	files := strings.Split(string(page), "```yaml\n")[1:]
	for _, text := range files {
		text, _, _ = strings.Cut(text, "```")
		apply(t, s, text)
	}
	if n := s.Store.Catalog().Len(store.KindRole); len(files) < 2 || n != 2 {
		t.Errorf("%d files with %d roles were found", len(files), n)
	}
}
