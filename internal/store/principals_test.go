package store

import (
	"fmt"
	"testing"
	"time"
)

// TestSessionKeyOrder: the newest comes first, in whatever order keys come and
// go, and of one time all nodes have the same one first.
func TestSessionKeyOrder(t *testing.T) {
	at := func(hours int) time.Time { return time.Date(2026, 9, 15, hours, 0, 0, 0, time.UTC) }
	c := NewCatalog()
	order := func() (ids string) {
		for _, k := range c.SessionKeys() {
			ids += k.ID
		}
		return ids
	}
	c.Set(1, []Entry{&SessionKey{ID: "b", Created: at(2)}, &SessionKey{ID: "a", Created: at(1)}, &SessionKey{ID: "d", Created: at(3)}}, nil)
	c.Set(2, []Entry{&SessionKey{ID: "c", Created: at(3)}}, nil)
	held := c.SessionKeys()
	if got, want := order(), "dcba"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	c.Set(3, []Entry{&SessionKey{ID: "a", Created: at(4)}}, []Ref{(&SessionKey{ID: "d"}).Ref()})
	if got, want := order(), "acb"; got != want {
		t.Errorf("after a change and a removal: got %s, want %s", got, want)
	}
	if len(held) != 4 || held[0].ID != "d" {
		t.Errorf("what a reader holds has changed under it: %v", held)
	}
	var many []Entry
	for i := range inPlace + 1 {
		many = append(many, &Policy{Name: fmt.Sprint(i)})
	}
	c.Set(4, many, nil)
	if got, want := order(), "acb"; got != want {
		t.Errorf("after a change that is made on a copy: got %s, want %s", got, want)
	}
}

// TestKeyOfOldEntries: an access key that is limited by no policy is kept as it
// was before there were any, so that no store finds all its keys changed.
func TestKeyOfOldEntries(t *testing.T) {
	b, err := EncodeEntry(&Credential{KeyID: "AKIA1", Account: "210987654321"}, nil)
	const want = `{"KeyID":"AKIA1","Account":"210987654321","Workload":"","User":"","Created":"0001-01-01T00:00:00Z","Disabled":"0001-01-01T00:00:00Z","Secret":{}}`
	if err != nil || string(b) != want {
		t.Errorf("got %s, %v\nwant %s", b, err, want)
	}
}
