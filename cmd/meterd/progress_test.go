package main

import (
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// screen is a terminal that one goroutine writes to and another looks at.
type screen struct {
	mu   sync.Mutex
	text string
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text += string(p)
	return len(p), nil
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text
}

// TestProgress runs in a bubble, where time passes only while all wait.
func TestProgress(t *testing.T) {
	for _, test := range []struct {
		name string
		p    *progress
		want []string
	}{
		{"count", &progress{what: "reading", total: 200}, []string{"reading", "50%", "(100/200", "99%", "(199/200"}},
		{"bytes", &progress{what: "writing", total: 4 << 20, bytes: true}, []string{"writing", "(100 B/4.0 MiB"}},
		{"unknown", &progress{what: "reading", total: unknown}, []string{"reading", "100", "500"}},
		{"unknown bytes", &progress{what: "reading", total: unknown, bytes: true}, []string{"100 B", "500 B"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out screen
				p := test.p
				p.out, p.delay, p.every = &out, progressDelay, progressEvery
				p.start()
				p.add(50)
				if _, err := io.Copy(p, strings.NewReader(strings.Repeat("x", 50))); err != nil {
					t.Fatal(err)
				}
				time.Sleep(progressDelay - time.Millisecond)
				synctest.Wait()
				if out.String() != "" {
					t.Errorf("before %v there is %q", progressDelay, &out)
				}
				time.Sleep(progressDelay)
				p.add(400)
				time.Sleep(progressDelay)
				p.done()
				text := out.String()
				for _, want := range test.want {
					if !strings.Contains(text, want) {
						t.Errorf("%q is not in %q", want, text)
					}
				}
				if strings.Contains(text, "\x1b") {
					t.Errorf("there are escape sequences in %q", text)
				}
				// What is last on the line is blank, and the cursor at its start.
				last := strings.Split(strings.TrimSuffix(text, "\r"), "\r")
				if strings.Contains(text, "\n") || !strings.HasSuffix(text, "\r") || strings.TrimSpace(last[len(last)-1]) != "" {
					t.Errorf("the line is not cleared: %q", text)
				}
			})
		})
	}
}

// TestNoProgress: work that is done within a second shows nothing, and where
// there is no terminal nothing is ever shown.
func TestNoProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out screen
		p := &progress{out: &out, total: 10, delay: progressDelay, every: progressEvery}
		p.start()
		p.add(10)
		time.Sleep(progressDelay - 1)
		p.done()
		if out.String() != "" {
			t.Errorf("got %q", &out)
		}
		none := newByteProgress(&out, "writing", 10)
		if none != nil {
			t.Error("a bar on what is no terminal")
		}
		none.add(1)
		if n, err := none.Write([]byte("ab")); n != 2 || err != nil {
			t.Error(n, err)
		}
		none.done()
	})
}
