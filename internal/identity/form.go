package identity

import (
	"bytes"
	"fmt"
	"mime"
	"net/url"
	"strings"
	"unicode/utf8"
)

const (
	formType = "application/x-www-form-urlencoded"

	// apiVersion is the only version of the service there has been.
	apiVersion = "2011-06-15"

	// maxForm bounds a body. The longest token, the longest policy and fifty
	// tags, with every character escaped, are less.
	maxForm = 128 << 10

	// maxParameters bounds what reading a body costs: strangers' are read, too.
	// Fifty tags, and whatever else there is, are less than two hundred.
	maxParameters = 1000
)

// form is the parameters of a call by name.
type form map[string]string

// parseForm reads a body. It is stricter than net/url's parser, which drops what
// it does not understand: nothing that a client sent, a policy say, may be lost
// in silence. So no name may come twice, and none without a "=".
func parseForm(contentType string, body []byte) (form, error) {
	if len(body) > maxForm {
		return nil, &Error{Code: RequestEntityTooLarge, Message: fmt.Sprintf("The request must not be larger than %d bytes.", maxForm)}
	}
	media, params, err := mime.ParseMediaType(contentType)
	charset, given := params["charset"]
	if err != nil || media != formType || given && !strings.EqualFold(charset, "utf-8") {
		return nil, malformed("The content type must be " + formType + ".")
	}
	f := form{}
	if len(body) == 0 {
		return f, nil
	}
	if bytes.Count(body, []byte("&")) >= maxParameters {
		return nil, malformed(fmt.Sprintf("The request must not have more than %d parameters.", maxParameters))
	}
	for pair := range strings.SplitSeq(string(body), "&") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" || strings.Contains(pair, ";") {
			return nil, malformed("A parameter is not of the form name=value.")
		}
		if name, ok = unescape(name); !ok {
			return nil, malformed("The name of a parameter is not percent-encoded UTF-8.")
		}
		if value, ok = unescape(value); !ok {
			return nil, malformed(fmt.Sprintf("The parameter %q is not percent-encoded UTF-8.", shorten(name)))
		}
		if _, twice := f[name]; twice {
			return nil, malformed(fmt.Sprintf("The parameter %q is there twice.", shorten(name)))
		}
		f[name] = value
	}
	return f, nil
}

func malformed(message string) error { return &Error{Code: MalformedQueryString, Message: message} }

func unescape(s string) (string, bool) {
	s, err := url.QueryUnescape(s)
	return s, err == nil && utf8.ValidString(s)
}

// action is the operation that a form asks for, one of those that are offered.
// Parameters that an operation does not know are passed over, as AWS does.
func (f form) action(offered ...string) (string, error) {
	action, ok := f["Action"]
	if !ok {
		return "", &Error{Code: MissingAction, Message: "The request is missing an action: the parameter Action is required."}
	}
	version, ok := f["Version"]
	if !ok {
		version = "NO_VERSION_SPECIFIED"
	}
	if version == apiVersion {
		for _, name := range offered {
			if action == name {
				return name, nil
			}
		}
	}
	return "", &Error{Code: InvalidAction, Message: "Could not find operation " + shorten(action) + " for version " + shorten(version)}
}
