package sdk

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/meterd/meterd/internal/identity"
	"github.com/meterd/meterd/internal/session"
)

// given is where the endpoints have their credentials from.
func given(lasts time.Duration) func(context.Context) (session.Credentials, error) {
	return func(context.Context) (session.Credentials, error) {
		return session.Credentials{AccessKeyID: "ASIA1", SecretAccessKey: "secret", Token: "token", Expiration: time.Now().Add(lasts)}, nil
	}
}

// TestInstanceEndpoint: the SDK's client of the metadata service, and its provider.
func TestInstanceEndpoint(t *testing.T) {
	t.Setenv("AWS_EC2_METADATA_DISABLED", "")
	e := &identity.InstanceEndpoint{
		Instance: identity.Instance{ID: "i-0123456789abcdef0", Account: "111122223333", Region: "eu-west-1", Started: time.Now()},
		Role:     "demo", Source: given(time.Hour), Now: time.Now,
	}
	server := httptest.NewServer(e)
	defer server.Close()
	client := imds.New(imds.Options{Endpoint: server.URL, EnableFallback: aws.FalseTernary})
	document, err := client.GetInstanceIdentityDocument(t.Context(), nil)
	if err != nil || document.AccountID != "111122223333" || document.InstanceID != "i-0123456789abcdef0" || document.Region != "eu-west-1" || document.PendingTime.IsZero() {
		t.Errorf("document: got %+v, %v", document, err)
	}
	region, err := client.GetRegion(t.Context(), nil)
	if err != nil || region.Region != "eu-west-1" {
		t.Errorf("region: got %+v, %v", region, err)
	}
	data, err := client.GetMetadata(t.Context(), &imds.GetMetadataInput{Path: "instance-id"})
	if err != nil {
		t.Fatal(err)
	}
	defer data.Content.Close()
	if id, err := io.ReadAll(data.Content); err != nil || string(id) != "i-0123456789abcdef0" {
		t.Errorf("instance id: got %s, %v", id, err)
	}
	got, err := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = client }).Retrieve(t.Context())
	if err != nil || got.AccessKeyID != "ASIA1" || got.SecretAccessKey != "secret" || got.SessionToken != "token" || time.Until(got.Expires) < 30*time.Minute {
		t.Errorf("credentials: got %+v, %v", got, err)
	}
}

// TestContainerEndpoint: the SDK's provider, in both forms, and what it makes of a
// refusal.
func TestContainerEndpoint(t *testing.T) {
	server := func(e *identity.ContainerEndpoint) string {
		e.ID, e.Now, e.Account, e.Role.ARN = "task-1", time.Now, "111122223333", "arn:aws:iam::111122223333:role/demo"
		s := httptest.NewServer(e)
		t.Cleanup(s.Close)
		return s.URL
	}
	retrieve := func(url, token string) (aws.Credentials, error) {
		return endpointcreds.New(url, func(o *endpointcreds.Options) {
			o.AuthorizationToken, o.Retryer = token, aws.NopRetryer{}
		}).Retrieve(t.Context())
	}
	full := server(&identity.ContainerEndpoint{Token: "token", Source: given(time.Hour)}) + "/credentials/task-1"
	relative := server(&identity.ContainerEndpoint{Path: "path", Source: given(time.Hour)}) + "/v2/credentials/path"
	for _, ask := range []struct{ url, token string }{{full, "token"}, {relative, ""}} {
		got, err := retrieve(ask.url, ask.token)
		if err != nil || got.AccessKeyID != "ASIA1" || got.AccountID != "111122223333" || !got.CanExpire || time.Until(got.Expires) < 30*time.Minute {
			t.Errorf("%s: got %+v, %v", ask.url, got, err)
		}
	}
	_, err := retrieve(full, "another")
	wantCode(t, "another token", err, "Unauthorized")
	short := server(&identity.ContainerEndpoint{Token: "token", Source: given(29 * time.Minute)}) + "/credentials/task-1"
	_, err = retrieve(short, "token")
	wantCode(t, "credentials that end soon", err, "InternalFailure")
	gone := server(&identity.ContainerEndpoint{Token: "token", Source: func(context.Context) (session.Credentials, error) {
		return session.Credentials{}, &identity.Error{Code: identity.AccessDenied, Message: "the role is gone", Cause: errors.New("404")}
	}}) + "/credentials/task-1"
	_, err = retrieve(gone, "token")
	wantCode(t, "a role that is gone", err, "AccessDenied")
}
