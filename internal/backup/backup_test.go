package backup

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var about = About{Made: time.Date(2026, 9, 15, 10, 30, 0, 5, time.FixedZone("", 3600)), Version: "v0.2.0", Note: "the store, checkpoint 7"}

// files is a directory: slash-separated names and what the files hold.
type files map[string]string

var small = files{
	"CURRENT": "MANIFEST-1\n", "empty": "", "sub/dir/000004.sst": strings.Repeat("x", 513),
	"meterd-backup.json": "{}", "meterd-backup.sums": "", // names that mean something to us, and may be a file's
}

func (f files) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range f {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t testing.TB, dir string) files {
	t.Helper()
	f := files{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s has mode %v, %v; want 0600", path, info.Mode(), err)
		}
		name, _ := filepath.Rel(dir, path)
		text, err := os.ReadFile(path)
		f[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func archiveOf(t testing.TB, f files) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, f.write(t), about); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	got, err := Read(bytes.NewReader(archiveOf(t, small)), dir)
	if err != nil {
		t.Fatal(err)
	}
	want := About{Format: 1, Made: time.Date(2026, 9, 15, 9, 30, 0, 0, time.UTC), Version: "v0.2.0", Note: "the store, checkpoint 7"}
	if got != want {
		t.Errorf("about: got %+v, want %+v", got, want)
	}
	if diff := cmp.Diff(small, read(t, dir)); diff != "" {
		t.Errorf("(-backed up +restored)\n%s", diff)
	}
	for _, d := range []string{dir, filepath.Join(dir, "sub")} {
		if info, err := os.Stat(d); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v; want mode 0700", d, info.Mode(), err)
		}
	}
	alone(t, dir)
}

// alone fails if anything lies beside dir.
func alone(t testing.TB, dir string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(dir) {
			t.Errorf("%s lies beside the directory that was to be restored", e.Name())
		}
	}
}

// TestSameBytes: one state makes one archive, so that backups can be compared.
func TestSameBytes(t *testing.T) {
	if !bytes.Equal(archiveOf(t, small), archiveOf(t, small)) {
		t.Error("two backups of equal directories differ")
	}
}

