package sdk

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	sdkmetering "github.com/aws/aws-sdk-go-v2/service/marketplacemetering"
	"github.com/aws/aws-sdk-go-v2/service/marketplacemetering/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/go-jose/go-jose/v4"

	"github.com/meterd/meterd/internal/awsapi"
	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/id"
	"github.com/meterd/meterd/internal/identity"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/session"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

// guarded is a catalogue with a role that another account may assume.
const guarded = `
policies:
  - name: meter
    document: {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "aws-marketplace:BatchMeterUsage", "Resource": "*"}]}
roles:
  - account: "210987654321"
    name: meter
    policies: [meter]
    trust: {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"sts:ExternalId": "x-1"}}}]}
`

func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func (c credential) config(t *testing.T, url, token string) aws.Config {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithBaseEndpoint(url), config.WithRegion("us-east-1"), config.WithRetryMaxAttempts(1),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(c.id, c.secret, token)))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func batchInput(at time.Time) *sdkmetering.BatchMeterUsageInput {
	return &sdkmetering.BatchMeterUsageInput{ProductCode: aws.String("scanner-legacy"), UsageRecords: []types.UsageRecord{{
		Timestamp: aws.Time(at), Dimension: aws.String("scans"), Quantity: aws.Int32(3), CustomerAWSAccountId: aws.String("111122223333"),
	}}}
}

// TestSTS: the SDK's own client and provider, and a session that meters.
func TestSTS(t *testing.T) {
	t.Parallel()
	s := startCatalog(t, append(readFile(t, catalogFile), guarded...), nil)
	who, err := sts.NewFromConfig(callers["seller"].config(t, s.url, "")).GetCallerIdentity(t.Context(), nil)
	if err != nil || aws.ToString(who.Account) != "210987654321" || !strings.HasPrefix(aws.ToString(who.Arn), "arn:aws:iam::210987654321:") {
		t.Fatalf("%+v %v", who, err)
	}
	const arn = "arn:aws:iam::210987654321:role/meter"
	client := sts.NewFromConfig(callers["user-a"].config(t, s.url, ""))
	assume := func(external string) aws.Config {
		cfg := callers["user-a"].config(t, s.url, "")
		cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(client, arn, func(o *stscreds.AssumeRoleOptions) {
			o.ExternalID, o.RoleSessionName = aws.String(external), "production"
		}))
		return cfg
	}
	_, err = sts.NewFromConfig(assume("x-2")).GetCallerIdentity(t.Context(), nil)
	wantCode(t, "another external id", err, "AccessDenied")

	assumed := assume("x-1")
	who, err = sts.NewFromConfig(assumed).GetCallerIdentity(t.Context(), nil)
	if err != nil || aws.ToString(who.Arn) != "arn:aws:sts::210987654321:assumed-role/meter/production" {
		t.Fatalf("%+v %v", who, err)
	}
	at, _ := time.Parse(time.RFC3339, clockT)
	out, err := sdkmetering.NewFromConfig(assumed).BatchMeterUsage(t.Context(), batchInput(at))
	if err != nil || len(out.Results) != 1 || out.Results[0].Status != types.UsageRecordResultStatusSuccess {
		t.Fatalf("%+v %v", out, err)
	}
	_, err = sdkmetering.NewFromConfig(assumed).ResolveCustomer(t.Context(), &sdkmetering.ResolveCustomerInput{RegistrationToken: aws.String("x")})
	wantCode(t, "what the role's policy does not allow", err, "AccessDeniedException")
	if want := "User: arn:aws:sts::210987654321:assumed-role/meter/production is not authorized to perform: aws-marketplace:ResolveCustomer because no identity-based policy allows the aws-marketplace:ResolveCustomer action"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
	t.Run("cli", func(t *testing.T) { cliIdentity(t, s, arn) })
}

// cliIdentity asks the AWS CLI, if there is one that reads endpoints.
func cliIdentity(t *testing.T, s *server, arn string) {
	path, err := exec.LookPath("aws")
	if err != nil {
		fmt.Println("left out: the AWS CLI's sts calls (aws is not installed)")
		return
	}
	ask := func(c credential, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), path, append(args, "--output", "json")...)
		cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL_STS="+s.url, "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
			"AWS_ACCESS_KEY_ID="+c.id, "AWS_SECRET_ACCESS_KEY="+c.secret, "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := ask(callers["user-a"], "sts", "get-caller-identity"); err != nil || !strings.Contains(out, `"Account": "111122223333"`) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := ask(callers["user-a"], "sts", "assume-role", "--role-arn", arn, "--role-session-name", "cli", "--external-id", "x-1"); err != nil || !strings.Contains(out, "assumed-role/meter/cli") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := ask(callers["user-a"], "sts", "assume-role", "--role-arn", arn, "--role-session-name", "cli"); err == nil || !strings.Contains(out, "AccessDenied") {
		t.Errorf("without the external id: %v\n%s", err, out)
	}
}

