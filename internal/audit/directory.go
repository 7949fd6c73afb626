package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
)

// Destination is where files go. Names have slashes, and are below the destination.
type Destination interface {
	// Put writes a file whole, durable before it returns. If there is one of that
	// name it stays as it is, and the error is [fs.ErrExist]: of two who put at once,
	// one gets it.
	Put(ctx context.Context, name string, content []byte) error
	// Get reads a file; the error is [fs.ErrNotExist] if there is none.
	Get(ctx context.Context, name string) ([]byte, error)
	// List gives the names in a folder, sorted; those of folders end with a slash. A
	// folder that is not there is empty.
	List(ctx context.Context, folder string) ([]string, error)
}

// Directory is a destination on a disk.
type Directory struct {
	root *os.Root

	mu   sync.Mutex
	kept map[string]bool // folders that are known to be on the disk, with all above them
}

// NewDirectory opens a directory, and makes it if there is none.
func NewDirectory(dir string) (*Directory, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return OpenDirectory(dir)
}

// OpenDirectory opens a directory that is there.
func OpenDirectory(dir string) (*Directory, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Directory{root: root, kept: make(map[string]bool)}, nil
}

// Close lets go of the directory.
func (d *Directory) Close() error { return d.root.Close() }

// unfinished begins the names of files that are being written.
const unfinished = ".meterd-part-"

// write writes a file under a name of its own.
func (d *Directory) write(content []byte) (name string, err error) {
	name = unfinished + rand.Text()
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, d.root.Remove(name))
	}
	return name, nil
}

// Put writes a file. A link, unlike a rename, does not replace.
func (d *Directory) Put(_ context.Context, name string, content []byte) error {
	if err := d.keep(path.Dir(name)); err != nil {
		return err
	}
	part, err := d.write(content)
	if err != nil {
		return err
	}
	err = d.root.Link(part, name)
	if err = errors.Join(err, d.root.Remove(part)); err != nil && !errors.Is(err, fs.ErrExist) {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.kept, path.Dir(name)) // it may have been removed as empty
		return err
	}
	// One that was there may be another's who has not come to this yet.
	return errors.Join(err, d.sync(path.Dir(name)))
}

// replace writes a file in the place of another.
func (d *Directory) replace(name string, content []byte) error {
	part, err := d.write(content)
	if err != nil {
		return err
	}
	if err := d.root.Rename(part, name); err != nil {
		return errors.Join(err, d.root.Remove(part))
	}
	return d.sync(path.Dir(name))
}

// keep makes a folder, durable with all above it.
func (d *Directory) keep(folder string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept[folder] {
		return nil
	}
	if err := d.root.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for at := folder; at != "."; at = path.Dir(at) {
		if err := d.sync(path.Dir(at)); err != nil {
			return err
		}
	}
	d.kept[folder] = true
	return nil
}

// Get reads a file, not through links that lead elsewhere.
func (d *Directory) Get(_ context.Context, name string) ([]byte, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s is no file", name), err)
	}
	return io.ReadAll(f)
}

// List lists a folder.
func (d *Directory) List(_ context.Context, folder string) ([]string, error) {
	folder = strings.TrimSuffix(folder, "/")
	entries, err := fs.ReadDir(d.root.FS(), folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		name := folder + "/" + e.Name()
		if e.IsDir() {
			name += "/"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, err
}

// remove removes a file, and the folders above it that it leaves empty.
func (d *Directory) remove(name string) error {
	err := d.root.Remove(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for at := path.Dir(name); at+"/" != root && at != "."; at = path.Dir(at) {
		d.mu.Lock()
		delete(d.kept, at)
		err := d.root.Remove(at) // refused while there is something in it
		d.mu.Unlock()
		if err != nil {
			break
		}
	}
	return nil
}
