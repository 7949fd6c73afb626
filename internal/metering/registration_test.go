package metering

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestRegistrationToken: contract 4.4, R-19, vectors 33 and 34.
func TestRegistrationToken(t *testing.T) {
	token := &RegistrationToken{Issued: instant("2026-09-15T08:00:00Z")}
	ended := func(at string) *RegistrationToken {
		return &RegistrationToken{Issued: token.Issued, Ended: instant("2026-09-15T" + at + "Z")}
	}
	p := &Product{Seller: "210987654321"}
	seller, other := Caller{Account: "210987654321"}, Caller{Account: "999999999999"}
	for _, row := range []struct {
		name    string
		token   *RegistrationToken
		product *Product
		caller  Caller
		now     string
		want    error
	}{
		{"at once", token, p, seller, "2026-09-15T08:00:00Z", nil},
		{"again", token, p, seller, "2026-09-15T10:00:00Z", nil},
		{"a nanosecond less than 4 h", token, p, seller, "2026-09-15T11:59:59.999999999Z", nil},
		{"after 4 h", token, p, seller, "2026-09-15T12:00:00Z", ErrExpiredToken},
		{"days later", token, p, seller, "2026-09-18T12:00:00Z", ErrExpiredToken},
		{"with the clock moved back, un-expired", token, p, seller, "2026-09-15T07:00:00Z", nil},
		{"ended, a nanosecond before", ended("09:00:00"), p, seller, "2026-09-15T08:59:59.999999999Z", nil},
		{"ended before its time", ended("09:00:00"), p, seller, "2026-09-15T09:00:00Z", ErrExpiredToken},
		{"ended after its time, before that", ended("13:00:00"), p, seller, "2026-09-15T11:59:59.999999999Z", nil},
		{"ended after its time changes nothing", ended("13:00:00"), p, seller, "2026-09-15T12:00:00Z", ErrExpiredToken},
		{"ended as it was issued", ended("08:00:00"), p, seller, "2026-09-15T08:00:00Z", ErrExpiredToken},
		{"ended, and another seller's", ended("09:00:00"), p, other, "2026-09-15T09:00:00Z", ErrInvalidToken},
		{"never issued", nil, nil, seller, "2026-09-15T08:00:00Z", ErrInvalidToken},
		{"for a product that is not there", token, nil, seller, "2026-09-15T08:00:00Z", ErrInvalidToken},
		{"another seller's", token, p, other, "2026-09-15T08:00:00Z", ErrInvalidToken},
		{"another seller's, and too old", token, p, other, "2026-09-15T12:00:00Z", ErrInvalidToken},
	} {
		err := CheckToken(row.token, row.product, row.caller, instant(row.now))
		if row.want == nil && err != nil || !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", row.name, err, row.want)
		}
	}
	// Who is refused is told how long it was good for.
	for at, want := range map[string]string{"09:00:00": "2026-09-15T09:00:00Z", "13:00:00": "2026-09-15T12:00:00Z"} {
		if got := ended(at).Expires(); !got.Equal(instant(want)) {
			t.Errorf("ended at %s, it expires at %s, want %s", at, got, want)
		}
	}
	// One that was never issued and another seller's are told apart by nobody.
	never, foreign := CheckToken(nil, nil, seller, token.Issued), CheckToken(token, p, other, token.Issued)
	if never.Error() != foreign.Error() {
		t.Errorf("never issued: %q; another seller's: %q", never, foreign)
	}
}

