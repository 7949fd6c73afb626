package sdk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// rawClient sends what no typed client can: the SDK's own signer over a body
// that is written here.
type rawClient struct{}

func (rawClient) send(ctx context.Context, c call) ([]answer, error) {
	resp, err := postJSON(ctx, c)
	if err != nil {
		return nil, err
	}
	a := answer{Attempts: 1, RequestID: resp.header.Get("X-Amzn-Requestid")}
	if resp.status == http.StatusOK {
		err := json.Unmarshal(resp.body, &a.Output)
		return []answer{a}, err
	}
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(resp.body, &e); err != nil {
		return nil, err
	}
	_, modelled := goTypes[e.Type]
	a.Failure = &failure{Name: e.Type, Message: e.Message, Status: resp.status, Typed: modelled}
	return []answer{a}, nil
}

// postJSON sends the call in the metering service's own protocol.
func postJSON(ctx context.Context, c call) (*response, error) {
	body, err := wireBody(c.Input)
	if err != nil {
		return nil, err
	}
	return post(ctx, c, "/", http.Header{
		"Content-Type": {"application/x-amz-json-1.1"},
		"X-Amz-Target": {"AWSMPMeteringService." + c.Operation},
	}, body)
}

// response is an answer of the wire, read whole.
type response struct {
	status int
	header http.Header
	body   []byte
}

// post signs a request for the call's caller and sends it.
func post(ctx context.Context, c call, path string, header http.Header, body []byte) (*response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Endpoint+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = header.Clone()
	sum := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(ctx, aws.Credentials{AccessKeyID: c.KeyID, SecretAccessKey: c.Secret},
		req, hex.EncodeToString(sum[:]), "aws-marketplace", c.Region, time.Now())
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return &response{resp.StatusCode, resp.Header, answer}, err
}

// wireBody writes an input as the wire has it: instants as seconds since 1970,
// all other numbers digit by digit as they were.
func wireBody(input []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(input))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if err := epochs(v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

func epochs(v any) error {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if text, ok := member.(string); ok && name == "Timestamp" {
				at, err := time.Parse(time.RFC3339Nano, text)
				if err != nil {
					return err
				}
				v[name] = float64(at.UnixMilli()) / 1000
			}
			if err := epochs(member); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range v {
			if err := epochs(item); err != nil {
				return err
			}
		}
	}
	return nil
}

// The rest looks below the SDKs, at what they cannot say or cannot tell.

// TestEmptyLists wants both lists of an answer to be there when they are empty,
// which most SDKs cannot tell from absent.
func TestEmptyLists(t *testing.T) { oneOrTwo(t, testEmptyLists) }

func testEmptyLists(t *testing.T, p place) {
	s := p.start(t)
	resp, err := postJSON(t.Context(), s.callAs(t, "seller", "BatchMeterUsage", `{"UsageRecords":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"Results":[],"UnprocessedRecords":[]}`
	if resp.status != http.StatusOK || string(resp.body) != want {
		t.Errorf("got %d %s\nwant 200 %s", resp.status, resp.body, want)
	}
}

// TestNoClientToken leaves out the token that every SDK fills in by itself. It
// is optional on an instance, a task or a pod, and mandatory for an agent.
func TestNoClientToken(t *testing.T) { oneOrTwo(t, testNoClientToken) }

func testNoClientToken(t *testing.T, p place) {
	s := p.start(t)
	input := `{"ProductCode":"appliance","Timestamp":"2026-09-15T10:30:00Z","UsageDimension":"requests","UsageQuantity":3}`
	names := ids{}
	for range 2 {
		request := s.callAs(t, "i-1", "MeterUsage", input)
		answers, err := (rawClient{}).send(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		expectation{ID: "X"}.judge(t, s, "i-1 without a token", request, answers, names)
	}
	request := s.callAs(t, "rt-1", "MeterUsage",
		`{"ProductCode":"assistant","Timestamp":"2026-09-15T10:30:00Z","UsageDimension":"answers","UsageQuantity":2}`)
	answers, err := (rawClient{}).send(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	refused := expectation{Error: &errorResult{Name: "ValidationException", Status: 400}}
	refused.judge(t, s, "rt-1 without a token", request, answers, names)
}
