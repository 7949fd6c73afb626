package admin

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// drawQuotas adds quotas of some accounts.
func drawQuotas(t *rapid.T, c *Catalog, accounts []metering.AccountID) {
	for _, account := range accounts {
		if rapid.Bool().Draw(t, "quota") {
			c.Quotas = append(c.Quotas, Quota{
				account, rapid.SampledFrom(quotaOperations).Draw(t, "operation"),
				rapid.SampledFrom([]float64{leastQuota, 0.25, 7, mostQuota}).Draw(t, "rate"),
			})
		}
	}
}

// limited is a desk over the sample catalogue that goes by two standards.
func limited(t *testing.T) *desk {
	d := newDesk(t)
	apply(t, d.service, sample)
	d.service.Quotas = map[metering.Operation]float64{metering.MeterUsage: 10, metering.RegisterUsage: 5}
	return d
}

// listed are the quotas that a list shows, one text for each.
func listed(d *desk, query string) string {
	d.Helper()
	var all []string
	for cursor := ""; ; {
		page := d.want(http.StatusOK, "GET", "/quotas?"+query+"&cursor="+cursor, "")
		for _, q := range page["quotas"].([]any) {
			all = append(all, strings.NewReplacer(`"`, "", "true", "yes", "false", "no").Replace(toText(q)))
		}
		if cursor = page["next"].(string); cursor == "" {
			return strings.Join(all, "\n")
		}
	}
}

// TestQuotaCalls sets, lists, shows and removes quotas by the API: what is not
// set is the standard's, and whoever asks sees which.
func TestQuotaCalls(t *testing.T) {
	d := limited(t)
	const (
		meter    = "{account:every,enforced:yes,operation:MeterUsage,per_second:10,standard:yes}"
		register = "{account:every,enforced:yes,operation:RegisterUsage,per_second:5,standard:yes}"
		own      = "{account:111122223333,enforced:yes,operation:MeterUsage,per_second:200,standard:no}"
		slower   = "{account:every,enforced:yes,operation:RegisterUsage,per_second:0.5,standard:no}"
	)
	want := func(query string, rows ...string) {
		t.Helper()
		for _, pages := range []string{"limit=1", "limit=1000"} {
			if diff := cmp.Diff(strings.Join(rows, "\n"), listed(d, query+pages)); diff != "" {
				t.Errorf("%s%s (-want +got):\n%s", query, pages, diff)
			}
		}
	}
	want("", meter, register)
	for range 2 { // the second time changes nothing
		d.want(http.StatusOK, "PUT", "/quotas/111122223333/MeterUsage", `{"per_second":200}`)
	}
	d.want(http.StatusOK, "PUT", "/quotas/every/RegisterUsage", `{"account":"every","operation":"RegisterUsage","per_second":0.5}`)
	want("", own, meter, slower)
	want("account=111122223333&", own, slower)
	want("account=210987654321&", meter, slower)
	if got := d.want(http.StatusOK, "GET", "/quotas/every/MeterUsage", ""); got["standard"] != true || got["per_second"] != 10.0 {
		t.Errorf("a standard: %v", got)
	}
	d.want(http.StatusNotFound, "GET", "/quotas/210987654321/MeterUsage", "")
	if got := toText(d.want(http.StatusOK, "GET", "/history?kind=quota&name=every/RegisterUsage", "")); !strings.Contains(got, `"after":0.5`) {
		t.Errorf("history: %s", got)
	}

	seller := d.as(store.RoleSeller, "210987654321") // whose buyer has what is no seller's to know
	if got, want := listed(seller, ""), meter+"\n"+slower; got != want {
		t.Errorf("a seller's list:\n%s\nwant:\n%s", got, want)
	}
	seller.want(http.StatusNotFound, "GET", "/quotas/111122223333/MeterUsage", "")
	seller.want(http.StatusNotFound, "GET", "/quotas?account=111122223333", "")
	seller.want(http.StatusNotFound, "GET", "/history?kind=quota&name=111122223333/MeterUsage", "")
	seller.want(http.StatusOK, "GET", "/history?kind=quota&name=every/RegisterUsage", "")

	d.service.Quotas = nil
	want("", strings.Replace(own, "enforced:yes", "enforced:no", 1), strings.Replace(slower, "enforced:yes", "enforced:no", 1))
	d.service.Quotas = map[metering.Operation]float64{metering.MeterUsage: 10, metering.RegisterUsage: 5}

	d.want(http.StatusNoContent, "DELETE", "/quotas/111122223333/MeterUsage", "")
	d.want(http.StatusNoContent, "DELETE", "/quotas/every/RegisterUsage", "")
	d.want(http.StatusNotFound, "GET", "/quotas/111122223333/MeterUsage", "")
	want("", meter, register)
}

