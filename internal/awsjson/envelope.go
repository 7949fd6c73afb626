package awsjson

import (
	"net/http"
	"strconv"
)

// ContentType is the media type of requests and answers, exactly.
const ContentType = "application/x-amz-json-1.1"

// Fault is an error as the wire has it.
type Fault struct {
	Name    string // e.g. ThrottlingException
	Status  int
	Message string
}

// Body is the error envelope. The member is lower-case message: Go's SDK loses
// the text of a modelled error under any other name.
func (f Fault) Body() []byte {
	b := AppendMember([]byte{'{'}, "__type", f.Name)
	return append(AppendMember(b, "message", f.Message), '}')
}

// Write answers with a body that is complete. Nothing of it is sent before.
func Write(w http.ResponseWriter, status int, contentType, requestID string, body []byte) {
	h := w.Header()
	values := [...]string{requestID, contentType, strconv.Itoa(len(body))}
	h["x-amzn-RequestId"] = values[0:1:1] // spelled as AWS does, which Set would not
	h["Content-Type"] = values[1:2:2]
	h["Content-Length"] = values[2:3:3]
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone needs no answer
}
