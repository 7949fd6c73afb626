package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// together runs n calls at once.
func together(n int, call func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { call(i) })
	}
	all.Wait()
}

// TestTogether: of changes of one entry that are made at once none is lost, and
// none is refused because of the others, however many they are.
func TestTogether(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, sample)
	const n = 40
	together(n, func(i int) {
		if status, answer := d.call("PUT", fmt.Sprintf("/products/new/dimensions/d%d", i), `{}`); status != http.StatusOK {
			t.Errorf("dimension %d: %d %s", i, status, answer)
		}
	})
	if got := d.want(http.StatusOK, "GET", "/products/new/dimensions", "")["dimensions"].([]any); len(got) != n+1 {
		t.Errorf("%d dimensions are left of %d", len(got), n+1)
	}
	together(n, func(i int) {
		path, body := "/buyers/111122223333/suspend", ""
		if i%2 == 0 {
			path, body = "/tokens", `{"agreement":"a-new"}`
		}
		if status, answer := d.call("POST", path, body); status >= 300 {
			t.Errorf("POST %s: %d %s", path, status, answer)
		}
	})
}

// TestOneKeyTogether: of requests with one idempotency key that come at once, one
// makes something and shows its secret, and the others find it.
func TestOneKeyTogether(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, sample)
	for _, row := range []struct{ path, body, id, secret string }{
		{"/credentials", `{"account":"210987654321","user":"ci"}`, "access_key_id", "secret_access_key"},
		{"/tokens", `{"agreement":"a-new"}`, "id", "token"},
	} {
		var mu sync.Mutex
		ids, secrets := map[any]bool{}, 0
		together(20, func(int) {
			out := map[string]any{}
			status, answer := d.call("POST", row.path, row.body, "Idempotency-Key", "k"+row.path)
			if status != http.StatusOK && status != http.StatusCreated {
				t.Errorf("POST %s: %d %s", row.path, status, answer)
				return
			}
			if err := json.Unmarshal([]byte(answer), &out); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[out[row.id]] = true
			if out[row.secret] != nil {
				secrets++
			}
		})
		if len(ids) != 1 || secrets != 1 {
			t.Errorf("POST %s made %d and showed %d secrets; want one of each", row.path, len(ids), secrets)
		}
	}
}

// TestPrunedUnderAToken: a file that names a token and not its agreement cannot
// be applied with everything else pruned, whether the token is known or not.
func TestPrunedUnderAToken(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, sample)
	rest := sample[:strings.Index(sample, "agreements:")] + sample[strings.Index(sample, "workloads:"):]
	for _, token := range []string{"given", "another"} {
		body := strings.Replace(rest, "token: given", "token: "+token, 1)
		d.want(http.StatusUnprocessableEntity, "POST", "/catalog?prune=true", body, "Content-Type", yamlType)
	}
}
