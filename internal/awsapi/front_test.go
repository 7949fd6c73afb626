package awsapi

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/awsjson"
	"github.com/meterd/meterd/internal/store"
)

// padded is an empty batch of just that many bytes.
func padded(n int) []byte {
	const head, tail = `{"UsageRecords":[],"Pad":"`, `"}`
	return []byte(head + strings.Repeat("x", n-len(head)-len(tail)) + tail)
}

// TestSize: a request must be smaller than 1 MB, whether it says so or
// comes in chunks; it is not read further, and the connection is closed.
func TestSize(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	for _, test := range []struct {
		name    string
		size    int
		chunked bool
		want    int
	}{
		{"the largest", MaxBody - 1, false, 200},
		{"the largest in chunks", MaxBody - 1, true, 200},
		{"one byte more", MaxBody, false, 413},
		{"one byte more in chunks", MaxBody, true, 413},
		{"far more in chunks", 3 * MaxBody, true, 413},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCall("POST", "BatchMeterUsage", "AKIASELLERACME001", "us-east-1")
			c.body, c.chunked = padded(test.size), test.chunked
			response, body := w.do(t, c)
			if response.StatusCode != test.want {
				t.Fatalf("%d %s, want %d", response.StatusCode, body, test.want)
			}
			if refused := test.want == 413; refused != response.Close || refused && !strings.Contains(string(body), "RequestEntityTooLargeException") {
				t.Errorf("closed: %v, %s", response.Close, body)
			}
		})
	}
}

// TestSizeByLength: who says that too much will come is refused before any of it
// has.
func TestSizeByLength(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\nX-Amz-Target: AWSMPMeteringService.MeterUsage\r\nContent-Length: 1048576\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 413 || !response.Close {
		t.Errorf("%s, closed: %v", response.Status, response.Close)
	}
}

// failingStore is a store whose appends fail, or panic.
type failingStore struct {
	store.Store
	err error
}

func (s failingStore) Append(context.Context, store.Call) (store.Outcome, error) {
	if s.err == nil {
		panic("the store is gone")
	}
	return store.Outcome{}, s.err
}

// TestOursToRead: what is not in the table, and what panics, is our own: the
// caller reads 500 in the usual envelope, which SDKs retry, and nothing else.
func TestOursToRead(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, fmt.Errorf("the disk at /dev/sda1 is full"), store.ErrUnknown, context.Canceled} {
		for _, namespaces := range []bool{false, true} {
			w := newWorld(t, worldOptions{compat: fmt.Sprintf("error_namespace: %v", namespaces)})
			var logged bytes.Buffer
			w.api.Log = newLogger(&logged)
			w.api.Store = failingStore{w.store, err}
			c := newCall("POST", "BatchMeterUsage", "AKIASELLERACME001", "us-east-1")
			c.body = []byte(batchOf(recordOf(vectorsNow, "scans", 5)))
			response, body := w.do(t, c)
			name := "InternalServiceErrorException"
			if namespaces {
				name = "com.amazonaws.marketplacemetering#" + name
			}
			if want := `{"__type":"` + name + `","message":"internal error"}`; response.StatusCode != 500 || string(body) != want {
				t.Errorf("%v: %d %s, want %s", err, response.StatusCode, body, want)
			}
			if got := response.Header.Get("X-Amzn-Errortype"); got != name {
				t.Errorf("%v: x-amzn-ErrorType %q, want %q", err, got, name)
			}
			if response.Header.Get("X-Amzn-Requestid") == "" || !strings.Contains(logged.String(), "level=ERROR") {
				t.Errorf("%v: no request id, or no log: %s", err, logged.String())
			}
		}
	}
}

// brokenBody fails as a connection does, in words that are not a stranger's to
// read.
type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) {
	return 0, fmt.Errorf("read tcp 10.0.0.7:8484->10.0.0.9:51234: i/o timeout")
}

func TestBrokenBodyTellsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	r := httptest.NewRequest("POST", "/", io.NopCloser(brokenBody{}))
	r.Header.Set("Content-Type", awsjson.ContentType)
	r.Header.Set("X-Amz-Target", "AWSMPMeteringService.MeterUsage")
	answer := httptest.NewRecorder()
	w.api.Handler().ServeHTTP(answer, r)
	if got := answer.Body.String(); answer.Code != 400 || strings.Contains(got, "10.0.0") || !strings.Contains(got, "SerializationException") {
		t.Errorf("%d %s", answer.Code, got)
	}
}

// TestManyRecordsCostLittle: what is refused for its number is not kept.
func TestManyRecordsCostLittle(t *testing.T) {
	w := newWorld(t, worldOptions{})
	in := new(batchMeterUsageInput)
	body := []byte(`{"UsageRecords":[` + strings.Repeat("{},", 300_000) + `{}]}`)
	if err := jsonWire.decode(body, in); err != nil {
		t.Fatal(err)
	}
	if len(in.records) > maxRecords {
		t.Errorf("%d records are kept", len(in.records))
	}
	status, answer := w.post(t, "BatchMeterUsage", "AKIASELLERACME001", string(body))
	if status != 400 || !strings.Contains(answer, "'[300001 members]' at 'usageRecords'") {
		t.Errorf("%d %s", status, answer)
	}
}
