package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// markFile says how far the newest log and the newest manifest are known to be on
// disk. Pebble's log says in each chunk how far it was synced before that chunk, so
// what is damaged in its last block, or cut off its end, looks like what a crash
// tears off: Pebble drops it without a word, acknowledged or not. A manifest that
// is cut off forgets tables. The mark is written after each sync and is not synced
// itself: it costs a write to the page cache. It may be old after a loss of power,
// and then says less than is true; never more.
//
// What it cannot tell is that a whole log is missing, since Pebble removes those
// that it has no more need of.
const markFile = "SYNCED"

// journals are the kinds of file that a mark is kept of: names, and how many bytes
// a chunk's header has. The end of a block in which no header has room is empty.
var journals = [...]struct {
	prefix, suffix string
	header         int64
}{
	{suffix: ".log", header: 19},
	{prefix: "MANIFEST-", header: 7},
}

// synced is one journal's number, and how many bytes of it are on disk.
type synced struct {
	number uint64
	length int64
}

// mark is the file, and what it says.
type mark struct {
	mu   sync.Mutex
	file vfs.File // nil until the first sync
	says [len(journals)]synced
}

// journalOf finds a file's kind and number.
func journalOf(name string) (kind int, number uint64, ok bool) {
	for kind, j := range journals {
		digits, prefixed := strings.CutPrefix(path.Base(name), j.prefix)
		digits, suffixed := strings.CutSuffix(digits, j.suffix)
		if n, err := strconv.ParseUint(digits, 10, 64); err == nil && prefixed && suffixed {
			return kind, n, true
		}
	}
	return 0, 0, false
}

// synced notes that a journal is on disk up to a length. That the note cannot be
// written is no failure: the journal is synced.
func (f *fence) synced(kind int, now synced) {
	m := &f.mark
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.says[kind]
	if now.number < was.number || now.number == was.number && now.length <= was.length {
		return
	}
	m.says[kind] = now
	if m.file == nil {
		file, err := f.FS.OpenReadWrite(f.PathJoin(f.dir, markFile), vfs.WriteCategoryUnspecified)
		if err != nil {
			return
		}
		m.file = file
	}
	_, _ = m.file.WriteAt(encodeMark(m.says), 0)
}

func encodeMark(says [len(journals)]synced) []byte {
	var b []byte
	for _, s := range says {
		b = binary.LittleEndian.AppendUint64(b, s.number)
		b = binary.LittleEndian.AppendUint64(b, uint64(s.length))
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// closeMark lets go of the file.
func (f *fence) closeMark() error {
	f.mark.mu.Lock()
	defer f.mark.mu.Unlock()
	if f.mark.file == nil {
		return nil
	}
	err := f.mark.file.Close()
	f.mark.file = nil
	return err
}

// checkMark reads the journals that the mark names, as far as they are there, and
// says whether one ends before what is known to have been on disk.
func checkMark(disk vfs.FS, dir string) error {
	var says [len(journals)]synced
	size := int64(16*len(says) + sumSize)
	b, err := readStart(disk, disk.PathJoin(dir, markFile), size)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if int64(len(b)) == size {
		for i := range says {
			says[i].number = binary.LittleEndian.Uint64(b[16*i:])
			says[i].length = int64(binary.LittleEndian.Uint64(b[16*i+8:]))
		}
	}
	if string(encodeMark(says)) != string(b) {
		return nil // it was being written
	}
	names, err := disk.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		kind, number, ok := journalOf(name)
		if !ok || number != says[kind].number || says[kind].length == 0 {
			continue
		}
		f, err := disk.Open(disk.PathJoin(dir, name))
		if err != nil {
			return err
		}
		end, why := readable(f, number)
		if err := f.Close(); err != nil {
			return err
		}
		if length := says[kind].length; end <= length-journals[kind].header {
			return fmt.Errorf("%w: %s can be read up to byte %d, and %d bytes of it were on disk (%w)", ErrDamaged, name, end, length, brief{why})
		}
	}
	return nil
}

// readable is how far a journal can be read, and why no further.
func readable(f io.Reader, number uint64) (end int64, why error) {
	r := newReader(record.NewReader, f, number)
	for {
		rec, err := r.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, rec)
		}
		if err != nil {
			return end, err
		}
		end = r.Offset()
	}
}

// newReader is for a type that Pebble does not let others name.
func newReader[N ~uint64](reader func(io.Reader, N) *record.Reader, f io.Reader, number uint64) *record.Reader {
	return reader(f, N(number))
}

func readStart(disk vfs.FS, name string, size int64) ([]byte, error) {
	f, err := disk.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, size))
	return b, errors.Join(err, f.Close())
}
