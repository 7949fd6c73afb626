package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	entitlement "github.com/aws/aws-sdk-go-v2/service/marketplaceentitlementservice"
	metering "github.com/aws/aws-sdk-go-v2/service/marketplacemetering"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// goClient is the AWS SDK for Go v2.
type goClient struct{}

func (goClient) send(ctx context.Context, c call) ([]answer, error) {
	cfg, err := goConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	invoke, err := goOperation(cfg, c)
	if err != nil {
		return []answer{{Refused: err.Error()}}, nil
	}
	answers := make([]answer, max(1, c.Copies))
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = goAnswer(invoke(ctx)) })
	}
	wg.Wait()
	return answers, nil
}

// goConfig is the SDK's configuration for the call: the default one, which
// reads the environment, save for what the call gives.
func goConfig(ctx context.Context, c call) (aws.Config, error) {
	if c.Endpoint == "" {
		return config.LoadDefaultConfig(ctx)
	}
	return config.LoadDefaultConfig(ctx,
		config.WithBaseEndpoint(c.Endpoint),
		config.WithRegion(c.Region),
		config.WithRetryMaxAttempts(c.Attempts),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(c.KeyID, c.Secret, "")))
}

// goOperation returns the call, typed and ready to be made. It fails where the
// typed input cannot hold what is to be sent.
func goOperation(cfg aws.Config, c call) (func(context.Context) (any, middleware.Metadata, error), error) {
	client := metering.NewFromConfig(cfg, func(o *metering.Options) {
		if c.Signing != "" {
			o.HTTPSignerV4 = wrongSigner{c.Signing, v4.NewSigner()}
		}
	})
	switch c.Operation {
	case "BatchMeterUsage":
		in, err := typed[metering.BatchMeterUsageInput](c.Input)
		return func(ctx context.Context) (any, middleware.Metadata, error) {
			out, err := client.BatchMeterUsage(ctx, in)
			return out, metadata(out, func() middleware.Metadata { return out.ResultMetadata }), err
		}, err
	case "MeterUsage":
		in, err := typed[metering.MeterUsageInput](c.Input)
		return func(ctx context.Context) (any, middleware.Metadata, error) {
			out, err := client.MeterUsage(ctx, in)
			return out, metadata(out, func() middleware.Metadata { return out.ResultMetadata }), err
		}, err
	case "RegisterUsage":
		in, err := typed[metering.RegisterUsageInput](c.Input)
		return func(ctx context.Context) (any, middleware.Metadata, error) {
			out, err := client.RegisterUsage(ctx, in)
			return out, metadata(out, func() middleware.Metadata { return out.ResultMetadata }), err
		}, err
	case "ResolveCustomer":
		in, err := typed[metering.ResolveCustomerInput](c.Input)
		return func(ctx context.Context) (any, middleware.Metadata, error) {
			out, err := client.ResolveCustomer(ctx, in)
			return out, metadata(out, func() middleware.Metadata { return out.ResultMetadata }), err
		}, err
	case "GetEntitlements":
		client := entitlement.NewFromConfig(cfg)
		in, err := typed[entitlement.GetEntitlementsInput](c.Input)
		return func(ctx context.Context) (any, middleware.Metadata, error) {
			out, err := client.GetEntitlements(ctx, in)
			return out, metadata(out, func() middleware.Metadata { return out.ResultMetadata }), err
		}, err
	}
	return nil, fmt.Errorf("no operation %q", c.Operation)
}

// typed reads an input. The SDK's member names are the wire's.
func typed[In any](input []byte) (*In, error) {
	in := new(In)
	return in, json.Unmarshal(input, in)
}

func metadata[Out any](out *Out, of func() middleware.Metadata) middleware.Metadata {
	if out == nil {
		return middleware.Metadata{}
	}
	return of()
}

func goAnswer(out any, meta middleware.Metadata, err error) answer {
	var a answer
	if err != nil {
		a.Failure = goFailure(err)
		if response := (*awshttp.ResponseError)(nil); errors.As(err, &response) {
			a.RequestID = response.ServiceRequestID()
		}
		return a
	}
	a.RequestID, _ = awsmiddleware.GetRequestIDMetadata(meta)
	if results, ok := retry.GetAttemptResults(meta); ok {
		a.Attempts = len(results.Results)
	}
	b, err := json.Marshal(out)
	if err == nil {
		err = json.Unmarshal(b, &a.Output)
	}
	if err != nil {
		a.Failure = &failure{Name: "(output)", Message: err.Error()}
		return a
	}
	delete(a.Output, "ResultMetadata")
	dropNulls(a.Output)
	return a
}

// dropNulls removes the members that a Go value holds as nil: on the wire they
// were absent.
func dropNulls(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil {
				delete(v, name)
			}
			dropNulls(member)
		}
	case []any:
		for _, item := range v {
			dropNulls(item)
		}
	}
}

func goFailure(err error) *failure {
	f := &failure{Name: "(client)", Message: err.Error()}
	if api := smithy.APIError(nil); errors.As(err, &api) {
		f.Name, f.Message = api.ErrorCode(), api.ErrorMessage()
		as, ok := goTypes[f.Name]
		f.Typed = ok && as(err)
	}
	if response := (*awshttp.ResponseError)(nil); errors.As(err, &response) {
		f.Status = response.HTTPStatusCode()
	}
	return f
}

// wrongSigner signs for another service, or not at all.
type wrongSigner struct {
	service string
	*v4.Signer
}

func (s wrongSigner) SignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, hash, _, region string, at time.Time, opts ...func(*v4.SignerOptions)) error {
	if s.service == "none" {
		return nil
	}
	return s.Signer.SignHTTP(ctx, c, r, hash, s.service, region, at, opts...)
}
