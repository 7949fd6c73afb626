package awsapi

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/session"
	"github.com/meterd/meterd/internal/store"
)

// TestTranscripts plays testdata/*.txtar: what is sent, what is answered, and
// what the store holds in the end. UPDATE=1 rewrites the answers and the
// holdings; they are then to be read as prose.
//
// A transcript begins with what it shows, and the page or the ruling that says
// so. Its sections are played in order:
//
//	compat               the catalogue's compat block (YAML)
//	throttle             AWS's quotas hold; else nothing is throttled
//	clock                the service's clock at the start; the vectors' if absent
//	N.request            see parseCall
//	N.response           status, headers that were asked for, body
//	N.clock              an instant to set the clock to, or a duration to move it by
//	N.wait               a duration by which the true time goes on
//	N.fault              operation, code (or "unprocessed") and count
//	N.catalog            YAML to apply
//	N.rotate             a product whose signing key is rotated
//	N.stop               a registration's number among all, from 1, that is stopped
//	N.disable, N.enable  an access key
//	N.policy, N.grant, N.role, N.revoke, N.session   see gateStep
//	records, registrations, refusals, events   what the store holds in the end
//
// Refusals are listed where they are asked for; that each refused call is among
// them is held of every call of every transcript (see kept).
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	var played atomic.Int32
	t.Cleanup(func() {
		if int(played.Load()) == len(files) {
			checkKeptNames(t)
		}
	})
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p := player{t: t, update: os.Getenv("UPDATE") != "", requestIDs: map[string]bool{}}
			p.play(archive)
			played.Add(1)
			if p.update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// cited is what a transcript rests on: a page, or a ruling.
var cited = regexp.MustCompile(`https://|R-\d|contract`)

type player struct {
	t          *testing.T
	update     bool
	world      *world
	answer     string // to the last request
	requestIDs map[string]bool
	sessions   map[string]session.Credentials // by the names that the transcript calls them by
}

func (p *player) play(archive *txtar.Archive) {
	p.t.Helper()
	if !cited.Match(archive.Comment) {
		p.t.Error("it does not say what it rests on: a page or a ruling")
	}
	var o worldOptions
	for _, f := range archive.Files {
		switch f.Name {
		case "compat":
			o.compat = string(f.Data)
		case "throttle":
			o.limits = caller.AWSLimits()
		case "clock":
			o.now = p.instant(string(f.Data))
		}
	}
	p.world = newWorld(p.t, o)
	var out []txtar.File
	listed := false
	for i := 0; i < len(archive.Files); i++ {
		f := archive.Files[i]
		out = append(out, f)
		number, kind, numbered := strings.Cut(f.Name, ".")
		if !numbered {
			kind, number = f.Name, ""
		}
		switch kind {
		case "request":
			p.request(string(f.Data))
			want := txtar.File{Name: number + ".response"}
			if i+1 < len(archive.Files) && archive.Files[i+1].Name == want.Name {
				i++
				want = archive.Files[i]
			}
			out = append(out, p.compare(want, p.answer))
		case "compat", "throttle":
		case "clock":
			if numbered {
				p.moveClock(strings.TrimSpace(string(f.Data)))
			}
		default:
			if text, ok := p.holdings(kind); ok {
				text = p.undress(text)
				listed = listed || kind == "records"
				out[len(out)-1] = p.compare(f, text)
				continue
			}
			if p.gateStep(kind, f.Data) {
				continue
			}
			p.step(kind, strings.Fields(string(f.Data)), f.Data)
		}
	}
	if text, _ := p.holdings("records"); !listed {
		text = p.undress(text)
		out = append(out, p.compare(txtar.File{Name: "records"}, text))
	}
	archive.Files = out
}

// compare holds a section against what came, or rewrites it.
func (p *player) compare(f txtar.File, got string) txtar.File {
	p.t.Helper()
	if p.update {
		f.Data = []byte(got)
	} else if diff := cmp.Diff(string(f.Data), got); diff != "" {
		p.t.Errorf("%s (-transcript +now):\n%s", f.Name, diff)
	}
	return f
}

func (p *player) instant(text string) time.Time {
	p.t.Helper()
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(text))
	if err != nil {
		p.t.Fatal(err)
	}
	return at
}

func (p *player) duration(text string) time.Duration {
	p.t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		p.t.Fatal(err)
	}
	return d
}

func (p *player) moveClock(to string) {
	p.t.Helper()
	if d, err := time.ParseDuration(to); err == nil {
		p.world.clock.Advance(d)
		return
	}
	p.world.clock.Set(p.instant(to))
}

// step does what is neither a request nor a listing.
func (p *player) step(kind string, words []string, data []byte) {
	p.t.Helper()
	w, ctx := p.world, context.Background()
	var err error
	switch kind {
	case "wait":
		w.truth.Advance(p.duration(words[0]))
	case "fault":
		f := Fault{Operation: metering.Operation(words[0]), Code: words[1]}
		if f.Count, err = strconv.Atoi(words[2]); err == nil {
			if f.Unprocessed = f.Code == "unprocessed"; f.Unprocessed {
				f.Code = ""
			}
			err = w.api.Faults.Set(f)
		}
	case "catalog":
		w.apply(p.t, data)
	case "rotate":
		_, err = w.admin.RotateKey(ctx, metering.ProductCode(words[0]), "")
	case "disable", "enable":
		c := *w.store.Catalog().Credential(words[0])
		if c.Disabled = (time.Time{}); kind == "disable" {
			c.Disabled = w.clock.Now()
		}
		_, err = w.store.Put(ctx, store.Change{Entries: []store.Entry{&c}})
	case "stop":
		var n int
		if n, err = strconv.Atoi(words[0]); err == nil {
			_, err = w.admin.StopRegistration(ctx, w.registrations(p.t)[n-1].ID)
		}
	default:
		p.t.Fatalf("what is a section named %s?", kind)
	}
	if err != nil {
		p.t.Fatalf("%s: %v", kind, err)
	}
}

