package identity

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"time"

	"github.com/meterd/meterd/internal/session"
)

const xmlType = "text/xml"

// The answers, spelled as on the wire. Each names its own root.

type assumeRoleAnswer struct {
	XMLName  xml.Name         `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
	Result   assumeRoleResult `xml:"AssumeRoleResult"`
	Metadata responseMetadata `xml:"ResponseMetadata"`
}

type assumeRoleResult struct {
	AssumedRoleUser assumedRoleUser
	Credentials     credentials
}

type webIdentityAnswer struct {
	XMLName  xml.Name          `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleWithWebIdentityResponse"`
	Result   webIdentityResult `xml:"AssumeRoleWithWebIdentityResult"`
	Metadata responseMetadata  `xml:"ResponseMetadata"`
}

type webIdentityResult struct {
	SubjectFromWebIdentityToken string
	Audience                    string
	AssumedRoleUser             assumedRoleUser
	Credentials                 credentials
	Provider                    string
}

type callerIdentityAnswer struct {
	XMLName  xml.Name             `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse"`
	Result   callerIdentityResult `xml:"GetCallerIdentityResult"`
	Metadata responseMetadata     `xml:"ResponseMetadata"`
}

type callerIdentityResult struct {
	ARN     string `xml:"Arn"`
	UserID  string `xml:"UserId"`
	Account string
}

type errorAnswer struct {
	XMLName   xml.Name    `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Error     errorResult `xml:"Error"`
	RequestID string      `xml:"RequestId"`
}

type errorResult struct {
	Type    string // whose fault it is: Sender or Receiver
	Code    Code
	Message string
}

// responseMetadata is where answers have the request's id; errors have it bare.
type responseMetadata struct {
	RequestID string `xml:"RequestId"`
}

type assumedRoleUser struct {
	AssumedRoleID string `xml:"AssumedRoleId"`
	ARN           string `xml:"Arn"`
}

// credentials has plain strings: a session.Secret hides itself from encoders.
type credentials struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

func credentialsOf(c session.Credentials) credentials {
	return credentials{
		AccessKeyID:     c.AccessKeyID,
		SecretAccessKey: string(c.SecretAccessKey),
		SessionToken:    string(c.Token),
		Expiration:      c.Expiration.UTC().Format(time.RFC3339),
	}
}

func assumedRoleUserOf(c *session.Claims) assumedRoleUser {
	return assumedRoleUser{AssumedRoleID: c.AssumedRoleID(), ARN: c.AssumedRoleARN()}
}

// answerAssumeRole tells who assumed a role what it may sign with.
func answerAssumeRole(c *session.Claims, creds session.Credentials, requestID string) any {
	return &assumeRoleAnswer{
		Result:   assumeRoleResult{AssumedRoleUser: assumedRoleUserOf(c), Credentials: credentialsOf(creds)},
		Metadata: responseMetadata{requestID},
	}
}

// answerWebIdentity also tells what the token was taken to say.
func answerWebIdentity(c *session.Claims, creds session.Credentials, requestID string) any {
	return &webIdentityAnswer{
		Result: webIdentityResult{
			SubjectFromWebIdentityToken: c.Federation.Subject,
			Audience:                    c.Federation.Audience,
			AssumedRoleUser:             assumedRoleUserOf(c),
			Credentials:                 credentialsOf(creds),
			Provider:                    c.Federation.Provider,
		},
		Metadata: responseMetadata{requestID},
	}
}

// answerCallerIdentity tells a caller who it is.
func answerCallerIdentity(arn, userID, account, requestID string) any {
	return &callerIdentityAnswer{
		Result:   callerIdentityResult{ARN: arn, UserID: userID, Account: account},
		Metadata: responseMetadata{requestID},
	}
}

// answerError is what fault has made, with its status.
func answerError(f *Error, requestID string) (answer any, status int) {
	status = f.status()
	party := "Sender"
	if status >= http.StatusInternalServerError {
		party = "Receiver"
	}
	return &errorAnswer{Error: errorResult{party, f.Code, f.Message}, RequestID: requestID}, status
}

// write sends an answer that is complete. What XML cannot carry arrives as U+FFFD.
func write(w http.ResponseWriter, status int, requestID string, answer any) error {
	body, err := xml.Marshal(answer)
	if err != nil {
		return err
	}
	h := w.Header()
	h["x-amzn-RequestId"] = []string{requestID} // spelled as AWS does, which Set would not
	h.Set("Content-Type", xmlType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store") // an answer is a secret
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone needs no answer
	return nil
}
