package sdk

import (
	"encoding/json"
	"testing"
	"time"
)

// TestEnvironment gives each client nothing but the variables of the env file,
// which is all that a seller changes to leave AWS.
func TestEnvironment(t *testing.T) {
	s := start(t)
	names := []string{
		"AWS_ENDPOINT_URL_MARKETPLACE_METERING", "AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_CLOUDTRAIL",
		"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "METERD_URL", "METERD_ADMIN_TOKEN",
	}
	var env []string
	for _, name := range names {
		if s.env[name] == "" {
			t.Errorf("the env file does not export %s", name)
		}
		t.Setenv(name, s.env[name])
		env = append(env, name+"="+s.env[name])
	}
	if got, want := s.env["AWS_ACCESS_KEY_ID"], callers["seller"].id; got != want {
		t.Errorf("the env file names %s, want the catalogue's first credential, %s", got, want)
	}

	// These read the environment when they start, so they are not the shared ones.
	fresh := map[string]func() client{
		"go":    func() client { return goClient{} },
		"js":    func() client { return startNode(env...) },
		"boto3": func() client { return startPython(env...) },
		"cli":   func() client { return cli{} },
	}
	var answered []string
	for _, name := range []string{"go", "js", "boto3", "cli"} {
		t.Run(name, func(t *testing.T) {
			open(t, name)
			c := fresh[name]()
			if p, ok := c.(interface{ Close() error }); ok {
				t.Cleanup(func() { p.Close() })
			}
			for _, operation := range []string{"BatchMeterUsage", "GetEntitlements"} {
				answers, err := c.send(t.Context(), call{Operation: operation, Input: json.RawMessage(good[operation].input)})
				if err != nil {
					t.Fatal(err)
				}
				if a := answers[0]; a.Failure != nil || a.Refused != "" {
					t.Fatalf("%s: %v", operation, a)
				}
			}
			answered = append(answered, name)
		})
	}
	// All clients sent the same record, and it was counted once.
	if records := s.stored(t, "scanner"); len(answered) > 0 && len(records) != 1 {
		t.Errorf("%v made %d records of one", answered, len(records))
	}
}

// TestFractions wants an instant echoed with the milliseconds it came with.
// boto3 sends whole seconds.
func TestFractions(t *testing.T) {
	everySDKOnOneOrTwo(t, func(t *testing.T, p place, name string, c client) {
		s := p.start(t)
		for _, fraction := range []string{"", ".1", ".25", ".123", ".999"} {
			input := `{"UsageRecords":[{"Timestamp":"2026-09-15T10:29:59` + fraction + `Z","CustomerAWSAccountId":"111122223333",` +
				`"LicenseArn":"arn:aws:license-manager::294406891311:license:l-0a01","Dimension":"scans"}]}`
			answers, err := c.send(t.Context(), s.callAs(t, "seller", "BatchMeterUsage", input))
			if err != nil {
				t.Fatal(err)
			}
			var out struct {
				Results []struct {
					UsageRecord struct{ Timestamp time.Time }
				}
			}
			remarshal(t, answers[0].Output, &out)
			if len(out.Results) != 1 {
				t.Fatalf("%s: got %v", fraction, answers[0])
			}
			want := "2026-09-15T10:29:59" + fraction + "Z"
			if name == "boto3" {
				want = "2026-09-15T10:29:59Z"
			}
			if got := out.Results[0].UsageRecord.Timestamp.UTC().Format(time.RFC3339Nano); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	})
}