// TestFormat1 restores a backup that was made when the format was new: a release
// must go on reading it.
func TestFormat1(t *testing.T) {
	const name = "testdata/format1.tar"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(name, archiveOf(t, small), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if _, err := Read(bytes.NewReader(b), dir); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(small, read(t, dir)); diff != "" {
		t.Errorf("(-backed up +restored)\n%s", diff)
	}
}

func TestRoundTripLaw(t *testing.T) {
	// Names whose parts are no one's directory and file at once: d… and f….
	name := rapid.Custom(func(t *rapid.T) string {
		part := rapid.StringMatching(`[a-zA-Z0-9 ._\-ä日]{0,60}`)
		dirs := rapid.SliceOfN(part, 0, 3).Draw(t, "directories")
		name := ""
		for _, d := range dirs {
			name += "d" + d + "/"
		}
		return name + "f" + part.Draw(t, "file")
	})
	content := rapid.Custom(func(t *rapid.T) string {
		return strings.Repeat(rapid.String().Draw(t, "text"), rapid.SampledFrom([]int{1, 1, 512, 3000}).Draw(t, "times"))
	})
	rapid.Check(t, func(rt *rapid.T) {
		want := files(rapid.MapOfN(name, content, 0, 8).Draw(rt, "files"))
		dir := filepath.Join(t.TempDir(), "new")
		if _, err := Read(bytes.NewReader(archiveOf(t, want)), dir); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(want, read(t, dir)); diff != "" {
			rt.Fatalf("(-backed up +restored)\n%s", diff)
		}
	})
}

// refused restores b, which must fail, and leave nothing behind.
func refused(t testing.TB, b []byte) error {
	t.Helper()
	parent, err := os.MkdirTemp("", "refused-*") // t.TempDir is slow for thousands
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(parent)
	_, err = restore(bytes.NewReader(b), filepath.Join(parent, "new"), unforced)
	if _, verr := Verify(bytes.NewReader(b)); (verr == nil) != (err == nil) {
		t.Errorf("Read: %v; Verify: %v", err, verr)
	}
	if entries, rerr := os.ReadDir(parent); rerr != nil || len(entries) > 0 {
		t.Fatalf("left behind: %v, %v", entries, rerr)
	}
	return err
}

// unforced leaves it to the system when a file comes to the disk: what is refused
// need not.
func unforced(*os.File) error { return nil }

// TestForced: every file is on the disk, whole, before the directory has its name,
// and one that cannot be put there is an error.
func TestForced(t *testing.T) {
	b := archiveOf(t, small)
	dir := filepath.Join(t.TempDir(), "new")
	got := files{}
	_, err := restore(bytes.NewReader(b), dir, func(f *os.File) error {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is there before all files are", dir)
		}
		text, err := os.ReadFile(f.Name())
		_, name, _ := strings.Cut(filepath.ToSlash(f.Name()), "/.meterd-restore-")
		_, name, _ = strings.Cut(name, "/")
		got[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(small, got); diff != "" {
		t.Errorf("(-backed up +forced)\n%s", diff)
	}
	other := filepath.Join(t.TempDir(), "new")
	full := errors.New("disk full")
	if _, err := restore(bytes.NewReader(b), other, func(*os.File) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
	if entries, err := os.ReadDir(filepath.Dir(other)); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestEveryTruncation(t *testing.T) {
	t.Parallel()
	whole := archiveOf(t, files{"a": "1", "b/c": "23"})
	for n := range whole {
		if err := refused(t, whole[:n]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut off after %d of %d bytes: %v", n, len(whole), err)
		}
	}
	if err := refused(t, append(whole, 0)); !errors.Is(err, ErrDamaged) {
		t.Errorf("with a byte more: %v", err)
	}
}

// TestEveryFlip changes every byte in three ways: all bits, the lowest, and the
// one that tells a space from a NUL, which tar takes for the same in numbers.
func TestEveryFlip(t *testing.T) {
	t.Parallel()
	flips := []byte{0xff, 0x01, 0x20}
	if testing.Short() {
		flips = flips[2:]
	}
	whole := archiveOf(t, files{"a": "1"})
	for i := range whole {
		for _, bits := range flips {
			whole[i] ^= bits
			if err := refused(t, whole); err == nil {
				t.Fatalf("byte %d of %d changed by %#x: restored all the same", i, len(whole), bits)
			}
			whole[i] ^= bits
		}
	}
}

// TestWhichFile: damage within a file is told with its name.
func TestWhichFile(t *testing.T) {
	b := archiveOf(t, files{"a": "first", "b/c": "second"})
	b = bytes.Replace(b, []byte("second"), []byte("sEcond"), 1)
	if err := refused(t, b); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "files/b/c is not the file that was backed up") {
		t.Errorf("got %v", err)
	}
}

func TestWhereTo(t *testing.T) {
	b := archiveOf(t, small)
	parent := t.TempDir()
	full := filepath.Join(parent, "full")
	if err := os.MkdirAll(filepath.Join(full, "something"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(bytes.NewReader(b), full); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("into a directory that is not empty: %v", err)
	}
	alone(t, full)
	if err := os.Remove(filepath.Join(full, "something")); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(bytes.NewReader(b[:2000]), full); !errors.Is(err, ErrDamaged) {
		t.Errorf("a damaged one into an empty directory: %v", err)
	}
	if len(read(t, full)) > 0 {
		t.Error("the empty directory is not empty any more")
	}
	if _, err := Read(bytes.NewReader(b), full); err != nil {
		t.Errorf("into an empty directory: %v", err)
	}
	if _, err := Read(bytes.NewReader(b), filepath.Join(full, "CURRENT")); err == nil {
		t.Error("in place of a file: restored")
	}
	link := filepath.Join(parent, "link")
	target := t.TempDir()
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(bytes.NewReader(b), link); err != nil {
		t.Errorf("through a link: %v", err)
	}
	if diff := cmp.Diff(small, read(t, target)); diff != "" {
		t.Errorf("through a link: (-backed up +restored)\n%s", diff)
	}
}

// TestWriteRefuses what a backup cannot hold, or not truly.
func TestWriteRefuses(t *testing.T) {
	t.Run("link", func(t *testing.T) {
		dir := small.write(t)
		if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		writeRefuses(t, dir, "link: is neither a file nor a directory")
	})
	t.Run("name", func(t *testing.T) {
		writeRefuses(t, files{"two\nlines": ""}.write(t), "it has a line break or is above 1000 bytes")
	})
	t.Run("missing", func(t *testing.T) { writeRefuses(t, filepath.Join(t.TempDir(), "missing"), "no such file") })
	t.Run("note", func(t *testing.T) {
		long := about
		long.Note = strings.Repeat("x", maxAbout)
		if err := Write(new(bytes.Buffer), t.TempDir(), long); err == nil {
			t.Error("a note that Read would refuse was written")
		}
	})
	for name, size := range map[string]int64{"grows": 600, "shrinks": 3} {
		t.Run(name, func(t *testing.T) {
			dir := files{"b": strings.Repeat("y", 512)}.write(t)
			// The header has the size; the file changes right after it.
			w := writerFunc(func(p []byte) (int, error) {
				if bytes.Contains(p, []byte("files/b")) {
					return len(p), os.Truncate(filepath.Join(dir, "b"), size)
				}
				return len(p), nil
			})
			if err := Write(w, dir, about); !errors.Is(err, errChanged) {
				t.Errorf("got %v, want %v", err, errChanged)
			}
		})
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func writeRefuses(t *testing.T, dir, want string) {
	t.Helper()
	if err := Write(new(bytes.Buffer), dir, about); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// BenchmarkBackup is a file of 64 MiB, there and back.
func BenchmarkBackup(b *testing.B) {
	const size = 64 << 20
	dir := files{"a": strings.Repeat("0123456789abcdef", size/16)}.write(b)
	b.Run("write", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			if err := Write(io.Discard, dir, about); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		var archive bytes.Buffer
		if err := Write(&archive, dir, about); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(size)
		for b.Loop() {
			if _, err := Read(bytes.NewReader(archive.Bytes()), filepath.Join(b.TempDir(), "new")); err != nil {
				b.Fatal(err)
			}
		}
	})
}
