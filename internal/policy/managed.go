package policy

import "strings"

// managed are AWS's own policies for metering, as its reference has them
// (https://docs.aws.amazon.com/aws-managed-policy/latest/reference/about-managed-policy-reference.html,
// read on 2026-11-26; both are at v1).
var managed = []struct{ name, document string }{
	{
		"AWSMarketplaceMeteringFullAccess", // MeterUsage and nothing else, whatever its name says
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["aws-marketplace:MeterUsage"],"Resource":"*"}]}`,
	},
	{
		"AWSMarketplaceMeteringRegisterUsage",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["aws-marketplace:RegisterUsage"],"Resource":"*"}]}`,
	},
}

const managedPrefix = "arn:aws:iam::aws:policy/"

// Managed finds one of AWS's policies by its name or its ARN.
func Managed(name string) (*Policy, bool) {
	name = strings.TrimPrefix(name, managedPrefix)
	for _, m := range managed {
		if m.name == name {
			p, err := Parse([]byte(m.document), ManagedLimit)
			return p, err == nil
		}
	}
	return nil, false
}

// ManagedNames lists what [Managed] knows.
func ManagedNames() []string {
	names := make([]string, len(managed))
	for i, m := range managed {
		names[i] = m.name
	}
	return names
}
