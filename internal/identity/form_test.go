package identity

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseForm(t *testing.T) {
	for _, test := range []struct {
		name, contentType, body string
		want                    form // nil: refused
	}{
		{"an SDK's", formType + "; charset=utf-8", "Action=GetCallerIdentity&Version=2011-06-15", form{"Action": "GetCallerIdentity", "Version": "2011-06-15"}},
		{"empty", formType, "", form{}},
		{"escapes", formType, "a%2eb=%2B+%26%3D%3b%C3%BC", form{"a.b": "+ &=;ü"}},
		{"an empty value", formType, "Policy=", form{"Policy": ""}},
		{"a value with =", formType, "a=b=c", form{"a": "b=c"}},
		{"other letters", "Application/X-WWW-Form-Urlencoded; Charset=UTF-8", "a=b", form{"a": "b"}},

		{"no content type", "", "a=b", nil},
		{"JSON", "application/json", "a=b", nil},
		{"another charset", formType + "; charset=utf-16", "a=b", nil},
		{"a name twice", formType, "a=b&a=b", nil},
		{"a name twice, once escaped", formType, "a=b&%61=c", nil},
		{"half an escape", formType, "a=%2", nil},
		{"no escape", formType, "a=%zz", nil},
		{"no escape in a name", formType, "%=b", nil},
		{"a semicolon between", formType, "a=b;c=d", nil},
		{"a semicolon in a value", formType, "a=b;", nil},
		{"no =", formType, "a=b&c", nil},
		{"no name", formType, "=b", nil},
		{"nothing between", formType, "a=b&&c=d", nil},
		{"nothing at the end", formType, "a=b&", nil},
		{"no UTF-8", formType, "a=%ff", nil},
		{"no UTF-8 in a name", formType, "%ff=a", nil},
		{"no UTF-8, unescaped", formType, "a=\xff", nil},
		{"too large", formType, "a=" + strings.Repeat("b", maxForm-1), nil},
	} {
		got, err := parseForm(test.contentType, []byte(test.body))
		var e *Error
		if test.want == nil && (!errors.As(err, &e) || statuses[e.Code] < 400 || got != nil) {
			t.Errorf("%s: got %v, %v", test.name, got, err)
		}
		if d := cmp.Diff(test.want, got); test.want != nil && (err != nil || d != "") {
			t.Errorf("%s: %v; want, got: %s", test.name, err, d)
		}
	}
}

func TestAction(t *testing.T) {
	for _, test := range []struct {
		form form
		want string
	}{
		{form{"Action": "AssumeRole", "Version": apiVersion}, "AssumeRole"},
		{form{"Action": "AssumeRole", "Version": apiVersion, "Unknown": "x"}, "AssumeRole"},
		{form{"Version": apiVersion}, "MissingAction: The request is missing an action: the parameter Action is required."},
		{form{"Action": "AssumeRole"}, "InvalidAction: Could not find operation AssumeRole for version NO_VERSION_SPECIFIED"},
		{form{"Action": "AssumeRole", "Version": "2010-05-08"}, "InvalidAction: Could not find operation AssumeRole for version 2010-05-08"},
		{form{"Action": "assumerole", "Version": apiVersion}, "InvalidAction: Could not find operation assumerole for version 2011-06-15"},
		{form{"Action": "", "Version": apiVersion}, "InvalidAction: Could not find operation  for version 2011-06-15"},
	} {
		got, err := test.form.action("AssumeRole", "GetCallerIdentity")
		if err != nil {
			got = strings.TrimPrefix(err.Error(), "identity: ")
		}
		if got != test.want {
			t.Errorf("%v: got %s", test.form, got)
		}
	}
}

const arn = "arn:aws:iam::123456789012:role/agent"

// with is a good form of both operations, and some parameters more or others.
func with(pairs ...string) form {
	f := form{"RoleArn": arn, "RoleSessionName": "billing", "WebIdentityToken": "e.y.J"}
	for i := 0; i < len(pairs); i += 2 {
		f[pairs[i]] = pairs[i+1]
	}
	return f
}

func TestParameters(t *testing.T) {
	got, err := with("DurationSeconds", "900", "Policy", `{"Version":"2012-10-17"}`, "ExternalId", "a:b/c-1", "Unknown", "x",
		"PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/A", "PolicyArns.member.2.arn", "arn:aws:iam::aws:policy/B",
		"Tags.member.2.Key", "b", "Tags.member.2.Value", "", "Tags.member.1.Key", "a ü", "Tags.member.1.Value", "1@x",
		"TransitiveTagKeys.member.1", "b").assumeRole()
	want := assumeRole{
		assumption: assumption{
			RoleARN: arn, SessionName: "billing", Duration: 15 * time.Minute, Policy: `{"Version":"2012-10-17"}`,
			PolicyARNs: []string{"arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B"},
		},
		ExternalID: "a:b/c-1",
		Tags:       []tag{{"a ü", "1@x"}, {"b", ""}},
		Transitive: []string{"b"},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(assumeRole{})); d != "" || err != nil {
		t.Errorf("%v; want, got: %s", err, d)
	}
	web, err := with("DurationSeconds", "43200", "PolicyArns", "").assumeRoleWithWebIdentity()
	if err != nil || web.Token != "e.y.J" || web.RoleARN != arn || web.Duration != 12*time.Hour || web.PolicyARNs != nil {
		t.Errorf("got %+v, %v", web, err)
	}
}

