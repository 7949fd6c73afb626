package embedded

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// A filter has all that was added, through every tier, and seems to have little
// else.
func TestFilter(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const n = 200_000 // four tiers
	var f filter
	added := make([]uint64, n)
	for i := range added {
		added[i] = random.Uint64()
		f.add(added[i])
	}
	for i, hash := range added {
		if !f.has(hash) {
			t.Fatalf("hash %d of %d is missing", i, n)
		}
	}
	wrong := 0
	for range n {
		if f.has(random.Uint64()) {
			wrong++
		}
	}
	if share := float64(wrong) / n; share > 0.01 {
		t.Errorf("%.2f %% of what was not added seems to be there", 100*share)
	} else {
		t.Logf("%d tiers, %d bytes, %.2f %% seem to be there", len(f.tiers), f.bytes, 100*share)
	}
}

// tight opens a store whose filters have room for next to nothing.
func tight(t *testing.T, disk vfs.FS, room int) *Store {
	t.Helper()
	s, c, err := prepare(Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	c.sections.max = room
	go c.run()
	return s
}

// Whatever becomes of the filters, a key that is held is never taken for free:
// hours and days that are new, that were there before the store was opened, that
// are being read, that have lost their filter.
func TestHeldKeysAreNeverFree(t *testing.T) {
	const (
		hours = 40
		keys  = 2 * fillStep / hours * 8
	)
	for _, room := range []int{0, 20 << 10, maxFilters} {
		t.Run(fmt.Sprint(room), func(t *testing.T) {
			disk := vfs.NewMem()
			random := rand.New(rand.NewPCG(uint64(room), 7))
			record := func(hour, i, serial int) metering.Record {
				return metering.Record{
					ID:       metering.ID{1, byte(serial >> 16), byte(serial >> 8), byte(serial)},
					Key:      metering.Key{Kind: metering.KindLegacy, Account: "1", Product: "p", Party: fmt.Sprint(i), Dimension: "d", Hour: metering.Hour(hour)},
					Quantity: int32(serial),
				}
			}
			held := make(map[metering.Key]metering.ID)
			bound := make(map[string]metering.ID)
			serial := 0
			for range 4 { // each time opened anew
				s := tight(t, disk, room)
				for range 300 {
					c := store.Call{Account: "1"}
					for range 1 + random.IntN(25) {
						serial++
						c.Records = append(c.Records, record(random.IntN(hours), random.IntN(keys), serial))
					}
					token := fmt.Sprint(random.IntN(1000))
					c.Token = &store.Token{Value: token}
					c.At = metering.Hour(24 * random.IntN(3)).Time()
					mine := c.Records[0].ID
					c.After = func(store.Outcome) (store.Rest, error) { return store.Rest{Bind: &mine}, nil }
					out, err := s.Append(t.Context(), c)
					if err != nil {
						t.Fatal(err)
					}
					if answer, ok := bound[token]; ok {
						if out.Answer == nil || *out.Answer != answer {
							t.Fatalf("token %s: answered %v, is bound to %v", token, out.Answer, answer)
						}
						continue
					}
					bound[token] = mine
					for i, holder := range out.Holders {
						k := c.Records[i].Key
						want, ok := held[k]
						if !ok {
							want, held[k] = c.Records[i].ID, c.Records[i].ID
						}
						if holder.ID != want {
							t.Fatalf("key %+v: told %v, is held by %v", k, holder.ID, want)
						}
					}
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// What keys an hour had before the store was opened is read a step with each
// group; then free keys are told without Pebble.
func TestSectionsAreFilled(t *testing.T) {
	disk := vfs.NewMem()
	s := tight(t, disk, maxFilters)
	call := func(from, n int) store.Call {
		c := store.Call{Account: "1"}
		for i := range n {
			c.Records = append(c.Records, metering.Record{
				ID:  metering.ID{1, byte((from + i) >> 8), byte(from + i)},
				Key: metering.Key{Account: "1", Product: "p", Party: fmt.Sprint(from + i), Hour: 7},
			})
		}
		return c
	}
	const steps = 3
	for i := range steps * fillStep / 25 {
		if _, err := s.Append(t.Context(), call(25*i, 25)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, c, err := prepare(Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	key := func(party int) string { return string(recordKey(nil, &call(party, 1).Records[0].Key)) }
	if c.sections.free(key(1 << 20)) {
		t.Error("a free key is known to be free before the hour was read")
	}
	for range steps {
		c.sections.tend()
	}
	if !c.sections.free(key(1 << 20)) {
		t.Error("a free key is not known to be free after the hour was read")
	}
	if c.sections.free(key(3)) {
		t.Error("a held key is free")
	}
	c.sections.max = 1
	c.sections.tend()
	if c.sections.free(key(1 << 20)) {
		t.Error("a filter without room is believed")
	}
	go c.run()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