// TestSigningKeys: R-18 and vector 31.
func TestSigningKeys(t *testing.T) {
	rotated := instant("2026-09-15T10:00:00Z")
	keys := []*SigningKey{{Version: 1, Expires: rotated}, {Version: 2}}
	for version := int32(1); version <= 2; version++ {
		if k, err := KeyOfVersion(keys, version); err != nil || k.Version != version {
			t.Errorf("version %d: got %v, %v", version, k, err)
		}
	}
	for _, version := range []int32{0, 3, 99, -1} {
		if _, err := KeyOfVersion(keys, version); !errors.Is(err, ErrInvalidPublicKeyVersion) {
			t.Errorf("version %d: got %v", version, err)
		}
	}
	if _, err := KeyOfVersion(nil, 1); !errors.Is(err, ErrInvalidPublicKeyVersion) {
		t.Errorf("no keys: got %v", err)
	}
	for _, row := range []struct {
		key  int
		now  string
		want bool
	}{
		{0, "2026-09-15T09:59:59.999999999Z", false},
		{0, "2026-09-15T10:00:00Z", true}, // rotation expires the old version now
		{0, "2027-09-15T10:00:00Z", true},
		{1, "2027-09-15T10:00:00Z", false},
	} {
		if got := keys[row.key].ExpiredAt(instant(row.now)); got != row.want {
			t.Errorf("version %d at %s: expired: %v, want %v", keys[row.key].Version, row.now, got, row.want)
		}
	}
}

// TestRegistrationLife: metering by running (contract 4.3, R-32, R-34).
func TestRegistrationLife(t *testing.T) {
	clock := func(s string) time.Time { return instant("2026-09-15T" + s + "Z") }
	begun := Registration{ID: ID{1}, Started: clock("10:00:00"), LastSeen: clock("10:00:00")}
	with := func(change func(*Registration)) Registration {
		r := begun
		change(&r)
		return r
	}
	silent := with(func(r *Registration) { r.Heartbeat, r.LastSeen = 5*time.Minute, clock("10:30:00") })
	for _, row := range []struct {
		name    string
		r       Registration
		now     string
		metered time.Duration
		stopped string // "" while it runs
	}{
		{"at its start: a minute at least", begun, "10:00:00", time.Minute, ""},
		{"within the first minute", begun, "10:00:59.999999999", time.Minute, ""},
		{"a minute", begun, "10:01:00", time.Minute, ""},
		{"to the second", begun, "10:01:01.999999999", 61 * time.Second, ""},
		{"without heartbeats it runs until somebody stops it", begun, "23:59:59", 13*time.Hour + 59*time.Minute + 59*time.Second, ""},
		{"a clock moved back", begun, "09:00:00", time.Minute, ""},

		{"stopped", begun.Stop(clock("10:30:00")), "11:00:00", 30 * time.Minute, "10:30:00"},
		{"stopped within the first minute", begun.Stop(clock("10:00:01")), "11:00:00", time.Minute, "10:00:01"},
		{"stopped by a clock moved back", begun.Stop(clock("09:00:00")), "11:00:00", time.Minute, "10:00:00"},
		{"stopped twice", begun.Stop(clock("10:30:00")).Stop(clock("10:45:00")), "11:00:00", 30 * time.Minute, "10:30:00"},

		{"the last beat", silent, "10:30:00", 30 * time.Minute, ""},
		{"between beats", silent, "10:34:59", 34*time.Minute + 59*time.Second, ""},
		{"a beat is due", silent, "10:35:00", 35 * time.Minute, ""},
		{"a beat was missed: stopped at the last", silent, "10:35:00.000000001", 30 * time.Minute, "10:30:00"},
		{"a beat was missed long ago", silent, "22:00:00", 30 * time.Minute, "10:30:00"},
		{"stopped between beats", silent.Stop(clock("10:33:00")), "22:00:00", 33 * time.Minute, "10:33:00"},
		{"stopped after a missed beat", silent.Stop(clock("10:40:00")), "22:00:00", 30 * time.Minute, "10:30:00"},
		{"a first beat missed", with(func(r *Registration) { r.Heartbeat = time.Minute }), "11:00:00", time.Minute, "10:00:00"},
	} {
		if got := row.r.Metered(clock(row.now)); got != row.metered {
			t.Errorf("%s: metered for %s, want %s", row.name, got, row.metered)
		}
		at, stopped := row.r.StoppedAt(clock(row.now))
		switch {
		case stopped != (row.stopped != ""):
			t.Errorf("%s: stopped: %v", row.name, stopped)
		case stopped && !at.Equal(clock(row.stopped)):
			t.Errorf("%s: stopped at %s, want %s", row.name, at, row.stopped)
		}
	}

	for _, row := range []struct {
		name string
		r    Registration
		now  string
		ok   bool
		seen string
	}{
		{"a call", begun, "10:10:00", true, "10:10:00"},
		{"a call by a clock moved back", silent, "10:20:00", true, "10:30:00"},
		{"a call when a beat is due", silent, "10:35:00", true, "10:35:00"},
		{"a call after a missed beat revives nothing", silent, "10:35:00.000000001", false, "10:30:00"},
		{"a call after a stop revives nothing", begun.Stop(clock("10:05:00")), "10:10:00", false, "10:00:00"},
		{"a call before a stop, by a clock moved back, revives nothing", begun.Stop(clock("10:05:00")), "10:01:00", false, "10:00:00"},
	} {
		seen, ok := row.r.Seen(clock(row.now))
		want := row.r
		want.LastSeen = clock(row.seen)
		if diff := cmp.Diff(want, seen); ok != row.ok || diff != "" {
			t.Errorf("%s: ok %v (-want +got):\n%s", row.name, ok, diff)
		}
	}
}

