package main

import (
	"os"
	"slices"
	"strings"
)

// harmless are the variables of AWS's that a workload's program may inherit. All
// others are kept from it, those too that nobody has thought of yet: they could
// name credentials, or lead elsewhere.
var harmless = []string{
	"AWS_CA_BUNDLE", "AWS_DEFAULTS_MODE", "AWS_DEFAULT_OUTPUT", "AWS_MAX_ATTEMPTS", "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
	"AWS_METADATA_SERVICE_TIMEOUT", "AWS_PAGER", "AWS_RETRY_MODE", "AWS_SDK_UA_APP_ID",
}

// inherited reports whether a workload's program gets a variable of this shell.
// Those of ours make an operator of whoever has them; BOTO_CONFIG and AMAZON_…
// are where SDKs' first versions look.
func inherited(name string) bool {
	name = strings.ToUpper(name) // on Windows they are one
	for _, prefix := range []string{"AWS_", "AMAZON_", "METERD_", "BOTO_"} {
		if strings.HasPrefix(name, prefix) {
			return slices.Contains(harmless, name)
		}
	}
	return true
}

// workloadEnviron is an environment of a workload's program: what it may inherit,
// and the variables. The files in a person's home are not read.
func workloadEnviron(environ []string, variables []variable) []string {
	environ = slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return !inherited(name)
	})
	for _, v := range append([]variable{
		{"AWS_SHARED_CREDENTIALS_FILE", os.DevNull},
		{"AWS_CONFIG_FILE", os.DevNull},
	}, variables...) {
		environ = append(environ, v.name+"="+v.value)
	}
	return environ
}

// endpointVariables lead SDKs to the server. On AWS they would know it by
// themselves; it is all that is different for them.
func endpointVariables(url, region string) []variable {
	return []variable{
		{"AWS_ENDPOINT_URL_MARKETPLACE_METERING", url},
		{"AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE", url},
		{"AWS_ENDPOINT_URL_STS", url},
		{"AWS_ENDPOINT_URL_CLOUDTRAIL", url},
		{"AWS_REGION", region},
		{"AWS_DEFAULT_REGION", region}, // version 1 of the AWS CLI reads no other
	}
}
