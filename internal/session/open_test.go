package session

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// TestNoOtherTextOpens puts every byte in the place of every character of a
// token, leaves characters out and puts others in: none of the texts opens. The
// tokens end in all three ways that base64 can.
func TestNoOtherTextOpens(t *testing.T) {
	ks := newKeys(t, 1)
	texts := 0
	for _, name := range []string{"ab", "abc", "abcd"} {
		c := newClaims()
		c.SessionName = name
		creds := issue(t, ks, c)
		token := string(creds.Token)
		refused := func(mutant, what string, at int) {
			t.Helper()
			texts++
			if got, secret, err := ks.Open(creds.AccessKeyID, mutant, now); !errors.Is(err, ErrInvalid) || got != nil || secret != "" {
				t.Fatalf("%s at %d of %d: got %v", what, at, len(token), err)
			}
		}
		for i := range len(token) {
			for b := range 256 {
				if byte(b) != token[i] {
					refused(token[:i]+string([]byte{byte(b)})+token[i+1:], "another byte", i)
				}
			}
			refused(token[:i]+token[i+1:], "a byte less", i)
			refused(token[:i], "the end missing", i)
			refused(token[i+1:], "the beginning missing", i)
		}
		for i := range len(token) + 1 {
			for _, more := range []string{"\n", "\r\n", " ", "=", "==", "\x00", "A"} {
				refused(token[:i]+more+token[i:], "more", i)
			}
		}
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			t.Fatal(err)
		}
		for bit := range 8 * len(raw) {
			raw[bit/8] ^= 1 << (bit % 8)
			refused(base64.RawURLEncoding.EncodeToString(raw), "another bit", bit)
			raw[bit/8] ^= 1 << (bit % 8)
		}
		refused(base64.StdEncoding.EncodeToString(raw), "the standard alphabet and padding", 0)
		refused(base64.URLEncoding.EncodeToString(append(raw, 0)), "a byte more", 0)
		if _, _, err := ks.Open(creds.AccessKeyID, token, now); err != nil {
			t.Errorf("the token itself: %v", err)
		}
	}
	t.Logf("%d texts refused", texts)
}

// TestKeyIDIsBound: a token opens under no access key id but its own.
func TestKeyIDIsBound(t *testing.T) {
	ks := newKeys(t, 1)
	one, two := issue(t, ks, newClaims()), issue(t, ks, newClaims())
	id := one.AccessKeyID
	for _, other := range []string{two.AccessKeyID, "", id[1:], id + "A", strings.ToLower(id), "AKIA" + id[4:], id[:19] + "\x00"} {
		if _, _, err := ks.Open(other, string(one.Token), now); !errors.Is(err, ErrInvalid) {
			t.Errorf("opened under %q: %v", other, err)
		}
	}
	for i := range len(id) {
		for _, c := range alphabet {
			if byte(c) == id[i] {
				continue
			}
			if _, _, err := ks.Open(id[:i]+string(c)+id[i+1:], string(one.Token), now); !errors.Is(err, ErrInvalid) {
				t.Fatalf("opened with %c at %d: %v", c, i, err)
			}
		}
	}
}

