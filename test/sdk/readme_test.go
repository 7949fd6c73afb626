package sdk

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readmeCall is a call of the AWS CLI in the README, with the lines that a
// backslash joins to it.
var readmeCall = regexp.MustCompile(`(?m)^\s*(?:\$ )?(aws meteringmarketplace (?:.*\\\n)*.*)$`)

// TestReadme pastes the README's call into a shell that has the env file's
// variables and nothing else, against the demo that the README starts. The
// answer must have the form of the one that the README shows.
func TestReadme(t *testing.T) {
	open(t, "cli")
	b, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	at := readmeCall.FindSubmatchIndex(b)
	if at == nil {
		t.Fatal("README.md shows no call of the AWS CLI")
	}
	command, rest := string(b[at[2]:at[3]]), string(b[at[3]:])

	s := startDev(t)
	cmd := exec.Command("sh", "-c", command)
	cmd.Env = append(os.Environ(), "AWS_PAGER=")
	for _, name := range slices.Sorted(maps.Keys(s.env)) {
		cmd.Env = append(cmd.Env, name+"="+s.env[name])
	}
	got, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s\n%v\n%s", command, err, err.(*exec.ExitError).Stderr)
	}

	_, shown, _ := strings.Cut(rest, "{")
	var want any
	if err := json.NewDecoder(strings.NewReader("{" + shown)).Decode(&want); err != nil {
		t.Fatalf("README.md shows no answer after its call: %v", err)
	}
	var answer struct {
		Results []struct{ MeteringRecordId, Status string }
	}
	var whole any
	if err := json.Unmarshal(got, &answer); err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	if len(answer.Results) != 1 || answer.Results[0].Status != "Success" || answer.Results[0].MeteringRecordId == "" {
		t.Errorf("%s\nanswered\n%s", command, got)
	}
	if err := json.Unmarshal(got, &whole); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(members("", want), members("", whole)); diff != "" {
		t.Errorf("the answer has not the form that README.md shows (-shown +got):\n%s", diff)
	}
}