// request sends a request and keeps the answer as the transcript writes it.
func (p *player) request(text string) {
	p.t.Helper()
	c, err := parseCall(text)
	if err != nil {
		p.t.Fatal(err)
	}
	p.dress(c)
	response, body := p.world.do(p.t, c)
	p.envelope(response, body)
	p.kept(c, response, body)
	var b strings.Builder
	fmt.Fprintln(&b, response.StatusCode)
	for _, name := range c.show {
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(response.Header.Values(name), ", "))
	}
	var register struct{ Signature string }
	if json.Unmarshal(body, &register) == nil && register.Signature != "" {
		fmt.Fprintf(&b, "%s\n%s", bytes.Replace(body, []byte(register.Signature), []byte("JWT"), 1), p.verified(register.Signature))
	} else {
		fmt.Fprintf(&b, "%s\n", body)
	}
	p.answer = b.String()
}

// envelope checks what must be true of every answer.
func (p *player) envelope(response *http.Response, body []byte) {
	p.t.Helper()
	h := response.Header
	if id := h.Get("X-Amzn-Requestid"); id == "" || p.requestIDs[id] {
		p.t.Errorf("request id %q is not a new one", id)
	} else {
		p.requestIDs[id] = true
	}
	if got := h.Get("Content-Type"); got != "application/x-amz-json-1.1" {
		p.t.Errorf("Content-Type %q", got)
	}
	if got := h.Get("Content-Length"); got != strconv.Itoa(len(body)) {
		p.t.Errorf("Content-Length %q of %d bytes", got, len(body))
	}
	if at, err := http.ParseTime(h.Get("Date")); err != nil || time.Since(at).Abs() > time.Minute {
		p.t.Errorf("Date %q: SDKs set their clocks by it", h.Get("Date"))
	}
	var fault map[string]string
	switch err := json.Unmarshal(body, &fault); {
	case response.StatusCode == http.StatusOK:
		if h.Get("X-Amzn-Errortype") != "" {
			p.t.Error("a success has an error type")
		}
	case err != nil || len(fault) != 2 || fault["__type"] == "" || fault["message"] == "":
		p.t.Errorf("not an error's body: %s", body)
	case h.Get("X-Amzn-Errortype") != fault["__type"]:
		p.t.Errorf("x-amzn-ErrorType is %q, __type %q", h.Get("X-Amzn-Errortype"), fault["__type"])
	}
}

// verified checks a token of RegisterUsage with the public key that is handed to
// sellers, and says what is in it.
func (p *player) verified(token string) string {
	p.t.Helper()
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.PS256})
	if err != nil {
		p.t.Fatal(err)
	}
	claims := signed.UnsafePayloadWithoutVerification()
	var c struct {
		ProductCode      metering.ProductCode
		PublicKeyVersion int32
	}
	if err := json.Unmarshal(claims, &c); err != nil {
		p.t.Fatal(err)
	}
	text, err := p.world.admin.PublicKey(c.ProductCode, c.PublicKeyVersion)
	if err != nil {
		p.t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		p.t.Fatal(err)
	}
	head, err := jwtPart(token, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := verifyPS256(public.(*rsa.PublicKey), token); err != nil {
		p.t.Errorf("the signature: %v", err)
	}
	return fmt.Sprintf("JWT header %s\nJWT claims %s\nJWT signed with version %d of %s's key\n", head, claims, c.PublicKeyVersion, c.ProductCode)
}

// holdings lists what the store holds of a kind.
func (p *player) holdings(kind string) (string, bool) {
	p.t.Helper()
	w := p.world
	var b strings.Builder
	stamp := func(t time.Time) string { return t.Format(time.RFC3339Nano) }
	switch kind {
	case "records":
		for _, r := range w.records(p.t) {
			k := r.Key
			fmt.Fprintf(&b, "%s: %s %s, by %s in %s, of %s, %s: %d at %s", r.ID, k.Product, k.Dimension, k.Account, k.Region, k.Party, k.Hour.Time().Format("2006-01-02T15Z"), r.Quantity, stamp(r.Timestamp))
			for _, a := range r.Allocations {
				fmt.Fprintf(&b, ", %d %v", a.Quantity, a.Tags)
			}
			fmt.Fprintln(&b)
		}
	case "registrations":
		for _, r := range w.registrations(p.t) {
			fmt.Fprintf(&b, "%s: %s, by %s in %s, %s %s, from %s, last seen %s", r.ID, r.Product, r.Account, r.Region, r.Platform, r.Workload, stamp(r.Started), stamp(r.LastSeen))
			now := w.clock.Now()
			if stopped, ok := r.StoppedAt(now); ok {
				fmt.Fprintf(&b, ", stopped %s", stamp(stopped))
			}
			fmt.Fprintf(&b, ", metered %s\n", r.Metered(now))
		}
	case "refusals":
		for _, r := range w.refusals(p.t) {
			fmt.Fprintln(&b, refusalText(&r))
		}
	case "events":
		for a := range w.store.Catalog().All(store.KindAccount) {
			for _, e := range w.events(p.t, metering.AccountID(a.Ref().Name)) {
				fmt.Fprintln(&b, eventText(&e))
			}
		}
	default:
		return "", false
	}
	return b.String(), true
}
