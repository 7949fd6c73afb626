package awsapi

import (
	"net/http"

	"github.com/meterd/meterd/internal/awsjson"
	"github.com/meterd/meterd/internal/rpccbor"
)

// CBORPath is the one path beside "/" that is the wire: GetEntitlements in
// Smithy's RPC v2 CBOR, which Go's SDK speaks to the Entitlement Service.
const CBORPath = "/service/AWSMPEntitlementService/operation/GetEntitlements"

// wire is one of the two protocols.
type wire struct {
	path        string
	contentType string
	signed      []string // headers that must be sent and signed
	cbor        bool
}

var (
	jsonWire = wire{path: "/", contentType: awsjson.ContentType, signed: []string{"content-type", "x-amz-target"}}
	cborWire = wire{path: CBORPath, contentType: rpccbor.ContentType, signed: []string{"content-type"}, cbor: true}
)

// wireOf tells the wire by the request's URI as it was sent: no router has
// cleaned it. A URI of neither is answered in JSON.
func wireOf(r *http.Request) wire {
	if r.RequestURI == CBORPath {
		return cborWire
	}
	return jsonWire
}

func (w wire) decode(body []byte, in interface{ decode(*awsjson.Decoder) }) error {
	if !w.cbor {
		return awsjson.Decode(body, in.decode)
	}
	if err := rpccbor.Unmarshal(body, in); err != nil {
		return &awsjson.SerializationError{Message: err.Error()}
	}
	return nil
}

// encode writes an output, into b if there is room.
func (w wire) encode(out output, b []byte) ([]byte, error) {
	if w.cbor {
		return rpccbor.Marshal(out)
	}
	return out.appendJSON(b[:0]), nil
}

// fault is an error's body.
func (w wire) fault(f awsjson.Fault) []byte {
	if !w.cbor {
		return f.Body()
	}
	body, err := rpccbor.Marshal(struct {
		Type    string `cbor:"__type"`
		Message string `cbor:"message"`
	}{f.Name, f.Message})
	if err != nil {
		return nil // two strings always encode
	}
	return body
}

func (w wire) write(rw http.ResponseWriter, status int, requestID string, body []byte) {
	if w.cbor {
		rw.Header().Set("smithy-protocol", rpccbor.Protocol)
	}
	awsjson.Write(rw, status, w.contentType, requestID, body)
}
