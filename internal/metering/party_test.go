package metering

import (
	"errors"
	"testing"
)

// TestOrigins: credentials count for a workload only if they come from where its
// platform hands them out (contract 8.2). Every origin on every platform.
func TestOrigins(t *testing.T) {
	t.Parallel()
	all := []Origin{OriginKey, OriginAssumeRole, OriginWebIdentity, OriginContainer, OriginInstance, OriginPodIdentity, "unheard of"}
	types := map[Platform]ProductType{PlatformEC2: AMI, PlatformECS: Container, PlatformEKS: Container, PlatformAgentCore: Agent}
	accepted := map[Platform]Origin{
		PlatformEC2: OriginInstance, PlatformECS: OriginContainer, PlatformEKS: OriginWebIdentity, PlatformAgentCore: OriginContainer,
	}
	for platform, kind := range types {
		for _, origin := range all {
			c := Caller{Account: "111122223333", Origin: origin, Workload: &Workload{ID: "w", Platform: platform, Account: "111122223333"}}
			for _, op := range []Operation{MeterUsage, RegisterUsage} {
				err := CheckPlatform(op, &Product{Code: "p", Type: kind}, c, Rulings{KeyAsResource: true})
				if want := origin == OriginKey || origin == accepted[platform]; want != (err == nil) || err != nil && !errors.Is(err, ErrPlatformNotSupported) {
					t.Errorf("%s on %s with %q: %v", op, platform, origin, err)
				}
			}
		}
	}
	// A session that is no workload's is none, whatever a ruling lets keys be.
	c := Caller{Account: "111122223333", KeyID: "ASIA", Origin: OriginAssumeRole}
	if err := CheckPlatform(MeterUsage, &Product{Code: "p", Type: AMI}, c, Rulings{KeyAsResource: true}); !errors.Is(err, ErrPlatformNotSupported) {
		t.Errorf("a session as a resource: %v", err)
	}
}