// TestQuotaProblems: what makes no sense is refused with the place where it
// stands, by the API and in a file.
func TestQuotaProblems(t *testing.T) {
	d := limited(t)
	for _, row := range []struct{ path, body, says string }{
		{"/quotas/12/MeterUsage", `{"per_second":1}`, `"location":"body.account"`},
		{"/quotas/any/MeterUsage", `{"per_second":1}`, "nor the word every"},
		{"/quotas/999988887777/MeterUsage", `{"per_second":1}`, `there is no account \"999988887777\"`},
		{"/quotas/every/Meter", `{"per_second":1}`, `"location":"body.operation"`},
		{"/quotas/every/AssumeRole", `{"per_second":1}`, `\"AssumeRole\" is none of BatchMeterUsage, MeterUsage`},
		{"/quotas/every/MeterUsage", `{}`, `"location":"body.per_second"`},
		{"/quotas/every/MeterUsage", `{"per_second":0}`, "0 is not a rate from 0.001 to 1000000 calls a second"},
		{"/quotas/every/MeterUsage", `{"per_second":-1}`, "-1 is not a rate"},
		{"/quotas/every/MeterUsage", `{"per_second":1000001}`, "is not a rate"},
		{"/quotas/every/MeterUsage", `{"per_second":"10"}`, `"location":"body.per_second"`},
		{"/quotas/every/MeterUsage", `{"account":"111122223333","per_second":1}`, "which the path names"},
	} {
		if status, got := d.call("PUT", row.path, row.body); status != http.StatusUnprocessableEntity || !strings.Contains(got, row.says) {
			t.Errorf("%s %s: %d %s; want %q", row.path, row.body, status, got, row.says)
		}
	}
	for _, rate := range []float64{math.NaN(), math.Inf(1), leastQuota / 2} {
		_, err := d.service.Apply(t.Context(), &Catalog{Quotas: []Quota{{"every", metering.MeterUsage, rate}}}, Applying{})
		if wrong := new(CatalogError); !errors.As(err, &wrong) || wrong.Problems[0].Path != "quotas[0].per_second" {
			t.Errorf("a rate of %v: %v", rate, err)
		}
	}
}

// TestQuotaOfAnAccount: an account does not go before its quotas.
func TestQuotaOfAnAccount(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, "buyers: [{account: \"111122223333\"}]\nquotas: [{account: \"111122223333\", operation: MeterUsage, per_second: 3}, {account: every, operation: MeterUsage, per_second: 2}]\n")
	if status, got := d.call("DELETE", "/buyers/111122223333", ""); status != http.StatusUnprocessableEntity || !strings.Contains(got, "quota 111122223333/MeterUsage is built on it") {
		t.Errorf("an account that has a quota: %d %s", status, got)
	}
	changes(t, d.service, parsed(t, "quotas: [{account: every, operation: MeterUsage, per_second: 2}]\n"), Applying{Prune: true})
	if n := d.service.Store.Catalog().Len(store.KindQuota); n != 1 {
		t.Errorf("%d quotas are left, want that of every account", n)
	}
}
