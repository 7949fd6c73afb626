package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/store/promise"
)

// TestKill ends the built binary with SIGKILL in the midst of calls, several
// times over one directory, and holds what is then there against the promise.
// Callers take their records from the same few places, so that they repeat and
// contradict one another, and what got no answer is sent again after the restart.
func TestKill(t *testing.T) {
	runs := 3
	if testing.Short() {
		runs = 1
	}
	binary := filepath.Join(t.TempDir(), "meterd")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	tally := promise.NewTally(t)
	for seed := range tally.Runs(runs) {
		killed(t, binary, seed, tally)
	}
}

// killed is one life of a directory: so many kills, and a look at the end.
func killed(t *testing.T, binary string, seed uint64, tally *promise.Tally) {
	const cycles, callers = 10, 8
	data := filepath.Join(t.TempDir(), "data")
	catalog := filepath.Join(t.TempDir(), "catalog.yaml")
	if err := os.WriteFile(catalog, []byte(killCatalog()), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--data", data, "--catalog", catalog, "--throttle", "off", "--clock", "2026-09-15T23:30:00Z"}
	r := rand.New(rand.NewPCG(seed, 0))
	var (
		history promise.History
		number  atomic.Int64
		mu      sync.Mutex
		unknown [][]killClaim // what got no answer, to be sent again
	)
	for range cycles {
		server := startDev(t, binary, args...)
		var callersDone sync.WaitGroup
		for range callers {
			own := rand.New(rand.NewPCG(r.Uint64(), 0))
			callersDone.Go(func() {
				for {
					var claims []killClaim
					mu.Lock()
					if n := len(unknown); n > 0 {
						claims, unknown = unknown[n-1], unknown[:n-1]
					}
					mu.Unlock()
					if claims == nil {
						for range 1 + own.IntN(4) {
							claims = append(claims, newKillClaim(number.Add(1), own))
						}
					}
					if !server.send(&history, claims) {
						mu.Lock()
						unknown = append(unknown, claims)
						mu.Unlock()
						return // the server is gone
					}
				}
			})
		}
		time.Sleep(time.Duration(50+r.IntN(250)) * time.Millisecond)
		server.kill(t)
		callersDone.Wait()
		tally.Add("kills", 1)
	}
	server := startDev(t, binary, args...)
	found, err := history.Check(t.Context(), &adminLedger{server.operator(), "kill"})
	if err != nil {
		t.Fatal(err)
	}
	server.kill(t)
	found = append(found, trailOf(t, data)...)
	for _, v := range found {
		t.Errorf("seed %d: %v", seed, v)
	}
	counts := history.Counts()
	tally.Add("attempts", counts.Attempts)
	tally.Add("accepted", counts.Accepted)
	tally.Add("duplicates", counts.Duplicate)
	tally.Add("unknown", counts.Unknown)
	if counts.Accepted < 10*cycles || counts.Duplicate == 0 || counts.Unknown == 0 {
		t.Fatalf("%+v: the test shows nothing", counts)
	}
}

// Each number of a record is a place of its own: an hour and a dimension.
const killHours, killDimensions = 23, 2000

func killCatalog() string {
	var b strings.Builder
	b.WriteString(`sellers: [{account: "210987654321"}]
buyers: [{account: "111122223333"}]
agreements: [{id: a, product: kill, buyer: "111122223333", start: 2026-08-01T00:00:00Z, license_arn: "arn:aws:license-manager::294406891311:license:l-0a"}]
credentials: [{access_key_id: AKIAMETERDSELLER0001, secret_access_key: example-secret, account: "210987654321"}]
products:
  - code: kill
    seller: "210987654321"
    type: saas
    dimensions:
`)
	for i := range killDimensions {
		fmt.Fprintf(&b, "      - {name: d%d}\n", i)
	}
	return b.String()
}

// devServer is the built binary, running.
type devServer struct {
	process *exec.Cmd
	env     map[string]string
	signer  [2]string // what records are signed with, id and secret; empty: the demo's
}

// startDev starts `meterd dev` and waits until it is ready.
func startDev(t *testing.T, binary string, args ...string) *devServer {
	t.Helper()
	envFile := filepath.Join(t.TempDir(), "env")
	args = append([]string{"dev", "--listen", "127.0.0.1:0", "--env-file", envFile}, args...)
	s := &devServer{process: exec.CommandContext(context.WithoutCancel(t.Context()), binary, args...), env: make(map[string]string)}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	s.process.Stdout, s.process.Stderr = log, log
	s.process.Env = append(os.Environ(), "XDG_STATE_HOME="+t.TempDir())
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
		_ = log.Close()
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(envFile)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
			s.env[name] = value
		}
		if res, err := http.Get(s.env[urlVariable] + "/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return s
			}
		}
	}
	text, _ := os.ReadFile(log.Name())
	t.Fatalf("the server was not ready in time:\n%s", text)
	return nil
}

func (s *devServer) kill(t *testing.T) {
	if err := s.process.Process.Kill(); err != nil { // SIGKILL
		t.Fatal(err)
	}
	_ = s.process.Wait()
}

// meter reports the record of a number; ok is false when there was no answer.
func (s *devServer) meter(number int32) (id string, ok bool) {
	at := time.Date(2026, 9, 15, int(number)%killHours, 0, 0, 0, time.UTC)
	body := fmt.Sprintf(`{"UsageRecords":[{"Timestamp":%d,"CustomerAWSAccountId":"111122223333","LicenseArn":"arn:aws:license-manager::294406891311:license:l-0a","Dimension":"d%d","Quantity":%d}]}`,
		at.Unix(), int(number)/killHours%killDimensions, number)
	req, err := signedRequest(s.env[urlVariable], "AKIAMETERDSELLER0001", demoSecret, "BatchMeterUsage", body)
	if err != nil {
		return "", false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", false
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return "", false
	}
	var out struct {
		Results []struct {
			MeteringRecordId string
			Status           string
		}
	}
	if err := json.Unmarshal(answer, &out); err != nil || len(out.Results) != 1 {
		return "", false
	}
	return out.Results[0].MeteringRecordId, out.Results[0].Status == "Success"
}
