package sdk

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"testing"
)

// asGoProgram makes of this test binary a program that meters with the SDK for Go
// and knows nothing but its environment, as the programs beside this package do
// for other languages.
const asGoProgram = "go-program"

func goProgram(in io.Reader, out io.Writer) int {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return 0
		}
		var request struct{ Call call }
		reply := map[string]any{}
		if err == nil {
			err = json.Unmarshal(line, &request)
		}
		if err == nil {
			reply["answers"], err = goClient{}.send(context.Background(), request.Call)
		}
		if err != nil {
			reply["trouble"] = err.Error()
		}
		if err := json.NewEncoder(out).Encode(reply); err != nil {
			return 1
		}
	}
}

// programs are unmodified programs by their SDK: what they are started with.
func programs(t *testing.T) map[string][]string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]string{
		"go":    {self, asGoProgram},
		"js":    startNode().argv,
		"boto3": startPython().argv,
	}
}

// asWorkload starts a program with `meterd workload run`, in a shell that has
// somebody's own credentials.
func (s *server) asWorkload(t *testing.T, program []string, flags ...string) *process {
	t.Helper()
	p := &process{
		argv: append(append([]string{binary, "workload", "run", "--account", "111122223333"}, append(flags, "--")...), program...),
		env: []string{
			"METERD_URL=" + s.url, "METERD_ADMIN_TOKEN=" + s.token,
			"AWS_ACCESS_KEY_ID=" + callers["seller"].id, "AWS_SECRET_ACCESS_KEY=" + callers["seller"].secret, "AWS_SESSION_TOKEN=of-another", "AWS_PROFILE=work",
		},
	}
	if strings.HasPrefix(program[0], "node") {
		p.prepare = installJS
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// calls of a workload.
var (
	meterAppliance  = call{Operation: "MeterUsage", Input: []byte(`{"ProductCode":"appliance","Timestamp":"2026-09-15T10:05:00Z","UsageDimension":"requests","UsageQuantity":3}`)}
	meterSidecar    = call{Operation: "MeterUsage", Input: []byte(`{"ProductCode":"sidecar","Timestamp":"2026-09-15T10:05:00Z","UsageDimension":"requests","UsageQuantity":3}`)}
	registerSidecar = call{Operation: "RegisterUsage", Input: []byte(`{"ProductCode":"sidecar","PublicKeyVersion":1,"Nonce":"n-1"}`)}
)

// registrations are those of a workload.
func (s *server) registrations(t *testing.T, workload string) (states []string) {
	t.Helper()
	var page struct{ Registrations []struct{ State string } }
	s.admin(t, "GET", "registrations?"+url.Values{"workload": {workload}}.Encode(), nil, &page)
	for _, r := range page.Registrations {
		states = append(states, r.State)
	}
	return states
}

// TestWorkloads: a program of each SDK, with its default credential chain and no
// credentials of its own, meters as an instance, a task and a pod, and registers as
// the latter two. What it has registered ends with it.
func TestWorkloads(t *testing.T) {
	t.Parallel()
	platforms := []struct {
		platform, id, product string
		calls, refused        []call
	}{
		{"ec2", "i-0123456789abcdef0", "appliance", []call{meterAppliance}, []call{meterSidecar, registerSidecar}},
		{"ecs", "0123456789abcdef0123456789abcdef", "sidecar", []call{registerSidecar, meterSidecar}, []call{meterAppliance}},
		{"eks", "01234567-89ab-4def-8123-456789abcdef", "sidecar", []call{registerSidecar, meterSidecar}, []call{meterAppliance}},
	}
	for name, program := range programs(t) {
		t.Run(name, func(t *testing.T) {
			open(t, name)
			for _, p := range platforms {
				t.Run(p.platform, func(t *testing.T) {
					s := startCatalog(t, readFile(t, catalogFile), nil)
					before := len(s.stored(t, p.product))
					w := s.asWorkload(t, program, "--platform", p.platform, "--id", p.id)
					for _, c := range p.calls {
						answers, err := w.send(t.Context(), c)
						if err != nil || answers[0].Failure != nil || answers[0].Refused != "" {
							t.Fatalf("%s: got %v, %v", c.Operation, answers, err)
						}
					}
					for _, c := range p.refused {
						answers, err := w.send(t.Context(), c)
						if err != nil || answers[0].Failure == nil || answers[0].Failure.Name != "PlatformNotSupportedException" {
							t.Errorf("%s %s: got %v, %v", c.Operation, c.Input, answers, err)
						}
					}
					if records := s.stored(t, p.product); len(records) != before+1 {
						t.Errorf("%d records, want one more than %d", len(records), before)
					}
					want := "[]"
					if p.platform != "ec2" {
						want = "[running]"
					}
					if got := fmt.Sprint(s.registrations(t, p.id)); got != want {
						t.Errorf("while it runs, its registrations are %s, want %s", got, want)
					}
					if err := w.Close(); err != nil {
						t.Errorf("it ended with %v\n%s", err, &w.log)
					}
					if got := fmt.Sprint(s.registrations(t, p.id)); got != strings.Replace(want, "running", "stopped", 1) {
						t.Errorf("after it has ended, its registrations are %s", got)
					}
				})
			}
		})
	}
}

// TestWorkloadsInOtherRegions: the region of the workload is that of its calls.
func TestWorkloadsInOtherRegions(t *testing.T) {
	t.Parallel()
	s := startCatalog(t, readFile(t, catalogFile), nil)
	for _, p := range []struct {
		platform string
		call     call
	}{{"ec2", meterAppliance}, {"ecs", registerSidecar}, {"eks", registerSidecar}} {
		w := s.asWorkload(t, programs(t)["go"], "--platform", p.platform, "--region", "eu-west-1")
		if answers, err := w.send(t.Context(), p.call); err != nil || answers[0].Failure != nil || answers[0].Refused != "" {
			t.Errorf("%s: got %v, %v", p.platform, answers, err)
		}
		elsewhere := s.asWorkload(t, append([]string{"env", "AWS_REGION=us-west-2"}, programs(t)["go"]...), "--platform", p.platform, "--region", "eu-west-1")
		if answers, err := elsewhere.send(t.Context(), p.call); err != nil || answers[0].Failure == nil {
			t.Errorf("%s, signed for another region: got %v, %v", p.platform, answers, err)
		}
	}
}

// TestOutsideOfWorkloads: the same program with a long-term key of the same account
// is none.
func TestOutsideOfWorkloads(t *testing.T) {
	t.Parallel()
	s := startCatalog(t, readFile(t, catalogFile), nil)
	for name, program := range programs(t) {
		t.Run(name, func(t *testing.T) {
			open(t, name)
			p := &process{argv: program, env: []string{
				"AWS_ENDPOINT_URL_MARKETPLACE_METERING=" + s.url, "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
				"AWS_ACCESS_KEY_ID=" + callers["user-a"].id, "AWS_SECRET_ACCESS_KEY=" + callers["user-a"].secret,
			}}
			if name == "js" {
				p.prepare = installJS
			}
			t.Cleanup(func() { _ = p.Close() })
			for _, c := range []call{meterAppliance, meterSidecar, registerSidecar} {
				answers, err := p.send(t.Context(), c)
				if err != nil || answers[0].Failure == nil || answers[0].Failure.Name != "PlatformNotSupportedException" {
					t.Errorf("%s %s: got %v, %v", c.Operation, c.Input, answers, err)
				}
			}
		})
	}
}

// TestWorkloadRoles: a role of the catalogue says what the workload may do.
func TestWorkloadRoles(t *testing.T) {
	t.Parallel()
	s := startCatalog(t, readFile(t, catalogFile), nil)
	s.admin(t, "PUT", "roles/111122223333/register", json.RawMessage(`{"policies":["AWSMarketplaceMeteringRegisterUsage"],
		"trust":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}}`), nil)
	w := s.asWorkload(t, programs(t)["go"], "--platform", "ecs", "--role", "register")
	if answers, err := w.send(t.Context(), registerSidecar); err != nil || answers[0].Failure != nil {
		t.Errorf("what it allows: got %v, %v", answers, err)
	}
	if answers, err := w.send(t.Context(), meterSidecar); err != nil || answers[0].Failure == nil || answers[0].Failure.Name != "AccessDeniedException" {
		t.Errorf("what it does not: got %v, %v", answers, err)
	}
}
