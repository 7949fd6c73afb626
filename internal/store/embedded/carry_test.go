package embedded

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// exportedFrom is all that a store exports.
func exportedFrom(s *Store, t *testing.T) (items []store.Item, err error) {
	t.Helper()
	for cursor := ""; ; {
		p, err := s.Export(t.Context(), cursor)
		if err != nil {
			return items, err
		}
		items = append(items, p.Items...)
		if cursor = p.Next; cursor == "" {
			return items, nil
		}
	}
}

// oneOfEach is an item of each kind.
func oneOfEach() []store.Item {
	r, at := sample(), time.Unix(1770000000, 1).UTC()
	return []store.Item{
		{Revision: &store.CarriedRevision{
			Ref:      store.Ref{Kind: store.KindCredential, Name: "AKIA1"},
			Revision: store.Revision{Number: 7, By: "anna", At: at, Entry: &store.Credential{KeyID: "AKIA1", Secret: "s3cret", Account: "1"}},
		}},
		{Record: &r},
		{Binding: &store.Binding{Account: "1", Region: "r", Token: store.Token{Value: "t", Hash: [32]byte{1}}, Day: -1, Answer: r.ID}},
		{Admission: &store.Admission{Account: "1", Workload: "w", Product: "p"}},
		{Registration: &store.CarriedRegistration{Registration: metering.Registration{ID: metering.ID{2}, Product: "p", Account: "1", Workload: "w", Started: at, LastSeen: at}, Last: true}},
		{Redemption: &store.CarriedRedemption{Token: [32]byte{3}, Redeemed: store.Redeemed{Account: "1", First: at, Last: at, Count: 1}}},
		{Event: &store.Event{ID: metering.ID{4}, Time: at, Account: "1", Operation: metering.MeterUsage}},
		{Floor: &store.CarriedFloor{Chain: metering.ID{5}, Place: store.Place{Number: 1}}},
		{Digest: &store.TrailDigest{Number: 1, At: at}},
		{Refusal: &store.Refusal{ID: metering.ID{5}, Time: at, Seller: "1", Account: "1"}},
	}
}

// A value that is damaged ends the export, of whatever family it is; so does a key
// that is too long, and a revision under another's number.
func TestExportFindsDamage(t *testing.T) {
	for i, family := range carried {
		for _, damage := range []string{"value", "key", "number"} {
			if damage == "number" && family != familyHistory {
				continue
			}
			s, err := Open(Options{})
			if err != nil {
				t.Fatal(err)
			}
			items := oneOfEach()
			if err := s.Import(t.Context(), items, "1"); err != nil {
				t.Fatal(err)
			}
			if got, err := exportedFrom(s, t); err != nil || len(got) != len(items) {
				t.Fatalf("undamaged: %d items, error %v", len(got), err)
			}
			var key, fields string
			if err := s.each([]byte{family}, func(k, f string) error { key, fields = k, f; return nil }); err != nil || key == "" {
				t.Fatalf("family %c: key %q, error %v", family, key, err)
			}
			batch := s.db.NewBatch()
			switch damage {
			case "value":
				err = batch.Set([]byte(key), []byte("\x01damaged"), nil)
			case "key":
				err = setSealed(batch, key+"\x01", []byte(fields))
			case "number":
				err = setSealed(batch, key[:len(key)-1]+"\x01", []byte(fields))
			}
			if err := errors.Join(err, batch.Commit(nil)); err != nil {
				t.Fatal(err)
			}
			if _, err := exportedFrom(s, t); !errors.Is(err, ErrDamaged) {
				t.Errorf("family %c, %s of item %d: got %v, want %v", family, damage, i, err, ErrDamaged)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Secrets are sealed under the keys of the store that they come to.
func TestImportSealsSecrets(t *testing.T) {
	keys, err := envelope.Parse(envelope.NewLine())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, err := Open(Options{Dir: dir, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Import(t.Context(), oneOfEach(), ""); err != nil {
		t.Fatal(err)
	}
	for _, family := range []byte{familyEntry, familyHistory} {
		err := s.each([]byte{family}, func(key, fields string) error {
			v, err := decodeVersion(key, fields)
			if err != nil {
				return err
			}
			if _, _, err := store.DecodeEntry(store.KindCredential, []byte(v.entry), nil); !errors.Is(err, envelope.ErrKey) {
				t.Errorf("under %q, without keys: got %v, want %v", key, err, envelope.ErrKey)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir}); !errors.Is(err, envelope.ErrKey) {
		t.Errorf("opened without keys: got %v, want %v", err, envelope.ErrKey)
	}
}

// A revision that comes late stays what it is, one of the past: it does not bring
// back what was changed or removed since.
func TestImportOfAnOldRevision(t *testing.T) {
	revision := func(name string, number int64, there bool) store.Item {
		r := &store.CarriedRevision{Ref: store.Ref{Kind: store.KindAccount, Name: name}, Revision: store.Revision{Number: number}}
		if there {
			r.Entry = &store.Account{ID: metering.AccountID(name), Name: strings.Repeat("x", int(number))}
		}
		return store.Item{Revision: r}
	}
	dir := t.TempDir()
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][]store.Item{
		{revision("1", 1, true), revision("1", 3, true), revision("2", 2, true), revision("2", 4, false)},
		{revision("1", 1, true)},
		{revision("2", 2, true), revision("1", 3, true), revision("1", 1, true), revision("1", 2, true)},
	} {
		if err := s.Import(t.Context(), part, "1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	known := s.Catalog()
	if a := known.Account("1"); a == nil || a.Name != "xxx" || known.Account("2") != nil || known.Revision() != 4 {
		t.Errorf("got %+v, %+v at revision %d; want the third revision, nothing, and 4", a, known.Account("2"), known.Revision())
	}
}
