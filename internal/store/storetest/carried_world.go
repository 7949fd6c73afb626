package storetest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// furnished is what a case has put into a store, as far as it has to be named to
// be found again.
type furnished struct {
	bound       []store.Call // whose tokens are bound to their first records
	records     []metering.Record
	admissions  []store.Admission
	running     *metering.Registration
	redemptions [][32]byte
	refs        []store.Ref
}

// furnish puts everything into the store that there is.
func (k *court) furnish() *furnished {
	w := new(furnished)
	k.furnishRecords(w)
	k.furnishTraces()
	k.furnishRegistrations(w)
	k.furnishCatalogue(w)
	k.furnishTrail()
	return w
}

// furnishTrail leaves two digests, and takes the first event off each chain that
// begins with it.
func (k *court) furnishTrail() {
	k.seal(noon())
	if err := k.store.Expire(k.Context(), store.Expiry{Events: noon().Add(time.Nanosecond)}); err != nil {
		k.Fatal(err)
	}
	k.seal(noon().Add(time.Hour))
}

func (k *court) furnishRecords(w *furnished) {
	add := func(c store.Call) {
		k.append(c)
		w.records = append(w.records, c.Records...)
	}
	for i, hour := range []int{-600000, -1, 0, 1, 20} {
		c := k.metered(fmt.Sprint("token-", i), byte(i), hour)
		c.At = noon().Add(time.Duration(i) * 20 * time.Hour)
		w.bound = append(w.bound, c)
		add(c)
	}
	elsewhere := k.metered("token-0", 9, 2) // the same value in another region
	elsewhere.Region = "eu-west-1"
	w.bound = append(w.bound, elsewhere)
	add(elsewhere)

	license := k.record(3, 1)
	license.Key.Kind, license.Key.Party = metering.KindLicense, string(buyer)+"/arn:l-1"
	runtime := k.record(3, 0)
	runtime.Key.Kind, runtime.Key.Party, runtime.Key.Product = metering.KindRuntime, runtime.ID.String(), product2
	tagged := allocated(k.record(4, 0), 5, func(i int) []metering.Tag {
		return []metering.Tag{{Key: "größe", Value: fmt.Sprint(i)}, {Key: "team", Value: ""}}[:min(i, 2)]
	})
	add(call(license, runtime, tagged))
	resource := k.record(5, 7)
	resource.Key.Kind, resource.Key.Account, resource.Key.Party, resource.Workload = metering.KindResource, buyer, string(buyer)+"/i-1", "i-1"
	c := call(resource)
	for i := range 3 {
		a := store.Admission{Account: buyer, Workload: "i-1", Product: products[i]}
		c.Admission = &a
		k.append(c)
		w.admissions = append(w.admissions, a)
	}
	w.records = append(w.records, resource)
	add(call(k.largest(6)[:3]...))
	for i := range 3 { // more than one page
		var many []metering.Record
		for n := range 400 {
			r := k.record(100+n, int32(i))
			r.Key.Dimension = fmt.Sprint("d", i)
			many = append(many, r)
		}
		for part := range slices.Chunk(many, 25) {
			add(call(part...))
		}
	}
	for i := range 2 {
		c := store.Call{Account: []metering.AccountID{seller, seller2}[i], Region: region}
		c.Redemption = &store.Redemption{Token: [32]byte{byte(i), 0, 1}, KeyID: fmt.Sprint("AKIA", i)}
		for n := range 2 + i {
			c.At = noon().Add(time.Duration(n)*time.Minute + 1)
			k.append(c)
		}
		w.redemptions = append(w.redemptions, c.Redemption.Token)
	}
}

// furnishTraces leaves events, and refusals of all forms.
func (k *court) furnishTraces() {
	operations := []metering.Operation{metering.MeterUsage, metering.BatchMeterUsage, metering.ResolveCustomer}
	for i := range 9 {
		c := call()
		c.Account = []metering.AccountID{seller, seller2}[i%2]
		c.At = noon().Add(time.Duration(i)*time.Second + 1)
		ev := k.event(c, store.Outcome{})
		ev.Operation = operations[i%3]
		r := store.Refusal{
			ID: k.ids.next(), Time: c.At, Seller: []metering.AccountID{seller, seller2, "5"}[i%3], Account: c.Account, KeyID: "AKIA", Region: region,
			Operation: ev.Operation, RequestID: "req", Product: products[i%3], Reason: "ThrottlingException", Detail: "Rate exceeded",
		}
		if i%3 > 0 {
			r.Reason, r.Detail = string(metering.DuplicateRecord), ""
			r.Record = &store.RefusedRecord{Key: k.record(-i, 0).Key, Timestamp: noon().Add(-time.Duration(i)), Quantity: int32(i - 5)}
		}
		if i%3 == 2 {
			r.Record.Held = &store.Held{ID: k.ids.next(), Quantity: int32(i)}
		}
		c.After = func(store.Outcome) (store.Rest, error) {
			return store.Rest{Event: ev, Refusals: []store.Refusal{r}}, nil
		}
		k.append(c)
	}
}

