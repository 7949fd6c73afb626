package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// keyID names a condition key.
type keyID uint8

const (
	currentTime keyID = iota
	epochTime
	tokenIssueTime
	sourceIP
	secureTransport
	requestedRegion
	principalARN
	principalAccount
	principalType
	principalTag
	userID
	username
	externalID
	roleSessionName
	productCode
	tokenSubject
	tokenAudience
)

// knownKeys are the keys with a name of their own, in lower case, and which
// operators fit their values. Tags and claims are not here: their names vary.
var knownKeys = map[string]struct {
	id   keyID
	fits families
}{
	"aws:currenttime":      {currentTime, ofDates},
	"aws:epochtime":        {epochTime, ofDates | ofNumbers},
	"aws:tokenissuetime":   {tokenIssueTime, ofDates},
	"aws:sourceip":         {sourceIP, ofAddresses},
	"aws:securetransport":  {secureTransport, ofBools},
	"aws:requestedregion":  {requestedRegion, ofStrings},
	"aws:principalarn":     {principalARN, ofARNs | ofStrings},
	"aws:principalaccount": {principalAccount, ofStrings},
	"aws:principaltype":    {principalType, ofStrings},
	"aws:userid":           {userID, ofStrings},
	"aws:username":         {username, ofStrings},
	"sts:externalid":       {externalID, ofStrings},
	"sts:rolesessionname":  {roleSessionName, ofStrings},
	"meterd:productcode":   {productCode, ofStrings},
}

const tagPrefix = "aws:principaltag/"

// key is a condition key as a policy names it.
type key struct {
	id   keyID
	fits families
	part string // the tag's key, or the issuer of the claim, as host and path
}

// parseKey reads the name of a condition key, in which case does not matter.
func parseKey(name string) (key, error) {
	lower := strings.Map(lowerASCII, name) // of the same length as name
	if known, ok := knownKeys[lower]; ok {
		return key{id: known.id, fits: known.fits}, nil
	}
	if strings.HasPrefix(lower, tagPrefix) {
		// A tag is text, but people write numbers and dates into it.
		part := name[len(tagPrefix):]
		if part == "" {
			return key{}, errors.New("the name of the tag is missing: aws:PrincipalTag/…")
		}
		return key{id: principalTag, fits: ofStrings | ofNumbers | ofDates | ofBools, part: part}, nil
	}
	// Issuers are hosts, perhaps with a path, and so have a dot; prefixes of
	// services have none.
	if at := strings.LastIndexByte(lower, ':'); at > 0 && issuerForm.MatchString(lower[:at]) {
		switch lower[at:] {
		case ":sub":
			return key{id: tokenSubject, fits: ofStrings, part: name[:at]}, nil
		case ":aud":
			return key{id: tokenAudience, fits: ofStrings, part: name[:at]}, nil
		}
	}
	return key{}, fmt.Errorf("unknown condition key %q", name)
}

// multi reports whether a request can have several values for the key.
func (k key) multi() bool { return k.id == productCode }

// webIdentity reports whether the key is a claim, which only trust policies see.
func (k key) webIdentity() bool { return k.id == tokenSubject || k.id == tokenAudience }

// same reports whether two keys are one, however they are written.
func (k key) same(other key) bool {
	return k.id == other.id && strings.EqualFold(k.part, other.part)
}

// value is what a request has for a key. Only the field that its kind of key
// needs is set; text also serves tags that are read as something else.
type value struct {
	text string
	time time.Time
	ip   netip.Addr
}

// String is the value as a policy variable shows it.
func (v value) String() string {
	switch {
	case !v.time.IsZero() && v.text == "":
		return v.time.UTC().Format(time.RFC3339)
	case v.ip.IsValid():
		return v.ip.String()
	}
	return v.text
}

var (
	errAbsent = errors.New("the request has no value for the key")
	errUnset  = errors.New("the request lacks a value that every request has")
	errTags   = errors.New("two tags of the principal differ only in case")
)

// value finds the value of a key that has one. The error is errAbsent for a key
// that does not apply to this request; any other means that we cannot know.
func (k key) value(r *Request) (value, error) {
	switch k.id {
	case currentTime:
		return always(value{time: seconds(r.Time)}, !r.Time.IsZero())
	case epochTime:
		at := seconds(r.Time)
		return always(value{text: strconv.FormatInt(at.Unix(), 10), time: at}, !r.Time.IsZero())
	case tokenIssueTime:
		if r.Principal.TokenIssued.IsZero() {
			return value{}, errAbsent
		}
		return value{time: seconds(r.Principal.TokenIssued)}, nil
	case sourceIP:
		// A prefix never contains an address with a zone or an IPv4 address in
		// the dress of IPv6; a Deny must not be dodged by arriving in one.
		return always(value{ip: r.SourceIP.Unmap().WithZone("")}, r.SourceIP.IsValid())
	case secureTransport:
		return value{text: strconv.FormatBool(r.TLS)}, nil
	case requestedRegion:
		return always(value{text: r.Region}, r.Region != "")
	case principalTag:
		return k.tag(r.Principal.Tags)
	}
	text := k.text(r)
	if text == "" {
		return value{}, errAbsent
	}
	return value{text: text}, nil
}

// text is the value of the keys that are plain texts, empty if absent.
func (k key) text(r *Request) string {
	switch k.id {
	case principalARN:
		return r.Principal.ARN
	case principalAccount:
		return r.Principal.Account
	case principalType:
		return r.Principal.Type
	case userID:
		return r.Principal.UserID
	case username:
		return r.Principal.Username
	case externalID:
		return r.ExternalID
	case roleSessionName:
		return r.RoleSessionName
	case tokenSubject, tokenAudience:
		if !strings.EqualFold(issuerName(r.WebIdentity.Issuer), k.part) {
			return ""
		}
		if k.id == tokenSubject {
			return r.WebIdentity.Subject
		}
		return r.WebIdentity.Audience
	}
	return ""
}

func (k key) tag(tags map[string]string) (value, error) {
	found, at := 0, ""
	for name, text := range tags {
		if strings.EqualFold(name, k.part) {
			found++
			at = text
		}
	}
	switch found {
	case 0:
		return value{}, errAbsent
	case 1:
		return value{text: at}, nil
	}
	return value{}, errTags
}

func always(v value, set bool) (value, error) {
	if !set {
		return value{}, errUnset
	}
	return v, nil
}

// seconds drops what is finer than a policy can say; otherwise DateEquals would
// never hold.
func seconds(t time.Time) time.Time { return t.Truncate(time.Second) }
