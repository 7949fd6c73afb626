package awsapi

import (
	"math"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/meterd/meterd/internal/caller"
)

// cborCall is GetEntitlements as Go's SDK sends it (contract 10.4): no target, the
// path says it all.
func cborCall(t *testing.T, key string, input any) *call {
	t.Helper()
	c := newCall("POST", CBORPath, key, "us-east-1")
	c.header.Set("Content-Type", "application/cbor")
	c.header.Set("Smithy-Protocol", "rpc-v2-cbor")
	c.header.Set("Accept", "application/cbor")
	body, err := cbor.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	c.body = body
	return c
}

// answerCBOR sends a call; its answer must be CBOR in its headers, too.
func answerCBOR(t *testing.T, w *world, c *call) (int, map[string]any) {
	t.Helper()
	response, body := w.do(t, c)
	h := response.Header
	if h.Get("Content-Type") != "application/cbor" || h.Get("Smithy-Protocol") != "rpc-v2-cbor" || h.Get("X-Amzn-Requestid") == "" {
		t.Errorf("headers %v", h)
	}
	var out map[string]any
	mode, err := cbor.DecOptions{DefaultMapType: nil, TimeTagToAny: cbor.TimeTagToTime}.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	if err := mode.Unmarshal(body, &out); err != nil {
		t.Fatalf("%x: %v", body, err)
	}
	if response.StatusCode != 200 && out["__type"] != h.Get("X-Amzn-Errortype") {
		t.Errorf("x-amzn-ErrorType %q, __type %q", h.Get("X-Amzn-Errortype"), out["__type"])
	}
	return response.StatusCode, out
}

type object = map[string]any