// furnishRegistrations leaves one that runs, one that stopped by a missed
// heartbeat before it, one that was stopped, and one without a heartbeat.
func (k *court) furnishRegistrations(w *furnished) {
	const beat = 10 * time.Minute
	begin := func(after time.Duration, r *metering.Registration) *metering.Registration {
		return k.append(change(after, store.RegistrationChange{Begin: r})).Registration
	}
	begin(0, k.registration(0, product, "task-1", beat))
	begin(time.Hour, k.registration(time.Hour, product2, "task-1", beat))
	w.running = begin(time.Hour+1, k.registration(time.Hour+1, product, "task-1", beat))
	stopped := begin(time.Second, k.registration(time.Second, product, "task-2", 0))
	k.append(change(time.Hour, store.RegistrationChange{Stop: &stopped.ID}))
	begin(2*time.Second, k.registration(2*time.Second, product, "task-3", 0))
}

// furnishCatalogue puts entries of every kind, changes some and removes some. Its
// last revision is a removal.
func (k *court) furnishCatalogue(w *furnished) {
	n := int32(7)
	a := &store.Agreement{
		ID: "agmt-1", Product: product, Buyer: buyer, LicenseARN: "arn:l-1", Customer: "cust", Status: metering.AgreementActive, Start: noon().Add(5),
		Entitlements: []metering.Entitlement{{Dimension: "users", Integer: &n, Expires: noon().Add(time.Hour)}},
	}
	entries := []store.Entry{
		&store.Account{ID: seller, Name: "größe <&>", Seller: true}, &store.Account{ID: buyer, Buyer: true},
		&store.Product{Code: product, Title: "one", Seller: seller, Dimensions: []metering.Dimension{{Name: "gb", Price: "0.05"}}},
		&store.Product{Code: product2, Title: "two", Seller: seller},
		a, &store.Workload{ID: "i-1", Platform: metering.PlatformEC2, Account: buyer, Region: region, Heartbeat: time.Minute + 1},
		&store.Credential{KeyID: "AKIA1", Secret: "s3cret", Account: seller, User: "anna", Created: noon()},
		&store.Credential{KeyID: "AKIA2", Secret: "another", Account: buyer, Workload: "i-1"},
		&store.RegistrationToken{Hash: [32]byte{7}, Agreement: a.ID, Issued: noon()},
		&store.SigningKey{Product: product, Version: 1, Private: []byte{1, 0, 2}, Created: noon()},
		&store.Access{Name: "ci", Hash: [32]byte{1, 0, 1}, Role: store.RoleSeller, Account: seller, Created: noon()},
		&store.Receipt{Key: "ops/42", Request: [32]byte{3}, Made: a.Ref(), At: noon()},
		&store.Compat{Rulings: metering.Rulings{RepeatIsDuplicate: true}},
		&store.Policy{Name: "resolve", Document: `{"Statement":[]}`},
		&store.Quota{Account: seller, Operation: metering.BatchMeterUsage, PerSecond: 0.25},
		&store.Role{Account: seller, Name: "meter", ID: "AROAEXAMPLEEXAMPLE234", Trust: "{}", Policies: []string{"resolve"}, MaxSession: time.Hour, Revoked: noon()},
		&store.SessionKey{ID: "older", Secret: []byte{1, 0, 3}, Created: noon()},
		&store.SessionKey{ID: "newer", Secret: []byte{1, 0, 4}, Created: noon().Add(1)},
	}
	k.put(store.Change{By: "anna", Entries: entries})
	for _, e := range entries {
		w.refs = append(w.refs, e.Ref())
	}
	for i := range 3 {
		k.put(store.Change{By: fmt.Sprint("bert ", i), Entries: []store.Entry{
			&store.Product{Code: product, Title: fmt.Sprint("one, ", i), Seller: seller},
			&store.Credential{KeyID: "AKIA1", Secret: store.Secret(fmt.Sprint("s3cret-", i)), Account: seller, User: "anna", Created: noon()},
			&store.SigningKey{Product: product, Version: 2, Private: []byte{byte(i)}, Created: noon()},
		}})
	}
	k.put(store.Change{By: "cleo", Remove: []store.Ref{w.refs[7], w.refs[3], w.refs[11]}})
	k.put(store.Change{By: "dora", Entries: []store.Entry{&store.Product{Code: product2, Title: "again"}, &store.Account{ID: "9"}}})
	gone := (&store.Account{ID: "9"}).Ref()
	k.put(store.Change{By: "emil", Remove: []store.Ref{gone}})
	w.refs = append(w.refs, gone, (&store.SigningKey{Product: product, Version: 2}).Ref())
}

