package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestRefused: what is wrong is refused with its place and a reason.
func TestRefused(t *testing.T) {
	allow := func(rest string) string {
		return `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "a:B", "Resource": "*"}, {"Effect": "Allow", ` + rest + `}]}`
	}
	condition := func(c string) string { return allow(`"Action": "a:B", "Resource": "*", "Condition": {` + c + `}`) }
	for _, c := range []struct{ doc, want string }{
		{``, "policy: not JSON: it ends too early, on line 1"},
		{"{\n\"Statement\": [", "policy: not JSON: it ends too early, on line 2"},
		{"{\n\n1}", "on line 3"},
		{`[]`, "policy: must be an object, not a list"},
		{`{}`, "policy: is empty"},
		{`{"Statement": []} {}`, "policy: something follows the document"},
		{"{\"Id\": \"\xff\"}", "policy: the document is not UTF-8"},
		{`{"Id": "\ud800"}`, "Id: the text has a character that is none"},
		{`{"Version": "2012-10-17"}`, "Statement: is missing"},
		{`{"Version": "2012-10-18", "Statement": []}`, `Version: must be "2012-10-17"`},
		{`{"Version": 2012, "Statement": []}`, `Version: must be "2012-10-17"`},
		{`{"Statement": [], "Statement": []}`, "Statement: the name is there twice"},
		{`{"Statement": []}`, "Statement: must be a statement or a list of statements"},
		{`{"Statement": [{}]}`, "Statement[0]: is empty"},
		{`{"statement": []}`, "statement: unknown element; did you mean Statement?"},
		{`{"Statement": [], "Comment": ""}`, "Comment: unknown element: only Version, Id, Statement may stand here"},
		{`{"Statement": {"Effect": "allow", "Action": "*", "Resource": "*"}}`, `Statement.Effect: must be "Allow" or "Deny"`},
		{`{"Statement": [{"Sid": "A", "Effect": "Deny", "Action": "*", "Resource": "*"}, {"Sid": "A", "Effect": "Deny", "Action": "*", "Resource": "*"}]}`, `Statement[1].Sid: "A" names an earlier statement`},
		{allow(`"Sid": "a b", "Action": "*", "Resource": "*"`), "Statement[1].Sid: must be"},
		{allow(`"Resource": "*"`), "Statement[1]: has neither Action nor NotAction"},
		{allow(`"Action": "*", "NotAction": "*", "Resource": "*"`), "Statement[1]: has both Action and NotAction"},
		{allow(`"Action": "*"`), "Statement[1]: has neither Resource nor NotResource"},
		{allow(`"Action": [], "Resource": "*"`), "Statement[1].Action: is empty"},
		{allow(`"Action": ["*", 1], "Resource": "*"`), "Statement[1].Action[1]: must be a string, not a number"},
		{allow(`"Action": "MeterUsage", "Resource": "*"`), `Statement[1].Action: "MeterUsage" is not an action`},
		{allow(`"Action": "aws*:MeterUsage", "Resource": "*"`), "is not an action"},
		{allow(`"Action": "*", "Resource": "arn:aws:iam"`), `Statement[1].Resource: "arn:aws:iam" is not an ARN`},
		{allow(`"Action": "*", "Resource": "arn:aws:iam::${aws:userid}:x"`), "before the fifth colon"},
		{allow(`"Action": "*", "Resource": "*", "Principal": "*"`), "Statement[1].Principal: belongs in a role's trust policy"},
		{allow(`"Action": "*", "Resource": "*", "NotPrincipal": "*"`), "Statement[1].NotPrincipal: unknown element"},
		{condition(``), "Statement[1].Condition: is empty"},
		{condition(`"StringEquals": {}`), "Statement[1].Condition.StringEquals: is empty"},
		{condition(`"StringEqual": {"aws:userid": "x"}`), `unknown condition operator "StringEqual"`},
		{condition(`"BinaryEquals": {"aws:userid": "x"}`), "unknown condition operator"},
		{condition(`"NullIfExists": {"aws:userid": "true"}`), "stands alone"},
		{condition(`"StringEquals": {"aws:Unknown": "x"}`), `Statement[1].Condition.StringEquals.aws:Unknown: unknown condition key "aws:Unknown"`},
		{condition(`"StringEquals": {"aws:userid": "x", "AWS:UserID": "y"}`), "the key is there twice"},
		{condition(`"StringEquals": {"aws:userid": []}`), "aws:userid: is empty"},
		{condition(`"StringEquals": {"aws:userid": true}`), "must be a string or a list of strings, not true or false"},
		{condition(`"StringEquals": {"aws:userid": [["x"]]}`), "nested more deeply"},
		{condition(`"StringEquals": {"aws:userid": [{}]}`), "nested more deeply"},
		{condition(`"NumericEquals": {"aws:SourceIp": "1"}`), "Statement[1].Condition.NumericEquals.aws:SourceIp: NumericEquals does not fit"},
		{condition(`"NumericEquals": {"aws:EpochTime": "1e3"}`), `"1e3" is not a number`},
		{condition(`"NumericEquals": {"aws:EpochTime": "1234567890123456"}`), "more than 15 digits"},
		{condition(`"DateEquals": {"aws:CurrentTime": "2026"}`), `"2026" is not a date`},
		{condition(`"DateEquals": {"aws:CurrentTime": "2026-01-01T00:00:00.5Z"}`), "fraction of a second"},
		{condition(`"Bool": {"aws:SecureTransport": "yes"}`), `"yes" is neither true nor false`},
		{condition(`"IpAddress": {"aws:SourceIp": "203.0.113.0/33"}`), "is neither an address nor a range"},
		{condition(`"IpAddress": {"aws:SourceIp": "203.0.113.7/24"}`), "write 203.0.113.0/24"},
		{condition(`"IpAddress": {"aws:SourceIp": "::ffff:203.0.113.7"}`), "write it as IPv4"},
		{condition(`"StringEquals": {"meterd:ProductCode": "p"}`), "write ForAllValues:StringEquals or ForAnyValue:StringEquals"},
		{condition(`"ForAllValues:StringEquals": {"aws:userid": "p"}`), "the key has one value; write StringEquals"},
		{condition(`"StringEquals": {"idp.example:sub": "p"}`), "belong in a role's trust policy"},
		{condition(`"StringEquals": {"aws:userid": "${aws:nobody}"}`), `${aws:nobody}: unknown condition key`},
		{condition(`"StringEquals": {"aws:userid": "${aws:userid"}`), "not closed"},
		{condition(`"StringEquals": {"aws:userid": "${aws:userid, x}"}`), "single quotes"},
		{condition(`"StringEquals": {"aws:userid": "${meterd:ProductCode}"}`), "several values"},
		{strings.Replace(condition(`"StringEquals": {"aws:userid": "${aws:userid}"}`), "2012", "2008", 1), `has not the Version "2012-10-17"`},
	} {
		_, err := Parse([]byte(c.doc), ManagedLimit)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\ngot  %v\nwant %s", c.doc, err, c.want)
		}
		if ours := (*Error)(nil); err != nil && !errors.As(err, &ours) {
			t.Errorf("%s: got a %T", c.doc, err)
		}
	}
}

