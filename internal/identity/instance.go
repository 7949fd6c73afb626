package identity

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/session"
)

// InstanceEndpoint is the part of EC2's instance metadata service that software
// needs to know where it runs and as whom: of version 2 alone, in which every
// question shows a token that was asked for with a PUT. What of version 1 comes
// here, that is without a token, is always refused: it is what a program that can
// be made to fetch an address gives away.
//
// Its fields are set before it is first used.
type InstanceEndpoint struct {
	Instance Instance
	Role     string // the role's name

	Source func(context.Context) (session.Credentials, error)
	Now    func() time.Time
	Log    *slog.Logger // nil: nobody reads it
	// Signer is who signs the instance's identity document, asked when a signature
	// is, since few are; nil: there are no signatures.
	Signer func() (*DocumentSigner, error)

	tokens      metadataTokens
	credentials handout
}

// Paths of the metadata service.
const (
	tokenPath       = "/latest/api/token"
	credentialsPath = "/latest/meta-data/iam/security-credentials/"
	identityPath    = "/latest/dynamic/instance-identity/"
)

// ServeHTTP answers one request.
func (e *InstanceEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A page in a browser on this machine can have its own name lead here, and then
	// every header is its to send. SDKs come by an address.
	if !byAddress(r.Host) {
		refuseInstance(w, http.StatusForbidden)
		return
	}
	if r.URL.Path == tokenPath {
		e.issueToken(w, r)
		return
	}
	shown := r.Header.Values(tokenHeader)
	switch {
	case len(shown) != 1 || !e.tokens.good(shown[0], e.Now()):
		refuseInstance(w, http.StatusUnauthorized)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", http.MethodGet)
		refuseInstance(w, http.StatusMethodNotAllowed)
	default:
		e.answer(w, r)
	}
}

func (e *InstanceEndpoint) answer(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; path {
	case credentialsPath, strings.TrimSuffix(credentialsPath, "/"):
		writeText(w, e.Role)
	case credentialsPath + e.Role:
		e.handOut(w, r)
	case "/latest/meta-data/instance-id":
		writeText(w, e.Instance.ID)
	case "/latest/meta-data/placement/region":
		writeText(w, e.Instance.Region)
	case "/latest/meta-data/placement/availability-zone":
		writeText(w, e.Instance.zone())
	case identityPath + "document":
		writeText(w, string(e.Instance.document()))
	case identityPath + "signature":
		e.sign(w, (*DocumentSigner).signature)
	case identityPath + "pkcs7":
		e.sign(w, (*DocumentSigner).pkcs7)
	default:
		refuseInstance(w, http.StatusNotFound)
	}
}

// handOut answers with the role's credentials. In trouble the answer is a status:
// SDKs retry one of 500 and more, and name it.
func (e *InstanceEndpoint) handOut(w http.ResponseWriter, r *http.Request) {
	given, since, err := e.credentials.take(r.Context(), e.Source, e.Now)
	if err != nil {
		f, known := fault(err)
		if e.Log != nil {
			e.Log.Error("credentials could not be handed out", "instance", e.Instance.ID, "known", known, "error", err)
		}
		writeJSON(w, f.status(), struct{ Code, Message string }{string(f.Code), f.Message})
		return
	}
	body := struct {
		Code        string
		LastUpdated string
		Type        string
		handed
	}{"Success", instant(since), "AWS-HMAC", handedOf(given)}
	writeJSON(w, http.StatusOK, body)
}

func (e *InstanceEndpoint) sign(w http.ResponseWriter, form func(*DocumentSigner, []byte) (string, error)) {
	if e.Signer == nil {
		refuseInstance(w, http.StatusNotFound)
		return
	}
	signer, err := e.Signer()
	var signed string
	if err == nil {
		signed, err = form(signer, e.Instance.document())
	}
	if err != nil {
		if e.Log != nil {
			e.Log.Error("the identity document could not be signed", "instance", e.Instance.ID, "error", err)
		}
		refuseInstance(w, http.StatusInternalServerError)
		return
	}
	writeText(w, signed)
}

// byAddress reports whether a Host header names an address, or this machine.
func byAddress(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || host == "localhost"
}

func writeText(w http.ResponseWriter, text string) {
	writeSecret(w, http.StatusOK, "text/plain", []byte(text))
}

func refuseInstance(w http.ResponseWriter, status int) {
	writeSecret(w, status, "text/plain", []byte(http.StatusText(status)+"\n"))
}
