package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// TestNamesAreText: a name that JSON cannot hold would be another after the next
// start.
func TestNamesAreText(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, sample)
	d.want(http.StatusUnprocessableEntity, "PUT", "/agreements/a%FF", `{"product":"new","buyer":"111122223333"}`)
	d.want(http.StatusUnprocessableEntity, "PUT", "/products/new/dimensions/a%FF", `{}`)
	d.want(http.StatusUnprocessableEntity, "PUT", "/workloads/a%FF", `{"platform":"ecs","account":"111122223333","region":"us-east-1"}`)
	for _, name := range []string{"a%2Fb", "%22", "%7E~", "%C3%BC", "a%20b"} {
		d.want(http.StatusOK, "PUT", "/agreements/"+name, `{"product":"new","buyer":"111122223333"}`)
		d.want(http.StatusOK, "GET", "/agreements/"+name, "")
		d.want(http.StatusOK, "GET", "/agreements?cursor="+name, "")
		d.want(http.StatusNoContent, "DELETE", "/agreements/"+name, "")
	}
	for _, path := range []string{"/agreements/a%00", "/history?kind=agreement&name=%00", "/records?product=%00", "/refusals?seller=%00", "/events?account=%00", "/tokens/%00aaaaaaaaa"} {
		d.want(http.StatusNotFound, "GET", path, "")
	}
	d.want(http.StatusNoContent, "DELETE", "/agreements/a%00", "")
	for _, path := range []string{"/records?cursor=~", "/records?cursor=zzz~1", "/registrations?cursor=new~~", "/refusals?cursor=x", "/events?cursor=x", "/records?cursor=%00~%00"} {
		d.want(http.StatusBadRequest, "GET", path, "")
	}
}

// TestPagesOfABuyer: the records of a buyer, some reported by the seller and some
// by the buyer's workloads, are all on some page, whatever its length.
func TestPagesOfABuyer(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, sample)
	n := 0
	for _, account := range []metering.AccountID{"210987654321", "111122223333"} {
		for i := range 3 {
			n++
			at := noon.Add(-time.Duration(i) * time.Hour)
			_, err := d.service.Store.Append(t.Context(), store.Call{Account: account, Region: "us-east-1", At: noon, Records: []metering.Record{{
				ID: metering.ID{byte(n)}, Timestamp: at, Received: noon, Quantity: 1,
				Key: metering.Key{Kind: metering.KindLegacy, Account: account, Region: "us-east-1", Product: "new", Party: "111122223333", Dimension: "scans", Hour: metering.HourOf(at)},
			}}})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for limit := 1; limit <= n+1; limit++ {
		seen := map[any]bool{}
		for cursor := ""; ; {
			page := d.want(http.StatusOK, "GET", fmt.Sprintf("/records?buyer=111122223333&limit=%d&cursor=%s", limit, url.QueryEscape(cursor)), "")
			for _, r := range page["records"].([]any) {
				seen[r.(map[string]any)["id"]] = true
			}
			if cursor = page["next"].(string); cursor == "" {
				break
			}
		}
		if len(seen) != n {
			t.Errorf("pages of %d: %d records of %d", limit, len(seen), n)
		}
	}
}

// TestCutOff: a backup that fails when some of it was sent is cut off, and does
// not look like a whole one.
func TestCutOff(t *testing.T) {
	d := newDesk(t)
	d.service.Backup = func(_ context.Context, w io.Writer) error {
		_, _ = io.WriteString(w, strings.Repeat("archive", 10000))
		return errors.New("disk on fire")
	}
	server := httptest.NewServer(d.handler)
	defer server.Close()
	r, _ := http.NewRequest(http.MethodGet, server.URL+Prefix+"/backup", nil)
	r.Header.Set("Authorization", "Bearer secret")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return // cut off before its head was read
	}
	defer answer.Body.Close()
	if b, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("%d, %d bytes, and no sign that it was cut off", answer.StatusCode, len(b))
	}
}

// TestLongAnswers: an answer that takes longer to make than strangers are given
// arrives.
func TestLongAnswers(t *testing.T) {
	d := newDesk(t)
	const patience = 50 * time.Millisecond
	d.service.Faults = func() []Fault { time.Sleep(4 * patience); return nil }
	server := httptest.NewUnstartedServer(d.handler)
	server.Config.WriteTimeout = patience
	server.Start()
	defer server.Close()
	r, _ := http.NewRequest(http.MethodGet, server.URL+Prefix+"/faults", nil)
	r.Header.Set("Authorization", "Bearer secret")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Error(answer.Status)
	}
}
