package awsjson

import (
	"bytes"
	"io"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// reference is shape for a decoder that works by reflection.
type reference struct {
	Text   *string
	Count  *int32
	Flag   *bool
	When   jsontext.Value
	Counts []*int32
	Names  map[string]string
	Items  []*reference
	Child  *reference
}

// shape is what a shape holds that was decoded from the same body. ok is false
// where the reference is laxer: it keeps any value for a timestamp.
func (r *reference) shape() (s *shape, ok bool) {
	if r == nil {
		return nil, true
	}
	s = &shape{Text: opt(r.Text), Count: opt(r.Count), Flag: opt(r.Flag), Names: r.Names}
	switch r.When.Kind() {
	case '0':
		s.When = set(ParseTimestamp(string(r.When)))
	case 'n', 0: // null, and absent
	default:
		return nil, false
	}
	if r.Counts != nil {
		s.Counts = []Opt[int32]{}
	}
	for _, n := range r.Counts {
		s.Counts = append(s.Counts, opt(n))
	}
	if r.Items != nil {
		s.Items = []*shape{}
	}
	for _, item := range r.Items {
		i, ok := item.shape()
		if !ok {
			return nil, false
		}
		s.Items = append(s.Items, i)
	}
	s.Child, ok = r.Child.shape()
	return s, ok
}

func opt[T any](p *T) Opt[T] {
	if p == nil {
		return Opt[T]{}
	}
	return set(*p)
}

// tooDeep reports whether a body that is sound JSON nests deeper than MaxDepth.
func tooDeep(body []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		if _, err := d.ReadToken(); err != nil {
			return err != io.EOF
		}
		if d.StackDepth() > MaxDepth {
			return true
		}
	}
}

// FuzzDecode compares the decoder with one that works by reflection: both accept
// the same bodies and read the same from them. They differ where this one is
// stricter on purpose: a body that is null, and depth.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"Text":"a","Count":7,"Flag":true,"When":1789000000.25,"Counts":[1,null],"Names":{"k":"v"},"Items":[{"Text":"b"},null],"Child":{"x":[{}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		got := new(shape)
		err := Decode(body, got.decode)
		if !bytes.Equal(before, body) {
			t.Fatal("the decoder changed the body")
		}

		var r reference
		refusal := json.Unmarshal(body, &r)
		want, ok := r.shape()
		accepted := refusal == nil && ok && !tooDeep(body) && jsontext.Value(body).Kind() != 'n'
		switch {
		case accepted != (err == nil):
			t.Fatalf("accepted: %v, by the reference: %v\nours: %v\nreference: %v", err == nil, accepted, err, refusal)
		case err != nil:
			if len(err.Error()) > 1024 {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
		default:
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("values differ (-reference +ours):\n%s", diff)
			}
		}
	})
}