func TestTrustRefused(t *testing.T) {
	for _, c := range []struct{ rest, want string }{
		{`"Action": "sts:AssumeRole"`, "Statement.Principal: is missing"},
		{`"Action": "sts:AssumeRole", "Principal": "444455556666"`, `Statement.Principal: must be "*", or an object`},
		{`"Action": "sts:AssumeRole", "Principal": {}`, "Statement.Principal: is empty"},
		{`"Action": "sts:AssumeRole", "Principal": {"CanonicalUser": "x"}`, "Statement.Principal.CanonicalUser: unknown kind of principal"},
		{`"Action": "sts:AssumeRole", "Principal": {"AWS": "44445555"}`, "is neither an account nor the ARN"},
		{`"Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::444455556666:user/*"}`, "a principal has no wildcards"},
		{`"Action": "sts:AssumeRole", "Principal": {"Service": "example.com"}`, "is not a service"},
		{`"Action": "sts:AssumeRole", "Principal": {"Federated": "http://idp.example"}`, "is neither an issuer's URL"},
		{`"Action": "sts:AssumeRoleWithSAML", "Principal": "*"`, "is no action of a trust policy"},
		{`"Action": "sts:AssumeRole", "Principal": "*", "Resource": "*"`, "Statement.Resource: has no place in a trust policy"},
	} {
		_, err := ParseTrust([]byte(`{"Statement": {"Effect": "Allow", `+c.rest+`}}`), TrustLimit)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\ngot  %v\nwant %s", c.rest, err, c.want)
		}
	}
}