func TestParametersRefused(t *testing.T) {
	failed := func(value, at, rule string) string {
		return "1 validation error detected: Value " + value + " at '" + at + "' failed to satisfy constraint: Member must " + rule
	}
	least, most := "have length greater than or equal to ", "have length less than or equal to "
	pattern := "satisfy regular expression pattern: "
	long := strings.Repeat("a", 65)
	for _, test := range []struct {
		form form
		want string
	}{
		{with("RoleSessionName", "x"), failed("'x'", "roleSessionName", least+"2")},
		{with("RoleSessionName", long), failed("'"+long+"'", "roleSessionName", most+"64")},
		{with("RoleSessionName", "a/b"), failed("'a/b'", "roleSessionName", pattern+`[\w+=,.@-]*`)},
		{with("RoleSessionName", "bü"), failed("'bü'", "roleSessionName", pattern+`[\w+=,.@-]*`)},
		{with("RoleArn", "arn:short"), failed("'arn:short'", "roleArn", least+"20")},
		{with("RoleArn", arn+"\x00"), failed("'"+arn+"\x00'", "roleArn", pattern+roleARN.pattern)},
		{with("DurationSeconds", "899"), failed("'899'", "durationSeconds", "have value greater than or equal to 900")},
		{with("DurationSeconds", "43201"), failed("'43201'", "durationSeconds", "have value less than or equal to 43200")},
		{with("DurationSeconds", "1e3"), "DurationSeconds is not a whole number."},
		{with("DurationSeconds", "+900"), "DurationSeconds is not a whole number."},
		{with("DurationSeconds", ""), "DurationSeconds is not a whole number."},
		{with("ExternalId", "x"), failed("'x'", "externalId", least+"2")},
		{with("ExternalId", "a b"), failed("'a b'", "externalId", pattern+`[\w+=,.@:\/-]*`)},
		{with("Policy", ""), failed("''", "policy", least+"1")},
		{with("Policy", "{\u0100}"), failed("'{\u0100}'", "policy", pattern+sessionPolicy.pattern)},
		{with("Policy", strings.Repeat("{", 2049)), failed("'"+strings.Repeat("{", 256)+"…'", "policy", most+"2048")},
		{with("PolicyArns.member.1.arn", "x"), failed("'x'", "policyArns.1.member.arn", least+"20")},
		{with("Tags.member.1.Key", "k"), failed("null", "tags.1.member.value", "not be null")},
		{with("Tags.member.1.Value", "v"), failed("null", "tags.1.member.key", "not be null")},
		{with("Tags.member.1.Key", "", "Tags.member.1.Value", ""), failed("''", "tags.1.member.key", least+"1")},
		{with("Tags.member.1.Key", "a!", "Tags.member.1.Value", ""), failed("'a!'", "tags.1.member.key", pattern+tagKey.pattern)},
		{with("Tags.member.1.Key", "a", "Tags.member.1.Value", "", "Tags.member.2.Key", "A", "Tags.member.2.Value", ""), "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		{with("TransitiveTagKeys.member.1", "?"), failed("'?'", "transitiveTagKeys.1.member", pattern+tagKey.pattern)},
		{with("RoleSessionName", "x", "DurationSeconds", "1"), "2 validation errors detected: " +
			"Value 'x' at 'roleSessionName' failed to satisfy constraint: Member must have length greater than or equal to 2; " +
			"Value '1' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},

		// A restriction must not be lost.
		{with("PolicyArns.member.2.arn", arn), "The members of the list PolicyArns are not numbered from 1 without a gap."},
		{with("PolicyArns.1.arn", arn), "The parameter PolicyArns.1.arn is no member of the list PolicyArns."},
		{with("PolicyArns.member.1.Arn", arn), "The parameter PolicyArns.member.1.Arn is no member of the list PolicyArns."},
		{with("PolicyArns.member.01.arn", arn), "The parameter PolicyArns.member.01.arn is no member of the list PolicyArns."},
		{with("PolicyArns.member.0.arn", arn), "The parameter PolicyArns.member.0.arn is no member of the list PolicyArns."},
		{with("PolicyArns", arn), "The parameter PolicyArns is no member of the list PolicyArns."},
		{with("TransitiveTagKeys.member.1.x", "a"), "The parameter TransitiveTagKeys.member.1.x is no member of the list TransitiveTagKeys."},
		{with("SourceIdentity", "alice"), "The parameter SourceIdentity is not served here."},
		{with("ProvidedContexts.member.1.ProviderArn", arn), "The parameter ProvidedContexts is not served here."},
	} {
		_, err := test.form.assumeRole()
		var e *Error
		if !errors.As(err, &e) || e.Code != ValidationError || e.Message != test.want {
			t.Errorf("%v:\ngot  %v\nwant %s", test.form, err, test.want)
		}
	}

	lists := with()
	for i := range 51 {
		n := strconv.Itoa(i + 1)
		lists["Tags.member."+n+".Key"], lists["Tags.member."+n+".Value"] = "k"+n, "v"
		lists["PolicyArns.member."+n+".arn"] = arn
	}
	_, err := lists.assumeRole()
	for _, want := range []string{"'[51 members]' at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50", "'[51 members]' at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to 10"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestTokenIsNotRepeated: an error about a token does not show it; one about
// nothing names everything that is required.
func TestTokenIsNotRepeated(t *testing.T) {
	secret := strings.Repeat("secret", 4000)
	_, err := with("WebIdentityToken", secret).assumeRoleWithWebIdentity()
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "Value '***' at 'webIdentityToken'") {
		t.Errorf("got %v", err)
	}
	_, err = form{}.assumeRoleWithWebIdentity()
	const want = "identity: ValidationError: 3 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null; " +
		"Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null; " +
		"Value null at 'webIdentityToken' failed to satisfy constraint: Member must not be null"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// FuzzForm: what is read is what net/url reads too, and it is never lost; errors
// are of few codes and short.
func FuzzForm(f *testing.F) {
	for _, seed := range []form{with(), with("Policy", "{}", "Tags.member.1.Key", "a", "Tags.member.1.Value", "b"), with("PolicyArns.member.1.arn", arn, "DurationSeconds", "900")} {
		values := url.Values{"Action": {"AssumeRole"}, "Version": {apiVersion}}
		for name, value := range seed {
			values.Set(name, value)
		}
		f.Add(values.Encode())
	}
	for _, seed := range []string{"a=b&a=c", "a=%zz", "a;b=c", "&", "Tags=&PolicyArns.member.9999999999999999999.arn=x", "DurationSeconds=-0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		short := func(err error) {
			if f, known := fault(err); !known || len(f.Message) > 20*1024 {
				t.Errorf("got %v", err)
			}
		}
		got, err := parseForm(formType, []byte(body))
		if err != nil {
			short(err)
			return
		}
		values, err := url.ParseQuery(body)
		if err != nil || len(values) != len(got) {
			t.Errorf("net/url reads %v, %v", values, err)
		}
		for name, value := range got {
			if !slices.Equal(values[name], []string{value}) {
				t.Errorf("net/url reads %q as %q", name, values[name])
			}
		}
		if _, err := got.action("AssumeRole"); err != nil {
			short(err)
		}
		if _, err := got.assumeRoleWithWebIdentity(); err != nil {
			short(err)
		}
		in, err := got.assumeRole()
		if err != nil {
			short(err)
			return
		}
		members := 0
		for name := range got {
			list, _, _ := strings.Cut(name, ".")
			if list != name && slices.Contains([]string{"PolicyArns", "Tags", "TransitiveTagKeys"}, list) {
				members++
			}
		}
		if members != len(in.PolicyARNs)+2*len(in.Tags)+len(in.Transitive) || in.Policy != got["Policy"] || in.ExternalID != got["ExternalId"] {
			t.Errorf("of %q was read %+v", body, in)
		}
	})
}

// TestManyParameters: a form is read before anybody has signed, so what reading it
// takes is bounded by the number of its parameters as well as by its size.
func TestManyParameters(t *testing.T) {
	form := func(n int) []byte {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "&%x=", i)
		}
		return []byte(b.String()[1:])
	}
	if f, err := parseForm(formType, form(maxParameters)); err != nil || len(f) != maxParameters {
		t.Errorf("%d parameters: %d are read, %v", maxParameters, len(f), err)
	}
	most := form(18000)
	if len(most) > maxForm {
		t.Fatalf("%d bytes are too many for this test", len(most))
	}
	if _, err := parseForm(formType, most); !errors.Is(err, &Error{Code: MalformedQueryString}) {
		t.Errorf("18000 parameters: %v", err)
	}
	if n := testing.AllocsPerRun(5, func() { _, _ = parseForm(formType, most) }); n > 50 {
		t.Errorf("%v allocations to refuse 18000 parameters", n)
	}
}
