package admin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/meterd/meterd/internal/store"
)

// TestSellerNoMore: the token of a seller opens nothing when the account is no
// seller any more, and again when it is.
func TestSellerNoMore(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, `sellers: [{account: "555566667777"}]`)
	seller := d.as(store.RoleSeller, "555566667777")
	seller.want(http.StatusOK, "GET", "/products", "")
	d.want(http.StatusNoContent, "DELETE", "/sellers/555566667777", "")
	seller.want(http.StatusUnauthorized, "POST", "/credentials", `{"account":"555566667777"}`)
	d.want(http.StatusOK, "PUT", "/sellers/555566667777", `{}`)
	seller.want(http.StatusOK, "GET", "/products", "")
}

// TestSellersHistory: a seller sees of a product that had other owners, and of
// what hangs on it, what it was while it was its own.
func TestSellersHistory(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, sample)
	apply(t, d.service, `sellers: [{account: "555566667777"}]`)
	own, other := d.as(store.RoleSeller, "210987654321"), d.as(store.RoleSeller, "555566667777")
	d.want(http.StatusNoContent, "DELETE", "/agreements/a-new", "")
	d.want(http.StatusOK, "PUT", "/products/new", `{"seller":"555566667777","type":"saas","title":"theirs"}`)
	for _, row := range []struct {
		desk       *desk
		has, hasnt string
	}{{own, "scans", "theirs"}, {other, "theirs", "scans"}} {
		_, answer := row.desk.call("GET", "/history?kind=product&name=new", "")
		if !strings.Contains(answer, row.has) || strings.Contains(answer, row.hasnt) {
			t.Errorf("history of a product that moved: %s; want %s in it and not %s", answer, row.has, row.hasnt)
		}
	}
	own.want(http.StatusOK, "GET", "/history?kind=agreement&name=a-new", "")
	other.want(http.StatusNotFound, "GET", "/history?kind=agreement&name=a-new", "")
}

// TestSellersKeys: a seller that is a buyer, too, gets no key of its workloads.
func TestSellersKeys(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, sample)
	apply(t, d.service, `
workloads: [{id: w, platform: ec2, account: "210987654321", region: us-east-1}]
credentials: [{access_key_id: AKIAMETERDSELLER0002, secret_access_key: s, account: "210987654321", workload: w}]
`)
	own := d.as(store.RoleSeller, "210987654321")
	own.want(http.StatusForbidden, "POST", "/credentials/AKIAMETERDSELLER0002/rotate", "")
	own.want(http.StatusCreated, "POST", "/credentials/AKIAMETERDSELLER0001/rotate", "")
	// Who is a buyer of others is not its to know.
	d.want(http.StatusNotFound, "GET", "/records?buyer=444455556666", "")
	own.want(http.StatusOK, "GET", "/records?buyer=444455556666", "")
}
