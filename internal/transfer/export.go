package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
)

// Point is how far an export has come: what there is of the file, up to a whole
// mark.
type Point struct {
	About  About
	Offset int64 // bytes of the file; what follows them is to be cut off
	Whole  bool  // nothing is left to be exported

	cursor string // of the next part, unless parts is 0
	parts  int
	tally  tally
	sums   sums
}

// Begin is the point before a file's first line.
func Begin(about About) *Point {
	about.Format = format
	return &Point{About: about, sums: newSums()}
}

// Resume reads what an export that was interrupted has written, and returns the
// point after its last whole mark; nil, if it has not come so far. What is behind
// the mark, whole or not, is exported anew.
func Resume(r io.Reader) (*Point, error) {
	in, err := newReader(r)
	if errors.Is(err, ErrDamaged) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var p *Point
	for {
		part, err := in.part()
		if errors.Is(err, ErrDamaged) {
			return p, nil
		}
		if err != nil {
			return nil, err
		}
		if part == nil { // the last line was read
			p.Whole, p.Offset = true, in.offset // there is no last line without a mark
			return p, nil
		}
		p = &Point{About: in.about, Offset: in.offset, cursor: in.next, parts: in.parts, tally: in.tally}
		if p.sums, err = in.sums.copied(); err != nil {
			return nil, err
		}
	}
}

// Export writes what the store holds to w, from a point on, which is good for one
// export. Secrets are sealed
// under keys; nil leaves them plain. progress, if not nil, hears how many items
// have been written.
func Export(ctx context.Context, from store.Carrier, w io.Writer, p *Point, keys *envelope.Keys, progress func(items int)) (Totals, error) {
	out := writer{Point: *p, w: w}
	if out.Whole {
		return out.tally.totals(), nil
	}
	if out.Offset == 0 {
		if err := out.write(out.About); err != nil {
			return Totals{}, err
		}
	}
	for out.parts == 0 || out.cursor != "" {
		page, err := from.Export(ctx, out.cursor)
		if err != nil {
			return Totals{}, err
		}
		for i := range page.Items {
			l, err := lineOf(&page.Items[i], keys)
			if err == nil {
				out.tally.add(&l)
				err = out.write(&l)
			}
			if err != nil {
				return Totals{}, err
			}
		}
		if err := out.mark(len(page.Items), page.Next); err != nil {
			return Totals{}, err
		}
		if progress != nil {
			progress(len(page.Items))
		}
	}
	return out.tally.totals(), out.end()
}

// writer is an export on its way.
type writer struct {
	Point
	w io.Writer
}

// text is a line as it is written.
func (out *writer) text(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if b = append(b, '\n'); len(b) > maxLine {
		return nil, fmt.Errorf("a line of %d bytes, where %d are the most: %.100s…", len(b), maxLine, b)
	}
	return b, nil
}

func (out *writer) write(v any) error {
	b, err := out.text(v)
	if err != nil {
		return err
	}
	out.sums.line(b)
	_, err = out.w.Write(b)
	return err
}

func (out *writer) mark(items int, cursor string) error {
	out.parts++
	out.cursor = cursor
	b, err := out.text(&line{Mark: &mark{Part: out.parts, Items: items, Cursor: cursor, SHA256: sumOf(out.sums.part)}})
	if err != nil {
		return err
	}
	out.sums.mark(b)
	_, err = out.w.Write(b)
	return err
}

func (out *writer) end() error {
	return out.write(&line{End: &end{Parts: out.parts, Totals: out.tally.totals(), SHA256: sumOf(out.sums.all)}})
}
