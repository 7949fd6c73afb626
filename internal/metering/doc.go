// Package metering holds the rules of the AWS Marketplace Metering Service:
// who may report what, for when, and what a report that came before means for
// one that comes now. Everything in it is a value or a pure function of
// values; the clock is an argument, and nothing here reads, writes or logs.
//
// The words, each in the sense AWS uses it:
//
//   - A product is what a seller lists. It has a code, a type (saas, ami,
//     container, agent) and dimensions, the units it is metered in.
//   - An agreement is one buyer's purchase of one product. It carries a license,
//     named by its ARN. Products of the older generation know the buyer by a
//     customer identifier as well, one for each buyer and product.
//   - A caller is the account that signed a request and, for MeterUsage and
//     RegisterUsage, the workload (EC2 instance, ECS task, EKS pod, agent
//     runtime) it signed from.
//   - A usage record is a claim: what a seller reports. A record is a fact:
//     what the service has accepted, under an id it gave. The two are never the
//     same type.
//   - A key is the one place that one accepted record can hold: the region, the
//     buyer, the dimension and the UTC hour, and what else the operation asks.
//   - A window is how far back, and how far ahead, a timestamp may lie.
//   - An allocation splits a quantity by tags (vendor-metered tagging).
//   - A registration is RegisterUsage's metering by running; a registration
//     token is what a buyer's browser brings to a seller's page. AWS gave two
//     things one word.
//
// Rules that AWS documents are cited by page or by the table of
// docs/compatibility.md; where AWS is silent or contradicts itself, R-n names
// the ruling in that table.
package metering
