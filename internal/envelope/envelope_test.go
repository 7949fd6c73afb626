package envelope_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/meterd/meterd/internal/envelope"
)

func parse(t testing.TB, lines ...string) *envelope.Keys {
	t.Helper()
	keys, err := envelope.Parse(strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// What is sealed opens, in its place and under its key, and nothing else does.
func TestSeal(t *testing.T) {
	first, second := envelope.NewLine(), envelope.NewLine()
	rapid.Check(t, func(rt *rapid.T) {
		keys := parse(t, first)
		secret, about := rapid.SliceOf(rapid.Byte()).Draw(rt, "secret"), rapid.String().Draw(rt, "about")
		sealed := keys.Seal(secret, about)
		got, err := keys.Open(sealed, about)
		if err != nil || !bytes.Equal(got, secret) {
			rt.Fatalf("got %d bytes, error %v, want the secret of %d", len(got), err, len(secret))
		}
		if len(secret) > 3 && bytes.Contains(sealed, secret) {
			rt.Fatal("the secret is in what is sealed")
		}
		if bytes.Equal(sealed, keys.Seal(secret, about)) {
			rt.Fatal("sealed twice, it is the same")
		}
		check := func(what string, want error, keys *envelope.Keys, sealed []byte, about string) {
			got, err := keys.Open(sealed, about)
			if got != nil || want != nil && !errors.Is(err, want) || err == nil {
				rt.Fatalf("%s: got %d bytes, error %v, want %v", what, len(got), err, want)
			}
		}
		other := rapid.String().Filter(func(s string) bool { return s != about }).Draw(rt, "another place")
		check("in another place", envelope.ErrDamaged, keys, sealed, other)
		check("under another key", envelope.ErrKey, parse(t, second), sealed, about)
		check("under no key", envelope.ErrKey, nil, sealed, about)
		check("cut", nil, keys, sealed[:rapid.IntRange(0, len(sealed)-1).Draw(rt, "cut")], about)
		check("longer", envelope.ErrDamaged, keys, append(bytes.Clone(sealed), 0), about)

		rotated := parse(t, second, first)
		if got, err := rotated.Open(sealed, about); err != nil || !bytes.Equal(got, secret) {
			rt.Fatalf("under a key that is no longer the first: error %v", err)
		}
		if !keys.Current(sealed) || rotated.Current(sealed) || !rotated.Current(rotated.Seal(secret, about)) || parse(t, second).Current(sealed) {
			rt.Fatal("Current: it is sealed under the first key of the file and no other")
		}
	})
}

// Every single bit and every length counts.
func TestEveryFlippedBitIsFound(t *testing.T) {
	keys := parse(t, envelope.NewLine())
	sealed := keys.Seal([]byte("s3cret"), "credential/AKIA1")
	for i := range 8 * len(sealed) {
		sealed[i/8] ^= 1 << (i % 8)
		// In the id of the key it looks like another key.
		if got, err := keys.Open(sealed, "credential/AKIA1"); got != nil || !errors.Is(err, envelope.ErrDamaged) && !errors.Is(err, envelope.ErrKey) {
			t.Errorf("bit %d: got %d bytes, error %v", i, len(got), err)
		}
		sealed[i/8] ^= 1 << (i % 8)
	}
	for n := range sealed {
		if got, err := keys.Open(sealed[:n], "credential/AKIA1"); got != nil || !errors.Is(err, envelope.ErrDamaged) {
			t.Errorf("cut to %d bytes: got %d bytes, error %v, want %v", n, len(got), err, envelope.ErrDamaged)
		}
		if n < 9 && keys.Current(sealed[:n]) {
			t.Errorf("cut to %d bytes: Current", n)
		}
	}
	if _, err := keys.Open(sealed, "credential/AKIA1"); err != nil {
		t.Errorf("as it was: %v", err)
	}
}

func TestCurrentOfNothing(t *testing.T) {
	keys := parse(t, envelope.NewLine())
	var none *envelope.Keys
	if keys.Current(nil) || keys.Current([]byte{}) || none.Current(nil) || none.Current(keys.Seal(nil, "")) {
		t.Error("nothing is sealed under the current key")
	}
}

func TestParse(t *testing.T) {
	a, b := envelope.NewLine(), envelope.NewLine()
	short := a[:len(a)-4]
	for _, tt := range []struct {
		name, text string
		want       string // of the error; "": none
	}{
		{"one key", a, ""},
		{"two keys", a + "\n" + b + "\n", ""},
		{"comments, empty lines, spaces, other line ends", "# made in March\r\n\r\n  " + a + "  \r\n\t# old\n" + b + "\r\n", ""},
		{"nothing", "", "no key"},
		{"only comments", "# " + a + "\n", "no key"},
		{"no prefix", a + "\n" + b[len("meterd-key-1:"):], "line 2 is not a key"},
		{"another version", strings.Replace(a, "-1:", "-2:", 1), "line 1 is not a key"},
		{"too short", "\n\n" + short, "line 3 is not a key"},
		{"too long", a + "AAAA", "line 1 is not a key"},
		{"not base64", "meterd-key-1:" + strings.Repeat("!", 43), "line 1 is not a key"},
		{"a word", "hunter2", "line 1 is not a key"},
		{"the same twice", a + "\n#\n" + a, "line 3: the key was there before"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := envelope.Parse(tt.text)
			if tt.want == "" {
				if err != nil || keys == nil {
					t.Fatalf("got error %v", err)
				}
				return
			}
			if err == nil || keys != nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, error %v, want %q", keys != nil, err, tt.want)
			}
			for _, secret := range []string{a, b, "hunter2"} {
				if secret = strings.TrimPrefix(secret, "meterd-key-1:"); strings.Contains(err.Error(), secret[:7]) {
					t.Error("the error shows what is on the line")
				}
			}
		})
	}
}

