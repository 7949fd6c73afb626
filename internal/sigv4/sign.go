package sigv4

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Signer signs requests for one service in one region.
type Signer struct {
	KeyID      string
	Credential Credential
	Region     string
	Service    string
}

// transient lists what net/http or a proxy may change on the way. The SDKs leave
// the same headers unsigned.
var transient = []string{authHeader, "Connection", "Expect", "Transfer-Encoding", "User-Agent", "X-Amzn-Trace-Id"}

// Sign sets X-Amz-Date, X-Amz-Security-Token if the credential has one, and
// Authorization in r.Header. It signs the host, the body and every header there
// is in r.Header except those that are known to change on the way, so call it
// last. It fails where no Verifier would accept the request.
func (s Signer) Sign(r Request, now time.Time) error {
	stamp := format(now)
	delete(r.Header, amzToken)
	if s.Credential.SessionToken != "" {
		r.Header[amzToken] = []string{s.Credential.SessionToken}
	}
	r.Header[amzDate] = []string{stamp}

	names := []string{"host"}
	for name, values := range r.Header {
		if len(values) > 0 && !slices.Contains(transient, name) {
			names = append(names, strings.ToLower(name))
		}
	}
	slices.Sort(names)
	auth := authorization{signedHeaders: strings.Join(names, ";")}

	if !isPath(r.RequestURI) {
		return errors.New("sigv4: cannot sign a target that is not a plain path: " + r.RequestURI)
	}
	canonical, err := appendHead(nil, r, auth.signedHeaders)
	if err != nil {
		return err
	}
	canonical = appendHexSHA256(canonical, r.Body)

	scope := strings.Join([]string{stamp[:8], s.Region, s.Service, terminator}, "/")
	digits := deriveKey(s.Credential.Secret, stamp[:8], s.Region, s.Service).sign(stamp, scope, canonical)
	auth.credential = s.KeyID + "/" + scope
	auth.signature = string(digits[:])
	r.Header[authHeader] = []string{auth.String()}
	return nil
}