func TestTimes(t *testing.T) {
	ks := newKeys(t, 1)
	creds := issue(t, ks, newClaims())
	for _, test := range []struct {
		name string
		at   time.Time
		want error
	}{
		{"when it is issued", now, nil},
		{"by a clock that is five minutes slow", now.Add(-5 * time.Minute), nil},
		{"by one that is slower", now.Add(-5*time.Minute - 1), ErrInvalid},
		{"in its last moment", now.Add(time.Hour - 1), nil},
		{"when it expires", now.Add(time.Hour), ErrExpired},
		{"long after", now.AddDate(100, 0, 0), ErrExpired},
	} {
		if _, _, err := ks.Open(creds.AccessKeyID, string(creds.Token), test.at); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
	// What is not genuine is not called expired: that would tell that it once was.
	if _, _, err := ks.Open("ASIA"+strings.Repeat("A", 16), string(creds.Token), now.AddDate(1, 0, 0)); errors.Is(err, ErrExpired) {
		t.Error("a token of another id is called expired")
	}
}

// TestRotation: the first key issues, the others open, and one that is taken away
// ends its sessions.
func TestRotation(t *testing.T) {
	before, during, after := newKeys(t, 1), newKeys(t, 2, 1), newKeys(t, 2)
	old, young := issue(t, before, newClaims()), issue(t, during, newClaims())
	for _, test := range []struct {
		name  string
		keys  *Keys
		creds Credentials
		want  error
	}{
		{"old, before", before, old, nil},
		{"old, during", during, old, nil},
		{"old, after", after, old, ErrInvalid},
		{"young, before", before, young, ErrInvalid},
		{"young, during", during, young, nil},
		{"young, after", after, young, nil},
	} {
		_, secret, err := test.keys.Open(test.creds.AccessKeyID, string(test.creds.Token), now)
		if !errors.Is(err, test.want) || err == nil && secret != test.creds.SecretAccessKey {
			t.Errorf("%s: got %v, want %v; or another secret", test.name, err, test.want)
		}
	}
}

// TestUnpackStrangers: claims that a program of another mind sealed under our
// key are refused, and cost no more than ours.
func TestUnpackStrangers(t *testing.T) {
	c := newClaims()
	c.Tags = map[string]string{"team": "shop"}
	whole, err := pack(&c, MaxToken)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := unpack(whole[:n]); !errors.Is(err, ErrInvalid) {
			t.Errorf("the first %d bytes of %d: got %v", n, len(whole), err)
		}
	}
	var bomb bytes.Buffer
	bomb.WriteByte(deflated)
	w, err := flate.NewWriter(&bomb, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write((&Claims{Policy: make([]byte, 1<<20)}).append(nil)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"a byte more":      append(whole, 0),
		"an unknown way":   append([]byte{2}, whole[1:]...),
		"not deflated":     {deflated, 0xff},
		"a length too big": append([]byte{plainly}, "\xff\xff\xff\xff\xff\xff\xff\xff\x7f"...),
		"a bomb":           bomb.Bytes(),
		"a bomb cut short": bomb.Bytes()[:bomb.Len()/2],
	} {
		if _, err := unpack(b); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// pinned are credentials that were issued once, under the master keys of ones, twos
// and threes. The secrets were computed from RFC 5869 by another program, too.
var pinned = []Credentials{
	{
		AccessKeyID:     "ASIAQ4LKLGCAZUO3BYTS",
		SecretAccessKey: "EWPNEbaBp4zXuiu0XUodAZ7qSTRyn7O3qGbdfWBt",
		Token: "AfocNio2AxMXny2MvzCcw9HYkhGCgtWi-Ppgzr2ciGiQOOXtepB6SHQUOu5ohT3irgw6nBX1FzyitofdvyNEAAI3f_eYmuXKofYV" +
			"9htxbXQnmyCzunsaiS-mB9L6uQmnTw2p7J7QOVDb5ziNBnO0JeLHIvGekY3bmosIlMezDwOBfgGCTqA3VoLELqiXeOp08BTmPIdV" +
			"xZi4lH7HmpTGkfOiEP6i3Hd8tfltw7S3KtEt27ie-7gA89XsX4KrG7Wyowjj6p-HwMi5uyRuDigJkLiCgvqrGbX0d5RiXrcJ3ydQ" +
			"M32aPKxwlC25FdMPWGlqUtkJrNwoj-EzNgwIf9Iqrx40kGxjnRw0QFOstF5hdU1OVRnl7otue4TCcW8LUoNbYDlHKiZgtLsqkDSF" +
			"CQMmT-Ej0KoB0JJxxBcUqCadCjwbYdnN0FPUheJe4eBD-rrNTTTn_vbPH6PzWY5l-9OSQ3J2pNKfIA",
	},
	{
		AccessKeyID:     "ASIA37R4VASFG5DSJITM",
		SecretAccessKey: "JaDLsR+519tGPJbZTrxbhBM+FS+mgLRDsQr2ByIc",
		Token: "AcikfnxSqSS073cqVuoSHQJb_yCDN6bGe21vxtdCGJUSIGDOSOSSYVUeF0dR3Ymsch9aZl2yb2IEKPTT0ie3mc6X1kk8aEvqQO4C" +
			"suTjIdqN1qAFEw5wge46kFxZRDEyjtOexAxwQYamzCiaiA0eZyWQPScb4USrTvEohogLvStJQKR2Zl9jJ6k59ctSlqe8AHQGXr-0" +
			"U-XRICnZfDhtqTvSGJ2dSVqiEqDQJQoxMcY-wFx_TQ4kcieQ3r9eCuxaOuzTOTQ7LKUjv7cjDFGQQFDx1k7HkBB4IpQ_xWm-3woG" +
			"ASA1bbBrRMipXZuh2wRAXAsz04a3FwroAQSeuwzKBEvgIUL6xIRBOjmUguYqmkjOKYqqkLOa4kRuyM79d2ZONDy96vzxB9tIpi2w" +
			"8mG-sIAiQo33WScYeuZI648BXt1xQ67DFe-G3P0oPPfMzn9Icy4vHuordmUFTkW-Vmy1RLRRaLq3aA",
	},
	{
		AccessKeyID:     "ASIA5RXJ2KODW5DLSIQX",
		SecretAccessKey: "gCaCuh0U9spj250H2M9RczEY5zjYkvxA31zpl38f",
		Token: "AQhisLpuMd0Qavfb_s1jSKHyiIX9rH8Khpg5l4597uVfakc2EaA6_exbfb2_NZG7XF8CgO_UNIi-_8-CEoKqSgxE6Tpzuqtg1EcX" +
			"R3kQ7-PfmB4h4-hS2l9k2VYIjltlAHNKqxBI82ltuyvji3weoBcyhl6-pMfAk40ltr2AWPyjpgUAhJxxw6nBpyawpnvMQtfMLFrs" +
			"oFMF--_ZGn2e97AfLEZLLyH_2Da21Wd8TNJ2Xr2Mvgkc0nShLspv4p_6O6dBsqQd2yFVjlKRDN4wwbfoDD-npdhoHOWUdMFnygqZ" +
			"8OWg_zyf6U3gbZXkakaReYiMuHV64yy2dE7g6nxXlORP5vdj3d0V62Fd83nw5KX54uXt0JTAhFxhSo7WjAHnoZfs6hJB0x_y6Pwz" +
			"6bArFqXtRW_gwXkK4S9kIgoxZ43pUp_BIMKDoVQt4pi2xS-m4aDrAeE4pR_8yJM8x6KY7yM6pJ4Vaw",
	},
}

// TestPinned: what follows from a master key, and what a token is, do not change.
// Otherwise every session that is open would end with an upgrade.
func TestPinned(t *testing.T) {
	for i, creds := range pinned {
		got, secret, err := newKeys(t, byte(i+1)).Open(creds.AccessKeyID, string(creds.Token), now)
		if err != nil {
			t.Fatal(err)
		}
		want := newClaims()
		want.KeyID = creds.AccessKeyID
		if d := cmp.Diff(&want, got); d != "" || secret != creds.SecretAccessKey {
			t.Errorf("secret equal: %t; want, got: %s", secret == creds.SecretAccessKey, d)
		}
	}
}

// FuzzOpen: nothing opens but what was issued, under its own id and in its time.
// Two of the pinned tokens do; the third was sealed under a key that is not there.
func FuzzOpen(f *testing.F) {
	ks := newKeys(f, 1, 2)
	issued := map[string]string{}
	for i, creds := range pinned {
		if i < 2 {
			issued[string(creds.Token)] = creds.AccessKeyID
		}
		f.Add(creds.AccessKeyID, string(creds.Token), int64(0))
		f.Add(creds.AccessKeyID, string(creds.Token), int64(time.Hour))
	}
	f.Fuzz(func(t *testing.T, keyID, token string, after int64) {
		c, secret, err := ks.Open(keyID, token, now.Add(time.Duration(after)))
		if err != nil {
			if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrExpired) || c != nil || secret != "" {
				t.Errorf("got %v, %v", c, err)
			}
			return
		}
		if id, ok := issued[token]; !ok || id != keyID || c.KeyID != keyID || len(secret) != 40 {
			t.Errorf("opened %q, %q: %+v", keyID, token, c)
		}
		if d := time.Duration(after); d < -maxSkew || d >= time.Hour {
			t.Errorf("opened %v after it was issued", d)
		}
	})
}

// FuzzUnpack: what is sealed is read without a panic, whatever it is; what is read
// can be written and read again.
func FuzzUnpack(f *testing.F) {
	c := newClaims()
	for _, tags := range []map[string]string{nil, {"team": "shop", "stage": "live"}} {
		c.Tags = tags
		for _, policy := range []string{"", `{"Version":"2012-10-17"}`, strings.Repeat("policy ", 300)} {
			c.Policy = []byte(policy)
			b, err := pack(&c, 1500)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := unpack(b)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("got %v", err)
			}
			return
		}
		written := c.append([]byte{plainly})
		again, err := unpack(written)
		if err != nil || string(again.append([]byte{plainly})) != string(written) {
			t.Errorf("%x was read as %+v, that as %+v, %v", b, c, again, err)
		}
	})
}

func BenchmarkIssue(b *testing.B) {
	ks := newKeys(b, 1)
	c := newClaims()
	b.ReportAllocs()
	for b.Loop() {
		issue(b, ks, c)
	}
}

func BenchmarkOpen(b *testing.B) {
	long := newClaims()
	long.Policy = []byte(strings.Repeat(`{"Effect":"Allow","Action":"aws-marketplace:MeterUsage","Resource":"*"},`, 28))
	for _, test := range []struct {
		name string
		Claims
	}{{"plain", newClaims()}, {"deflated", long}} {
		b.Run(test.name, func(b *testing.B) {
			ks := newKeys(b, 1)
			creds := issue(b, ks, test.Claims)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := ks.Open(creds.AccessKeyID, string(creds.Token), now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