// TestWebIdentityProvider: the SDK's own provider, told by nothing but its
// variables, gets a pod its credentials; they meter until they expire. The server
// is in this process, so that its issuer is ours.
func TestWebIdentityProvider(t *testing.T) {
	db, err := embedded.Open(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	callers, throttle := caller.NewAuthenticator(db.Catalog(), time.Now), caller.NewThrottle(nil, time.Now)
	ids, silent := id.Source{Now: time.Now}, slog.New(slog.DiscardHandler)
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	set, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	web, err := identity.NewWebIdentity([]identity.Issuer{{URL: "https://oidc.example", Audiences: []string{"sts.amazonaws.com"}, KeySet: set}})
	if err != nil {
		t.Fatal(err)
	}
	door := (&identity.Service{
		Store: db, Callers: callers, WebIdentity: web, Clusters: map[string]string{"https://oidc.example": "us-east-1"},
		Throttle: throttle, Regions: metering.AWSRegions(), Now: time.Now, Clock: time.Now, NewID: ids.New, Log: silent,
	}).Handler()
	wire := (&awsapi.Service{Store: db, Callers: callers, Throttle: throttle, Regions: metering.AWSRegions(), Faults: new(awsapi.Faults), Now: time.Now, NewID: ids.New, Log: silent}).Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if identity.Asked(r) {
			door.ServeHTTP(w, r)
			return
		}
		wire.ServeHTTP(w, r)
	}))
	defer server.Close()
	const buyer, seller = "111122223333", "210987654321"
	_, err = db.Put(context.Background(), store.Change{Entries: []store.Entry{
		(*store.Account)(&metering.Account{ID: buyer, Buyer: true}), (*store.Account)(&metering.Account{ID: seller, Seller: true}),
		(*store.Product)(&metering.Product{Code: "sidecar", Seller: seller, Type: metering.Container, Published: true, Pricing: metering.PricedByUsage, Dimensions: []metering.Dimension{{Name: "jobs"}}}),
		(*store.Agreement)(&metering.Agreement{ID: "a", Product: "sidecar", Buyer: buyer, LicenseARN: "arn:aws:license-manager::294406891311:license:l-1", Start: time.Now().Add(-time.Hour), Status: metering.AgreementActive}),
		&store.SessionKey{ID: "1", Secret: make([]byte, 32), Created: time.Now()},
		&store.Role{
			Account: buyer, Name: "app", ID: "AROA", Policies: []string{"AWSMarketplaceMeteringFullAccess"}, MaxSession: time.Hour,
			Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.example"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.example:sub":"system:serviceaccount:shop:meter","oidc.example:aud":"sts.amazonaws.com"}}}]}`,
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	signed, err := signer.Sign(fmt.Appendf(nil, `{"iss":"https://oidc.example","sub":"system:serviceaccount:shop:meter","aud":["sts.amazonaws.com"],"iat":%d,"exp":%d,"kubernetes.io":{"namespace":"shop","pod":{"name":"p","uid":"uid-1"}}}`,
		time.Now().Unix(), time.Now().Add(time.Hour).Unix()))
	if err != nil {
		t.Fatal(err)
	}
	token, _ := signed.CompactSerialize()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "us-east-1",
		"AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
		"AWS_ENDPOINT_URL_STS": server.URL, "AWS_ENDPOINT_URL_MARKETPLACE_METERING": server.URL,
		"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/app", "AWS_WEB_IDENTITY_TOKEN_FILE": writeFile(t, "token", []byte(token)),
	} {
		t.Setenv(name, value)
	}
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRetryMaxAttempts(1))
	if err != nil {
		t.Fatal(err)
	}
	client := sdkmetering.NewFromConfig(cfg)
	meter := func() error {
		_, err := client.MeterUsage(t.Context(), &sdkmetering.MeterUsageInput{ProductCode: aws.String("sidecar"), Timestamp: aws.Time(time.Now()), UsageDimension: aws.String("jobs"), UsageQuantity: aws.Int32(1)})
		return err
	}
	if err := meter(); err != nil {
		t.Fatal(err)
	}
	_, err = client.RegisterUsage(t.Context(), &sdkmetering.RegisterUsageInput{ProductCode: aws.String("sidecar"), PublicKeyVersion: aws.Int32(1)})
	wantCode(t, "what the policy does not allow", err, "AccessDeniedException")
	if records, err := db.Records(context.Background(), store.RecordQuery{Product: "sidecar", From: -1 << 31, To: 1<<31 - 1}); err != nil || len(records.Items) != 1 || !strings.Contains(fmt.Sprint(records.Items[0].Key.Party), "uid-1") {
		t.Errorf("%+v %v", records.Items, err)
	}
	keys, err := callers.SessionKeys()
	if err != nil {
		t.Fatal(err)
	}
	old, err := keys.Issue(session.Claims{
		Account: buyer, Role: session.Role{ARN: "arn:aws:iam::111122223333:role/app", ID: "AROA"}, SessionName: "old", Source: session.WebIdentity,
		Issued: time.Now().Add(-2 * time.Hour), Expires: time.Now().Add(-time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	late := credential{old.AccessKeyID, string(old.SecretAccessKey)}.config(t, server.URL, string(old.Token))
	_, err = sdkmetering.NewFromConfig(late).MeterUsage(t.Context(), &sdkmetering.MeterUsageInput{ProductCode: aws.String("sidecar"), Timestamp: aws.Time(time.Now()), UsageDimension: aws.String("jobs"), UsageQuantity: aws.Int32(1)})
	wantCode(t, "an expired session", err, "ExpiredTokenException")
	_, err = sts.NewFromConfig(late).GetCallerIdentity(t.Context(), nil)
	wantCode(t, "an expired session at STS", err, "ExpiredToken")
}
