package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/session"
)

// ContainerEndpoint hands one workload's credentials to the SDKs in it. It is the
// endpoint of AWS's container credentials provider, in both its forms:
//
//   - AWS_CONTAINER_CREDENTIALS_FULL_URI, whose clients show an authorization
//     token: GET /credentials/<ID>.
//   - AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, as in ECS, whose clients show none:
//     GET /v2/credentials/<Secret>, where knowing the path is what counts.
//
// Its fields are set before it is first used.
type ContainerEndpoint struct {
	// ID is the workload's.
	ID string
	// Token is what the first form asks for; without one it is not served.
	Token session.Secret
	// Path is the last part of the second form's path, which nobody can guess;
	// without one that form is not served.
	Path session.Secret

	// Account and Role are told with the credentials, if they are known.
	Account metering.AccountID
	Role    session.Role

	Source func(context.Context) (session.Credentials, error)
	Now    func() time.Time
	Log    *slog.Logger // nil: nobody reads it

	credentials handout
}

// The paths, before what names the workload.
const (
	FullPath     = "/credentials/"
	RelativePath = "/v2/credentials/"
)

// ServeHTTP answers one request. What is wrong with one that shows no token, or
// a wrong one, is the same for all of them.
func (e *ContainerEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		refuseContainer(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "Credentials are asked for with GET.")
		return
	}
	shown := r.Header.Values("Authorization")
	switch {
	case e.Path != "" && strings.HasPrefix(r.URL.Path, RelativePath):
		if !same(strings.TrimPrefix(r.URL.Path, RelativePath), e.Path) || len(shown) > 0 && !e.authorized(shown) {
			refuseContainer(w, http.StatusNotFound, "NotFound", "There are no credentials here.")
			return
		}
	case e.Token != "" && strings.HasPrefix(r.URL.Path, FullPath):
		if !e.authorized(shown) {
			refuseContainer(w, http.StatusUnauthorized, "Unauthorized", "The Authorization header is not the contents of AWS_CONTAINER_AUTHORIZATION_TOKEN.")
			return
		}
		if strings.TrimPrefix(r.URL.Path, FullPath) != e.ID {
			refuseContainer(w, http.StatusNotFound, "NotFound", "There are no credentials here: this endpoint is of another workload.")
			return
		}
	default:
		refuseContainer(w, http.StatusNotFound, "NotFound", "There are no credentials here.")
		return
	}
	given, _, err := e.credentials.take(r.Context(), e.Source, e.Now)
	if err != nil {
		f, known := fault(err)
		if !known && e.Log != nil {
			e.Log.Error("credentials could not be handed out", "workload", e.ID, "error", err)
		}
		refuseContainer(w, f.status(), string(f.Code), f.Message)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		handed
		AccountID metering.AccountID `json:"AccountId,omitempty"`
		RoleARN   string             `json:"RoleArn,omitempty"`
	}{handedOf(given), e.Account, e.Role.ARN})
}

func (e *ContainerEndpoint) authorized(shown []string) bool {
	return e.Token != "" && len(shown) == 1 && same(shown[0], e.Token)
}

// same compares what somebody shows with a secret. How long it takes tells
// neither how much of it is right nor how long the secret is.
func same(shown string, secret session.Secret) bool {
	a, b := sha256.Sum256([]byte(shown)), sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// refuseContainer answers in the form of which SDKs show code and message.
func refuseContainer(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{code, message})
}
