package transfer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/meterd/meterd/internal/metering"
)

// reader reads a file part by part. Its errors name the line.
type reader struct {
	in     *bufio.Reader
	text   []byte // of the last line, with its end
	number int    // of the last line, from 1
	offset int64  // of what comes after it

	about About
	parts int    // that were read
	next  string // the cursor of the last mark
	sum   string // of the last mark
	sums  sums
	tally tally
}

// beginning is how every file begins.
const beginning = `{"meterd_export":`

// newReader reads the first line.
func newReader(r io.Reader) (*reader, error) {
	in := &reader{in: bufio.NewReaderSize(r, 1<<16), sums: newSums()}
	err := in.line()
	if begun := string(in.text); !strings.HasPrefix(begun, beginning) && !strings.HasPrefix(beginning, begun) {
		return nil, fmt.Errorf("%w: it is no export of meterd's", ErrFormat)
	}
	if err != nil {
		return nil, err
	}
	var version struct {
		Format int `json:"meterd_export"`
	}
	if err := json.Unmarshal(in.text, &version); err != nil {
		return nil, in.damaged("%w", err)
	}
	if version.Format != format {
		return nil, fmt.Errorf("%w: it has format %d, and this meterd knows format %d; use the meterd that made it", ErrFormat, version.Format, format)
	}
	if err := in.decode(&in.about); err != nil {
		return nil, err
	}
	if _, ok := metering.ParseID(in.about.ID); !ok {
		return nil, in.damaged("%q is not an id", in.about.ID)
	}
	in.sums.line(in.text)
	return in, nil
}

// part reads the lines of the next part, and its mark. After the last part it
// reads the last line, and returns nil.
func (in *reader) part() ([]line, error) {
	lines := make([]line, 0, 64)
	for {
		if err := in.line(); err != nil {
			return nil, err
		}
		var l line
		if err := in.decode(&l); err != nil {
			return nil, err
		}
		first := in.parts > 0 && len(lines) == 0
		switch {
		case l.things() != 1:
			return nil, in.damaged("it is %d things, where a line is one", l.things())
		case l.End != nil && (!first || in.next != ""):
			return nil, in.damaged("the last line comes too early")
		case l.End != nil:
			return nil, in.end(l.End)
		case first && in.next == "":
			return nil, in.damaged("the last line is to come")
		case l.Mark != nil:
			return lines, in.mark(l.Mark, len(lines))
		case len(lines) == maxPart:
			return nil, in.damaged("a part has more than %d items", maxPart)
		}
		in.sums.line(in.text)
		in.tally.add(&l)
		lines = append(lines, l)
	}
}

func (in *reader) mark(m *mark, items int) error {
	sum := sumOf(in.sums.part)
	switch {
	case m.Part != in.parts+1:
		return in.damaged("the mark of part %d comes after part %d", m.Part, in.parts)
	case m.Items != items:
		return in.damaged("the mark says %d items, and %d are there", m.Items, items)
	case m.SHA256 != sum:
		return in.damaged("the lines since the mark before are not as they were written: their checksum does not match")
	}
	in.parts, in.next, in.sum = m.Part, m.Cursor, m.SHA256
	in.sums.mark(in.text)
	return nil
}

func (in *reader) end(e *end) error {
	switch totals := in.tally.totals(); {
	case e.Parts != in.parts:
		return in.damaged("the file ends with part %d, and says that there are %d", in.parts, e.Parts)
	case e.Totals != totals:
		return in.damaged("the last line says %s with digest %s, and the lines before it have %s with digest %s", e.Counts, e.Digest, totals.Counts, totals.Digest)
	case e.SHA256 != sumOf(in.sums.all):
		return in.damaged("the file is not as it was written: its checksum does not match")
	}
	if _, err := in.in.ReadByte(); err == nil {
		return in.damaged("more follows after the last line")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// line reads a line.
func (in *reader) line() error {
	in.text = in.text[:0]
	in.number++
	for {
		piece, err := in.in.ReadSlice('\n')
		in.text = append(in.text, piece...)
		switch {
		case len(in.text) > maxLine:
			return in.damaged("it is longer than %d bytes", maxLine)
		case err == nil:
			in.offset += int64(len(in.text))
			return nil
		case errors.Is(err, io.EOF):
			return in.damaged("the file ends here, and its last line is missing: it was cut off, or is still being written")
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

func (in *reader) decode(v any) error {
	err := json.Unmarshal(in.text, v, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	if errors.Is(err, json.ErrUnknownName) {
		return in.damaged("%w: another meterd has written it, or someone else", err)
	}
	return in.damaged("%w", err)
}

func (in *reader) damaged(form string, args ...any) error {
	return fmt.Errorf("%w: line %d: %w", ErrDamaged, in.number, fmt.Errorf(form, args...))
}

// things is how many fields are set.
func (l *line) things() int {
	n := 0
	for _, set := range []bool{
		l.Revision != nil, l.Record != nil, l.ClientToken != nil, l.Admission != nil, l.Registration != nil,
		l.Redemption != nil, l.Event != nil, l.Refusal != nil, l.Floor != nil, l.Digest != nil, l.Mark != nil, l.End != nil,
	} {
		if set {
			n++
		}
	}
	return n
}
