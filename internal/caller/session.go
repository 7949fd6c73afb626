package caller

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/policy"
	"github.com/meterd/meterd/internal/session"
	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store"
)

// openedToken is a token as it came. One that was opened with one key id is not
// open for another.
type openedToken struct{ keyID, token string }

// opened is a session whose token was opened, and what follows from its claims.
// What can change while it lasts, the role and the account, is looked up anew for
// every request.
type opened struct {
	claims   *session.Claims
	secret   session.Secret
	keys     *session.Keys // that opened it
	role     string        // the role's name
	workload *metering.Workload
	arn      string
	policy   *policy.Policy // the session policy; nil: there is none
}

// held is a session together with the role that it acted in when it signed.
type held struct {
	*opened
	role *store.Role
}

// sessionKeys are the master keys as of a revision of the catalogue.
type sessionKeys struct {
	revision int64
	until    time.Time           // when another is to issue; zero: the newest does
	entries  []*store.SessionKey // the one that issues first
	keys     *session.Keys       // nil: there are none
}

// keySettles is how old a master key is before sessions are issued with it, if
// there is one before it: every node that answers has seen it within five seconds,
// and their clocks may differ.
const keySettles = time.Minute

// issuer puts the key first that is to issue, of keys that are the newest first,
// and says until when it is to.
func issuer(keys []*store.SessionKey, now time.Time) (_ []*store.SessionKey, until time.Time) {
	i := slices.IndexFunc(keys, func(k *store.SessionKey) bool { return !now.Before(k.Created.Add(keySettles)) })
	if i < 0 {
		i = len(keys) - 1 // the oldest there is
	}
	if i <= 0 {
		return keys, time.Time{}
	}
	ordered := append([]*store.SessionKey{keys[i]}, keys[:i]...)
	return append(ordered, keys[i+1:]...), keys[i-1].Created.Add(keySettles)
}

// ErrNoSessionKeys says that no session can be opened or issued.
var ErrNoSessionKeys = errors.New("caller: the catalogue has no session keys")

// SessionKeys are the catalogue's master keys of sessions, as they are now.
func (a *Authenticator) SessionKeys() (*session.Keys, error) {
	revision := a.catalog.Revision()
	before := a.keys.Load()
	if before != nil && before.revision == revision && (before.until.IsZero() || a.now().Before(before.until)) {
		return before.keys, missing(before.keys)
	}
	now := &sessionKeys{revision: revision}
	now.entries, now.until = issuer(a.catalog.SessionKeys(), a.now())
	if before != nil && slices.Equal(before.entries, now.entries) {
		now.keys = before.keys // sessions that they have opened stay open
	} else {
		masters := make([][]byte, 0, len(now.entries))
		for _, e := range now.entries {
			masters = append(masters, e.Secret)
		}
		if len(masters) > 0 {
			var err error
			if now.keys, err = session.NewKeys(masters...); err != nil {
				return nil, err
			}
		}
	}
	a.keys.Store(now)
	return now.keys, missing(now.keys)
}

func missing(keys *session.Keys) error {
	if keys == nil {
		return ErrNoSessionKeys
	}
	return nil
}

// open finds a session by its token. One whose role or account is gone, or whose
// role's sessions were revoked since, is answered as one that never was.
func (a *Authenticator) open(keyID, token string, now time.Time) (sigv4.Credential, error) {
	keys, err := a.SessionKeys()
	if err != nil {
		return sigv4.Credential{}, err
	}
	o, found := a.opened.get(openedToken{keyID, token})
	if !found || o.keys != keys {
		claims, secret, err := keys.Open(keyID, token, now)
		if errors.Is(err, session.ErrExpired) {
			return sigv4.Credential{}, sigv4.ErrExpired
		}
		if err != nil {
			return sigv4.Credential{}, err
		}
		o = a.follow(claims, secret, keys)
		a.opened.put(openedToken{strings.Clone(keyID), strings.Clone(token)}, o) // of our own making: a stranger can seal none
	}
	if !now.Before(o.claims.Expires) {
		return sigv4.Credential{}, sigv4.ErrExpired
	}
	role := a.catalog.Role(o.claims.Account, o.role)
	switch {
	case role == nil, role.ID != o.claims.Role.ID, a.catalog.Account(o.claims.Account) == nil:
		return sigv4.Credential{}, errGone
	case !role.Revoked.IsZero() && !o.claims.Issued.After(role.Revoked):
		return sigv4.Credential{}, errGone
	}
	return sigv4.Credential{Secret: string(o.secret), Expires: o.claims.Expires, Holder: &held{o, role}}, nil
}

// errGone never leaves: the verifier answers a wrong token.
var errGone = errors.New("caller: the session's role or account is gone, or its sessions were revoked")

// follow works out what a session's claims mean, once for all its requests.
func (a *Authenticator) follow(claims *session.Claims, secret session.Secret, keys *session.Keys) *opened {
	o := &opened{
		claims: claims, secret: secret, keys: keys, arn: claims.AssumedRoleARN(),
		role: claims.Role.ARN[strings.LastIndexByte(claims.Role.ARN, '/')+1:],
	}
	if w := claims.Workload; w.Platform != metering.PlatformNone {
		o.workload = &metering.Workload{ID: w.ID, Platform: w.Platform, Account: claims.Account, Region: w.Region}
	}
	if claims.Policy != nil {
		o.policy = a.read("session policy of "+o.arn, string(claims.Policy), policy.SessionLimit)
	}
	return o
}

// caller is who a session is.
func (o *opened) caller() metering.Caller {
	return metering.Caller{
		Account: o.claims.Account, ARN: o.arn, KeyID: o.claims.KeyID,
		Origin: metering.Origin(o.claims.Source), Workload: o.workload,
	}
}

func (o *opened) principal() policy.Principal {
	return policy.Principal{
		ARN: o.claims.Role.ARN, SessionARN: o.arn, Account: string(o.claims.Account), Type: "AssumedRole",
		UserID: o.claims.AssumedRoleID(), Tags: o.claims.Tags, TokenIssued: o.claims.Issued,
	}
}

// heartbeat is a session's workload with what the catalogue says of it and no token
// does: how long it may be silent. One that says anything else is another's.
func (a *Authenticator) heartbeat(w *metering.Workload) *metering.Workload {
	if w == nil {
		return nil
	}
	known := a.catalog.Workload(w.ID)
	if known == nil || known.Heartbeat == 0 || known.Platform != w.Platform || known.Account != w.Account || known.Region != w.Region {
		return w
	}
	return known
}
