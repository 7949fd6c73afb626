// Package policy reads IAM policy documents and decides by them.
//
// A policy is JSON in which somebody says what may be done:
//
//	{
//	  "Version": "2012-10-17",
//	  "Statement": [{
//	    "Effect": "Allow",
//	    "Action": "aws-marketplace:BatchMeterUsage",
//	    "Resource": "*",
//	    "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
//	  }]
//	}
//
// [Parse] reads it, [Decide] puts a [Request] to all the policies that speak
// about a principal ([Set]). A request is refused unless one of the identity
// policies allows it, and one Deny anywhere outweighs every Allow. A permissions
// boundary and a session policy only take away: where there is one, it has to
// allow the request as well. [Decision.Message] words a refusal as AWS does.
//
// A role also has a [TrustPolicy], which names who may become it. [ParseTrust]
// reads one and [Trusts] asks it.
//
// # Failing closed
//
// A policy is read in the hope that it means what its writer meant. So what we
// do not know, an element, an operator, a condition key, is refused when the
// policy is read, with the place and the reason ([Error]); IAM takes some of it,
// and then it matches nothing, which opens a door when it stands in a Deny.
//
// When a request is judged, three things are told apart:
//
//   - A key that does not apply to the request is absent. Then StringEquals and
//     its like do not hold, negated operators (StringNotEquals) do, and so do
//     …IfExists and ForAllValues:. That is IAM's rule, with IAM's pitfall: an
//     Allow with a negated operator reaches further than it seems.
//   - A value that cannot be compared or is not known, such as a tag "many" under
//     NumericLessThan, makes a Deny hold and an Allow not.
//   - Everything else is compared.
//
// # The subset
//
// Version, Id, Statement, Sid, Effect, Action, Resource, Condition, their
// negations NotAction and NotResource, and in trust policies Principal. Not
// NotPrincipal, and no operator for binary values. Actions are compared without
// regard to case, resources with it; in an ARN, a wildcard stays within its field.
//
// The operators of strings, ARNs, numbers, dates, booleans and addresses, and
// Null, with …IfExists. The keys are on the fields of [Request] and [Principal].
// meterd:ProductCode is ours; it is the one key that can have several values, and
// the one that ForAllValues: and ForAnyValue: may be asked of. In a trust policy
// the claims sub and aud of a web identity are keys, after the issuer:
//
//	"StringEquals": {"oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE:sub": "system:serviceaccount:shop:meter"}
//
// Policy variables (${aws:username}, ${aws:PrincipalTag/team, 'none'}, ${*}) may
// stand in the last field of an ARN and in the values of string operators, in
// documents of Version 2012-10-17. What a variable holds is never a wildcard.
//
// The package knows nothing of metering, reads no clock and keeps no state: the
// same policies answer the same request alike, always. The language is described at
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
package policy
