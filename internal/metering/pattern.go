package metering

import "strings"

// Patterns of the service's model (August 2026), as its error messages quote
// them. The functions below match them without the cost of a regular expression:
// they run for every record.
const (
	ProductCodePattern = `^[-a-zA-Z0-9/=:_.@]*$`
	AccountPattern     = `^[0-9]+$`
	LicenseARNPattern  = `^arn:aws[a-zA-Z-]*:[A-Za-z0-9][A-Za-z0-9_/.-]{0,62}:[A-Za-z0-9_/.-]{0,63}:[A-Za-z0-9_/.-]{0,63}:[A-Za-z0-9][A-Za-z0-9:_/+=,@.-]{0,1023}$`
)

// IsProductCode matches ProductCodePattern.
func IsProductCode(s string) bool { return consistsOf(s, &inProductCode) }

// IsAccountDigits matches AccountPattern. An account that exists is more than
// that: see AccountID.Valid.
func IsAccountDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// IsLicenseARN matches LicenseARNPattern.
func IsLicenseARN(s string) bool {
	rest, ok := strings.CutPrefix(s, "arn:aws")
	if !ok {
		return false
	}
	partition, rest, _ := strings.Cut(rest, ":")
	service, rest, _ := strings.Cut(rest, ":")
	region, rest, _ := strings.Cut(rest, ":")
	account, resource, _ := strings.Cut(rest, ":")
	for i := range len(partition) {
		if c := partition[i]; !isLetter(c) && c != '-' {
			return false
		}
	}
	return startsAlphanumeric(service) && len(service) <= 63 && consistsOf(service, &inARNPart) &&
		len(region) <= 63 && consistsOf(region, &inARNPart) &&
		len(account) <= 63 && consistsOf(account, &inARNPart) &&
		startsAlphanumeric(resource) && len(resource) <= 1024 && consistsOf(resource, &inARNResource)
}

// alphabet says of each byte whether it may occur.
type alphabet [256]bool

var (
	alphanumeric  = alphabetOf("")
	inProductCode = alphabetOf("-/=:_.@")
	inARNPart     = alphabetOf("_/.-")
	inARNResource = alphabetOf(":_/+=,@.-")
)

// alphabetOf has ASCII letters, digits and the others.
func alphabetOf(others string) (a alphabet) {
	for c := range len(a) {
		b := byte(c)
		a[c] = isLetter(b) || '0' <= b && b <= '9' || strings.IndexByte(others, b) >= 0
	}
	return a
}

// consistsOf reports whether s has nothing else than a.
func consistsOf(s string, a *alphabet) bool {
	for i := range len(s) {
		if !a[s[i]] {
			return false
		}
	}
	return true
}

func startsAlphanumeric(s string) bool { return s != "" && consistsOf(s[:1], &alphanumeric) }

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
