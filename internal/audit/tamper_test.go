package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// tampered is a folder of files that somebody has at.
type tampered struct {
	*testing.T
	dir   string
	names []string // of all files but the beginning
}

func (f *tampered) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

func (f *tampered) read(name string) []byte {
	f.Helper()
	b, err := os.ReadFile(f.path(name))
	if err != nil {
		f.Fatal(err)
	}
	return b
}

func (f *tampered) write(name string, b []byte) {
	f.Helper()
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o700); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(f.path(name), b, 0o600); err != nil {
		f.Fatal(err)
	}
}

func (f *tampered) remove(name string) {
	f.Helper()
	if err := os.Remove(f.path(name)); err != nil {
		f.Fatal(err)
	}
}

// lines changes a file's lines.
func (f *tampered) lines(name string, change func([][]byte) [][]byte) {
	f.Helper()
	var all [][]byte
	if err := eachLine(f.read(name), func(line []byte) error {
		all = append(all, append(bytes.Clone(line), '\n'))
		return nil
	}); err != nil {
		f.Fatal(err)
	}
	f.write(name, pack(bytes.Join(change(all), nil)))
}

// manifest changes what a digest's file says. Its own sums are made right again.
func (f *tampered) manifest(name string, change func(*Manifest)) {
	f.Helper()
	m, err := decodeManifest(name, f.read(name))
	if err != nil {
		f.Fatal(err)
	}
	change(m)
	d, _ := m.Digest()
	m.Hash = hashOf(d.Hash())
	b, _, err := m.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.write(name, b)
}