func TestCBOR(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	expires := time.Date(2027, 8, 1, 0, 0, 0, 0, time.UTC)
	entitled := func(dimension string, value object, expires any) any {
		e := map[any]any{
			"ProductCode": "suite", "Dimension": dimension, "CustomerAWSAccountId": "111122223333",
			"LicenseArn": "arn:aws:license-manager::294406891311:license:l-0a12",
		}
		v := map[any]any{}
		for name, x := range value {
			v[name] = x
		}
		e["Value"] = v
		if expires != nil {
			e["ExpirationDate"] = expires
		}
		return e
	}
	status, got := answerCBOR(t, w, cborCall(t, "AKIASELLERACME001", object{"ProductCode": "suite", "MaxResults": 4, "Unknown": []int{1}}))
	want := object{
		"Entitlements": []any{
			entitled("seats", object{"IntegerValue": uint64(50)}, expires),
			entitled("storage", object{"DoubleValue": 2.5}, nil),
			entitled("support", object{"BooleanValue": true}, nil),
			entitled("tier", object{"StringValue": "gold"}, nil),
		},
		"NextToken": "MC9iLXN1aXRl",
	}
	if diff := cmp.Diff(want, got); status != 200 || diff != "" {
		t.Errorf("%d (-want +got):\n%s", status, diff)
	}
	for name, input := range map[string]object{
		"the rest":                   {"ProductCode": "suite", "NextToken": "MC9iLXN1aXRl"},
		"a filter":                   {"ProductCode": "suite", "Filter": object{"CUSTOMER_AWS_ACCOUNT_ID": []string{"444455556666"}}},
		"null members are not there": {"ProductCode": "suite", "Filter": object{"DIMENSION": nil, "CUSTOMER_AWS_ACCOUNT_ID": []string{"444455556666"}}, "MaxResults": nil, "NextToken": nil},
	} {
		if status, got := answerCBOR(t, w, cborCall(t, "AKIASELLERACME001", input)); status != 200 || len(got["Entitlements"].([]any)) != 1 {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
}

// TestCBORErrors: every error is CBOR, the front door's too.
func TestCBORErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{limits: caller.Limits{"GetEntitlements": 20}})
	suite := object{"ProductCode": "suite"}
	change := func(change func(*call)) *call {
		c := cborCall(t, "AKIASELLERACME001", suite)
		change(c)
		return c
	}
	for _, test := range []struct {
		name   string
		call   *call
		status int
		want   string
	}{
		{"nobody signs", cborCall(t, "", suite), 403, "MissingAuthenticationTokenException"},
		{"another secret", change(func(c *call) { c.secret = "another" }), 400, "InvalidSignatureException"},
		{"a foreign product", cborCall(t, "AKIASELLEROTHER01", suite), 400, "InvalidParameterException"},
		{"no product", cborCall(t, "AKIASELLERACME001", object{}), 400, "InvalidParameterException"},
		{"a wrong type", cborCall(t, "AKIASELLERACME001", object{"ProductCode": 7}), 400, "SerializationException"},
		{"a fraction", cborCall(t, "AKIASELLERACME001", object{"ProductCode": "suite", "MaxResults": 1.5}), 400, "SerializationException"},
		{"too large a number", cborCall(t, "AKIASELLERACME001", object{"ProductCode": "suite", "MaxResults": int64(math.MaxInt32) + 1}), 400, "SerializationException"},
		{"too many", cborCall(t, "AKIASELLERACME001", object{"ProductCode": "suite", "MaxResults": 26}), 400, "InvalidParameterException"},
		{"two customers", cborCall(t, "AKIASELLERACME001", object{"ProductCode": "suite", "Filter": object{"CUSTOMER_IDENTIFIER": []string{"a"}, "CUSTOMER_AWS_ACCOUNT_ID": []string{"b"}}}), 400, "InvalidParameterException"},
		{"no body", change(func(c *call) { c.body = nil }), 400, "SerializationException"},
		{"cut off", change(func(c *call) { c.body = c.body[:len(c.body)-1] }), 400, "SerializationException"},
		{"trailing", change(func(c *call) { c.body = append(c.body, 0) }), 400, "SerializationException"},
		{"a list", cborCall(t, "AKIASELLERACME001", []int{1}), 400, "SerializationException"},
		{"a name twice", change(func(c *call) {
			c.body = []byte("\xa2\x6bProductCode\x65suite\x6bProductCode\x65suite")
		}), 400, "SerializationException"},
		{"not UTF-8", change(func(c *call) { c.body = []byte("\xa1\x6bProductCode\x61\xff") }), 400, "SerializationException"},
		{"JSON", change(func(c *call) { c.body = []byte(`{"ProductCode":"suite"}`) }), 400, "SerializationException"},
		{"another type", change(func(c *call) { c.header.Set("Content-Type", "application/x-amz-json-1.1") }), 400, "UnknownOperationException"},
		{"another method", change(func(c *call) { c.method = "PUT" }), 400, "UnknownOperationException"},
		{"another host", change(func(c *call) { c.host = "elsewhere.example" }), 400, "UnknownOperationException"},
		{"too large", change(func(c *call) { c.length = MaxBody }), 413, "RequestEntityTooLargeException"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, got := answerCBOR(t, w, test.call)
			if status != test.status || got["__type"] != test.want || got["message"] == "" || len(got) != 2 {
				t.Errorf("%d %v, want %d %s", status, got, test.status, test.want)
			}
		})
	}
	w.truth.Advance(time.Minute)
	for range 20 {
		answerCBOR(t, w, cborCall(t, "AKIASELLERACME001", suite))
	}
	if status, got := answerCBOR(t, w, cborCall(t, "AKIASELLERACME001", suite)); status != 400 || got["__type"] != "ThrottlingException" {
		t.Errorf("%d %v", status, got)
	}
	// The wires share the bucket: it is one operation.
	if status, answer := w.post(t, "GetEntitlements", "AKIASELLERACME001", `{}`); status != 400 || answer != `{"__type":"ThrottlingException","message":"Rate exceeded"}` {
		t.Errorf("%d %s", status, answer)
	}
}
