package policy

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func mustParse(t testing.TB, doc string) *Policy {
	t.Helper()
	p, err := Parse([]byte(doc), ManagedLimit)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// newRequest is a call that has a value for every key.
func newRequest() *Request {
	return &Request{
		Action: "aws-marketplace:BatchMeterUsage",
		Principal: Principal{
			ARN: "arn:aws:iam::111122223333:user/team/ann", Account: "111122223333", Type: "User", UserID: "AIDAEXAMPLE", Username: "ann",
			Tags:        map[string]string{"Team": "billing", "Level": "7", "Since": "2026-01-01", "Root": "false", "Star": "*"},
			TokenIssued: time.Date(2026, 11, 26, 11, 0, 0, 0, time.UTC),
		},
		Time:     time.Date(2026, 11, 26, 12, 0, 0, 999, time.UTC),
		SourceIP: netip.MustParseAddr("203.0.113.7"), Region: "us-east-1", TLS: true,
		ProductCodes: []string{"prod-a", "prod-b"}, ExternalID: "x-1", RoleSessionName: "s-1",
	}
}

func TestConditions(t *testing.T) {
	const holds, fails, refusesAll = "holds", "fails", "cannot be judged"
	for _, c := range []struct{ condition, want string }{
		{`"StringEquals": {"aws:username": "ann"}`, holds},
		{`"StringEquals": {"aws:username": ["bob", "ann"]}`, holds},
		{`"StringEquals": {"aws:username": "Ann"}`, fails},
		{`"StringEquals": {"aws:username": "an*"}`, fails},
		{`"StringEquals": {"AWS:UserName": "ann", "aws:userid": "other"}`, fails},
		{`"StringEquals": {"aws:principaltag/TEAM": "billing"}`, holds},
		{`"StringNotEquals": {"aws:username": ["bob", "ann"]}`, fails},
		{`"StringNotEquals": {"aws:username": ["bob", "eve"]}`, holds},
		{`"StringEqualsIgnoreCase": {"aws:username": "ANN"}`, holds},
		{`"StringNotEqualsIgnoreCase": {"aws:username": "ANN"}`, fails},
		{`"StringLike": {"aws:RequestedRegion": "us-*-?"}`, holds},
		{`"StringNotLike": {"aws:RequestedRegion": "us-*"}`, fails},
		{`"StringEquals": {"sts:ExternalId": "x-1", "sts:RoleSessionName": "s-1", "aws:PrincipalType": "User", "aws:PrincipalAccount": "111122223333"}`, holds},

		{`"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}`, holds},
		{`"ArnLike": {"aws:PrincipalArn": "arn:aws:*:user/*:x:y:z"}`, fails}, // * stays in its field
		{`"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}`, holds},
		{`"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}`, fails},

		{`"NumericEquals": {"aws:PrincipalTag/Level": 7.0}`, holds},
		{`"NumericNotEquals": {"aws:PrincipalTag/Level": "7"}`, fails},
		{`"NumericLessThan": {"aws:PrincipalTag/Level": "7"}`, fails},
		{`"NumericLessThanEquals": {"aws:PrincipalTag/Level": "7"}`, holds},
		{`"NumericGreaterThan": {"aws:PrincipalTag/Level": "-8"}`, holds},
		{`"NumericGreaterThanEquals": {"aws:EpochTime": "1795694400"}`, holds},
		{`"NumericLessThan": {"aws:PrincipalTag/Team": "7"}`, refusesAll},

		{`"DateEquals": {"aws:CurrentTime": "2026-11-26T13:00:00+01:00"}`, holds},
		{`"DateNotEquals": {"aws:CurrentTime": "2026-11-26T12:00:00Z"}`, fails},
		{`"DateLessThan": {"aws:CurrentTime": "2026-11-26"}`, fails},
		{`"DateLessThanEquals": {"aws:EpochTime": 1795694400}`, holds},
		{`"DateGreaterThan": {"aws:TokenIssueTime": "2026-11-26T10:59:59Z"}`, holds},
		{`"DateGreaterThanEquals": {"aws:PrincipalTag/Since": "2026-01-01T00:00:00Z"}`, holds},
		{`"DateLessThan": {"aws:PrincipalTag/Team": "2026-01-01"}`, refusesAll},

		{`"Bool": {"aws:SecureTransport": "true"}`, holds},
		{`"Bool": {"aws:SecureTransport": false}`, fails},
		{`"Bool": {"aws:PrincipalTag/Root": "false"}`, holds},
		{`"Bool": {"aws:PrincipalTag/Team": "false"}`, refusesAll},

		{`"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "203.0.113.0/24"]}`, holds},
		{`"IpAddress": {"aws:SourceIp": "::/0"}`, fails},
		{`"NotIpAddress": {"aws:SourceIp": "203.0.113.7"}`, fails},

		{`"Null": {"aws:username": "false"}`, holds},
		{`"Null": {"aws:PrincipalTag/None": true}`, holds},
		{`"Null": {"meterd:ProductCode": "true"}`, fails},

		// An absent key: what is negated holds, what is not does not.
		{`"StringEquals": {"aws:PrincipalTag/None": "x"}`, fails},
		{`"StringNotEquals": {"aws:PrincipalTag/None": "x"}`, holds},
		{`"StringEqualsIfExists": {"aws:PrincipalTag/None": "x"}`, holds},
		{`"NumericLessThan": {"aws:PrincipalTag/None": "9"}`, fails},
		{`"NumericNotEquals": {"aws:PrincipalTag/None": "9"}`, holds},
		{`"BoolIfExists": {"aws:PrincipalTag/None": "true"}`, holds},
		{`"StringEqualsIfExists": {"aws:username": "bob"}`, fails},

		{`"ForAllValues:StringEquals": {"meterd:ProductCode": ["prod-a", "prod-b", "prod-c"]}`, holds},
		{`"ForAllValues:StringEquals": {"meterd:ProductCode": "prod-a"}`, fails},
		{`"ForAllValues:StringNotEquals": {"meterd:ProductCode": "prod-a"}`, fails},
		{`"ForAnyValue:StringLike": {"meterd:ProductCode": "*-b"}`, holds},
		{`"ForAnyValue:StringEquals": {"meterd:ProductCode": "prod-c"}`, fails},
		{`"ForAnyValue:StringNotEquals": {"meterd:ProductCode": "prod-a"}`, holds},

		{`"StringEquals": {"aws:userid": "AIDA${aws:PrincipalTag/none, 'EXAMPLE'}"}`, holds},
		{`"StringEquals": {"aws:username": "${aws:PrincipalTag/None}"}`, fails},
		{`"StringNotEquals": {"aws:username": "${aws:PrincipalTag/None}"}`, holds},
		{`"StringLike": {"aws:username": "${aws:PrincipalTag/Star}"}`, fails}, // its value is no wildcard
		{`"StringEquals": {"aws:PrincipalTag/Star": "${*}"}`, holds},
		{`"StringLike": {"aws:username": "${*}"}`, fails},
		{`"StringLike": {"aws:username": "a?${?}"}`, fails},
		{`"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/*/${aws:username}"}`, holds},
	} {
		statement := func(effect string) string {
			return `{"Version": "2012-10-17", "Statement": {"Effect": "` + effect + `", "Action": "*", "Resource": "*", "Condition": {` + c.condition + `}}}`
		}
		allowed := Decide(newRequest(), Set{Identity: []*Policy{mustParse(t, statement("Allow"))}}).Allowed
		denied := !Decide(newRequest(), Set{Identity: []*Policy{FullAccess(), mustParse(t, statement("Deny"))}}).Allowed
		got := map[[2]bool]string{{true, true}: holds, {false, false}: fails, {false, true}: refusesAll}[[2]bool{allowed, denied}]
		if got != c.want {
			t.Errorf("%s\ngot %q (allowed %t, denied %t), want %q", c.condition, got, allowed, denied, c.want)
		}
	}
}

func TestAddressInDisguise(t *testing.T) {
	deny := mustParse(t, `{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "fe80::/10"]}}}}`)
	for _, address := range []string{"203.0.113.7", "::ffff:203.0.113.7", "fe80::1", "fe80::1%eth0"} {
		r := newRequest()
		r.SourceIP = netip.MustParseAddr(address)
		if Decide(r, Set{Identity: []*Policy{FullAccess(), deny}}).Allowed {
			t.Errorf("%s dodges the Deny", address)
		}
	}
}

func TestActionsAndResources(t *testing.T) {
	const role = "arn:aws:iam::111122223333:role/Seller"
	for _, c := range []struct {
		statement, action, resource string
		want                        bool
	}{
		{`"Action": "aws-marketplace:MeterUsage", "Resource": "*"`, "aws-marketplace:MeterUsage", "", true},
		{`"Action": "AWS-Marketplace:meterusage", "Resource": "*"`, "aws-marketplace:MeterUsage", "", true},
		{`"Action": "aws-marketplace:*", "Resource": "*"`, "aws-marketplace:MeterUsage", "", true},
		{`"Action": "aws-marketplace:*", "Resource": "*"`, "sts:AssumeRole", role, false},
		{`"Action": "aws-marketplace:Meter?sage", "Resource": "*"`, "aws-marketplace:MeterUsage", "", true},
		{`"Action": "aws-marketplace:Meter", "Resource": "*"`, "aws-marketplace:MeterUsage", "", false},
		{`"NotAction": "sts:*", "Resource": "*"`, "sts:AssumeRole", role, false},
		{`"NotAction": "sts:*", "Resource": "*"`, "aws-marketplace:MeterUsage", "", true},
		{`"Action": "*", "Resource": "arn:aws:iam::111122223333:role/*"`, "sts:AssumeRole", role, true},
		{`"Action": "*", "Resource": "arn:aws:iam::*:role/seller"`, "sts:AssumeRole", role, false},
		{`"Action": "*", "Resource": "arn:aws:*:*:*:role/Sell??"`, "sts:AssumeRole", role, true},
		{`"Action": "*", "Resource": "arn:aws:iam::111122223333:role/*"`, "aws-marketplace:MeterUsage", "", false},
		{`"Action": "*", "NotResource": "arn:aws:iam::111122223333:role/*"`, "sts:AssumeRole", role, false},
		{`"Action": "*", "NotResource": "arn:aws:iam::111122223333:role/*"`, "aws-marketplace:MeterUsage", "*", true},
		{`"Action": "*", "NotResource": "arn:aws:iam::111122223333:role/*"`, "sts:AssumeRole", "no arn", false},
	} {
		p := mustParse(t, `{"Statement": {"Effect": "Allow", `+c.statement+`}}`)
		r := &Request{Action: c.action, Resource: c.resource}
		if got := Decide(r, Set{Identity: []*Policy{p}}).Allowed; got != c.want {
			t.Errorf("%s for %s on %q: got %t, want %t", c.statement, c.action, c.resource, got, c.want)
		}
	}
}

func TestMessage(t *testing.T) {
	const arn, action = "arn:aws:iam::111122223333:user/ann", "aws-marketplace:MeterUsage"
	for _, c := range []struct {
		reason Reason
		want   string
	}{
		{NoIdentityAllow, " because no identity-based policy allows the aws-marketplace:MeterUsage action"},
		{NoBoundaryAllow, " because no permissions boundary allows the aws-marketplace:MeterUsage action"},
		{NoSessionAllow, " because no session policy allows the aws-marketplace:MeterUsage action"},
		{IdentityDeny, " with an explicit deny in an identity-based policy"},
		{BoundaryDeny, " with an explicit deny in a permissions boundary"},
		{SessionDeny, " with an explicit deny in a session policy"},
		{TrustDeny, " with an explicit deny in the role trust policy"},
		{NoTrustAllow, ""},
	} {
		for resource, on := range map[string]string{"": "", "*": "", "arn:aws:iam::1:role/r": " on resource: arn:aws:iam::1:role/r"} {
			want := "User: " + arn + " is not authorized to perform: " + action + on + c.want
			if got := (Decision{Reason: c.reason, Resource: resource}).Message(arn, action); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
	}
	if got, want := (Decision{Reason: NoTrustAllow}).Message("", "sts:AssumeRoleWithWebIdentity"), "Not authorized to perform sts:AssumeRoleWithWebIdentity"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestManaged(t *testing.T) {
	for name, action := range map[string]string{
		"AWSMarketplaceMeteringFullAccess":                            "aws-marketplace:MeterUsage",
		"arn:aws:iam::aws:policy/AWSMarketplaceMeteringFullAccess":    "aws-marketplace:MeterUsage",
		"AWSMarketplaceMeteringRegisterUsage":                         "aws-marketplace:RegisterUsage",
		"arn:aws:iam::aws:policy/AWSMarketplaceMeteringRegisterUsage": "aws-marketplace:RegisterUsage",
	} {
		p, ok := Managed(name)
		if !ok {
			t.Errorf("%s is not known", name)
		}
		for _, asked := range strings.Fields("BatchMeterUsage MeterUsage RegisterUsage ResolveCustomer GetEntitlements") {
			asked = "aws-marketplace:" + asked
			if got, want := Decide(&Request{Action: asked}, Set{Identity: []*Policy{p}}).Allowed, asked == action; got != want {
				t.Errorf("%s: %s: got %t, want %t", name, asked, got, want)
			}
		}
	}
	if p, ok := Managed("AdministratorAccess"); ok || p != nil {
		t.Error("found a policy that there is not")
	}
	if got := len(ManagedNames()); got != 2 {
		t.Errorf("got %d names, want 2", got)
	}
}
