package awsapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/meterd/meterd/internal/awsjson"
	"github.com/meterd/meterd/internal/caller"
)

// slowBody brings so many bytes, and then nothing until it is told to end.
type slowBody struct {
	left    int
	brought *sync.WaitGroup
	end     <-chan struct{}
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		b.brought.Done()
		<-b.end
		return 0, io.ErrUnexpectedEOF
	}
	n := min(len(p), b.left)
	b.left -= n
	return n, nil
}

// unread is a body that nobody is to read.
type unread struct{ t *testing.T }

func (b unread) Read([]byte) (int, error) {
	b.t.Error("the body was read")
	return 0, io.EOF
}

func askFrom(from string, body io.Reader) *http.Request {
	r := httptest.NewRequest("POST", "/", body)
	r.RequestURI, r.RemoteAddr = "/", from
	r.Header.Set("Content-Type", awsjson.ContentType)
	r.Header.Set("X-Amz-Target", "AWSMPMeteringService.MeterUsage")
	return r
}

// TestRoom: an address whose bodies take what is one address's is told to come
// again, before its next is read; others are served. When all there is is taken,
// everybody is told so. What ends gives its room back.
func TestRoom(t *testing.T) {
	w := newWorld(t, worldOptions{})
	handler := w.api.Handler()
	end := make(chan struct{})
	var brought, ended sync.WaitGroup
	fill := func(from string, n int) {
		brought.Add(n)
		for range n {
			ended.Go(func() {
				handler.ServeHTTP(httptest.NewRecorder(), askFrom(from, &slowBody{MaxBody - 1, &brought, end}))
			})
		}
		brought.Wait()
	}
	answers := func(from string, body io.Reader) int {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, askFrom(from, body))
		if answer.Code == 503 && !strings.Contains(answer.Body.String(), `"ServiceUnavailable"`) {
			t.Errorf("%s", answer.Body)
		}
		return answer.Code
	}
	fill("192.0.2.1:1", maxGuest/MaxBody)
	if got := answers("192.0.2.1:2", unread{t}); got != 503 {
		t.Errorf("an address that has taken its part: %d, want 503", got)
	}
	if got := answers("192.0.2.2:1", strings.NewReader("{}")); got != 403 { // it gets as far as the signature it does not have
		t.Errorf("another address: %d, want 403", got)
	}
	for i := 2; i <= maxRoom/maxGuest; i++ {
		fill(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}).String()+":1", maxGuest/MaxBody)
	}
	if got := answers("192.0.2.2:1", unread{t}); got != 503 {
		t.Errorf("when all the room is taken: %d, want 503", got)
	}
	close(end)
	ended.Wait()
	if w.api.room.taken != 0 || len(w.api.room.guests) != 0 {
		t.Errorf("%d bytes and %d addresses are left", w.api.room.taken, len(w.api.room.guests))
	}
	if got := answers("192.0.2.1:2", strings.NewReader("{}")); got != 403 {
		t.Errorf("when it has ended: %d, want 403", got)
	}
}

// TestRoomBehindAProxy: where addresses are not known only the whole is bounded.
func TestRoomBehindAProxy(t *testing.T) {
	var r room
	h := r.enter(netip.Addr{})
	if !h.grow(maxRoom) || h.grow(maxRoom+1) || r.enter(netip.Addr{}).grow(1) {
		t.Error("all there is can be taken, and no more")
	}
	h.leave()
	if r.taken != 0 || len(r.guests) != 0 {
		t.Errorf("left: %d of %d addresses", r.taken, len(r.guests))
	}
}

// TestRoomLaws: whoever comes and goes, what is taken is the sum of what those take
// who are here, and never beyond the bounds.
func TestRoomLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r room
		var here []*hold
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			if len(here) > 0 && rapid.IntRange(0, 3).Draw(t, "leaves") == 0 {
				i := rapid.IntRange(0, len(here)-1).Draw(t, "who")
				here[i].leave()
				here = append(here[:i], here[i+1:]...)
			} else {
				from := netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(0, 9).Draw(t, "from"))})
				h := r.enter(from)
				here = append(here, h)
				h.grow(rapid.IntRange(0, maxGuest+1).Draw(t, "takes"))
				h.grow(rapid.IntRange(0, maxGuest+1).Draw(t, "takes more"))
			}
			all, each := 0, make(map[netip.Prefix]int)
			for _, h := range here {
				all += h.taken
				if each[h.from] += h.taken; each[h.from] > maxGuest {
					t.Fatalf("one address has taken %d", each[h.from])
				}
			}
			if all != r.taken || all > maxRoom {
				t.Fatalf("%d are taken, and %d are said to be", all, r.taken)
			}
		}
		for _, h := range here {
			h.leave()
		}
		if r.taken != 0 || len(r.guests) != 0 {
			t.Fatalf("left: %d of %d addresses", r.taken, len(r.guests))
		}
	})
}

// TestStrangersAreNotRead: when an address has failed too often, its next is
// answered as throttled before a byte of it is read, and leaves no trace; a caller
// behind the same address is served.
func TestStrangersAreNotRead(t *testing.T) {
	w := newWorld(t, worldOptions{})
	w.api.Callers.Failures = caller.NewThrottle(caller.FailureLimits(), w.truth.Now)
	handler := w.api.Handler()
	ask := func(body io.Reader) *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, askFrom("127.0.0.1:9", body))
		return answer
	}
	refused := 0
	for range 500 {
		got := ask(strings.NewReader("{}"))
		if got.Code == 403 {
			refused++
			continue
		}
		if got.Code != 400 || !strings.Contains(got.Body.String(), `"ThrottlingException"`) {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
		break
	}
	if refused != 100 {
		t.Errorf("%d strangers were heard, want 100", refused)
	}
	ask(unread{t})
	c := newCall("POST", "BatchMeterUsage", "AKIASELLERACME001", "us-east-1")
	c.body = padded(100)
	if response, body := w.do(t, c); response.StatusCode != http.StatusOK { // over real HTTP, from 127.0.0.1
		t.Errorf("a caller behind the same address: %d %s", response.StatusCode, body)
	}
}
