package sdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store/promise"
)

// dropper lies between SDKs and a server and lets a part of the answers be lost:
// the server has given them, the connection ends. It tells a history of every
// attempt, which an SDK that tries again keeps to itself.
type dropper struct {
	t       *testing.T
	target  string
	history *promise.History
	tally   *promise.Tally

	mu   sync.Mutex
	dice *rand.Rand
	part float64 // of the answers
}

// start starts it and returns its URL.
func (d *dropper) start() string {
	front := httptest.NewServer(d)
	d.t.Cleanup(front.Close)
	return front.URL
}

// drops says whether the next answer is lost.
func (d *dropper) drops() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dice.Float64() < d.part
}

func (d *dropper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	out, err := http.NewRequest(r.Method, d.target+r.RequestURI, bytes.NewReader(body))
	if err != nil {
		d.t.Error(err)
		return
	}
	out.Header, out.Host = r.Header.Clone(), r.Host // it is signed
	claim, err := claimOf(body)
	if err != nil {
		d.t.Errorf("a request that is no batch of one: %v", err)
		return
	}
	attempt := d.history.Send(dropSeller, claim)
	res, err := http.DefaultClient.Do(out)
	if err != nil {
		d.t.Error(err)
		return
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Error(err)
		return
	}
	if d.drops() {
		d.tally.Add("dropped-answers", 1)
		panic(http.ErrAbortHandler) // ends the connection, as the server's documentation has it
	}
	attempt.Answer(toldOf(res.StatusCode, answer))
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(answer) // who does not read it has gone
}

// dropRecord is a record as BatchMeterUsage has it.
type dropRecord struct {
	Timestamp            float64
	CustomerAWSAccountId string
	LicenseArn           string
	Dimension            string
	Quantity             int32
}

// claimOf is the claim of a batch of one.
func claimOf(body []byte) (promise.Claim, error) {
	var in struct{ UsageRecords []dropRecord }
	if err := json.Unmarshal(body, &in); err != nil {
		return promise.Claim{}, err
	}
	if len(in.UsageRecords) != 1 {
		return promise.Claim{}, fmt.Errorf("%d records", len(in.UsageRecords))
	}
	r := in.UsageRecords[0]
	at := time.Unix(int64(r.Timestamp), 0).UTC()
	return promise.Claim{
		Key: metering.Key{
			Kind: metering.KindLicense, Account: dropSeller, Region: "us-east-1", Product: "drops",
			Party: r.CustomerAWSAccountId + "/" + r.LicenseArn, Dimension: r.Dimension, Hour: metering.HourOf(at),
		},
		Timestamp: at, Quantity: r.Quantity,
	}, nil
}

// toldOf is what an answer tells of its one record.
func toldOf(status int, answer []byte) promise.Told {
	var out struct {
		Results []struct {
			MeteringRecordId string
			Status           metering.Status
		}
		UnprocessedRecords []json.RawMessage
	}
	switch {
	case status >= http.StatusInternalServerError:
		return promise.Told{Verdict: promise.Unknown}
	case status != http.StatusOK || json.Unmarshal(answer, &out) != nil:
		return promise.Told{Verdict: promise.Refused}
	case len(out.UnprocessedRecords) > 0:
		return promise.Told{Verdict: promise.Unprocessed}
	case len(out.Results) == 1 && out.Results[0].Status == metering.Success:
		id, _ := metering.ParseID(out.Results[0].MeteringRecordId)
		return promise.Told{Verdict: promise.Accepted, ID: id}
	case len(out.Results) == 1 && out.Results[0].Status == metering.DuplicateRecord:
		return promise.Told{Verdict: promise.Duplicate}
	}
	return promise.Told{Verdict: promise.Refused}
}
