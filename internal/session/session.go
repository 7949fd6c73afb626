// Package session makes temporary credentials and opens them again, and keeps
// nothing of them. All that is known of a session is sealed into its token
// ([Claims]), and the secret that it signs with follows from its access key id
// and a master key ([Keys]): every node that has the master keys can serve every
// session, and none can be lost. What cannot be done this way is to end one
// session before its time; that takes a list, which is not here.
//
// A token is worth nothing without the secret, and its claims are sealed only so
// that nobody can write any. It is bound to its access key id: a request that
// names one id and carries the token of another is refused, even though AWS's
// clients do not always sign the token.
//
// There is one text for each token. A text that differs from it in a single bit,
// in its padding or by a line break opens nothing.
package session

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

var (
	// ErrInvalid says that a token is none of ours, was changed, belongs to
	// another access key id, or was sealed under a key that is no longer there.
	// The reason is for the log: it tells a forger how far he got.
	ErrInvalid = errors.New("session: the token is invalid")
	// ErrExpired says that a token was good once.
	ErrExpired = errors.New("session: the token is expired")
	// ErrTooLarge says that the claims do not fit into a token of [MaxToken]
	// characters: PackedPolicyTooLarge, in the words of STS.
	ErrTooLarge = errors.New("session: policy and tags do not fit into the token")
)

// Source is how a session came to be.
type Source string

// The ways to a session.
const (
	AssumeRole  Source = "assume_role"  // a signed call of AssumeRole
	WebIdentity Source = "web_identity" // a token of an OpenID Connect issuer
	Container   Source = "container"    // the credentials endpoint of a container
	Instance    Source = "instance"     // the metadata endpoint of an instance
	PodIdentity Source = "pod_identity" // the agent on a Kubernetes node
)

// Claims are what a session is: who it acts as, how it came to be, what it runs
// in, and what it may not do.
type Claims struct {
	KeyID       string // the access key id; [Keys.Issue] makes it
	Account     metering.AccountID
	Role        Role
	SessionName string
	Issued      time.Time // to the second, as is Expires
	Expires     time.Time
	Source      Source
	Workload    Workload
	Federation  Federation        // of a WebIdentity session
	Policy      []byte            // the session policy as it was given; nil for none
	Tags        map[string]string // session tags; nil for none
}

// Role is the role that a session acts in.
type Role struct {
	ARN string // arn:aws:iam::ACCOUNT:role/NAME
	ID  string // AROA…
}

// Workload is what a session runs in, as far as whoever issued it could attest.
// Without a platform there is none.
type Workload struct {
	Platform metering.Platform
	ID       string
	Region   string
}

// Federation is what a web identity token said of its bearer.
type Federation struct {
	Provider string // the provider's ARN
	Issuer   string
	Subject  string
	Audience string
}

// AssumedRoleARN is who the session is in answers, policies and logs. A role's
// path is not part of it.
func (c *Claims) AssumedRoleARN() string {
	partition, _, _ := strings.Cut(strings.TrimPrefix(c.Role.ARN, "arn:"), ":")
	name := c.Role.ARN[strings.LastIndexByte(c.Role.ARN, '/')+1:]
	return "arn:" + partition + ":sts::" + string(c.Account) + ":assumed-role/" + name + "/" + c.SessionName
}

// AssumedRoleID is aws:userid, the one name of a session that a role made anew
// under an old name does not inherit.
func (c *Claims) AssumedRoleID() string { return c.Role.ID + ":" + c.SessionName }

// MaxDuration is the longest that a session can last, whatever its role allows.
const MaxDuration = 12 * time.Hour

// check refuses claims that would be a mistake of ours: what a client asks for
// was judged before.
func (c *Claims) check() error {
	switch lifetime := c.Expires.Sub(c.Issued); {
	case !c.Account.Valid():
		return fmt.Errorf("session: %q is no account", c.Account)
	case !c.Role.belongsTo(c.Account):
		return fmt.Errorf("session: %q is no role of account %s", c.Role.ARN, c.Account)
	case c.Role.ID == "" || c.SessionName == "" || c.Source == "":
		return errors.New("session: the role's id, the session's name or its source is missing")
	case lifetime <= 0 || lifetime > MaxDuration:
		return fmt.Errorf("session: it would last %v", lifetime)
	}
	return nil
}

func (r Role) belongsTo(account metering.AccountID) bool {
	rest, ok := strings.CutPrefix(r.ARN, "arn:aws")
	partition, rest, _ := strings.Cut(rest, ":")
	name, isRole := strings.CutPrefix(rest, "iam::"+string(account)+":role/")
	return ok && isRole && strings.Trim(partition, "-abcdefghijklmnopqrstuvwxyz") == "" && name != "" && !strings.HasSuffix(name, "/")
}

// Credentials are what a client is given. They are shown once.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey Secret
	Token           Secret
	Expiration      time.Time
}

// Secret is a text that must not be printed: it shows as *** wherever it is
// formatted, logged or encoded. The answer to the client converts it.
type Secret string

// String hides the secret.
func (Secret) String() string { return "***" }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return "***" }

// MarshalText hides the secret from encoders, slog's among them.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }
