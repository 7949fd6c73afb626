package policy

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// lawful draws dice, so that rapid can make a failing case smaller only by its
// seed; what a law needs is in the message.
func lawful(t *testing.T, law func(t *testing.T, d dice, r *Request)) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		for i := range uint64(20) {
			d := dice{Rand: rand.New(rand.NewPCG(seed, i))}
			law(t, d, d.request(false))
			if t.Failed() {
				rt.Fatalf("case %d of the seed", i)
			}
		}
	})
}

// TestAddingNeverGrantsOrRevokes: a Deny more never grants, an Allow more never
// revokes.
func TestAddingNeverGrantsOrRevokes(t *testing.T) {
	lawful(t, func(t *testing.T, d dice, r *Request) {
		p, doc := d.policy(t)
		more, moreDoc := d.policy(t)
		before := Decide(r, Set{Identity: []*Policy{p}}).Allowed
		for _, s := range more.statements {
			longer := &Policy{append(slices.Clone(p.statements), s)}
			after := Decide(r, Set{Identity: []*Policy{longer}}).Allowed
			if s.deny && after && !before || !s.deny && before && !after {
				t.Errorf("allowed %t before and %t after a statement with deny %t\n%+v\n%s\n%s", before, after, s.deny, r, doc, moreDoc)
			}
		}
	})
}

// TestForesight: what is refused before the products are known is refused whatever
// they are; and where no policy asks for them, it is decided then as it is later.
func TestForesight(t *testing.T) {
	refused, postponed := 0, 0
	lawful(t, func(t *testing.T, d dice, r *Request) {
		p, doc := d.policy(t)
		q, other := d.policy(t)
		s := Set{Identity: []*Policy{p}}
		switch d.IntN(3) {
		case 0:
			s.Boundary = q
		case 1:
			s.Session = q
		case 2:
			s.Identity = append(s.Identity, q)
		}
		early := Foresee(r, s)
		asks := p.AsksForProducts() || q.AsksForProducts()
		for range 4 {
			late := Decide(r, s)
			switch {
			case !early.Allowed:
				refused++
				if late.Allowed {
					t.Errorf("foreseen %+v, decided %+v\n%+v\n%s\n%s", early, late, r, doc, other)
				}
			case asks:
				postponed++
			}
			if !asks && early != late {
				t.Errorf("nothing asks for products: foreseen %+v, decided %+v\n%+v\n%s\n%s", early, late, r, doc, other)
			}
			r.ProductCodes = nil
			for range d.IntN(3) {
				r.ProductCodes = append(r.ProductCodes, d.text(false, false))
			}
		}
	})
	if refused < 20 || postponed < 20 { // a short run makes some 1,400 and 90
		t.Errorf("%d refused, %d postponed: too few to tell", refused, postponed)
	}
}

// TestNoAccess: nothing beside it allows anything.
func TestNoAccess(t *testing.T) {
	r := &Request{Action: "aws-marketplace:MeterUsage"}
	for _, s := range []Set{
		{Identity: []*Policy{FullAccess(), NoAccess()}},
		{Identity: []*Policy{FullAccess()}, Boundary: NoAccess()},
		{Identity: []*Policy{FullAccess()}, Session: NoAccess()},
	} {
		if d := Decide(r, s); d.Allowed || Foresee(r, s).Allowed {
			t.Errorf("%+v", d)
		}
	}
}

// TestOrderDoesNotMatter, neither of statements nor of policies.
func TestOrderDoesNotMatter(t *testing.T) {
	lawful(t, func(t *testing.T, d dice, r *Request) {
		p, doc := d.policy(t)
		q, other := d.policy(t)
		want := Decide(r, Set{Identity: []*Policy{p, q}})
		shuffled := slices.Clone(p.statements)
		d.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for _, s := range [][]*Policy{{q, p}, {{shuffled}, q}, {{append(slices.Clone(q.statements), shuffled...)}}} {
			if got := Decide(r, Set{Identity: s}); got != want {
				t.Errorf("got %+v, want %+v\n%+v\n%s\n%s", got, want, r, doc, other)
			}
		}
	})
}

// TestBoundaryAndSessionNeverWiden: with them, no more is allowed than each of
// them allows, and no more than without them.
func TestBoundaryAndSessionNeverWiden(t *testing.T) {
	lawful(t, func(t *testing.T, d dice, r *Request) {
		p, doc := d.policy(t)
		q, other := d.policy(t)
		alone := func(p *Policy) bool { return Decide(r, Set{Identity: []*Policy{p}}).Allowed }
		want := alone(p) && alone(q)
		for _, s := range []Set{
			{Identity: []*Policy{p}, Boundary: q},
			{Identity: []*Policy{p}, Session: q},
			{Identity: []*Policy{q}, Boundary: FullAccess(), Session: p},
		} {
			if got := Decide(r, s).Allowed; got != want {
				t.Errorf("got %t, want %t\n%+v\n%s\n%s", got, want, r, doc, other)
			}
		}
		for _, s := range []Set{{}, {Identity: []*Policy{nil}}, {Boundary: p, Session: q}} {
			if Decide(r, s).Allowed {
				t.Errorf("allowed without an identity policy\n%+v\n%s\n%s", r, doc, other)
			}
		}
	})
}

// TestNotKnowingIsRefused: whatever is taken from what the server always knows, a
// request that was refused by a Deny stays refused, and one that becomes allowed
// was allowed before.
func TestNotKnowingIsRefused(t *testing.T) {
	lawful(t, func(t *testing.T, d dice, r *Request) {
		p, doc := d.policy(t)
		before := Decide(r, Set{Identity: []*Policy{p}})
		blind := *r
		blind.Time, blind.Region, blind.SourceIP = Request{}.Time, "", Request{}.SourceIP
		after := Decide(&blind, Set{Identity: []*Policy{p}})
		if after.Allowed && !before.Allowed || before.Reason == IdentityDeny && after.Reason != IdentityDeny {
			t.Errorf("got %+v, and %+v for one who does not know\n%+v\n%s", before, after, r, doc)
		}
	})
}
