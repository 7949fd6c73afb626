package transfer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// some are a few items that are always the same.
func some(n int) []store.Item {
	items := []store.Item{{Revision: &store.CarriedRevision{
		Ref:      store.Ref{Kind: store.KindCredential, Name: "AKIA1"},
		Revision: store.Revision{Number: 1, By: "anna", At: about().Made, Entry: &store.Credential{KeyID: "AKIA1", Secret: "s3cret", Account: "1"}},
	}}}
	for i := range n {
		r := metering.Record{
			ID: metering.ID{15: byte(i)}, Timestamp: about().Made.Add(1), Received: about().Made.Add(2), Quantity: int32(i),
			Key: metering.Key{Kind: metering.KindLegacy, Account: "1", Region: "r", Product: "p", Party: "2", Dimension: fmt.Sprint("d", i)},
		}
		r.Key.Hour = metering.HourOf(r.Timestamp)
		items = append(items, store.Item{Record: &r})
	}
	return items
}

// imported imports a text to a store that keeps nothing, and says what it took.
func imported(t *testing.T, text string) (*taking, error) {
	t.Helper()
	to := &taking{left: -1}
	_, _, err := Import(t.Context(), to, strings.NewReader(text), nil, nil)
	return to, err
}

// A file that was cut off, wherever, is refused, and nothing of the part it was
// cut off in is taken.
func TestCutOff(t *testing.T) {
	whole := file(t, nil, 2, some(7)...)
	for n := range whole {
		to, err := imported(t, string(whole[:n]))
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "it was cut off") {
			t.Fatalf("%d of %d bytes: got %v, want %v", n, len(whole), err, ErrDamaged)
		}
		if marks := strings.Count(string(whole[:n]), `{"mark"`); len(to.items) > 2*marks {
			t.Fatalf("%d of %d bytes, with %d marks: %d items were taken", n, len(whole), marks, len(to.items))
		}
	}
}

// A file with one bit changed, whichever, is refused, and so is every part of it
// that the bit is in.
func TestEveryBitCounts(t *testing.T) {
	items := some(5)
	whole := file(t, nil, 2, items...)
	step := 1
	if testing.Short() {
		step = 23
	}
	for n := 0; n < 8*len(whole); n += step {
		changed := bytes.Clone(whole)
		changed[n/8] ^= 1 << (n % 8)
		to, err := imported(t, string(changed))
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrFormat) {
			t.Fatalf("bit %d of %d: got %v", n, 8*len(whole), err)
		}
		if len(to.items) > 0 && !reflect.DeepEqual(to.items, items[:len(to.items)]) {
			t.Fatalf("bit %d of %d: what is not as it was written was taken", n, 8*len(whole))
		}
	}
}

// resealed gives a file that was changed sums that fit.
func resealed(t *testing.T, lines ...string) string {
	t.Helper()
	var out strings.Builder
	sums := newSums()
	for i, text := range lines {
		marks := strings.HasPrefix(text, `{"mark"`)
		text = strings.ReplaceAll(text, "PART", sumOf(sums.part)) + "\n"
		text = strings.ReplaceAll(text, "ALL", sumOf(sums.all))
		if marks && i > 0 {
			sums.mark([]byte(text))
		} else {
			sums.line([]byte(text))
		}
		out.WriteString(text)
	}
	return out.String()
}

