package policy

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// cases is how many random cases a test tries: a quick share of a million, or as
// many as METERD_POLICY_CASES says.
func cases(t *testing.T, share int) int {
	text := os.Getenv("METERD_POLICY_CASES")
	if text == "" {
		return share
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("METERD_POLICY_CASES: %v", err)
	}
	return n
}

// randomPolicy is one that Parse takes, as all of them must.
func (d dice) policy(t *testing.T) (*Policy, string) {
	t.Helper()
	doc := d.document(false)
	p, err := Parse([]byte(doc), ManagedLimit)
	if err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	return p, doc
}

// oracleDecides is Decide for documents; "" is none.
func oracleDecides(r *Request, identity []string, boundary, session string) Reason {
	var said [3]string // of identity policies, boundary, session policy
	for _, doc := range identity {
		if s := oracleSays(doc, r); s == "deny" || said[0] == "" {
			said[0] = s
		}
	}
	said[1], said[2] = "allow", "allow"
	if boundary != "" {
		said[1] = oracleSays(boundary, r)
	}
	if session != "" {
		said[2] = oracleSays(session, r)
	}
	for i, reason := range []Reason{IdentityDeny, BoundaryDeny, SessionDeny} {
		if said[i] == "deny" {
			return reason
		}
	}
	for i, reason := range []Reason{NoIdentityAllow, NoBoundaryAllow, NoSessionAllow} {
		if said[i] == "" {
			return reason
		}
	}
	return Allow
}

// TestOracle: a million random policies and requests are decided as the oracle
// decides them.
func TestOracle(t *testing.T) {
	seen := map[Reason]int{}
	n := cases(t, 30_000)
	for seed := range uint64(n) {
		d := dice{Rand: rand.New(rand.NewPCG(seed, 1))}
		var docs [4]string
		var set Set
		for i := range 1 + d.IntN(2) {
			p, doc := d.policy(t)
			set.Identity, docs[i] = append(set.Identity, p), doc
		}
		if d.in(4) {
			set.Boundary, docs[2] = d.policy(t)
		}
		if d.in(4) {
			set.Session, docs[3] = d.policy(t)
		}
		r := d.request(false)
		got, want := Decide(r, set), oracleDecides(r, docs[:len(set.Identity)], docs[2], docs[3])
		if got.Reason != want || got.Allowed != (want == Allow) {
			t.Fatalf("seed %d: got reason %d (allowed: %t), want %d\n%+v\n%q", seed, got.Reason, got.Allowed, want, r, docs)
		}
		seen[want]++
	}
	for _, reason := range []Reason{Allow, NoIdentityAllow, NoBoundaryAllow, NoSessionAllow, IdentityDeny, BoundaryDeny, SessionDeny} {
		if seen[reason] < n/200 {
			t.Errorf("reason %d came up %d times in %d: the dice are loaded", reason, seen[reason], n)
		}
	}
}

// TestTrustOracle is the same for trust policies.
func TestTrustOracle(t *testing.T) {
	seen := map[Reason]int{}
	n := cases(t, 30_000)
	for seed := range uint64(n) {
		d := dice{Rand: rand.New(rand.NewPCG(seed, 2))}
		doc, r := d.document(true), d.request(true)
		p, err := ParseTrust([]byte(doc), ManagedLimit)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, doc)
		}
		want := map[string]Reason{"": NoTrustAllow, "allow": Allow, "deny": TrustDeny}[oracleSays(doc, r)]
		if got := Trusts(r, p); got.Reason != want || got.Allowed != (want == Allow) {
			t.Fatalf("seed %d: got reason %d (allowed: %t), want %d\n%+v\n%s", seed, got.Reason, got.Allowed, want, r, doc)
		}
		seen[want]++
	}
	for _, reason := range []Reason{Allow, NoTrustAllow, TrustDeny} {
		if seen[reason] < n/50 {
			t.Errorf("reason %d came up %d times in %d: the dice are loaded", reason, seen[reason], n)
		}
	}
}
