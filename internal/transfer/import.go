package transfer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
)

// maxLine is far above the largest record, which has a megabyte of allocations.
const maxLine = 32 << 20

// reader reads a file by parts.
type reader struct {
	in     *bufio.Reader
	keys   *envelope.Keys
	number int // of the last line that was read
	tally  *tally
}

func newReader(r io.Reader, keys *envelope.Keys) *reader {
	return &reader{in: bufio.NewReaderSize(r, 1<<20), keys: keys, tally: newTally()}
}

// next reads a line. Its bytes are not in the tally yet.
func (r *reader) next() (l line, raw []byte, err error) {
	r.number++
	for {
		some, err := r.in.ReadSlice('\n')
		raw = append(raw, some...)
		switch {
		case err == nil:
		case errors.Is(err, bufio.ErrBufferFull) && len(raw) <= maxLine:
			continue
		case errors.Is(err, bufio.ErrBufferFull):
			return l, nil, fileError(r.number, "it is longer than %d bytes", maxLine)
		case errors.Is(err, io.EOF):
			return l, nil, fileError(r.number, "the file ends here, before its end: it was cut off")
		default:
			return l, nil, err
		}
		break
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, nil, fileError(r.number, "%w", err)
	}
	if rest, err := io.ReadAll(d.Buffered()); err != nil || len(bytes.TrimSpace(rest)) > 0 || d.More() {
		return l, nil, fileError(r.number, "there is more than one object on it")
	}
	return l, raw, nil
}

func (r *reader) head() (*head, error) {
	l, raw, err := r.next()
	switch {
	case err != nil:
		return nil, err
	case l.Head == nil:
		return nil, fileError(r.number, "it is not the first line of an export of meterd's")
	case l.Head.Version != version:
		return nil, fileError(r.number, "the file has version %d; this meterd reads version %d", l.Head.Version, version)
	case l.Head.ID == "" || strings.Contains(l.Head.ID, "/"):
		return nil, fileError(r.number, "the file has no id")
	}
	r.tally.line(raw)
	return l.Head, nil
}

// part is what stands between two marks, or the end.
type part struct {
	items []store.Item
	next  string
	end   *end
}

// part reads up to the next mark, and holds all before it against the mark's sum.
func (r *reader) part() (part, error) {
	var p part
	for {
		l, raw, err := r.next()
		if err != nil {
			return p, err
		}
		switch {
		case l.Mark != nil:
			r.tally.parts++
			if l.Mark.Part != r.tally.parts {
				return p, fileError(r.number, "it ends part %d, and part %d was expected", l.Mark.Part, r.tally.parts)
			}
			if l.Mark.Sum != r.tally.now() {
				return p, fileError(r.number, "what stands before it is not what was written: the sum does not match")
			}
			r.tally.line(raw)
			p.next = l.Mark.Next
			return p, nil
		case l.End != nil:
			p.end = l.End
			return p, r.ended(p)
		}
		item, ok, err := l.item(r.keys)
		if err != nil || !ok {
			if err == nil {
				err = errors.New("it is none of an item, a mark and the end")
			}
			return p, fileError(r.number, "%w", err)
		}
		r.tally.line(raw)
		r.tally.item(&item)
		p.items = append(p.items, item)
	}
}

// ended checks the last line: nothing comes after it, and it tells of all that
// came before.
func (r *reader) ended(p part) error {
	switch got := r.tally.summary(); {
	case len(p.items) > 0:
		return fileError(r.number, "the last part has no mark")
	case p.end.Sum != r.tally.now():
		return fileError(r.number, "what stands before it is not what was written: the sum does not match")
	case p.end.Summary != got:
		return fileError(r.number, "it tells of %+v, and there is %+v", p.end.Summary, got)
	}
	if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
		return fileError(r.number+1, "there is more after the end")
	}
	return nil
}

// Import puts all that a file holds into a store. One that was cut short goes on
// where it stood, with the same file. progress, if not nil, hears how many bytes of
// the file are done with.
func Import(ctx context.Context, to store.Carrier, file io.Reader, keys *envelope.Keys, progress func(bytes int64)) (Summary, error) {
	in := newReader(file, keys)
	h, err := in.head()
	if err != nil {
		return Summary{}, err
	}
	done, err := imported(ctx, to, h.ID)
	if err != nil {
		return Summary{}, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return Summary{}, err
		}
		p, err := in.part()
		if err != nil {
			return Summary{}, err
		}
		if p.end != nil {
			return p.end.Summary, to.Import(ctx, nil, "")
		}
		if n := in.tally.parts; n > done {
			if err := to.Import(ctx, p.items, h.ID+"/"+strconv.Itoa(n)); err != nil {
				return Summary{}, err
			}
		}
		if progress != nil {
			progress(in.tally.bytes)
		}
	}
}

// imported is how many parts of a file a store has.
func imported(ctx context.Context, to store.Carrier, file string) (parts int, err error) {
	at, err := to.Importing(ctx)
	if err != nil || at == "" {
		return 0, err
	}
	of, number, _ := strings.Cut(at, "/")
	parts, err = strconv.Atoi(number)
	if err != nil || of != file {
		return 0, fmt.Errorf("%w, of the export with the id %s; this one has %s", ErrOther, of, file)
	}
	return parts, nil
}

// clone is the tally as it is now.
func (t *tally) clone() *tally {
	n := &tally{sum: sha256.New(), bytes: t.bytes, parts: t.parts, counts: t.counts, records: t.records}
	state, err := t.sum.(encoding.BinaryMarshaler).MarshalBinary()
	if err == nil {
		err = n.sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(state)
	}
	if err != nil {
		panic(err) // SHA-256 is both, always
	}
	return n
}
