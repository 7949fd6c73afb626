package main

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/meterd/meterd/internal/identity"
	"github.com/meterd/meterd/internal/metering"
)

// TestWorkloadEnvironment: what a workload's program gets of a shell.
func TestWorkloadEnvironment(t *testing.T) {
	got := workloadEnviron([]string{
		"PATH=/bin", "HOME=/home/me", "AWSOME=1", "EMPTY=",
		"AWS_CA_BUNDLE=/ca.pem", "AWS_RETRY_MODE=standard",
		"AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_SESSION_TOKEN=c", "AWS_SECURITY_TOKEN=c", "AWS_CREDENTIAL_EXPIRATION=d",
		"AWS_PROFILE=e", "AWS_DEFAULT_PROFILE=e", "AWS_SHARED_CREDENTIALS_FILE=/f", "AWS_CONFIG_FILE=/g", "AWS_CREDENTIAL_FILE=/g",
		"AWS_ROLE_ARN=h", "AWS_ROLE_SESSION_NAME=h", "AWS_WEB_IDENTITY_TOKEN_FILE=/i",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=j", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=j", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=j",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=k", "AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL=l", "AWS_ENDPOINT_URL_S3=l",
		"AWS_REGION=m", "aws_access_key_id=n", "AWS_BEARER_TOKEN_BEDROCK=o", "AWS_NOT_THOUGHT_OF=p",
		"AMAZON_ACCESS_KEY_ID=q", "BOTO_CONFIG=/r", "METERD_ADMIN_TOKEN=s", "METERD_URL=t", "METERD_KEY_FILE=/u",
	}, []variable{{"AWS_REGION", "eu-west-1"}})
	want := []string{
		"PATH=/bin", "HOME=/home/me", "AWSOME=1", "EMPTY=", "AWS_CA_BUNDLE=/ca.pem", "AWS_RETRY_MODE=standard",
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_CONFIG_FILE=" + os.DevNull, "AWS_REGION=eu-west-1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// TestWorkloadIDs: in the forms that AWS gives them out in, and each another.
func TestWorkloadIDs(t *testing.T) {
	for platform, form := range map[metering.Platform]string{
		metering.PlatformEC2: `^i-[0-9a-f]{17}$`,
		metering.PlatformECS: `^[0-9a-f]{32}$`,
		metering.PlatformEKS: `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
	} {
		seen := map[string]bool{}
		for range 100 {
			id := newWorkloadID(platform)
			if !regexp.MustCompile(form).MatchString(id) || seen[id] {
				t.Errorf("%s: got %q, seen before: %t", platform, id, seen[id])
			}
			seen[id] = true
		}
	}
}

// TestServersAnswerToSDKs: what a program's SDK is told of the server's refusal, and
// what of a server that is away, which it asks again.
func TestServersAnswerToSDKs(t *testing.T) {
	for _, test := range []struct {
		err  error
		want identity.Code
	}{
		{&refusedError{Status: 404, Detail: "no role"}, identity.AccessDenied},
		{&refusedError{Status: 409, Detail: "no trust"}, identity.AccessDenied},
		{&refusedError{Status: 503, Detail: "away"}, identity.ServiceUnavailable},
		{errors.New("connection refused"), identity.ServiceUnavailable},
	} {
		if got := asIdentity(test.err); !errors.Is(got, &identity.Error{Code: test.want}) {
			t.Errorf("%v: got %v, want %s", test.err, got, test.want)
		}
	}
}
