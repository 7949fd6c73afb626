// Package rpccbor is Smithy's RPC v2 CBOR protocol as a server speaks it, as
// strict as its JSON sibling in all that a shape reads: exact member names, no
// name twice in a map, valid UTF-8, and a map for a body. What is in members that
// it does not know must be well-formed, and no more. Shapes are Go structs whose
// fields are spelled as on the wire; pointers are members that may be absent.
package rpccbor

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// ContentType is the media type of requests and answers; Protocol is the value
// of their smithy-protocol header.
const (
	ContentType = "application/cbor"
	Protocol    = "rpc-v2-cbor"
)

// maxDepth is how deep maps and lists may nest, as in awsjson.
const maxDepth = 16

// decoding and encoding are immutable.
var (
	decoding = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		UTF8:              cbor.UTF8RejectInvalid,
		MaxNestedLevels:   maxDepth,
	}.DecMode())
	encoding = must(cbor.EncOptions{
		Time:    cbor.TimeUnixDynamic,
		TimeTag: cbor.EncTagRequired,
	}.EncMode())
)

func must[M any](mode M, err error) M {
	if err != nil {
		panic(err) // the options above contradict each other
	}
	return mode
}

// mapType is the first three bits of a map's head (RFC 8949, major type 5).
const mapType = 5

var errNotMap = errors.New("the body is not the CBOR that was expected: it must be a map")

// Unmarshal reads a body, which must be one map, into a shape.
func Unmarshal(body []byte, shape any) error {
	if len(body) == 0 || body[0]>>5 != mapType { // null and tagged maps decode, too
		return errNotMap
	}
	if err := decoding.Unmarshal(body, shape); err != nil {
		return explain(err)
	}
	return nil
}

// explain keeps the library's words to itself where they name our types.
func explain(err error) error {
	var mistyped *cbor.UnmarshalTypeError
	if errors.As(err, &mistyped) {
		member := mistyped.StructFieldName[strings.LastIndexByte(mistyped.StructFieldName, '.')+1:]
		return fmt.Errorf("the body is not the CBOR that was expected: %s is a %s", cmp.Or(member, "a value"), mistyped.CBORType)
	}
	return fmt.Errorf("the body is not the CBOR that was expected: %w", err)
}

// Marshal writes a shape.
func Marshal(shape any) ([]byte, error) { return encoding.Marshal(shape) }
