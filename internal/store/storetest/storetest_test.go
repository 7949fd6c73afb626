package storetest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/storetest"
)

// forgetful answers every call from the call alone, as if each key were free,
// and keeps nothing. Record ids do not follow from keys, so it cannot get by.
type forgetful struct {
	mu      sync.Mutex
	catalog *store.Catalog
}

func (f *forgetful) Append(ctx context.Context, c store.Call) (store.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return store.Outcome{}, err
	}
	out := store.Outcome{Holders: make([]*metering.Record, len(c.Records))}
	for i := range c.Records {
		out.Holders[i] = &c.Records[i]
	}
	if c.Registration != nil {
		out.Registration = c.Registration.Begin
	}
	if c.After == nil {
		return out, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := after(c, out)
	return out, err
}

func after(c store.Call, out store.Outcome) (rest store.Rest, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("panicked")
		}
	}()
	return c.After(out)
}

func (f *forgetful) Records(context.Context, store.RecordQuery) (store.Page[metering.Record], error) {
	return store.Page[metering.Record]{}, nil
}

func (f *forgetful) Registrations(context.Context, store.RegistrationQuery) (store.Page[metering.Registration], error) {
	return store.Page[metering.Registration]{}, nil
}

func (f *forgetful) Registration(context.Context, metering.ID) (metering.Registration, bool, error) {
	return metering.Registration{}, false, nil
}

func (f *forgetful) Refusals(context.Context, store.RefusalQuery) (store.Page[store.Refusal], error) {
	return store.Page[store.Refusal]{}, nil
}

func (f *forgetful) Events(context.Context, store.EventQuery) (store.Page[store.Event], error) {
	return store.Page[store.Event]{}, nil
}

func (f *forgetful) Extents(context.Context) ([]store.Extent, error) { return nil, nil }

func (f *forgetful) Trail(context.Context, store.TrailQuery) (store.Page[store.Event], error) {
	return store.Page[store.Event]{}, nil
}

func (f *forgetful) Digests(context.Context, store.DigestQuery) (store.Page[store.TrailDigest], error) {
	return store.Page[store.TrailDigest]{}, nil
}

func (f *forgetful) Seal(context.Context, time.Time) (store.TrailDigest, bool, error) {
	return store.TrailDigest{}, false, nil
}

func (f *forgetful) Admitted(context.Context, store.Admission) (bool, error) { return false, nil }

func (f *forgetful) Redeemed(context.Context, [32]byte) (store.Redeemed, bool, error) {
	return store.Redeemed{}, false, nil
}

func (f *forgetful) Expire(context.Context, store.Expiry) error { return nil }

func (f *forgetful) Catalog() *store.Catalog { return f.catalog }

func (f *forgetful) Put(_ context.Context, c store.Change) (int64, error) {
	return int64(len(c.Entries)), nil
}

func (f *forgetful) History(context.Context, store.Ref) ([]store.Revision, error) { return nil, nil }

func (f *forgetful) Export(context.Context, string) (store.Page[store.Item], error) {
	return store.Page[store.Item]{}, nil
}

func (f *forgetful) Import(context.Context, []store.Item, string) error { return nil }

func (f *forgetful) Importing(context.Context) (string, error) { return "", nil }

func (f *forgetful) Err() error   { return nil }
func (f *forgetful) Close() error { return nil }

func forgetting() storetest.Subject {
	return storetest.Subject{
		Open:      func() (store.Store, error) { return &forgetful{catalog: store.NewCatalog()}, nil },
		Crash:     func(int, uint64) storetest.Subject { return forgetting() },
		FailSyncs: func() {},
		HoldSyncs: func() func() { return func() {} },
	}
}

// inTheDock says, in a process of its own, which store is tried.
const inTheDock = "STORETEST_IN_THE_DOCK"

func TestDock(t *testing.T) {
	switch os.Getenv(inTheDock) {
	case "forgetful":
		storetest.Run(t, func(*testing.T) storetest.Subject { return forgetting() })
	case "powerless":
		storetest.Run(t, func(*testing.T) storetest.Subject { return storetest.Subject{Open: forgetting().Open} })
	default:
		t.Skip("for the tests below, which run it in a process of its own")
	}
}

// failures tries a store in a process of its own and returns the cases it failed.
func failures(t *testing.T, who string) map[string]bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDock$", "-test.v", "-rapid.nofailfile", "-rapid.shrinktime=0s")
	cmd.Env = append(os.Environ(), inTheDock+"="+who)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		t.Fatalf("the court acquitted the %s store: %v\n%s", who, err, out)
	}
	failed := make(map[string]bool)
	for _, m := range regexp.MustCompile(`--- (FAIL|PASS|SKIP): TestDock/(\S+)`).FindAllSubmatch(out, -1) {
		failed[string(m[2])] = string(m[1]) == "FAIL"
	}
	return failed
}

// A store that keeps nothing is found out by every single case.
func TestForgetfulStoreIsConvicted(t *testing.T) {
	want := map[string]bool{
		"01_free_key": true, "02_occupied_key": true, "03_same_key_twice_in_one_call": true, "04_all_or_nothing": true,
		"05_hundred_callers_on_one_key": true, "06_returned_is_there": true, "07_held_already_waits": true, "08_token": true,
		"09_event_and_refusals": true, "10_context": true, "11_scans": true, "12_largest_call": true,
		"13_after_a_failed_sync": true, "14_model": true, "15_admissions": true, "16_registrations": true,
		"17_catalogue": true, "18_lists": true, "19_redemptions": true, "20_expiry": true, "21_removal_and_base": true,
		"22_buyers_records": true, "23_lookups": true, "24_large_change": true, "25_every_record": true,
		"26_carried": true, "27_trail": true,
	}
	if diff := cmp.Diff(want, failures(t, "forgetful")); diff != "" {
		t.Errorf("which cases fail the forgetful store (-want +got):\n%s", diff)
	}
}

// A case that needs what the subject cannot do, without a word why, fails; it is
// not left out.
func TestPowerlessSubjectMustSayWhy(t *testing.T) {
	failed := failures(t, "powerless")
	for _, name := range []string{"06_returned_is_there", "07_held_already_waits", "10_context", "13_after_a_failed_sync", "24_large_change"} {
		if !failed[name] {
			t.Errorf("%s: not failed by a subject that cannot do what it needs and does not say why", name)
		}
	}
}
