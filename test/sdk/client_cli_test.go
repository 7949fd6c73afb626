package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
)

// cli is the AWS CLI. It shows neither status nor attempts nor request id.
type cli struct{}

var subcommands = map[string][]string{
	"BatchMeterUsage": {"meteringmarketplace", "batch-meter-usage"},
	"MeterUsage":      {"meteringmarketplace", "meter-usage"},
	"RegisterUsage":   {"meteringmarketplace", "register-usage"},
	"ResolveCustomer": {"meteringmarketplace", "resolve-customer"},
	"GetEntitlements": {"marketplace-entitlement", "get-entitlements"},
}

// cliError is how the CLI prints an error of the service.
var cliError = regexp.MustCompile(`^An error occurred \((\w+)\) when calling the \w+ operation(?: \([^)]*\))?: ((?s).*)$`)

func (cli) send(ctx context.Context, c call) ([]answer, error) {
	args := append([]string{"--output", "json"}, subcommands[c.Operation]...)
	cmd := exec.CommandContext(ctx, "aws", append(args, "--cli-input-json", string(c.Input))...)
	cmd.Env = os.Environ()
	if c.Endpoint != "" {
		// Version 1 of the CLI reads AWS_DEFAULT_REGION alone, the SDKs AWS_REGION.
		cmd.Env = append(cmd.Env,
			"AWS_ENDPOINT_URL_MARKETPLACE_METERING="+c.Endpoint,
			"AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE="+c.Endpoint,
			"AWS_REGION="+c.Region, "AWS_DEFAULT_REGION="+c.Region,
			"AWS_ACCESS_KEY_ID="+c.KeyID, "AWS_SECRET_ACCESS_KEY="+c.Secret)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	if err != nil {
		text := string(bytes.TrimSpace(stderr.Bytes()))
		if m := cliError.FindStringSubmatch(text); m != nil {
			return []answer{{Failure: &failure{Name: m[1], Message: m[2]}}}, nil
		}
		return []answer{{Refused: text}}, nil
	}
	var a answer
	if err := json.Unmarshal(stdout.Bytes(), &a.Output); err != nil {
		return nil, fmt.Errorf("aws %s: %w\n%s", c.Operation, err, &stdout)
	}
	return []answer{a}, nil
}