func TestLinesDiffer(t *testing.T) {
	if first, second := envelope.NewLine(), envelope.NewLine(); first == second {
		t.Error("two keys are one")
	}
}

// Nothing that is read from a disk makes Open panic, and nothing opens that was
// not sealed.
func FuzzOpen(f *testing.F) {
	line := "meterd-key-1:" + strings.Repeat("A", 43)
	keys := parse(f, line)
	sealed := keys.Seal([]byte("s3cret"), "a/b")
	f.Add(sealed, "a/b")
	f.Add(sealed[:len(sealed)-1], "a/b")
	f.Add([]byte{}, "")
	f.Add([]byte{1}, "a/b")
	f.Fuzz(func(t *testing.T, b []byte, about string) {
		got, err := keys.Open(b, about)
		if err == nil && string(got) != "s3cret" {
			t.Fatal("opened what was never sealed")
		}
		if err != nil && !errors.Is(err, envelope.ErrKey) && !errors.Is(err, envelope.ErrDamaged) {
			t.Fatalf("got %v", err)
		}
		keys.Current(b)
		if _, err := (*envelope.Keys)(nil).Open(b, about); err == nil {
			t.Fatal("opened without a key")
		}
	})
}

// A key file is read or refused, without a panic; what is read seals.
func FuzzParse(f *testing.F) {
	line := "meterd-key-1:" + strings.Repeat("A", 43)
	for _, text := range []string{"", line, line + "\n" + line, "# x\r\n" + line, line + "=", "meterd-key-1:"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := envelope.Parse(text)
		if err != nil {
			return
		}
		if got, err := keys.Open(keys.Seal([]byte("s"), "a"), "a"); err != nil || string(got) != "s" {
			t.Fatalf("got %q, error %v", got, err)
		}
	})
}

func Example() {
	file := envelope.NewLine() // of a file that lies elsewhere
	keys, err := envelope.Parse("# current\n" + file + "\n")
	if err != nil {
		fmt.Println(err)
		return
	}
	sealed := keys.Seal([]byte("s3cret"), "credential/AKIAIOSFODNN7EXAMPLE")

	secret, err := keys.Open(sealed, "credential/AKIAIOSFODNN7EXAMPLE")
	fmt.Printf("%s %v\n", secret, err)
	_, err = keys.Open(sealed, "credential/ANOTHER")
	fmt.Println(err)

	// A new key comes first; the old one still opens what it has sealed.
	rotated, err := envelope.Parse(envelope.NewLine() + "\n" + file)
	fmt.Println(rotated.Current(sealed), err)
	// Output:
	// s3cret <nil>
	// envelope: the sealed secret is damaged
	// false <nil>
}
