package backup

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

var (
	// ErrEncrypted is a backup that has to be decrypted first.
	ErrEncrypted = errors.New("the backup is encrypted: give the identity file or the passphrase that opens it")
	// ErrDamaged is a backup that is not, or not any more, what Write wrote.
	ErrDamaged = errors.New("the backup is damaged")
)

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}

// Read restores a backup into dir, which must be empty or not exist. The files
// come to lie beside dir first, and take its name once everything is checked and
// on the disk: after an error there is nothing.
func Read(r io.Reader, dir string) (About, error) {
	return restore(r, dir, (*os.File).Sync)
}

// restore is Read; force puts a file on the disk.
func restore(r io.Reader, dir string, force func(*os.File) error) (About, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return About{}, err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real // a link to another disk stays one
	}
	if err := mustBeEmpty(dir); err != nil {
		return About{}, err
	}
	aside, err := os.MkdirTemp(filepath.Dir(dir), ".meterd-restore-*") // mode 0700
	if err != nil {
		return About{}, err
	}
	about, err := unpack(r, aside, force)
	if err == nil {
		err = syncDirectories(aside)
	}
	if err == nil {
		err = takeName(aside, dir)
	}
	if err != nil {
		return About{}, errors.Join(err, os.RemoveAll(aside))
	}
	return about, nil
}

func mustBeEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty: a backup is restored into a new directory", dir)
	}
	return nil
}

// takeName gives the restored directory its name. An empty directory that has it
// makes room, and comes back if that fails.
func takeName(aside, dir string) error {
	parent := filepath.Dir(dir)
	before, err := os.Stat(dir)
	had := err == nil
	if had {
		if err := os.Remove(dir); err != nil {
			return fmt.Errorf("%w; restore into a new directory inside it, if it is a mounted volume", err)
		}
	}
	if err := os.Rename(aside, dir); err != nil {
		if had {
			err = errors.Join(err, os.Mkdir(dir, before.Mode().Perm()))
		}
		return err
	}
	if err := syncDirectory(parent); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return nil
}

// Verify reads a backup to its end and says whether Read would restore it.
func Verify(r io.Reader) (About, error) { return unpack(r, "", nil) }

// unpack writes the archive's files into dir, if there is one, and checks it to
// the last byte.
func unpack(r io.Reader, dir string, force func(*os.File) error) (About, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if start, _ := in.Peek(longestHeader); isEncrypted(start) {
		return About{}, ErrEncrypted
	}
	var root *os.Root
	if dir != "" {
		var err error
		if root, err = os.OpenRoot(dir); err != nil {
			return About{}, err
		}
		defer root.Close()
	}
	u := &unpacking{in: in, all: sha256.New(), root: root, force: force, dirs: make(map[string]bool)}
	u.tar = tar.NewReader(io.TeeReader(u.in, u.all))
	about, err := u.about()
	if err != nil {
		return about, err
	}
	for {
		h, err := u.next()
		if err != nil {
			return about, err
		}
		if h.Name == sumsName {
			return about, u.end(h)
		}
		if err := u.file(h); err != nil {
			return about, err
		}
	}
}

// unpacking is an archive that is being read.
type unpacking struct {
	in    *bufio.Reader
	tar   *tar.Reader
	all   hash.Hash // of every byte that tar has read, and it reads none ahead
	root  *os.Root  // nil: nothing is written
	force func(*os.File) error
	sums  sums
	dirs  map[string]bool // that files lie in
}

// next is the next entry: a plain file, for an archive of ours has nothing else. A
// sparse one could be endless and yet a few bytes long.
func (u *unpacking) next() (*tar.Header, error) {
	h, err := u.tar.Next()
	switch {
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		return nil, damaged("it is cut off: it does not end with " + sumsName)
	case errors.Is(err, tar.ErrHeader):
		return nil, damaged("it is no archive, or not from here on: %w", err)
	case err != nil:
		return nil, err
	case h.Typeflag != tar.TypeReg:
		return nil, damaged("%q is not a plain file", h.Name)
	}
	for key := range h.PAXRecords {
		if key != "path" && key != "size" {
			return nil, damaged("%q has the attribute %q, which no backup has", h.Name, key)
		}
	}
	return h, nil
}

