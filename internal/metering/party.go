package metering

import (
	"fmt"
	"time"
)

// AccountID is an AWS account id: 12 digits.
type AccountID string

// accountIDDigits is the length of an AWS account id. The service model admits
// any run of digits on the wire (contract table of CustomerAWSAccountId); an
// account that exists has twelve.
const accountIDDigits = 12

// Valid reports whether the id is twelve digits.
func (a AccountID) Valid() bool {
	return len(a) == accountIDDigits && IsAccountDigits(string(a))
}

// CustomerID is the older handle of a buyer of one product: CustomerIdentifier
// on the wire. There is one for each buyer and product.
type CustomerID string

// Account is a party of the marketplace: a seller, a buyer, or both.
type Account struct {
	ID        AccountID
	Name      string
	Seller    bool
	Buyer     bool
	Suspended bool // as a buyer: its usage is no longer accepted
}

// Platform is where a workload runs.
type Platform string

// The platforms that MeterUsage and RegisterUsage can be called from. PlatformNone
// is a caller that is no workload: an IAM user, a laptop, a seller's server.
const (
	PlatformNone      Platform = ""
	PlatformEC2       Platform = "ec2"
	PlatformECS       Platform = "ecs"
	PlatformEKS       Platform = "eks"
	PlatformAgentCore Platform = "agentcore"
)

// Service is the principal in whose name AWS assumes roles for the workloads of a
// platform; "" of pods, which ask themselves.
func (p Platform) Service() string {
	switch p {
	case PlatformEC2:
		return "ec2.amazonaws.com"
	case PlatformECS:
		return "ecs-tasks.amazonaws.com"
	case PlatformAgentCore:
		return "bedrock-agentcore.amazonaws.com"
	}
	return ""
}

// Workload is one running thing in a buyer's account: an EC2 instance, an ECS
// task, an EKS pod, or a Bedrock AgentCore runtime.
type Workload struct {
	ID       string
	Platform Platform
	Account  AccountID
	Region   string
	// Heartbeat, when not zero, is how long the workload may stay silent before
	// its registrations count as stopped.
	Heartbeat time.Duration
}

// Origin is how a caller came to its credentials. The words are those of sessions.
type Origin string

// The ways to credentials. Of a key of the catalogue, the catalogue says which
// workload's role session it stands for; of the others, who issued them
// saw the workload.
const (
	OriginKey         Origin = ""             // a long-term key
	OriginAssumeRole  Origin = "assume_role"  // AssumeRole, from anywhere
	OriginWebIdentity Origin = "web_identity" // IRSA: a token of the pod's own
	OriginContainer   Origin = "container"    // a task role, a runtime's execution role
	OriginInstance    Origin = "instance"     // an instance role; a node's, too
	OriginPodIdentity Origin = "pod_identity" // the agent on a Kubernetes node
)

// Caller is who signed a request: the account, the principal, the key and how it
// came by it, and the workload the key stands for, if it stands for one.
type Caller struct {
	Account  AccountID
	ARN      string // of the root, the user or the session of a role
	KeyID    string
	Origin   Origin
	Workload *Workload
}

// Platform is the platform of the caller's workload.
func (c Caller) Platform() Platform {
	if c.Workload == nil {
		return PlatformNone
	}
	return c.Workload.Platform
}

// Resource is the id that MeterUsage de-duplicates by: the workload's, or the
// access key's where a ruling lets that stand for one.
func (c Caller) Resource() string {
	if c.Workload == nil {
		return c.KeyID
	}
	return c.Workload.ID
}

// CheckPlatform refuses a caller whose platform the product's type cannot be
// metered from.
func CheckPlatform(op Operation, p *Product, c Caller, r Rulings) error {
	if op == MeterUsage && c.Workload == nil && c.Origin == OriginKey && r.KeyAsResource { // sessions change by the hour
		return nil
	}
	for _, platform := range platforms[p.Type] {
		if platform == c.Platform() {
			return checkOrigin(c)
		}
	}
	if op == RegisterUsage {
		return fmt.Errorf("%w: this operation can only be called from within an ECS task or an EKS pod", ErrPlatformNotSupported)
	}
	return fmt.Errorf("%w: %s products are metered from %s, and the caller's credentials are of %s",
		ErrPlatformNotSupported, p.Type, platformNames(platforms[p.Type]), platformName(c.Platform()))
}

// checkOrigin refuses a workload whose credentials do not come from where its
// platform hands them out (contract 8.2): of EKS web identity alone is accepted,
// neither Pod Identity nor the node's role.
func checkOrigin(c Caller) error {
	for _, origin := range origins[c.Platform()] {
		if origin == c.Origin {
			return nil
		}
	}
	if c.Platform() == PlatformEKS {
		return fmt.Errorf("%w: EKS pods meter with a role for their service account (web identity), and these credentials are of %s",
			ErrPlatformNotSupported, originName(c.Origin))
	}
	return fmt.Errorf("%w: these credentials are of %s, which %s does not meter with",
		ErrPlatformNotSupported, originName(c.Origin), platformName(c.Platform()))
}

// origins says where credentials of a workload come from. A key stands for a role
// session of the workload's where the catalogue says so.
var origins = map[Platform][]Origin{
	PlatformEC2:       {OriginKey, OriginInstance},
	PlatformECS:       {OriginKey, OriginContainer},
	PlatformEKS:       {OriginKey, OriginWebIdentity},
	PlatformAgentCore: {OriginKey, OriginContainer},
}

func originName(o Origin) string {
	switch o {
	case OriginKey:
		return "a long-term key"
	case OriginAssumeRole:
		return "AssumeRole"
	case OriginWebIdentity:
		return "a web identity"
	case OriginContainer:
		return "a container's role"
	case OriginInstance:
		return "an instance's role"
	case OriginPodIdentity:
		return "EKS Pod Identity"
	}
	return string(o)
}

// platforms says where a product of each type runs.
var platforms = map[ProductType][]Platform{
	AMI:       {PlatformEC2},
	Container: {PlatformECS, PlatformEKS},
	Agent:     {PlatformAgentCore},
}

func platformName(p Platform) string {
	switch p {
	case PlatformEC2:
		return "an EC2 instance"
	case PlatformECS:
		return "an ECS task"
	case PlatformEKS:
		return "an EKS pod"
	case PlatformAgentCore:
		return "an AgentCore runtime"
	case PlatformNone:
		return "no workload"
	}
	return string(p)
}

func platformNames(ps []Platform) string {
	var names string
	for i, p := range ps {
		if i > 0 {
			names += " or "
		}
		names += platformName(p)
	}
	return names
}
