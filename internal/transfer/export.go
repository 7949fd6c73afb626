package transfer

import (
	"context"
	"io"
	"time"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
)

// Exporting says how an export is made.
type Exporting struct {
	Keys     *envelope.Keys // seal the secrets; nil leaves them plain
	Made     time.Time
	From     string             // what kind of store it is
	Progress func(items int64)  // hears how many are written; nil: nobody
	Begun    *Begun             // of an export that goes on; nil: it begins
	Flush    func() (err error) // called after every part; nil: nobody
}

// Begun is how far an export came that was cut short.
type Begun struct {
	Bytes int64 // how much of the file is good; what comes after is to be cut off
	id    string
	next  string
	whole bool // all parts are there
	tally *tally
}

// Items is how many items were written.
func (b *Begun) Items() int64 { return b.tally.counts.All() }

// Export writes all that a store holds.
func Export(ctx context.Context, from store.Carrier, to io.Writer, e Exporting) (Summary, error) {
	t, cursor, more := newTally(), "", true
	write := func(l *line) error {
		b, err := encode(l)
		if err != nil {
			return err
		}
		t.line(b)
		_, err = to.Write(b)
		return err
	}
	if e.Begun != nil {
		t, cursor, more = e.Begun.tally, e.Begun.next, !e.Begun.whole
	} else if err := write(&line{Head: &head{version, newID(), e.Made.UTC(), e.From}}); err != nil {
		return Summary{}, err
	}
	for more {
		if err := ctx.Err(); err != nil {
			return Summary{}, err
		}
		page, err := from.Export(ctx, cursor)
		if err != nil {
			return Summary{}, err
		}
		for i := range page.Items {
			l, err := lineOf(&page.Items[i], e.Keys)
			if err == nil {
				err = write(&l)
			}
			if err != nil {
				return Summary{}, err
			}
			t.item(&page.Items[i])
		}
		cursor, more = page.Next, page.Next != ""
		t.parts++
		if err := write(&line{Mark: &mark{t.parts, cursor, t.now()}}); err != nil {
			return Summary{}, err
		}
		if e.Progress != nil {
			e.Progress(t.counts.All())
		}
		if e.Flush != nil {
			if err := e.Flush(); err != nil {
				return Summary{}, err
			}
		}
	}
	s := t.summary()
	return s, write(&line{End: &end{s, t.now()}})
}

// Resume reads what is there of an export that was cut short, up to its last whole
// mark.
func Resume(r io.Reader, keys *envelope.Keys) (*Begun, error) {
	in := newReader(r, keys)
	h, err := in.head()
	if err != nil {
		return nil, err
	}
	var good Begun
	for {
		p, err := in.part()
		if err != nil || p.end != nil {
			if in.tally.parts == 0 || good.tally == nil {
				return nil, fileError(in.number, "there is no whole part to go on after: begin anew")
			}
			return &good, nil
		}
		good = Begun{Bytes: in.tally.bytes, id: h.ID, next: p.next, whole: p.next == "", tally: in.tally.clone()}
	}
}
