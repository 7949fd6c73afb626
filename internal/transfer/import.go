package transfer

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
)

// Import brings what is in a file into a store: into an empty one or, if an import
// of this file is under way there, from where that stands on. Secrets are opened
// with keys. progress, if not nil, hears how many items were read.
//
// When all of it is there, the import is under way still: the store is to be
// opened anew and compared with the file ([TotalsOf]) before [Finish] ends it, so
// that nobody serves from what nobody has looked at.
func Import(ctx context.Context, to store.Carrier, r io.Reader, keys *envelope.Keys, progress func(items int)) (About, Totals, error) {
	in, err := newReader(r)
	if err != nil {
		return About{}, Totals{}, err
	}
	stands, err := to.Importing(ctx)
	if err != nil {
		return in.about, Totals{}, err
	}
	at, err := standing(stands, in.about)
	if err != nil {
		return in.about, Totals{}, err
	}
	for {
		lines, err := in.part()
		if err == nil && lines != nil {
			err = take(ctx, to, in, at, lines, keys)
		}
		if err != nil {
			return in.about, Totals{}, err
		}
		if lines == nil {
			break
		}
		if progress != nil {
			progress(len(lines))
		}
	}
	if in.parts < at.part {
		return in.about, Totals{}, fmt.Errorf("%w: the store has taken %d parts, and this one has only %d", ErrOther, at.part, in.parts)
	}
	return in.about, in.tally.totals(), nil
}

// take hands a part to the store, unless it is there already.
func take(ctx context.Context, to store.Carrier, in *reader, at position, lines []line, keys *envelope.Keys) error {
	if in.parts == at.part && in.sum != at.sum {
		return fmt.Errorf("%w: what the store has taken of it, up to part %d, is not what this file says", ErrOther, at.part)
	}
	if in.parts <= at.part {
		return ctx.Err()
	}
	items := make([]store.Item, len(lines))
	for i := range lines {
		var err error
		if items[i], err = lines[i].item(keys); err != nil {
			// The mark is the last line, and every item has one.
			return fmt.Errorf("line %d: %w", in.number-len(lines)+i, err)
		}
	}
	return to.Import(ctx, items, position{in.about.ID, in.parts, in.sum}.String())
}

// Finish ends an import: the store may be served from.
func Finish(ctx context.Context, to store.Carrier) error { return to.Import(ctx, nil, "") }

// TotalsOf adds up what a store holds, to be compared with a file's. progress, if
// not nil, hears how many items were seen.
func TotalsOf(ctx context.Context, from store.Carrier, progress func(items int)) (Totals, error) {
	var sum tally
	for cursor := ""; ; {
		page, err := from.Export(ctx, cursor)
		if err != nil {
			return Totals{}, err
		}
		for i := range page.Items {
			l, err := lineOf(&page.Items[i], nil)
			if err != nil {
				return Totals{}, err
			}
			sum.add(&l)
		}
		if progress != nil {
			progress(len(page.Items))
		}
		if cursor = page.Next; cursor == "" {
			return sum.totals(), nil
		}
	}
}

// position is where an import stands, as the store keeps it: of which file, after
// which part, and that part's sum, which vouches for all before it.
type position struct {
	file string
	part int
	sum  string
}

func (p position) String() string { return fmt.Sprint(p.file, " ", p.part, " ", p.sum) }

// standing reads where an import stands; it must be of this file.
func standing(text string, about About) (position, error) {
	if text == "" {
		return position{}, nil
	}
	fields := strings.Split(text, " ")
	if len(fields) != 3 {
		return position{}, fmt.Errorf("%w: it stands at %q, which says nothing here", ErrOther, text)
	}
	part, err := strconv.Atoi(fields[1])
	if err != nil || part < 1 {
		return position{}, fmt.Errorf("%w: it stands at %q, which says nothing here", ErrOther, text)
	}
	if fields[0] != about.ID {
		return position{}, fmt.Errorf("%w: the one with id %s, and this one has %s", ErrOther, fields[0], about.ID)
	}
	return position{fields[0], part, fields[2]}, nil
}
