package audit

import (
	"strings"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// appendIdentity appends userIdentity.
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
func appendIdentity(b []byte, ev *store.Event) []byte {
	c := &ev.Caller
	kind, role := kindOf(ev)
	b = appendText(append(b, '{'), "type", kind)
	switch kind {
	case "AWSService":
		return append(appendText(b, "invokedBy", c.UserID), '}')
	case "WebIdentityUser":
		b = appendText(b, "principalId", c.UserID)
		b = appendText(b, "userName", Username(c))
		return append(appendText(b, "identityProvider", c.ARN), '}')
	case "AWSAccount":
		b = appendText(b, "principalId", c.UserID)
		return append(appendText(b, "accountId", accountOf(c.ARN)), '}')
	}
	b = appendTextIfAny(b, "principalId", c.UserID)
	b = appendTextIfAny(b, "arn", c.ARN)
	b = appendText(b, "accountId", string(ev.Account))
	b = appendTextIfAny(b, "accessKeyId", c.KeyID)
	switch kind {
	case "IAMUser":
		b = appendText(b, "userName", Username(c))
	case "AssumedRole":
		b = appendSession(b, ev, role)
	}
	return append(b, '}')
}

// kindOf tells by its ARN what a caller is, and which role a session acts in. Of
// another account's, whose role it assumes, that is all that is shown. A service of
// AWS's that acts for a workload, and an operator, have none.
func kindOf(ev *store.Event) (kind, role string) {
	c := &ev.Caller
	if c.ARN == "" && strings.HasSuffix(c.UserID, ".amazonaws.com") {
		return "AWSService", ""
	}
	_, rest, _ := strings.Cut(c.ARN, "::")
	_, rest, _ = strings.Cut(rest, ":") // after the account
	what, name, _ := strings.Cut(rest, "/")
	if ev.Operation == "AssumeRole" && accountOf(c.ARN) != string(ev.Account) {
		return "AWSAccount", ""
	}
	switch what {
	case "root":
		return "Root", ""
	case "user":
		return "IAMUser", ""
	case "oidc-provider":
		return "WebIdentityUser", ""
	case "assumed-role":
		role, _, _ = strings.Cut(name, "/")
		return "AssumedRole", role
	}
	return "Unknown", ""
}

// accountOf is the account in an ARN.
func accountOf(arn string) string {
	_, rest, _ := strings.Cut(arn, "::")
	account, _, _ := strings.Cut(rest, ":")
	return account
}

// appendSession appends sessionContext. What a web identity's provider was is not
// kept: webIdFederationData is there, and empty, as in most of AWS's samples.
func appendSession(b []byte, ev *store.Event, role string) []byte {
	c := &ev.Caller
	id, _, _ := strings.Cut(c.UserID, ":")
	b = append(appendName(b, "sessionContext"), '{')
	b = appendText(append(appendName(b, "sessionIssuer"), '{'), "type", "Role")
	b = appendTextIfAny(b, "principalId", id)
	b = appendText(b, "arn", "arn:aws:iam::"+string(ev.Account)+":role/"+role)
	b = appendText(b, "accountId", string(ev.Account))
	b = append(appendText(b, "userName", role), '}')
	if c.Origin == metering.OriginWebIdentity || c.Platform == metering.PlatformEKS {
		b = append(appendName(b, "webIdFederationData"), "{}"...)
	}
	b = append(appendName(b, "attributes"), '{')
	if !c.Issued.IsZero() {
		b = appendText(b, "creationDate", c.Issued.UTC().Format(time.RFC3339))
	}
	b = append(appendText(b, "mfaAuthenticated", "false"), '}')
	switch {
	case c.Origin == metering.OriginInstance:
		b = appendText(b, "ec2RoleDelivery", "2.0") // our metadata service has version 2 alone
	case c.Platform == metering.PlatformEC2:
		b = appendText(b, "ec2RoleDelivery", "1.0") // a key that stands for an instance: as in AWS's sample
	}
	return append(b, '}')
}
