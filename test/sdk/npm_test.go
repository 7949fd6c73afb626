package sdk

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// installJS puts the packages of js/package-lock.json into js/node_modules,
// unless they are there. It works in a folder of its own and moves the result
// into place, so a run that was interrupted, or another one at the same time,
// never leaves half of them.
func installJS() error {
	if _, err := exec.LookPath("node"); err != nil {
		return fmt.Errorf("the AWS SDK for JavaScript needs node, or METERD_SDK_JS=off: %w", err)
	}
	lock, err := os.ReadFile("js/package-lock.json")
	if err != nil {
		return err
	}
	sum := sha256.Sum256(lock)
	want := hex.EncodeToString(sum[:])
	const modules = "js/node_modules"
	if installedJS(modules) == want {
		return nil
	}

	dir, err := os.MkdirTemp("js", ".install-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		b, err := os.ReadFile(filepath.Join("js", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return err
		}
	}
	cmd := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the AWS SDK for JavaScript needs npm ci to work, or METERD_SDK_JS=off: %w\n%s", err, text)
	}
	fresh := filepath.Join(dir, "node_modules")
	if err := os.WriteFile(filepath.Join(fresh, stampJS), []byte(want), 0o644); err != nil {
		return err
	}
	if err := os.RemoveAll(modules); err != nil {
		return err
	}
	err = os.Rename(fresh, modules)
	if errors.Is(err, fs.ErrExist) && installedJS(modules) == want {
		return nil // another run was faster
	}
	return err
}

// stampJS, in node_modules, holds the hash of the lock file it was made from.
const stampJS = ".lock-sha256"

func installedJS(modules string) string {
	b, err := os.ReadFile(filepath.Join(modules, stampJS))
	if err != nil {
		return ""
	}
	return string(b)
}
