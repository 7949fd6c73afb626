package awsapi

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/policy"
	"github.com/meterd/meterd/internal/session"
	"github.com/meterd/meterd/internal/store"
)

// master is the session key of a test's catalogue.
var master = bytes.Repeat([]byte{7}, 32)

func (w *world) giveSessionKey(t testing.TB) {
	t.Helper()
	w.put(t, &store.SessionKey{ID: "1", Secret: master, Created: trueNow.Add(-time.Hour)})
}

// grant gives a key of the catalogue a policy.
func (w *world) grant(t testing.TB, keyID, policy, user string) {
	t.Helper()
	c := *w.store.Catalog().Credential(keyID)
	c.Policy, c.User = policy, user
	w.put(t, &c)
}

// issue makes a session of a role, from the true time on.
func (w *world) issue(t testing.TB, c session.Claims, lasts time.Duration) session.Credentials {
	t.Helper()
	keys, err := w.api.Callers.SessionKeys()
	if err != nil {
		t.Fatal(err)
	}
	if c.Issued.IsZero() {
		c.Issued = w.truth.Now()
	}
	c.Expires = c.Issued.Add(lasts)
	made, err := keys.Issue(c)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// roleOf names a role of the catalogue in claims.
func roleOf(r *store.Role) session.Role { return session.Role{ARN: r.ARN(), ID: r.ID} }

// as lets a session sign a call.
func (c *call) as(s session.Credentials) *call {
	c.key, c.secret, c.token = s.AccessKeyID, string(s.SecretAccessKey), string(s.Token)
	return c
}

// gateStep does a transcript's step of policies, roles and sessions:
//
//	N.policy   a name, and on the next lines a document
//	N.grant    a key, a policy, and a user's name
//	N.role     an account, a name, and policies' names
//	N.revoke   an account and a role's name: its sessions until now are refused
//	N.session  a name to call it by, an account, a role, the session's name, how
//	           long it lasts and how it came to be; then perhaps a platform, an id
//	           and a region; on the next lines perhaps a session policy
func (p *player) gateStep(kind string, data []byte) bool {
	p.t.Helper()
	w := p.world
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	words := strings.Fields(string(first))
	switch kind {
	case "policy":
		if _, err := policy.Parse(rest, policy.ManagedLimit); err != nil && !bytes.Contains(rest, []byte("cannot be read")) {
			p.t.Fatal(err)
		}
		w.put(p.t, &store.Policy{Name: words[0], Document: string(rest)})
	case "grant":
		w.grant(p.t, words[0], words[1], words[2])
	case "role":
		w.put(p.t, &store.Role{Account: metering.AccountID(words[0]), Name: words[1], ID: "AROAEXAMPLE", Policies: words[2:]})
	case "revoke":
		r := *w.store.Catalog().Role(metering.AccountID(words[0]), words[1])
		r.Revoked = w.truth.Now()
		w.put(p.t, &r)
	case "session":
		if p.sessions == nil {
			p.sessions = map[string]session.Credentials{}
			w.giveSessionKey(p.t)
		}
		role := w.store.Catalog().Role(metering.AccountID(words[1]), words[2])
		c := session.Claims{Account: role.Account, Role: roleOf(role), SessionName: words[3], Source: session.Source(words[5])}
		if len(words) > 6 {
			c.Workload = session.Workload{Platform: metering.Platform(words[6]), ID: words[7], Region: words[8]}
		}
		if len(bytes.TrimSpace(rest)) > 0 {
			c.Policy = bytes.TrimSpace(rest)
		}
		p.sessions[words[0]] = w.issue(p.t, c, p.duration(words[4]))
	default:
		return false
	}
	return true
}

// dress lets a session sign, if the call names one for its key; and lets it carry
// the token of one, if it names one for that.
func (p *player) dress(c *call) {
	token := c.token
	if s, ok := p.sessions[c.key]; ok {
		c.as(s)
	}
	switch s, ok := p.sessions[token]; {
	case ok:
		c.token = string(s.Token)
	case token != "":
		c.token = token
	}
}

// undress calls sessions by the names that the transcript has for them.
func (p *player) undress(text string) string {
	for name, s := range p.sessions {
		text = strings.ReplaceAll(text, s.AccessKeyID, fmt.Sprintf("session %s", name))
	}
	return text
}