// TestRegistrationLaws: what holds of a registration's life whatever happens in
// it, as the clock goes on.
func TestRegistrationLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := drawTime(t, "start")
		r := Registration{Started: now, LastSeen: now, Heartbeat: rapid.SampledFrom([]time.Duration{0, 0, time.Second, 5 * time.Minute}).Draw(t, "heartbeat")}
		wasStopped, stopped := r.StoppedAt(now)
		metered := r.Metered(now)
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			missed := false
			now = now.Add(rapid.OneOf(
				rapid.Map(rapid.Int64Range(0, int64(10*time.Minute)), func(n int64) time.Duration { return time.Duration(n) }),
				rapid.SampledFrom([]time.Duration{0, 1, time.Second, 5 * time.Minute, 5*time.Minute + 1, 3 * time.Hour}),
			).Draw(t, "wait"))
			if _, still := r.StoppedAt(now); still && !stopped {
				missed = true
			}
			before := r
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				seen, ok := r.Seen(now)
				if _, gone := before.StoppedAt(now); ok == gone {
					t.Fatalf("a call of a registration that had stopped: %v was taken for a sign of life: %v", gone, ok)
				}
				r = seen
			case 1:
				r = r.Stop(now)
				at, ok := r.StoppedAt(now)
				if !ok || at.Before(r.Started) || at.After(now) {
					t.Fatalf("stopped at %v: %v %v", now, ok, at)
				}
			}
			at, ok := r.StoppedAt(now)
			if stopped && (!ok || !at.Equal(wasStopped)) {
				t.Fatalf("it stopped at %v, and now that is %v, %v", wasStopped, at, ok)
			}
			m := r.Metered(now)
			if m < time.Minute || m%time.Second != 0 {
				t.Fatalf("metered for %v", m)
			}
			// As the clock goes on the meter does, save that a missed beat takes it
			// back to the last one, by less than what was waited.
			if least := metered; m < least && !missed {
				t.Fatalf("metered for %v, and before for %v", m, least)
			}
			if missed && m < max(before.LastSeen.Sub(before.Started).Truncate(time.Second), time.Minute) {
				t.Fatalf("a missed beat took the meter back to %v, before the last beat at %v", m, before.LastSeen)
			}
			if ok && m != max(at.Sub(r.Started).Truncate(time.Second), time.Minute) {
				t.Fatalf("stopped at %v, metered for %v", at, m)
			}
			wasStopped, stopped, metered = at, ok, m
		}
	})
}
