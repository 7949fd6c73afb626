package policy

import (
	"net/netip"
	"time"
)

// Request is what policies are asked about: who wants to do what, and the
// circumstances. Nothing in it is read from the outside; a request that is
// decided twice is decided alike.
type Request struct {
	Action   string // "aws-marketplace:MeterUsage"
	Resource string // an ARN; "*" or empty when the action is about no resource

	Principal Principal

	// The server knows these of every call. A condition that asks for one which
	// is not set cannot be judged: a Deny then holds, an Allow does not.
	Time     time.Time  // aws:CurrentTime, aws:EpochTime
	SourceIP netip.Addr // aws:SourceIp
	Region   string     // aws:RequestedRegion
	TLS      bool       // aws:SecureTransport

	// ProductCodes are the products that the call's records are about
	// (meterd:ProductCode), an extension of ours.
	ProductCodes []string

	// What a call of AssumeRole or AssumeRoleWithWebIdentity says.
	ExternalID      string      // sts:ExternalId
	RoleSessionName string      // sts:RoleSessionName
	WebIdentity     WebIdentity // of AssumeRoleWithWebIdentity, whose token was verified

	foreseen bool // ProductCodes are to come
}

// Principal is who asks. A field that does not apply is empty, and then its
// condition key is absent.
type Principal struct {
	ARN        string // aws:PrincipalArn: of the account's root, the user or the role, also when a session of the role asks
	SessionARN string // of the session of a role: arn:aws:sts::123456789012:assumed-role/role/session
	Account    string // aws:PrincipalAccount
	Type       string // aws:PrincipalType: Account, User, AssumedRole
	UserID     string // aws:userid
	Username   string // aws:username, of users only

	// Tags are aws:PrincipalTag/…. Their keys are looked up without regard to
	// case; two that differ in nothing else make the condition impossible to judge.
	Tags map[string]string

	// TokenIssued is when temporary credentials were made (aws:TokenIssueTime).
	TokenIssued time.Time

	// Service is the name of a service that asks in its own name, such as
	// "ec2.amazonaws.com", when it assumes a role for a workload.
	Service string
}

// WebIdentity holds the claims of a verified token.
type WebIdentity struct {
	Issuer   string // iss, with or without https://
	Subject  string // sub
	Audience string // aud
}

// noResource is the resource of an action that is about none.
const noResource = "*"

func (r *Request) resource() string {
	if r.Resource == "" {
		return noResource
	}
	return r.Resource
}