func TestReaderIsStrict(t *testing.T) {
	const (
		head = `{"meterd_export":1,"id":"00000000-0000-0000-0000-000000000001","made":"2026-03-14T12:00:00Z","meterd":"test","store":"test"}`
		item = `{"admission":{"account":"1","workload":"w","product":"p"}}`
		more = `{"mark":{"part":1,"items":1,"cursor":"1","sha256":"PART"}}`
		last = `{"mark":{"part":1,"items":1,"cursor":"","sha256":"PART"}}`
		none = `"digest":"0000000000000000000000000000000000000000000000000000000000000000","sha256":"ALL"}}`
		ends = `{"end":{"parts":1,"counts":{"revisions":0,"records":0,"client_tokens":0,"admissions":1,"registrations":0,"redemptions":0,"events":0,"refusals":0},` + none
	)
	if to, err := imported(t, resealed(t, head, item, last, ends)); err != nil || len(to.items) != 1 {
		t.Fatalf("a file that is in order: %v", err)
	}
	entry := func(text string) string {
		return `{"revision":{"kind":"account","name":"1","number":1,"at":"2026-03-14T12:00:00Z","entry":` + text + `}}`
	}
	key := `{"record":{"id":"00000000-0000-0000-0000-000000000001","quantity":1,"key":{"kind":"%s","account":"","region":"","product":"","party":"","dimension":"","hour":%s}}}`
	for _, c := range []struct {
		lines []string
		want  string
	}{
		{[]string{""}, "it is no export of meterd's"},
		{[]string{"%PDF-1.7"}, "it is no export of meterd's"},
		{[]string{strings.Replace(head, ":1,", ":2,", 1)}, "it has format 2, and this meterd knows format 1; use the meterd that made it"},
		{[]string{strings.Replace(head, "0001", "000x", 1)}, "line 1: \"00000000-0000-0000-0000-00000000000x\" is not an id"},
		{[]string{strings.Replace(head, `"made"`, `"colour"`, 1)}, `line 1: json: `},
		{[]string{head, item, item, last, ends}, "line 4: the mark says 1 items, and 2 are there"},
		{[]string{head, item, strings.Replace(last, ":1,", ":2,", 1), ends}, "line 3: the mark of part 2 comes after part 0"},
		{[]string{head, item, strings.Replace(last, "PART", "ALL0", 1), ends}, "line 3: the lines since the mark before are not as they were written"},
		{[]string{head, item, ends}, "line 3: the last line comes too early"},
		{[]string{head, ends}, "line 2: the last line comes too early"},
		{[]string{head, item, more, ends}, "line 4: the last line comes too early"},
		{[]string{head, item, more, item, ends}, "line 5: the last line comes too early"},
		{[]string{head, item, last, item}, "line 4: the last line is to come"},
		{[]string{head, item, last, last}, "line 4: the last line is to come"},
		{[]string{head, item, last, ends, item}, "line 4: more follows after the last line"},
		{[]string{head, item, last, strings.Replace(ends, `"parts":1`, `"parts":2`, 1)}, "line 4: the file ends with part 1, and says that there are 2"},
		{[]string{head, item, last, strings.Replace(ends, `"admissions":1`, `"admissions":2`, 1)}, "line 4: the last line says 0 records"},
		{[]string{head, item, last, strings.Replace(ends, `"0000`, `"1000`, 1)}, "line 4: the last line says 0 records"},
		{[]string{head, item, last, strings.Replace(ends, "ALL", "PART", 1)}, "line 4: the file is not as it was written"},
		{[]string{head, item, last}, "line 4: the file ends here"},
		{[]string{head, `{}`, last, ends}, "line 2: it is 0 things"},
		{[]string{head, `{"admission":null}`, last, ends}, "line 2: it is 0 things"},
		{[]string{head, `{"admission":{"account":"1","workload":"w","product":"p"},"event":{"id":"00000000-0000-0000-0000-000000000001","account":""}}`, last, ends}, "line 2: it is 2 things"},
		{[]string{head, `{"colour":"red"}`, last, ends}, `line 2: json: `},
		{[]string{head, `{"admission":{"account":"1","workload":"w","product":"p","colour":"red"}}`, last, ends}, `unknown object member name "colour"`},
		{[]string{head, `{"admission":{"account":"1","account":"2"}}`, last, ends}, `duplicate object member name "account"`},
		{[]string{head, `{"Admission":{"account":"1"}}`, last, ends}, `unknown object member name "Admission"`},
		{[]string{head, item + item, last, ends}, "line 2: "},
		{[]string{head, item[:20], last, ends}, "line 2: "},
		{[]string{head, `{"admission":{"account":1}}`, last, ends}, "/admission/account"},
		{[]string{head, fmt.Sprintf(key, "toaster", "1"), last, ends}, `"toaster" is no kind of key`},
		{[]string{head, fmt.Sprintf(key, "legacy", "2147483648"), last, ends}, "/record/key/hour"},
		{[]string{head, `{"admission":{"account":"1","workload":"a\u0000b","product":"p"}}`, last, ends}, "line 2: store: \"a\\x00b\" contains U+0000"},
		{[]string{head, "{\"admission\":{\"account\":\"\xff\"}}", last, ends}, "invalid UTF-8"},
		{[]string{head, item, item, `{"admission":{"account":"1","workload":"a\u0000b","product":"p"}}`, strings.Replace(last, `"items":1`, `"items":3`, 1)}, "line 4: store: "},
		{[]string{head, strings.Replace(entry(`{}`), `"account"`, `"toaster"`, 1), last, ends}, `line 2: store: "toaster" is no kind of catalogue entry`},
		{[]string{head, entry(`{"ID":"1","Name":"","Seller":false,"Buyer":false,"Suspended":false,"Colour":"red"}`), last, ends}, `line 2: account 1 has a field "Colour", which is not known here`},
		{[]string{head, entry(`{"ID":"1","Name":"","Seller":false,"Buyer":false}`), last, ends}, "line 2: account 1 has not all its fields"},
		{[]string{head, entry(`{"ID":"2","Name":"","Seller":false,"Buyer":false,"Suspended":false}`), last, ends}, "line 2: store: account 2 among the revisions of account 1"},
		{[]string{head, entry(`null`), last, ends}, "line 2: "},
	} {
		to, err := imported(t, resealed(t, c.lines...))
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "\u00a0", " "), c.want) {
			t.Errorf("%s\ngot  %v\nwant %s", strings.Join(c.lines, "\n"), err, c.want)
		}
		if len(to.items) > 1 || len(to.items) == 1 && to.items[0].Admission == nil {
			t.Errorf("%s\nwas taken: %+v", strings.Join(c.lines, "\n"), to.items)
		}
	}
}

