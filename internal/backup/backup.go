// Package backup writes a directory as one stream and restores it from there. The
// stream is a tar archive: first meterd-backup.json, which says what it is, then
// the files, last meterd-backup.sums, with the size and the SHA-256 of each file
// and, on its last line, of all bytes of the stream before that line. So a backup
// that was cut off or changed in any byte is refused; tar and sha256sum can still
// read one without us.
//
// The sums find damage. Who can change a backup can change its sums, too: against
// that, and against its being read, encrypt it ([Encrypt]).
package backup

import (
	"archive/tar"
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
	"time"
)

// format is the version of the archive's form.
const format = 1

const (
	aboutName = "meterd-backup.json"
	sumsName  = "meterd-backup.sums"
	folder    = "files/" // of the archive, so that no file is taken for one of the two
)

// Limits on an archive. A store of a petabyte has fewer files.
const (
	maxFiles = 100_000
	maxName  = 1000 // bytes
	maxAbout = 64 << 10
)

// About says what a backup is, in its own words.
type About struct {
	Format  int       `json:"format"` // set by Write
	Made    time.Time `json:"made"`
	Version string    `json:"version"` // of the meterd that made it
	Note    string    `json:"note"`    // what was backed up
}

// Write writes every file below dir to w. The files must not change meanwhile: a
// change of size is an error, another one makes a backup of neither state. Empty
// directories and permissions are not kept.
func Write(w io.Writer, dir string, about About) error {
	about.Format = format
	about.Made = about.Made.UTC().Truncate(time.Second)
	a := &archive{all: sha256.New(), made: about.Made}
	a.tar = tar.NewWriter(io.MultiWriter(w, a.all))

	text, err := json.MarshalIndent(about, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if len(text) > maxAbout {
		return fmt.Errorf("the note is %d bytes long, which is too much", len(about.Note))
	}
	if err := a.add(aboutName, int64(len(text)), strings.NewReader(string(text))); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if err := a.addFile(root, name, d); err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(dir, filepath.FromSlash(name)), err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.end()
}

// archive is a backup that is being written.
type archive struct {
	tar  *tar.Writer
	all  hash.Hash // of every byte so far
	sums sums
	made time.Time
}

func (a *archive) addFile(root *os.Root, name string, d fs.DirEntry) error {
	if !d.Type().IsRegular() {
		return errors.New("is neither a file nor a directory; a backup has no links or devices")
	}
	if len(a.sums.seen) > maxFiles { // meterd-backup.json is one of them
		return fmt.Errorf("a backup holds at most %d files", maxFiles)
	}
	if !nameIsSafe(folder + name) {
		return fmt.Errorf("a backup cannot hold a file of this name: it has a line break or is above %d bytes", maxName)
	}
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := a.add(folder+name, info.Size(), f); err != nil {
		return err
	}
	if n, err := f.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		return errors.Join(errChanged, err)
	}
	return nil
}

var errChanged = errors.New("changed while it was backed up: back up a checkpoint, or stop the server first")

func (a *archive) add(name string, size int64, r io.Reader) error {
	if err := a.tar.WriteHeader(a.header(name, size)); err != nil {
		return err
	}
	sum := sha256.New()
	switch n, err := io.CopyN(io.MultiWriter(a.tar, sum), r, size); {
	case err == io.EOF && n < size:
		return errChanged
	case err != nil:
		return err
	}
	a.sums.add(name, size, sum)
	return nil
}

func (a *archive) header(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: a.made}
}

// end writes the sums, and the sum of everything last.
func (a *archive) end() error {
	lines := a.sums.String()
	if err := a.tar.WriteHeader(a.header(sumsName, int64(len(lines)+lastLine))); err != nil {
		return err
	}
	if _, err := io.WriteString(a.tar, lines); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(a.tar, "%x\n", a.all.Sum(nil)); err != nil {
		return err
	}
	return a.tar.Close()
}

// lastLine is how long the sum of everything is.
const lastLine = 2*sha256.Size + 1

// sums are the lines of meterd-backup.sums but the last: SHA-256, size, name.
type sums struct {
	lines strings.Builder
	seen  map[string]bool
}

func (s *sums) add(name string, size int64, sum hash.Hash) {
	if s.seen == nil {
		s.seen = make(map[string]bool)
	}
	s.seen[name] = true
	fmt.Fprintf(&s.lines, "%x %d %s\n", sum.Sum(nil), size, name)
}

func (s *sums) String() string { return s.lines.String() }

// nameIsSafe reports whether a name in the archive is that of a file below folder,
// written in the one way there is to write it.
func nameIsSafe(name string) bool {
	below, ok := strings.CutPrefix(name, folder)
	return ok && below != "." && len(name) <= maxName && path.Clean(below) == below &&
		filepath.IsLocal(filepath.FromSlash(below)) && !strings.ContainsAny(below, "\n\r\x00")
}