// about reads the first entry.
func (u *unpacking) about() (About, error) {
	var about About
	h, err := u.tar.Next()
	if err != nil && !errors.Is(err, tar.ErrHeader) && !errors.Is(err, io.ErrUnexpectedEOF) && err != io.EOF {
		return about, err
	}
	if err != nil || h.Name != aboutName || h.Typeflag != tar.TypeReg || h.Size > maxAbout || len(h.PAXRecords) > 0 {
		return about, damaged("it does not begin with %s, so it is no backup of meterd's, or has lost its beginning", aboutName)
	}
	var text bytes.Buffer
	if err := u.copy(&text, h); err != nil {
		return about, err
	}
	if err := json.Unmarshal(text.Bytes(), &about); err != nil {
		return about, damaged("%s: %w", aboutName, err)
	}
	if about.Format != format {
		return about, fmt.Errorf("the backup has format %d, made by meterd %q; this is meterd for format %d: restore it with that version", about.Format, about.Version, format)
	}
	return about, nil
}

// copy reads an entry and keeps its sum.
func (u *unpacking) copy(w io.Writer, h *tar.Header) error {
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, sum), u.tar); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return damaged("it is cut off within %q", h.Name)
		}
		return err
	}
	u.sums.add(h.Name, h.Size, sum)
	return nil
}

// file restores one file, and forces it to the disk.
func (u *unpacking) file(h *tar.Header) error {
	switch {
	case !nameIsSafe(h.Name):
		return damaged("%q is not the name of a file of a backup", h.Name)
	case u.sums.seen[h.Name]:
		return damaged("%q occurs twice", h.Name)
	case len(u.sums.seen) > maxFiles:
		return damaged("it has more than %d files", maxFiles)
	}
	if u.dirs[h.Name] {
		return damaged("%q is a file and a directory", h.Name)
	}
	for dir := path.Dir(h.Name); dir+"/" != folder; dir = path.Dir(dir) {
		if u.sums.seen[dir] {
			return damaged("%q is a file and a directory", dir)
		}
		u.dirs[dir] = true
	}
	if u.root == nil {
		return u.copy(io.Discard, h)
	}
	name := filepath.FromSlash(strings.TrimPrefix(h.Name, folder))
	if err := u.root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = u.copy(f, h)
	if err == nil {
		err = u.force(f)
	}
	return errors.Join(err, f.Close())
}

// end compares what was read with the sums, and sees to it that nothing follows.
func (u *unpacking) end(h *tar.Header) error {
	want := u.sums.String()
	if h.Size != int64(len(want)+lastLine) {
		return damaged("%s lists other files than the archive has", sumsName)
	}
	lines := make([]byte, len(want))
	last := make([]byte, lastLine)
	// The last line is not part of what it is the sum of.
	if _, err := io.ReadFull(u.tar, lines); err != nil {
		return cutOffInSums(err)
	}
	sum := fmt.Sprintf("%x\n", u.all.Sum(nil))
	if _, err := io.ReadFull(u.tar, last); err != nil {
		return cutOffInSums(err)
	}
	if string(lines) != want {
		return damaged("%s is not the file that was backed up", firstOther(string(lines), want))
	}
	if string(last) != sum {
		return damaged("its bytes are not those that were written")
	}
	// What fills the last block, the two empty blocks that end a tar archive, and
	// not a byte more.
	const block = 512
	fill := (block-h.Size%block)%block + 2*block
	rest, err := io.ReadAll(io.LimitReader(u.in, fill+1))
	if err != nil {
		return err
	}
	if int64(len(rest)) != fill || bytes.Count(rest, []byte{0}) != len(rest) {
		return damaged("it does not end where it should")
	}
	return nil
}

func cutOffInSums(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		return damaged("it is cut off within %q", sumsName)
	}
	return err
}

// firstOther is the name of the first line of want that got has not.
func firstOther(got, want string) string {
	listed := make(map[string]bool)
	for line := range strings.Lines(got) {
		listed[line] = true
	}
	for line := range strings.Lines(want) {
		if !listed[line] {
			return strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)[2]
		}
	}
	return sumsName
}

// syncDirectories forces the names of all files below dir to the disk.
func syncDirectories(dir string) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return syncDirectory(name)
	})
}
