package policy

import "testing"

func TestTrusts(t *testing.T) {
	const (
		role     = "arn:aws:iam::111122223333:role/Seller"
		action   = "sts:AssumeRole"
		webToken = "sts:AssumeRoleWithWebIdentity"
		provider = `"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC"`
		issuer   = "https://oidc.eks.us-east-1.amazonaws.com/id/ABC"
	)
	var (
		user = Principal{ARN: "arn:aws:iam::444455556666:user/ann", Account: "444455556666"}
		pod  = WebIdentity{Issuer: issuer, Subject: "system:serviceaccount:shop:meter", Audience: "sts.amazonaws.com"}
		sess = Principal{
			ARN: "arn:aws:iam::444455556666:role/ci", Account: "444455556666",
			SessionARN: "arn:aws:sts::444455556666:assumed-role/ci/build-1",
		}
	)
	for _, c := range []struct {
		principal, rest string
		request         Request
		want            bool
	}{
		{`"AWS": "444455556666"`, ``, Request{Action: action, Principal: user}, true},
		{`"AWS": "arn:aws:iam::444455556666:root"`, ``, Request{Action: action, Principal: user}, true},
		{`"AWS": "arn:aws:iam::777788889999:root"`, ``, Request{Action: action, Principal: user}, false},
		{`"AWS": ["777788889999", "arn:aws:iam::444455556666:user/ann"]`, ``, Request{Action: action, Principal: user}, true},
		{`"AWS": "arn:aws:iam::444455556666:user/an"`, ``, Request{Action: action, Principal: user}, false},
		{`"AWS": "arn:aws:iam::444455556666:role/ci"`, ``, Request{Action: action, Principal: sess}, true},
		{`"AWS": "arn:aws:sts::444455556666:assumed-role/ci/build-1"`, ``, Request{Action: action, Principal: sess}, true},
		{`"AWS": "arn:aws:sts::444455556666:assumed-role/ci/build-2"`, ``, Request{Action: action, Principal: sess}, false},
		{`"AWS": "*"`, ``, Request{Action: action, Principal: user}, true},
		{`"AWS": "*"`, ``, Request{Action: action, WebIdentity: pod}, false},
		{`"AWS": "*"`, ``, Request{Action: action}, false},
		{`"AWS": "444455556666"`, ``, Request{Action: "sts:TagSession", Principal: user}, false},
		{`"AWS": "444455556666"`, `, "Condition": {"StringEquals": {"sts:ExternalId": "x"}}`, Request{Action: action, Principal: user, ExternalID: "x"}, true},
		{`"AWS": "444455556666"`, `, "Condition": {"StringEquals": {"sts:ExternalId": "x"}}`, Request{Action: action, Principal: user}, false},
		{`"Service": ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com"]`, ``, Request{Action: action, Principal: Principal{Service: "ec2.amazonaws.com"}}, true},
		{`"Service": "ecs-tasks.amazonaws.com"`, ``, Request{Action: action, Principal: user}, false},
		{provider, ``, Request{Action: webToken, WebIdentity: pod}, true},
		{`"Federated": "` + issuer + `"`, ``, Request{Action: webToken, WebIdentity: pod}, true},
		{`"Federated": "arn:aws:iam::444455556666:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC"`, ``, Request{Action: webToken, WebIdentity: pod}, false},
		{`"Federated": "https://oidc.eks.us-east-1.amazonaws.com/id/AB"`, ``, Request{Action: webToken, WebIdentity: pod}, false},
		{
			provider, `, "Condition": {"StringEquals": {"oidc.eks.us-east-1.amazonaws.com/id/ABC:sub": "system:serviceaccount:shop:meter", "oidc.eks.us-east-1.amazonaws.com/id/ABC:aud": "sts.amazonaws.com"}}`,
			Request{Action: webToken, WebIdentity: pod},
			true,
		},
		{provider, `, "Condition": {"StringEquals": {"oidc.eks.us-east-1.amazonaws.com/id/ABC:sub": "other"}}`, Request{Action: webToken, WebIdentity: pod}, false},
		{provider, `, "Condition": {"StringEquals": {"other.example:sub": "system:serviceaccount:shop:meter"}}`, Request{Action: webToken, WebIdentity: pod}, false},
	} {
		granted := action
		if c.request.Action == webToken {
			granted = webToken
		}
		doc := `{"Statement": {"Effect": "Allow", "Principal": {` + c.principal + `}, "Action": "` + granted + `"` + c.rest + `}}`
		p, err := ParseTrust([]byte(doc), TrustLimit)
		if err != nil {
			t.Errorf("%v\n%s", err, doc)
			continue
		}
		c.request.Resource = role
		if got := Trusts(&c.request, p); got.Allowed != c.want {
			t.Errorf("%s\n%+v\ngot %+v, want %t", doc, c.request, got, c.want)
		}
	}
	if got := Trusts(&Request{Action: action, Principal: user}, nil); got.Allowed {
		t.Error("a role without a trust policy trusts somebody")
	}
}

// TestDenyEveryone: a Deny of everyone means web identities and services, too.
func TestDenyEveryone(t *testing.T) {
	p, err := ParseTrust([]byte(`{"Statement": [
		{"Effect": "Allow", "Principal": {"Federated": "idp.example", "Service": "ec2.amazonaws.com", "AWS": "*"}, "Action": "sts:*"},
		{"Effect": "Deny", "Principal": "*", "Action": "sts:*"}]}`), TrustLimit)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Request{
		{WebIdentity: WebIdentity{Issuer: "https://idp.example"}},
		{Principal: Principal{Service: "ec2.amazonaws.com"}},
		{Principal: Principal{ARN: "arn:aws:iam::111122223333:root", Account: "111122223333"}},
	} {
		r.Action = "sts:AssumeRole"
		if got := Trusts(&r, p); got.Reason != TrustDeny {
			t.Errorf("%+v: got reason %d, want a deny", r, got.Reason)
		}
	}
}
