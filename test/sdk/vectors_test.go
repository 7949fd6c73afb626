package sdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
)

// A vector is one of the conformance vectors: what is done, and what must come.
type vector struct {
	Number    int
	Title     string
	Throttle  string // "aws" to have the limiters on
	CLI       bool   // whether the CLI, which is slow to start, is to run it too
	Catalogue bool   // run the error catalogue in place of steps
	Steps     []step
}

// A step sets the clock, makes a call, or counts what is stored.
type step struct {
	Clock  string
	Stored *struct {
		Product string
		Records int
		Total   int64
	}

	Call     string // the operation
	As       string
	Region   string // us-east-1 unless given
	Input    json.RawMessage
	Repeat   int // send the one usage record this many times in one request
	Copies   int
	Attempts int
	Signing  string
	Stops    map[string]string // the clients that cannot send this, and why
	Expect   expectation
}

const vectorCount = 37

func readVectors(t *testing.T) []vector {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "vectors", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	for _, file := range files {
		var vs []vector
		readJSON(t, file, &vs)
		all = append(all, vs...)
	}
	slices.SortFunc(all, func(a, b vector) int { return a.Number - b.Number })
	return all
}

// readJSON reads a file of ours, in which a name we do not know is a slip.
func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(readFile(t, file)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// TestVectorsAreComplete holds the table to its number: a vector that is lost
// would never fail.
func TestVectorsAreComplete(t *testing.T) {
	vectors := readVectors(t)
	if len(vectors) != vectorCount {
		t.Fatalf("%d vectors, want %d", len(vectors), vectorCount)
	}
	for i, v := range vectors {
		if v.Number != i+1 {
			t.Fatalf("vector %d stands in place %d", v.Number, i+1)
		}
		if len(v.Steps) == 0 && !v.Catalogue {
			t.Errorf("vector %d does nothing", v.Number)
		}
	}
}

func TestVectors(t *testing.T) {
	vectors := readVectors(t)
	everyPlace(t, func(t *testing.T, p place) {
		for _, name := range p.clients() {
			t.Run(name, func(t *testing.T) {
				c := open(t, name)
				for _, v := range vectors {
					if name == "cli" && !v.CLI {
						continue
					}
					t.Run(fmt.Sprintf("%02d", v.Number), func(t *testing.T) { v.run(t, p, name, c) })
				}
			})
		}
	})
}

func (v vector) run(t *testing.T, p place, name string, c client) {
	defer func() {
		if t.Failed() {
			t.Logf("vector %d: %s", v.Number, v.Title)
		}
	}()
	if p.nodes > 0 {
		t.Parallel() // nodes that start spend their time waiting for a disk
	}
	var flags []string
	if v.Throttle != "" {
		flags = []string{"--throttle", v.Throttle}
	}
	serve := p.start
	if v.Catalogue || slices.ContainsFunc(v.Steps, func(st step) bool { return st.Call == "RegisterUsage" }) {
		serve = p.startWithContainers
	}
	s := serve(t, flags...)
	if v.Catalogue {
		runCatalogue(t, s, c)
	}
	names := ids{}
	for i, st := range v.Steps {
		where := fmt.Sprintf("step %d", i+1)
		switch {
		case st.Clock != "":
			s.setClock(t, st.Clock)
		case st.Stored != nil:
			st.count(t, s, where)
		default:
			st.send(t, s, name, c, fmt.Sprintf("vector %d, %s", v.Number, where), names)
		}
	}
}

func (st step) count(t *testing.T, s *server, where string) {
	t.Helper()
	records := s.stored(t, st.Stored.Product)
	var total int64
	for _, r := range records {
		total += r.Quantity
	}
	if len(records) != st.Stored.Records || total != st.Stored.Total {
		t.Fatalf("%s: %d records of %s in all are stored, want %d of %d:\n%+v",
			where, len(records), fmt.Sprint(total), st.Stored.Records, st.Stored.Total, records)
	}
}

// send makes the step's call and judges the answers. What a client refuses to
// send is sent without it, so that the server's answer is seen all the same.
func (st step) send(t *testing.T, s *server, name string, c client, where string, names ids) {
	t.Helper()
	request := s.callAs(t, st.As, st.Call, string(st.input(t)))
	if st.Region != "" {
		request.Region = st.Region
	}
	request.Attempts, request.Signing = st.Attempts, st.Signing
	copies := st.Copies * len(s.nodes) // each node limits what comes to it
	request.Copies = copies

	answers, err := c.send(t.Context(), request)
	for err == nil && st.Expect.unthrottled(answers) && request.Copies < 8*copies {
		request.Copies *= 2
		answers, err = c.send(t.Context(), request)
	}
	if err != nil {
		t.Fatal(err)
	}
	reason, stops := st.Stops[name]
	if refused := answers[0].Refused; stops != (refused != "") {
		t.Fatalf("%s: %s sent it: %t, the table says %t\n%s", where, name, refused == "", !stops, refused)
	}
	if stops {
		remarks.add("%s, not sent by %s (%s), sent without it", where, name, reason)
		if answers, err = (rawClient{}).send(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	st.Expect.judge(t, s, where, request, answers, names)
}

// input returns the input, with its usage record repeated if that is asked for.
func (st step) input(t *testing.T) json.RawMessage {
	t.Helper()
	if st.Repeat == 0 {
		return st.Input
	}
	var in struct{ UsageRecords []json.RawMessage }
	if err := json.Unmarshal(st.Input, &in); err != nil {
		t.Fatal(err)
	}
	in.UsageRecords = slices.Repeat(in.UsageRecords, st.Repeat)
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