// TestTampering: whatever is done to one file of a folder is found, whichever it
// is.
func TestTampering(t *testing.T) {
	w := newTrailWorld(t)
	whole := &tampered{T: t, dir: t.TempDir()}
	to, err := NewDirectory(whole.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { to.Close() })
	for range 4 {
		w.leave(8)
		w.write(to)
		w.reopen()
	}
	w.once(to)
	v := folderCheck{ctx: t.Context(), from: to}
	if err := v.walk(root); err != nil {
		t.Fatal(err)
	}
	v.sort()
	for name := range v.events {
		whole.names = append(whole.names, name)
	}
	slices.Sort(whole.names)
	events, manifests := whole.names, v.listed
	whole.names = slices.Concat(events, manifests)

	// found tries a change of a copy.
	tried := 0
	found := func(what, name string, change func(f *tampered)) {
		t.Helper()
		tried++
		f := &tampered{T: t, dir: t.TempDir(), names: whole.names}
		if err := os.CopyFS(f.dir, os.DirFS(whole.dir)); err != nil {
			t.Fatal(err)
		}
		change(f)
		at, err := OpenDirectory(f.dir)
		if err != nil {
			t.Fatal(err)
		}
		defer at.Close()
		r, err := VerifyFiles(t.Context(), at)
		if err == nil && len(r.Problems) == 0 {
			t.Errorf("%s, %s: nothing was found", what, name)
		}
		if said := strings.Join(append(problemsOf(r), errorText(err)), "\n"); len(said) > 0 && !strings.Contains(said, filepath.Base(name)) && !strings.Contains(said, "digest") {
			t.Errorf("%s, %s: what was found does not name it: %s", what, name, said)
		}
	}
	last := manifests[len(manifests)-1]
	for i, name := range whole.names {
		another := whole.names[(i+1)%len(whole.names)]
		if name != last { // its end cut off, a folder cannot tell; its files can
			found("removed", name, func(f *tampered) { f.remove(name) })
		}
		for _, at := range []int{12, len(whole.read(name)) / 2, len(whole.read(name)) - 1} {
			found("a byte changed", name, func(f *tampered) {
				b := f.read(name)
				b[at] ^= 1
				f.write(name, b)
			})
		}
		found("cut short", name, func(f *tampered) { b := f.read(name); f.write(name, b[:len(b)/2]) })
		found("emptied", name, func(f *tampered) { f.write(name, nil) })
		found("exchanged", name, func(f *tampered) {
			a, b := f.read(name), f.read(another)
			f.write(name, b)
			f.write(another, a)
		})
		copied := strings.Replace(name, "2026/11", "2026/10", 1)
		found("put in again elsewhere", copied, func(f *tampered) { f.write(copied, f.read(name)) })
		found("moved", name, func(f *tampered) { f.write(copied, f.read(name)); f.remove(name) })
	}
	found("removed with its manifest", last, func(f *tampered) {
		f.remove(last) // and not its files
	})
	for _, name := range events {
		found("a line removed", name, func(f *tampered) { f.lines(name, func(l [][]byte) [][]byte { return l[1:] }) })
		found("a line put in", name, func(f *tampered) { f.lines(name, func(l [][]byte) [][]byte { return append(l, l[0]) }) })
		found("lines reordered", name, func(f *tampered) {
			f.lines(name, func(l [][]byte) [][]byte {
				if len(l) == 1 {
					return append(l, l[0])
				}
				slices.Reverse(l)
				return l
			})
		})
		found("a line changed", name, func(f *tampered) { f.lines(name, anotherOperation) })
	}
	for _, name := range manifests {
		if len(whole.manifestOf(name).Files) == 0 {
			continue
		}
		// Whoever changes a digest's file and its sums has the next one against him;
		// of the last one, its files and its own digest.
		withSum := func(change func([][]byte) [][]byte) func(f *tampered) {
			return func(f *tampered) {
				f.manifest(name, func(m *Manifest) {
					listed := &m.Files[0]
					f.lines(listed.Name, change)
					listed.Sum = sha256.Sum256(f.read(listed.Name))
				})
			}
		}
		found("a line removed, and the sum changed", name, withSum(func(l [][]byte) [][]byte { return l[1:] }))
		if name != last {
			found("a line and the sum changed", name, withSum(anotherOperation))
		}
		found("a file not listed", name, func(f *tampered) {
			f.manifest(name, func(m *Manifest) { f.remove(m.Files[0].Name); m.Files = m.Files[1:] })
		})
		found("a place changed", name, func(f *tampered) {
			f.manifest(name, func(m *Manifest) { m.Files[0].Places[0].Numbers = "1" })
		})
		found("a file listed elsewhere", name, func(f *tampered) {
			f.manifest(name, func(m *Manifest) { m.Files[0].Name = "../secret" })
		})
		found("a head changed", name, func(f *tampered) {
			f.manifest(name, func(m *Manifest) { m.Extents[0].Head.Number++ })
		})
		if name != last {
			found("a time changed", name, func(f *tampered) {
				f.manifest(name, func(m *Manifest) { m.At = m.At.Add(time.Nanosecond) })
			})
		}
	}
	found("removed", beginName, func(f *tampered) { f.remove(beginName) })
	found("another beginning", beginName, func(f *tampered) {
		b, err := decodeBegin(f.read(beginName))
		if err != nil {
			t.Fatal(err)
		}
		b.Number++
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		f.write(beginName, text)
	})
	t.Logf("%d ways, all of them found", tried)
}

func anotherOperation(l [][]byte) [][]byte {
	l[0] = bytes.Replace(l[0], []byte("MeterUsage"), []byte("RegisterUsage"), 1)
	return l
}

func (f *tampered) manifestOf(name string) *Manifest {
	f.Helper()
	m, err := decodeManifest(name, f.read(name))
	if err != nil {
		f.Fatal(err)
	}
	return m
}

func problemsOf(r *FolderReport) []string {
	if r == nil {
		return nil
	}
	return r.Problems
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestRuns(t *testing.T) {
	for _, text := range []string{"1", "1-5", "1-5,7", "2,4,6-9", "10-9223372036854775807"} {
		if r, err := parseRuns(text); err != nil || r.String() != text {
			t.Errorf("%s: got %s, error %v", text, r, err)
		}
	}
	for _, text := range []string{"", "0", "5-1", "1,1", "3,2", "1,2", "1-1", "01", "+1", "1-", "a", "1-5,3-9", "-1", "1-9223372036854775807,5"} {
		if r, err := parseRuns(text); err == nil {
			t.Errorf("%q: got %s, want an error", text, r)
		}
	}
}
