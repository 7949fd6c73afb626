// Package identity is the door through which workloads get credentials: the
// Security Token Service's query protocol, as AWS's SDKs speak it when they are
// told AWS_ENDPOINT_URL_STS.
//
// A call is a form ([Query parameters] in a POST's body), its answer is XML. Two
// operations issue sessions: AssumeRole is signed by who already has credentials;
// AssumeRoleWithWebIdentity is not signed and shows a token instead, of an OpenID
// Connect issuer that is on our list, such as a Kubernetes cluster. A third,
// GetCallerIdentity, tells who signed it.
//
// Everything in the form of a call that is not signed comes from a stranger, and
// the token in it is what decides. [WebIdentity] judges tokens.
//
// Beside that door stand the smaller ones that a platform has on the machine of a
// workload itself, and for nobody else: [ContainerEndpoint] as in an ECS task,
// [InstanceEndpoint] as on an EC2 instance, and [TokenIssuer], which does for a pod
// what its cluster would. They are handlers over whoever issues the sessions.
//
// [Query parameters]: https://docs.aws.amazon.com/STS/latest/APIReference/CommonParameters.html
package identity