// TestHostile: what is made to cost much is refused or costs little.
func TestHostile(t *testing.T) {
	for name, doc := range map[string]string{
		"deep":    strings.Repeat("[", 60_000),
		"deeper":  strings.Repeat(`{"Statement":`, 5_000),
		"huge":    `{"Id": "` + strings.Repeat("x", 1<<20) + `"}`,
		"blank":   strings.Repeat(" ", 1<<20),
		"members": `{` + strings.Repeat(`"a":1,`, 1000) + `"a":1}`,
	} {
		if _, err := Parse([]byte(doc), ManagedLimit); err == nil || len(err.Error()) > 1000 {
			t.Errorf("%s: got %.1000v", name, err)
		}
	}
	if _, err := Parse([]byte(fmt.Sprintf(`{"Statement": %s{"Effect": "Deny", "Action": "*", "Resource": "*"}}`, strings.Repeat(" \n", 4000))), 100); err != nil {
		t.Errorf("white space counts: %v", err)
	}

	// Trying every split of this takes longer than the universe has.
	p := mustParse(t, `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:iam::1:`+strings.Repeat("*a", 1000)+`*b"}}`)
	start := time.Now()
	r := &Request{Action: "a:B", Resource: "arn:aws:iam::1:" + strings.Repeat("a", 10_000)}
	if Decide(r, Set{Identity: []*Policy{p}}).Allowed {
		t.Error("matches without a b")
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

// FuzzParse: nothing makes the parser panic, it answers twice alike, and what it
// takes can be asked.
func FuzzParse(f *testing.F) {
	for _, m := range managed {
		f.Add([]byte(m.document))
	}
	f.Add([]byte(`{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Deny","NotAction":["a:*b?"],"NotResource":"arn:aws:*:::${aws:username, 'x'}","Condition":{"NumericLessThanIfExists":{"aws:PrincipalTag/Level":[1,"2"]},"ForAnyValue:StringNotLike":{"meterd:ProductCode":"${*}?"}}}]}`))
	f.Add([]byte(`{"Statement":{"Effect":"Allow","Principal":{"Federated":"idp.example","AWS":["*","111122223333"]},"Action":"sts:*","Condition":{"StringEquals":{"idp.example:sub":"x"}}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		r := newRequest()
		p, err := Parse(doc, ManagedLimit)
		q, again := Parse(doc, ManagedLimit)
		if fmt.Sprint(err) != fmt.Sprint(again) {
			t.Fatalf("got %v, then %v", err, again)
		}
		if got, want := Decide(r, Set{Identity: []*Policy{p}}), Decide(r, Set{Identity: []*Policy{q}}); got != want {
			t.Fatalf("got %+v, then %+v", want, got)
		}
		if Decide(r, Set{Identity: []*Policy{p}}).Allowed && err != nil {
			t.Fatal("what was refused allows")
		}
		if trust, err := ParseTrust(doc, TrustLimit); err == nil {
			Trusts(r, trust)
		}
	})
}
