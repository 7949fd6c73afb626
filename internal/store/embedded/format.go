package embedded

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// formatFile says that a directory is ours and how it is to be read. It is
// looked at before Pebble is: a later meterd may use a later Pebble. It is
// written last when a directory is made, so where it is, everything else was
// there too; a directory without it was never acknowledged from.
const (
	formatFile    = "FORMAT"
	formatName    = "meterd "
	formatVersion = 3
)

// readFormat reports whether the directory is still to be made.
func readFormat(disk vfs.FS, dir string) (fresh bool, err error) {
	names, err := disk.List(dir)
	if err != nil {
		return false, fmt.Errorf("embedded: reading %s: %w", dir, err)
	}
	if !slices.Contains(names, formatFile) {
		for _, name := range names {
			if !ofPebble(name) {
				return false, fmt.Errorf("embedded: %s holds %q and no %s file: it is not a data directory of meterd; name an empty one, or one that does not exist yet", dir, name, formatFile)
			}
		}
		return true, nil
	}
	f, err := disk.Open(disk.PathJoin(dir, formatFile))
	if err != nil {
		return false, fmt.Errorf("embedded: reading %s: %w", dir, err)
	}
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if err := errors.Join(err, f.Close()); err != nil {
		return false, fmt.Errorf("embedded: reading %s: %w", dir, err)
	}
	line, ours := strings.CutPrefix(string(text), formatName)
	number, ended := strings.CutSuffix(line, "\n")
	version, err := strconv.Atoi(number)
	switch {
	case !ours || !ended || err != nil || version < 1:
		return false, fmt.Errorf("%w: %s/%s reads %q; restore the directory from a backup", ErrDamaged, dir, formatFile, text)
	case version < formatVersion:
		return false, fmt.Errorf("%w: %s has format %d and this meterd reads format %d; nothing was ever released with it: start with an empty directory", ErrOldFormat, dir, version, formatVersion)
	case version > formatVersion:
		return false, fmt.Errorf("%w: %s has format %d and this meterd knows up to %d; upgrade meterd", ErrNewerFormat, dir, version, formatVersion)
	}
	return false, nil
}

// ofPebble reports whether a file may be left from a directory whose making was
// cut short.
func ofPebble(name string) bool {
	for _, prefix := range []string{"LOCK", "MANIFEST-", "OPTIONS-", "marker.", "temporary.", formatFile, markFile} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	for _, suffix := range []string{".log", ".sst", ".dbtmp", ".blob"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return name == "CURRENT"
}

func writeFormat(disk vfs.FS, dir string) error {
	name := disk.PathJoin(dir, formatFile)
	f, err := disk.Create(name+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, formatName+strconv.Itoa(formatVersion)+"\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := disk.Rename(name+".new", name); err != nil {
		return err
	}
	return syncDir(disk, dir)
}

// makeDir makes the directory, for its owner alone since it holds secrets, and
// syncs every directory that got a new entry: a name that was not synced is gone
// after a power failure, and all that was synced under it.
func makeDir(disk vfs.FS, dir string) error {
	// The last of them in any case: whoever made the directory may have died
	// before the sync.
	grown := []string{disk.PathDir(dir)}
	for d := grown[0]; d != disk.PathDir(d); d = disk.PathDir(d) {
		_, err := disk.Stat(d)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		grown = append(grown, disk.PathDir(d))
	}
	if err := disk.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, d := range slices.Backward(grown) {
		if err := syncDir(disk, d); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(disk vfs.FS, dir string) error {
	d, err := disk.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