// A part has an end, even if its mark never comes.
func TestPartHasAnEnd(t *testing.T) {
	lines := []string{strings.TrimSpace(string(file(t, nil, 1)[:bytes.IndexByte(file(t, nil, 1), '\n')]))}
	for range maxPart + 1 {
		lines = append(lines, `{"admission":{"account":"1","workload":"w","product":"p"}}`)
	}
	if _, err := imported(t, resealed(t, lines...)); err == nil || !strings.Contains(err.Error(), "line 1002: a part has more than 1000 items") {
		t.Errorf("a part without a mark: got %v", err)
	}
	long := lines[0] + "\n" + strings.Repeat(" ", maxLine+1)
	if _, err := imported(t, long); err == nil || !strings.Contains(err.Error(), "line 2: it is longer than") {
		t.Errorf("a line without an end: got %v", err)
	}
}

// Without the key that secrets are sealed with, nothing of their part is taken.
func TestWrongKeys(t *testing.T) {
	one, err := envelope.Parse(envelope.NewLine())
	if err != nil {
		t.Fatal(err)
	}
	other, err := envelope.Parse(envelope.NewLine())
	if err != nil {
		t.Fatal(err)
	}
	text := file(t, one, 10, some(1)...)
	for _, keys := range []*envelope.Keys{nil, other} {
		to := &taking{left: -1}
		if _, _, err := Import(t.Context(), to, bytes.NewReader(text), keys, nil); !errors.Is(err, envelope.ErrKey) || len(to.items) > 0 {
			t.Errorf("got %v and %d items, want %v", err, len(to.items), envelope.ErrKey)
		}
	}
}

// What the reader takes can be written, and read again as the same; nothing makes
// it panic.
func FuzzReader(f *testing.F) {
	files, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(files) == 0 {
		f.Fatalf("no files to begin with: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		for one := range bytes.Lines(text) { // the sooner something is changed that counts
			f.Add(one)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		to := &taking{left: -1}
		_, _, err := Import(t.Context(), to, bytes.NewReader(text), nil, nil)
		_, resumed := Resume(bytes.NewReader(text))
		if err == nil && resumed != nil {
			t.Errorf("a whole file cannot be gone on with: %v", resumed)
		}
		// Sums stand before most of what is changed: each line is tried by itself.
		for one := range bytes.Lines(text) {
			var l line
			in := reader{text: one}
			if in.decode(&l) != nil {
				continue
			}
			item, err := l.item(nil)
			if err != nil || item.Check() != nil {
				continue
			}
			again, err := lineOf(&item, nil)
			if err != nil {
				t.Fatalf("%s: %v", one, err)
			}
			second, err := again.item(nil)
			if err != nil || !reflect.DeepEqual(item, second) {
				t.Fatalf("%s\nread again: %+v, error %v; want %+v", one, second, err, item)
			}
		}
	})
}

// The committed files are of every kind of item, and of this format: they can be
// read for ever.
func TestCommittedFile(t *testing.T) {
	const name = "testdata/format1.jsonl"
	if os.Getenv("UPDATE") != "" {
		items := some(2)
		for seed := range 60 {
			items = append(items, rapid.Custom(someItem).Example(seed))
		}
		if err := os.WriteFile(name, file(t, nil, 9, items...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	to := &taking{left: -1}
	_, totals, err := Import(t.Context(), to, bytes.NewReader(text), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if again := file(t, nil, 9, to.items...); !bytes.Equal(again, text) {
		t.Errorf("written again it is another")
	}
	counts, err := json.Marshal(totals.Counts)
	if err != nil || strings.Contains(string(counts), ":0") {
		t.Errorf("not of every kind: %s, error %v", counts, err)
	}
}
