package admin

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// demoKeys begin the ids of the demo catalogue's keys.
const demoKeys = "AKIAMETERD"

var accessKeyID = regexp.MustCompile(`^[A-Z0-9]{16,128}$`)

func (a *application) credentials(credentials []Credential) {
	for i, c := range credentials {
		path := at("credentials", i)
		switch {
		case !accessKeyID.MatchString(c.AccessKeyID):
			a.add(path+".access_key_id", "%q is not an access key id: 16 to 128 capitals and digits", c.AccessKeyID)
		case a.strict && strings.HasPrefix(c.AccessKeyID, demoKeys):
			a.add(path+".access_key_id", "%q: ids that begin with %s are of the demo catalogue, which everyone can read", c.AccessKeyID, demoKeys)
		case strings.HasPrefix(c.AccessKeyID, "ASIA"):
			a.add(path+".access_key_id", "%q: ids that begin with ASIA are of sessions, and are not given out by a file", c.AccessKeyID)
		}
		a.account(path+".account", c.Account)
		before := a.known.Credential(c.AccessKeyID)
		if before == nil {
			before = &store.Credential{Created: a.now}
		} else if before.Account != c.Account {
			a.add(path+".account", "key %s was applied before for account %s: another needs another key", c.AccessKeyID, before.Account)
		}
		entry := &store.Credential{
			KeyID: c.AccessKeyID, Secret: a.secret(path+".secret_access_key", c.SecretAccessKey, before.Secret), Account: c.Account,
			Workload: c.Workload, User: c.User, Policy: c.Policy, Created: before.Created, Disabled: before.Disabled,
		}
		if c.Policy != "" {
			a.policyNamed(path+".policy", c.Policy)
		}
		if c.Workload != "" {
			w, ok := a.find(store.KindWorkload, c.Workload).(*store.Workload)
			switch {
			case a.sessionsOnly:
				a.add(path+".workload", "a key that stands for a workload is for development: here workloads get sessions, as 'meterd workload run' gives them")
			case !ok:
				a.add(path+".workload", "there is no workload %q", c.Workload)
			case w.Account != c.Account:
				a.add(path+".workload", "workload %s runs in account %s, not in %s", w.ID, w.Account, c.Account)
			}
		}
		switch {
		case c.Workload != "" && c.User != "":
			a.add(path+".user", "a key stands for a workload or for a user, not for both")
		case c.User != "":
			a.text(path+".user", c.User, 64)
		case c.Workload == "":
			entry.User = c.AccessKeyID
		}
		switch status := oneOf(a, path+".status", c.Status, "active", "disabled"); {
		case status == "active":
			entry.Disabled = time.Time{}
		case entry.Disabled.IsZero():
			entry.Disabled = a.now
		}
		a.put(path, entry)
	}
}

// The least that a secret has to be where it guards money.
const (
	LeastSecret = 20 // of an access key; AWS's own have 40
	leastToken  = 32
)

// secret is a credential's: the one that is given, or the one it had.
func (a *application) secret(path, given string, before store.Secret) store.Secret {
	switch {
	case given == "" && before != "":
		return before
	case a.strict && given != "" && len(given) < LeastSecret:
		a.add(path, "is shorter than %d bytes; 'meterd credential create' makes one that is not", LeastSecret)
	default:
		a.text(path, given, 255)
	}
	return store.Secret(given)
}

// maxActiveKeys is how many keys a principal may sign with at once: the old one
// and the new one while they are rotated (AWS's limit, too).
const maxActiveKeys = 2

// principal is whom a key stands for.
type principal struct {
	account        metering.AccountID
	workload, user string
}

func principalOf(c *store.Credential) principal { return principal{c.Account, c.Workload, c.User} }

func (p principal) String() string {
	if p.workload != "" {
		return "workload " + p.workload
	}
	return fmt.Sprintf("user %s of account %s", p.user, p.account)
}

// principals refuses a third active key of one principal.
func (a *application) principals() {
	touched := make(map[principal]bool)
	for _, e := range a.order {
		if c, ok := e.(*store.Credential); ok && c.Active() {
			touched[principalOf(c)] = true
		}
	}
	if len(touched) == 0 {
		return
	}
	active := make(map[principal]int)
	for e := range a.all(store.KindCredential) {
		c := e.(*store.Credential)
		if p := principalOf(c); c.Active() && touched[p] {
			if active[p]++; active[p] == maxActiveKeys+1 {
				a.add("credentials", "%s would have more than %d active keys: disable one first", p, maxActiveKeys)
			}
		}
	}
}

func (a *application) tokens(tokens []Token) {
	for i, t := range tokens {
		path := at("tokens", i)
		a.text(path+".token", t.Token, 4096)
		if a.strict && t.Token != "" && len(t.Token) < leastToken {
			a.add(path+".token", "is shorter than %d bytes; 'meterd token issue' makes one that is not", leastToken)
		}
		if a.find(store.KindAgreement, string(t.Agreement)) == nil {
			a.add(path+".agreement", "there is no agreement %q", t.Agreement)
		}
		entry := &store.RegistrationToken{Hash: sha256.Sum256([]byte(t.Token)), Agreement: t.Agreement, Issued: a.now}
		if before := a.known.Token(entry.Hash); before != nil {
			entry.Issued, entry.Ended = before.Issued, before.Ended
		}
		a.put(path, entry)
	}
}