// readings is what a store answers, by every way of reading it.
func (k *court) readings(w *furnished) map[string]any {
	k.Helper()
	found := make(map[string]any)
	k.readRecords(w, found)
	for _, account := range []metering.AccountID{seller, seller2, buyer, "5"} {
		found["refusals "+string(account)] = k.refusals(store.RefusalQuery{Seller: account})
		for _, op := range []metering.Operation{"", metering.MeterUsage, metering.BatchMeterUsage, metering.ResolveCustomer} {
			// Of one time the order is the store's.
			all := k.events(store.EventQuery{Account: account, Operation: op})
			slices.SortStableFunc(all, func(a, b store.Event) int {
				return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID.String(), b.ID.String()))
			})
			found["events "+string(account)+" "+string(op)] = all
		}
	}
	found["extents"], found["digests"] = k.extents(), k.digests()
	for _, p := range products {
		all := pages(k, func(cursor string) (store.Page[metering.Registration], error) {
			return k.store.Registrations(k.background(), store.RegistrationQuery{Product: p, Cursor: cursor})
		})
		found["registrations "+string(p)] = all
		for i := range all {
			r, ok, err := k.store.Registration(k.background(), all[i].ID)
			if err != nil || !ok || r != all[i] {
				k.Fatalf("a registration by its id: %+v, found %t, error %v; want %+v", r, ok, err, all[i])
			}
		}
	}
	for _, a := range append(w.admissions, store.Admission{Account: seller, Workload: "i-1", Product: product}) {
		admitted, err := k.store.Admitted(k.background(), a)
		if err != nil {
			k.Fatal(err)
		}
		found[fmt.Sprintf("admission %+v", a)] = admitted
	}
	for _, token := range w.redemptions {
		r, ok, err := k.store.Redeemed(k.background(), token)
		if err != nil || !ok {
			k.Fatalf("a redemption: found %t, error %v", ok, err)
		}
		found[fmt.Sprint("redemption ", token)] = r
	}
	k.readCatalogue(w, found)
	return found
}

func (k *court) readRecords(w *furnished, found map[string]any) {
	queries := make(map[store.RecordQuery]bool)
	for i := range w.records {
		key := &w.records[i].Key
		queries[store.RecordQuery{}] = true
		queries[store.RecordQuery{Product: key.Product}] = true
		queries[store.RecordQuery{Account: key.Account}] = true
		queries[store.RecordQuery{Product: key.Product, Account: key.Account}] = true
		queries[store.RecordQuery{Product: key.Product, Account: key.Account, Party: key.Party}] = true
		queries[store.RecordQuery{Product: key.Product, Account: key.Account, Buyer: key.Buyer()}] = true
	}
	for q := range queries {
		q.From, q.To = firstHour, lastHour
		found[fmt.Sprintf("records %+v", q)] = byID(pages(k, func(cursor string) (store.Page[metering.Record], error) {
			q.Cursor = cursor
			return k.store.Records(k.background(), q)
		}))
	}
	k.equal("all that was put", found[fmt.Sprintf("records %+v", store.RecordQuery{From: firstHour, To: lastHour})], byID(w.records))
}

func (k *court) readCatalogue(w *furnished, found map[string]any) {
	known := k.store.Catalog()
	found["the catalogue's revision"] = known.Revision()
	for _, ref := range w.refs {
		found[fmt.Sprint("entry ", ref)] = known.Get(ref)
		found[fmt.Sprint("entries ", ref.Kind)] = known.Page(ref.Kind, "", store.MaxPage)
		history, err := k.store.History(k.background(), ref)
		if err != nil {
			k.Fatal(err)
		}
		found[fmt.Sprint("history ", ref)] = history
	}
	found["license"] = known.License("arn:l-1")
	found["agreements"] = known.Agreements(product, buyer)
	buyer, _ := known.Customer(product, "cust")
	found["customer"] = buyer
	found["token"] = known.Token([32]byte{7})
	found["signing keys"] = known.SigningKeys(product)
	found["access"] = known.Access([32]byte{1, 0, 1})
	found["compat"] = known.Compat()
	found["policy"] = known.Policy("resolve")
	found["quota"] = known.Quota(seller, metering.BatchMeterUsage)
	found["role"] = known.Role(seller, "meter")
	found["session keys"] = known.SessionKeys()
}

// sorted brings items into an order of their own: that of an export is the
// store's. Secrets are hidden in it, and compared where entries are read.
func sorted(items []store.Item) []string {
	var all []string
	for i := range items {
		text, err := json.Marshal(&items[i])
		if err != nil {
			text = []byte(err.Error())
		}
		all = append(all, string(text))
	}
	slices.Sort(all)
	return all
}
