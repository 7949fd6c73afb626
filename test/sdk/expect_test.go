package sdk

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// An expectation is what a call must be answered with. What is not given is not
// asked, save for what holds of every answer.
type expectation struct {
	Records []recordResult // BatchMeterUsage: one for each record, in order
	ID      string         // MeterUsage: the name of the record's id
	Output  map[string]any // exactly this
	Token   map[string]any // RegisterUsage: the claims of the token, and no rotation
	Error   *errorResult   // this error
	Some    *errorResult   // copies: each succeeds or fails so, and both happen
	Retried bool           // copies: all succeed, and not all at the first attempt
}

// A recordResult is what becomes of one usage record. One name stands for one
// id, two names for two. A single result stands for all repetitions.
type recordResult struct{ Status, ID string }

// An errorResult is an error. The status is that of the catalogue of errors
// unless given; the message holds all these parts.
type errorResult struct {
	Name    string
	Status  int
	Message []string
}

// ids are the record ids of a vector by their names in it.
type ids map[string]string

// same reports whether id is what the name stands for, and what no other stands for.
func (n ids) same(name, id string) bool {
	if known, ok := n[name]; ok {
		return known == id
	}
	for _, other := range n {
		if other == id {
			return false
		}
	}
	n[name] = id
	return id != ""
}

func (e expectation) judge(t *testing.T, s *server, where string, c call, answers []answer, names ids) {
	t.Helper()
	for _, a := range answers {
		if a.Refused != "" {
			t.Fatalf("%s: not sent: %s", where, a.Refused)
		}
		if tells := a.Attempts > 0 || a.Failure != nil && a.Failure.Status > 0; tells && a.RequestID == "" {
			t.Errorf("%s: an answer without a request id: %v", where, a)
		}
	}
	got := answers[0]
	fail := func(want any) {
		t.Helper()
		t.Fatalf("%s: %s %s\ngot  %v\nwant %+v", where, c.Operation, c.Input, got, want)
	}
	switch {
	case e.Some != nil:
		e.judgeSome(t, where, answers)
	case e.Retried:
		judgeRetried(t, where, answers)
	case e.Error != nil:
		if diff := e.Error.differs(got); diff != "" {
			fail(diff)
		}
	case got.Failure != nil:
		fail(e)
	case e.Records != nil:
		e.judgeRecords(t, where, c, got, names)
	case e.ID != "":
		id, _ := got.Output["MeteringRecordId"].(string)
		if len(got.Output) != 1 || !names.same(e.ID, id) {
			t.Fatalf("%s: got %v, want the id %s, the others being %v", where, got, e.ID, names)
		}
	case e.Token != nil:
		judgeToken(t, s, where, got.Output, e.Token)
	default:
		if diff := cmp.Diff(e.Output, got.Output); diff != "" {
			t.Fatalf("%s: the answer differs (-want +got):\n%s", where, diff)
		}
	}
}

// judgeRecords compares statuses and ids, and every echo with what was sent.
func (e expectation) judgeRecords(t *testing.T, where string, c call, got answer, names ids) {
	t.Helper()
	var out struct {
		Results []struct {
			UsageRecord              map[string]any
			MeteringRecordId, Status string
		}
		UnprocessedRecords []any
	}
	remarshal(t, got.Output, &out)
	var in struct{ UsageRecords []map[string]any }
	if err := json.Unmarshal(c.Input, &in); err != nil {
		t.Fatal(err)
	}
	want := e.Records
	if len(want) == 1 {
		want = slices.Repeat(want, len(in.UsageRecords))
	}
	if len(out.Results) != len(want) || len(out.UnprocessedRecords) != 0 {
		t.Fatalf("%s: got %v, want %d results and nothing unprocessed", where, got, len(want))
	}
	for i, r := range out.Results {
		if r.Status != want[i].Status || !names.same(want[i].ID, r.MeteringRecordId) {
			t.Fatalf("%s: result %d is %s %s, want %s with the id %s, the ids being %v",
				where, i+1, r.Status, r.MeteringRecordId, want[i].Status, want[i].ID, names)
		}
		if diff := cmp.Diff(atUTC(in.UsageRecords[i]), atUTC(r.UsageRecord)); diff != "" {
			t.Fatalf("%s: the echo of record %d differs (-sent +got):\n%s", where, i+1, diff)
		}
	}
}

// unthrottled reports whether throttling was to be seen and none was, which on a
// slow machine may mean that it took a second to make the calls.
func (e expectation) unthrottled(answers []answer) bool {
	return (e.Some != nil || e.Retried) && !slices.ContainsFunc(answers, func(a answer) bool {
		return a.Failure != nil || a.Attempts > 1
	})
}

// judgeSome wants some of the copies to succeed and all others to fail as given.
func (e expectation) judgeSome(t *testing.T, where string, answers []answer) {
	t.Helper()
	failed := 0
	for _, a := range answers {
		if a.Failure == nil {
			continue
		}
		failed++
		if diff := e.Some.differs(a); diff != "" {
			t.Fatalf("%s: %s\ngot %v", where, diff, a)
		}
	}
	if failed == 0 || failed == len(answers) {
		t.Fatalf("%s: %d of %d calls failed", where, failed, len(answers))
	}
}

// judgeRetried wants all copies to succeed, some of them late.
func judgeRetried(t *testing.T, where string, answers []answer) {
	t.Helper()
	attempts := 0
	for _, a := range answers {
		if a.Failure != nil {
			t.Fatalf("%s: got %v after %d attempts", where, a, a.Attempts)
		}
		attempts += a.Attempts
	}
	if attempts <= len(answers) {
		t.Fatalf("%s: %d calls took %d attempts", where, len(answers), attempts)
	}
}

// differs tells how an answer is not this error, or "".
func (e *errorResult) differs(a answer) string {
	status := e.Status
	modelled, ok := errorsByName[e.Name]
	if ok && status == 0 {
		status = modelled.Status
	}
	f := a.Failure
	switch {
	case f == nil:
		return "want the error " + e.Name
	case f.Name != e.Name:
		return "want the name " + e.Name
	case f.Message == "":
		return "want a text"
	case f.Status != 0 && f.Status != status:
		return "want another status"
	case f.Status != 0 && f.Typed != ok:
		return "want the type of its name if, and only if, it is modelled"
	}
	for _, part := range e.Message {
		if !strings.Contains(f.Message, part) {
			return "want the text to hold " + part
		}
	}
	return ""
}

// atUTC returns a usage record as its echo has it: instants in one form, the
// quantity given.
func atUTC(record map[string]any) map[string]any {
	if text, ok := record["Timestamp"].(string); ok {
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			record["Timestamp"] = at.UTC().Format(time.RFC3339Nano)
		}
	}
	if seconds, ok := record["Timestamp"].(float64); ok { // the wire's own form
		record["Timestamp"] = time.UnixMilli(int64(seconds * 1000)).UTC().Format(time.RFC3339Nano)
	}
	if record["Quantity"] == nil {
		record["Quantity"] = 0.0
	}
	return record
}

// remarshal reads what a client returned into a struct.
func remarshal(t *testing.T, from, into any) {
	t.Helper()
	b, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}
