package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/meterd/meterd/internal/store"
)

// An export that was cut off, wherever, goes on after its last whole mark, and
// comes to the same file as one that was not.
func TestResumeAnywhere(t *testing.T) {
	items := some(7)
	whole := file(t, nil, 2, items...)
	from := &paged{items: items, size: 2}
	resumed := 0
	for n := range len(whole) + 1 {
		for _, torn := range []string{"", "\x00\x00\x00", "{}\n", "}\n{"} {
			text := string(whole[:n]) + torn
			if n == len(whole) {
				text = string(whole)
			}
			p, err := Resume(strings.NewReader(text))
			if err != nil {
				if errors.Is(err, ErrFormat) && n < len(beginning) && torn != "" {
					continue // it is no export's beginning
				}
				t.Fatalf("%d bytes and %q: %v", n, torn, err)
			}
			if p == nil {
				p = Begin(about())
			} else {
				resumed++
			}
			if p.Offset > int64(len(text)) || n == len(whole) && !p.Whole {
				t.Fatalf("%d of %d bytes: whole %t, offset %d", n, len(whole), p.Whole, p.Offset)
			}
			out := bytes.NewBufferString(text[:p.Offset])
			totals, err := Export(t.Context(), from, out, p, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out.Bytes(), whole) {
				t.Fatalf("%d bytes and %q: got\n%s\nwant\n%s", n, torn, out, whole)
			}
			if want, err := TotalsOf(t.Context(), from, nil); err != nil || totals != want {
				t.Fatalf("%d bytes: totals %+v, error %v, want %+v", n, totals, err, want)
			}
		}
	}
	if resumed < len(whole) {
		t.Errorf("%d of %d were gone on with", resumed, 4*len(whole))
	}
}

// Where the file cannot be read, or is another version's, nothing is begun anew.
func TestResumeRefuses(t *testing.T) {
	broken := io.MultiReader(bytes.NewReader(file(t, nil, 2, some(3)...)[:300]), failing{})
	if p, err := Resume(broken); p != nil || !errors.Is(err, errFull) {
		t.Errorf("got %+v, error %v, want %v", p, err, errFull)
	}
	text := strings.Replace(string(file(t, nil, 2)), ":1,", ":2,", 1)
	if p, err := Resume(strings.NewReader(text)); p != nil || !errors.Is(err, ErrFormat) {
		t.Errorf("got %+v, error %v, want %v", p, err, ErrFormat)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errFull }

// An import that was interrupted, after whichever part, goes on with the next one,
// and takes nothing twice.
func TestImportGoesOn(t *testing.T) {
	items := some(7)
	text := file(t, nil, 2, items...)
	for parts := range 5 {
		to := &taking{left: parts}
		_, _, err := Import(t.Context(), to, bytes.NewReader(text), nil, nil)
		if interrupted := parts < 4; interrupted != errors.Is(err, errFull) {
			t.Fatalf("%d parts: got %v", parts, err)
		}
		to.left = -1
		seen := 0
		_, totals, err := Import(t.Context(), to, bytes.NewReader(text), nil, func(n int) { seen += n })
		if err != nil || !reflect.DeepEqual(to.items, items) || seen != len(items) {
			t.Errorf("%d parts, then the rest: %d items, %d seen, error %v; want %d", parts, len(to.items), seen, err, len(items))
		}
		if want, err := TotalsOf(t.Context(), &paged{items: items, size: 3}, nil); err != nil || totals != want {
			t.Errorf("totals: got %+v, error %v, want %+v", totals, err, want)
		}
		if to.at == "" {
			t.Errorf("the import has ended before anyone looked at it")
		}
		to.left = 1
		if err := Finish(t.Context(), to); err != nil || to.at != "" {
			t.Errorf("finished: it stands at %q, error %v", to.at, err)
		}
	}
}

// What was begun with one file is not gone on with another: not with one of
// another id, nor with one of the same id that is other in what was taken.
func TestImportOfAnotherFile(t *testing.T) {
	items := some(7)
	text := file(t, nil, 2, items...)
	begun := func() *taking {
		to := &taking{left: 2}
		if _, _, err := Import(t.Context(), to, bytes.NewReader(text), nil, nil); !errors.Is(err, errFull) {
			t.Fatal(err)
		}
		to.left = -1
		return to
	}
	otherID := strings.Replace(string(text), "0001", "0002", 1)
	for what, other := range map[string]string{
		"of another id":       otherID,
		"of other items":      string(file(t, nil, 2, some(8)[1:]...)),
		"of other part sizes": string(file(t, nil, 3, items...)),
		"shorter":             string(file(t, nil, 2, items[:2]...)),
	} {
		to := begun()
		_, _, err := Import(t.Context(), to, strings.NewReader(other), nil, nil)
		if !errors.Is(err, ErrOther) || len(to.items) != 4 {
			t.Errorf("%s: got %v and %d items, want %v and 4", what, err, len(to.items), ErrOther)
		}
	}
	for _, at := range []string{"nonsense", "a b c", "a 0 c", "a 1"} {
		to := &taking{left: -1, at: at}
		if _, _, err := Import(t.Context(), to, bytes.NewReader(text), nil, nil); !errors.Is(err, ErrOther) {
			t.Errorf("standing at %q: got %v, want %v", at, err, ErrOther)
		}
	}
}

// From one store to another: what the second holds is what the first does, and an
// export of it is the same but for its first line and its cursors.
func TestBetweenStores(t *testing.T) {
	var many []store.Item
	for i, item := range some(2500) {
		if r := item.Record; r != nil {
			r.Key.Party, r.ID[14] = fmt.Sprint(i), byte(i>>8)
		}
		many = append(many, item)
	}
	from, to := inMemory(t, nil, many...), inMemory(t, nil)
	defer from.Close()
	defer to.Close()
	var b bytes.Buffer
	out, err := Export(t.Context(), from, &b, Begin(about()), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, in, err := Import(t.Context(), to, bytes.NewReader(b.Bytes()), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	found, err := TotalsOf(t.Context(), to, nil)
	if err != nil || in != out || found != out || out.Counts.Records != 2500 || out.Counts.Revisions != 1 {
		t.Errorf("out %+v, in %+v, found %+v, error %v", out, in, found, err)
	}
	if at, err := to.Importing(t.Context()); at == "" || err != nil {
		t.Errorf("the import has ended by itself, error %v", err)
	}
	if err := Finish(t.Context(), to); err != nil {
		t.Error(err)
	}
	var again bytes.Buffer
	if _, err := Export(t.Context(), to, &again, Begin(about()), nil, nil); err != nil || !bytes.Equal(again.Bytes(), b.Bytes()) {
		t.Errorf("exported again it is another, error %v", err)
	}
}
