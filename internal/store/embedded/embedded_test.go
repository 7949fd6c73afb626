package embedded_test

import (
	"testing"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

func TestSmoke(t *testing.T) {
	s, err := embedded.Open(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Append(t.Context(), store.Call{Account: "a", Records: []metering.Record{{Key: metering.Key{Account: "a", Product: "p", Party: "x"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(out)
	p, err := s.Records(t.Context(), store.RecordQuery{Product: "p", From: -5, To: 100})
	t.Log(p, err)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
