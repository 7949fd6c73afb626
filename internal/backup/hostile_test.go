package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const aboutText = `{"format":1,"made":"2026-09-15T10:30:00Z","version":"v0.2.0","note":""}`

// seal ends a tar stream with sums that are right for what is in it: what a
// stranger would do who knows the format.
func seal(t testing.TB, stream []byte) []byte {
	t.Helper()
	a := archive{all: sha256.New()}
	r := tar.NewReader(bytes.NewReader(stream))
	for {
		h, err := r.Next()
		if err != nil {
			break
		}
		sum := sha256.New()
		n, _ := io.Copy(sum, io.LimitReader(r, 1<<20))
		a.sums.add(h.Name, n, sum)
	}
	out := bytes.NewBuffer(bytes.Clone(stream))
	a.all.Write(stream)
	a.tar = tar.NewWriter(io.MultiWriter(out, a.all))
	if err := a.end(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// sealed makes a whole archive of entries; those of the type 0 are files that hold
// "text".
func sealed(t testing.TB, about string, entries ...tar.Header) []byte {
	t.Helper()
	var stream bytes.Buffer
	w := tar.NewWriter(&stream)
	add := func(h tar.Header, text string) {
		h.Size = int64(len(text))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	add(tar.Header{Name: aboutName, Typeflag: tar.TypeReg, Mode: 0o600}, about)
	for _, h := range entries {
		text := ""
		if h.Typeflag == 0 {
			h.Typeflag, h.Mode, text = tar.TypeReg, 0o600, "text"
		}
		add(h, text)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return seal(t, stream.Bytes())
}

func TestHostile(t *testing.T) {
	// The forgery itself is sound: it is what it holds that is refused.
	if _, err := Read(bytes.NewReader(sealed(t, aboutText, tar.Header{Name: "files/a"})), filepath.Join(t.TempDir(), "new")); err != nil {
		t.Fatalf("an archive with nothing wrong: %v", err)
	}
	file := tar.Header{Name: "files/a"}
	for name, test := range map[string]struct {
		archive []byte
		want    string
	}{
		"absolute":           {sealed(t, aboutText, tar.Header{Name: "/etc/passwd"}), `"/etc/passwd" is not the name of a file`},
		"absolute below":     {sealed(t, aboutText, tar.Header{Name: "files//etc/passwd"}), "is not the name of a file"},
		"up":                 {sealed(t, aboutText, tar.Header{Name: "files/../../evil"}), "is not the name of a file"},
		"up and down":        {sealed(t, aboutText, tar.Header{Name: "files/a/../b"}), "is not the name of a file"},
		"up at the start":    {sealed(t, aboutText, tar.Header{Name: "../files/a"}), "is not the name of a file"},
		"itself":             {sealed(t, aboutText, tar.Header{Name: "files/."}), "is not the name of a file"},
		"line break":         {sealed(t, aboutText, tar.Header{Name: "files/a\nb"}), "is not the name of a file"},
		"long":               {sealed(t, aboutText, tar.Header{Name: "files/" + strings.Repeat("d/", 500) + "a"}), "is not the name of a file"},
		"symbolic link":      {sealed(t, aboutText, tar.Header{Name: "files/l", Typeflag: tar.TypeSymlink, Linkname: "/etc"}), `"files/l" is not a plain file`},
		"hard link":          {sealed(t, aboutText, file, tar.Header{Name: "files/l", Typeflag: tar.TypeLink, Linkname: "files/a"}), "is not a plain file"},
		"device":             {sealed(t, aboutText, tar.Header{Name: "files/null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}), "is not a plain file"},
		"fifo":               {sealed(t, aboutText, tar.Header{Name: "files/f", Typeflag: tar.TypeFifo}), "is not a plain file"},
		"directory":          {sealed(t, aboutText, tar.Header{Name: "files/d/", Typeflag: tar.TypeDir}), "is not a plain file"},
		"attribute":          {sealed(t, aboutText, tar.Header{Name: "files/a", PAXRecords: map[string]string{"SCHILY.xattr.user.a": "b"}}), "which no backup has"},
		"twice":              {sealed(t, aboutText, file, file), `"files/a" occurs twice`},
		"file and directory": {sealed(t, aboutText, file, tar.Header{Name: "files/a/b"}), `"files/a" is a file and a directory`},
		"directory and file": {sealed(t, aboutText, tar.Header{Name: "files/a/b"}, tar.Header{Name: "files/a"}), `"files/a" is a file and a directory`},
		"unknown file":       {sealed(t, aboutText, tar.Header{Name: "install.sh"}), `"install.sh" is not the name`},
		"about again":        {sealed(t, aboutText, tar.Header{Name: aboutName}), "is not the name of a file"},
		"another format":     {sealed(t, `{"format":2,"version":"v9"}`), `format 2, made by meterd "v9"; this is meterd for format 1`},
		"about is no JSON":   {sealed(t, "format 1"), aboutName},
		"about is endless":   {sealed(t, strings.Repeat(" ", maxAbout)+aboutText), "does not begin with " + aboutName},
		"sums missing":       {withoutSums(t), "cut off: it does not end with " + sumsName},
		"sums only":          {seal(t, nil), "does not begin with " + aboutName},
		"sparse":             {sparse(t), `"files/holes" has the attribute "GNU.sparse.`},
		"empty":              {nil, "does not begin with " + aboutName},
		"text":               {[]byte(strings.Repeat("not an archive\n", 100)), "does not begin with " + aboutName},
		"two archives":       {append(sealed(t, aboutText, file), sealed(t, aboutText, file)...), "it does not end where it should"},
	} {
		if err := refused(t, test.archive); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

// withoutSums is an archive that tar finds complete.
func withoutSums(t *testing.T) []byte {
	b := sealed(t, aboutText, tar.Header{Name: "files/a"})
	return append(bytes.Clone(b[:4*512]), make([]byte, 1024)...)
}

// sparse is an archive with a file of four bytes and a mebibyte of nothing. It
// could say a terabyte; then a reader that falls for it would fill this machine.
func sparse(t *testing.T) []byte {
	attributes := ""
	for _, a := range []string{"GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.size=00001048576", "GNU.sparse.numblocks=1", "GNU.sparse.map=0,4"} {
		attributes += fmt.Sprintf("%d %s\n", len(a)+4, a) // the number's two digits, a space, a line break
	}
	var stream bytes.Buffer
	w := tar.NewWriter(&stream)
	for _, f := range [][2]string{{aboutName, aboutText}, {"attributes", attributes}, {"files/holes", "text"}} {
		if err := w.WriteHeader(&tar.Header{Name: f[0], Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(f[1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	// The writer writes no such attributes: they are made of a file, whose type is
	// at 156 and its checksum at 148.
	header := stream.Bytes()[1024:1536]
	sum := 'x' - '0'
	for i := 148; i < 154; i++ {
		sum += rune(header[i]-'0') << (3 * (153 - i))
	}
	header[156] = 'x'
	copy(header[148:], fmt.Sprintf("%06o", sum))
	return seal(t, stream.Bytes())
}

// TestManyFiles: the count is bounded, whatever the sums say.
func TestManyFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("writes a hundred thousand files")
	}
	u := unpacking{}
	for i := range maxFiles + 1 {
		u.sums.add(fmt.Sprint(i), 0, sha256.New())
	}
	if err := u.file(&tar.Header{Name: "files/a"}); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "more than 100000 files") {
		t.Errorf("got %v", err)
	}
}

// FuzzRead reads what comes as it is, and sealed, so that the sums do not hide
// what lies behind them. Whatever it is, it ends up in the directory, or nowhere.
func FuzzRead(f *testing.F) {
	f.Add(sealed(f, aboutText, tar.Header{Name: "files/a"}, tar.Header{Name: "files/b/c"}))
	f.Add(sealed(f, aboutText, tar.Header{Name: "files/a"})[:2048])
	f.Add(sealed(f, aboutText, tar.Header{Name: "files/../../evil"})[:2048])
	f.Add(sealed(f, aboutText, tar.Header{Name: "files/l", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, tar.Header{Name: "files/l/a"})[:3072])
	f.Add([]byte("age-encryption.org/v1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, archive := range [][]byte{b, seal(t, b)} {
			parent, err := os.MkdirTemp("", "fuzz-*")
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(parent, "new")
			_, err = Read(bytes.NewReader(archive), dir)
			entries, rerr := os.ReadDir(parent)
			switch {
			case rerr != nil:
				t.Error(rerr)
			case err != nil && len(entries) > 0:
				t.Errorf("refused (%v), and left %v", err, entries)
			case err == nil && (len(entries) != 1 || entries[0].Name() != "new"):
				t.Errorf("restored, and left %v", entries)
			case err == nil:
				read(t, dir) // nothing but plain files
			}
			if err := os.RemoveAll(parent); err != nil {
				t.Error(err)
			}
		}
	})
}
