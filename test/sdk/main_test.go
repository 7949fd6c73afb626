package sdk

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// binary is the meterd under test.
var binary string

// makeProduction makes, at its first call, what "meterd serve" is tested with.
var makeProduction func() (production, error)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if len(os.Args) == 2 && os.Args[1] == asGoProgram {
		return goProgram(os.Stdin, os.Stdout)
	}
	if dir := os.Getenv(ownNetwork); dir != "" {
		if err := enterOwnNetwork(dir); err != nil {
			fmt.Print(err)
			return exitNoNetwork
		}
	}
	dir, err := os.MkdirTemp("", "meterd-sdk-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)

	makeProduction = sync.OnceValues(func() (production, error) { return newProduction(dir) })
	if binary, err = build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	isolate()
	code := pgtest.Main(m)
	closeClients()
	remarks.print()
	return code
}

// build makes the binary once for all tests, from the sources beside this
// module.
func build(dir string) (string, error) {
	if given := os.Getenv("METERD_BINARY"); given != "" {
		return filepath.Abs(given)
	}
	out := filepath.Join(dir, "meterd")
	return out, goBuild(out)
}

func goBuild(out string, flags ...string) error {
	cmd := exec.Command("go", append(append([]string{"build", "-o", out}, flags...), "./cmd/meterd")...)
	cmd.Dir = filepath.Join("..", "..")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./cmd/meterd: %w\n%s", err, text)
	}
	return nil
}

// neverCached keeps "go test ./..." from repeating an old verdict. Go remembers
// a verdict by the files of this module that a test opened; the sources of the
// binary are not among them, so a change there would go unseen. It remembers
// nothing of tests that opened a file changed less than two seconds ago, and one
// from the future always is. It looks only while tests run, so each server opens
// the file anew.
func neverCached() error {
	mark := filepath.Join("testdata", ".uncached")
	if err := os.WriteFile(mark, nil, 0o644); err != nil {
		return err
	}
	tomorrow := time.Now().Add(24 * time.Hour)
	if err := os.Chtimes(mark, tomorrow, tomorrow); err != nil {
		return err
	}
	f, err := os.Open(mark)
	if err != nil {
		return err
	}
	return f.Close()
}

// remarks are what a reader of a passing run should know: which client is not
// installed, and what a client refused to send. Each is printed once, at the end.
var remarks notebook

type notebook struct {
	mu    sync.Mutex
	lines []string
}

func (n *notebook) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	line := fmt.Sprintf(format, args...)
	for _, l := range n.lines {
		if l == line {
			return
		}
	}
	n.lines = append(n.lines, line)
}

func (n *notebook) print() {
	for _, line := range n.lines {
		fmt.Println(line)
	}
}
