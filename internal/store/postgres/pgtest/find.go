package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// Binaries are the server programs of one PostgreSQL.
type Binaries struct {
	Version int    // the major version
	Dir     string // the folder with postgres and initdb
}

// Find returns the server programs of a major version: those of the machine, or
// those that were installed for the tests before, or else it installs them, where
// it may. Its error says in one line why they are not to be had and how to get
// them.
func Find(version int) (Binaries, error) {
	cache, err := cacheDir()
	if err != nil {
		return Binaries{}, err
	}
	if bin, ok := present(version, cache); ok {
		return bin, nil
	}
	if why := install(version, cache); why != "" {
		return Binaries{}, fmt.Errorf("PostgreSQL %d: %s", version, why)
	}
	if bin, ok := present(version, cache); ok {
		return bin, nil
	}
	return Binaries{}, fmt.Errorf("PostgreSQL %d: was installed, but its programs do not run", version)
}

// present looks where a version may lie. What lies there is asked for its
// version: a folder's name is no proof.
func present(version int, cache string) (Binaries, bool) {
	dirs := []string{
		fmt.Sprintf("/usr/lib/postgresql/%d/bin", version), // Debian
		filepath.Join(cache, npmBin),
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
			continue
		}
		out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
		if err == nil && major(string(out)) == version {
			return Binaries{Version: version, Dir: dir}, true
		}
	}
	return Binaries{}, false
}

// major reads what "postgres --version" prints: postgres (PostgreSQL) 18.4.
func major(text string) int {
	_, rest, _ := strings.Cut(text, "(PostgreSQL) ")
	digits, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// cacheDir is where installed programs are kept from one run to the next. Root's
// own cache lies in a home that is closed to the user whom the servers run as, so
// root uses the machine's.
func cacheDir() (string, error) {
	dir := "/var/cache"
	if os.Geteuid() != 0 {
		var err error
		if dir, err = os.UserCacheDir(); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "meterd-test"), nil
}

// command prepares a program to run as the owner of the servers, in surroundings
// that are the same on every machine.
func (b Binaries) command(o *owner, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(b.Dir, name), args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.Dir = "/" // the test's own folder may be closed to that user
	cmd.SysProcAttr = o.attributes()
	return cmd
}

// platform names what runs here, as an answer to what is to be had for it.
func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }
