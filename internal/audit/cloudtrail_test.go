package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

var at = time.Date(2026, 9, 15, 10, 30, 1, 250e6, time.UTC)

const (
	seller  = metering.AccountID("210987654321")
	buyer   = metering.AccountID("111122223333")
	license = "arn:aws:license-manager::294406891311:license:l-0a02"
)

func id(n byte) metering.ID { return metering.ID{15: n} }

// user and session are callers.
func user() store.EventCaller {
	return store.EventCaller{ARN: "arn:aws:iam::210987654321:user/ci", UserID: "AIDAEXAMPLE", KeyID: "AKIASELLER"}
}

func session(name string, origin metering.Origin, platform metering.Platform) store.EventCaller {
	return store.EventCaller{
		ARN: "arn:aws:sts::111122223333:assumed-role/app/" + name, UserID: "AROAEXAMPLE:" + name, KeyID: "ASIABUYER",
		Origin: origin, Workload: name, Platform: platform, Issued: at.Add(-time.Hour),
	}
}

func event(account metering.AccountID, op metering.Operation, c store.EventCaller) store.Event {
	return store.Event{
		ID: id(1), RequestID: id(2), Time: at, Account: account, Operation: op, Region: "us-east-1",
		SourceIP: "198.51.100.7", UserAgent: "aws-sdk-go-v2/1.47.0", Caller: c,
	}
}

func asked(pairs ...string) (all []store.Detail) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, store.Detail{Name: pairs[i], Value: pairs[i+1]})
	}
	return all
}

// events are one of each kind, by the name of its golden file.
func events() map[string]store.Event {
	root := store.EventCaller{ARN: "arn:aws:iam::210987654321:root", UserID: "210987654321", KeyID: "AKIAROOT"}
	stamp := at.Truncate(time.Hour).Add(30 * time.Minute)
	usage := func(n byte, status metering.Status) store.EventRecord {
		return store.EventRecord{ID: id(n), Status: status, Timestamp: stamp, Dimension: "scans", Quantity: 7, Buyer: buyer, LicenseARN: license}
	}
	with := func(ev store.Event, change func(*store.Event)) store.Event { change(&ev); return ev }
	batch := event(seller, metering.BatchMeterUsage, user())
	meter := event(buyer, metering.MeterUsage, session("i-0a1", metering.OriginInstance, metering.PlatformEC2))
	meter.Asked = asked("productCode", "p1", "dryRun", "false")
	meter.Records = []store.EventRecord{{ID: id(3), Status: metering.Success, Timestamp: stamp, Dimension: "scans", Quantity: 3, Buyer: buyer}}
	issued := asked("credentials.accessKeyId", "ASIAEXAMPLE", "credentials.expiration", "2026-09-15T11:30:00Z", "assumedRoleUser.assumedRoleId", "AROAEXAMPLE:ci", "assumedRoleUser.arn", "arn:aws:sts::210987654321:assumed-role/meter/ci")
	return map[string]store.Event{
		"batch_licenses": with(batch, func(ev *store.Event) {
			allocated := usage(4, metering.Success)
			allocated.Allocations = 2
			allocated.AllocationsSum[0] = 0xab
			ev.Records = []store.EventRecord{usage(3, metering.Success), allocated, usage(5, "DuplicateRecord")}
		}),
		"batch_customers": with(batch, func(ev *store.Event) {
			ev.Caller, ev.Asked = root, asked("productCode", "p1")
			r := usage(3, "CustomerNotSubscribed")
			r.LicenseARN, r.Customer = "", "customer-a"
			ev.Records = []store.EventRecord{r}
		}),
		"batch_unprocessed": with(batch, func(ev *store.Event) { ev.Records = []store.EventRecord{usage(0, "")} }),
		"batch_empty":       batch,
		"batch_refused": with(batch, func(ev *store.Event) {
			ev.Records = []store.EventRecord{usage(0, "")}
			ev.Records[0].Customer = "customer-a"
			ev.Error, ev.Message = "ValidationException", "Member must name one of them, not both"
		}),
		"batch_denied": with(batch, func(ev *store.Event) {
			ev.Error, ev.Message, ev.Calls = "AccessDeniedException", "User: arn:aws:iam::210987654321:user/ci is not authorized", 17
		}),
		"meter_instance": meter,
		"meter_key_as_instance": with(meter, func(ev *store.Event) {
			ev.Caller = session("i-0a1", metering.OriginKey, metering.PlatformEC2)
		}),
		"meter_pod_dry": with(meter, func(ev *store.Event) {
			ev.Caller = session("pod-1", metering.OriginWebIdentity, metering.PlatformEKS)
			ev.SourceIP, ev.Asked[1].Value = "", "true"
			ev.Records = []store.EventRecord{{Timestamp: stamp, Dimension: "scans", Quantity: 3, Buyer: buyer}}
		}),
		"register": with(event(buyer, metering.RegisterUsage, session("task-1", metering.OriginContainer, metering.PlatformECS)), func(ev *store.Event) {
			ev.Asked = asked("productCode", "p1", "publicKeyVersion", "1")
		}),
		"resolve": with(event(seller, metering.ResolveCustomer, user()), func(ev *store.Event) {
			ev.Told = asked("productCode", "p1", "customerAWSAccountId", string(buyer), "licenseArn", license)
		}),
		"resolve_refused": with(event(seller, metering.ResolveCustomer, user()), func(ev *store.Event) {
			ev.Error, ev.Message = "ExpiredTokenException", "registration token expired"
		}),
		"resolve_throttled": with(event(seller, metering.ResolveCustomer, user()), func(ev *store.Event) {
			ev.Error, ev.Message = "ThrottlingException", "Rate exceeded"
		}),
		"entitlements": with(event(seller, metering.GetEntitlements, user()), func(ev *store.Event) { ev.Asked = asked("productCode", "p1") }),
		"lookup": with(event(seller, metering.LookupEvents, user()), func(ev *store.Event) {
			ev.Asked = asked(LookupKey, "EventName", LookupValue, "MeterUsage", "startTime", English(stamp), "maxResults", "10")
		}),
		"assume": with(event(seller, "AssumeRole", user()), func(ev *store.Event) {
			ev.Asked = asked("roleArn", "arn:aws:iam::210987654321:role/meter", "durationSeconds", "3600")
			ev.Told = issued
		}),
		"assume_by_another": with(event(buyer, "AssumeRole", user()), func(ev *store.Event) {
			ev.Caller.KeyID = ""
			ev.Asked = asked("roleArn", "arn:aws:iam::111122223333:role/meter")
			ev.Told = issued
		}),
		"assume_by_service": with(event(buyer, "AssumeRole", store.EventCaller{UserID: "ec2.amazonaws.com", Origin: metering.OriginInstance, Workload: "i-0a1", Platform: metering.PlatformEC2}), func(ev *store.Event) {
			ev.SourceIP, ev.UserAgent, ev.Told = "ec2.amazonaws.com", "ec2.amazonaws.com", issued
		}),
		"assume_with_web_identity": with(event(buyer, "AssumeRoleWithWebIdentity", store.EventCaller{
			ARN: "arn:aws:iam::111122223333:oidc-provider/oidc.example/id/1", UserID: "oidc.example/id/1:sts.amazonaws.com:system:serviceaccount:app:meter", Origin: metering.OriginWebIdentity,
		}), func(ev *store.Event) {
			ev.Told = append(asked("subjectFromWebIdentityToken", "system:serviceaccount:app:meter"), issued...)
		}),
		"operator": with(event(buyer, "meterd:MakeWorkloadSession", store.EventCaller{UserID: "anna", Origin: "bearer"}), func(ev *store.Event) {
			ev.SourceIP, ev.UserAgent, ev.Asked = "", "", asked("workload", "i-0a1")
		}),
	}
}

// TestCloudTrail holds every kind of event to its golden file; UPDATE=1 writes them,
// and they are then to be read as prose.
func TestCloudTrail(t *testing.T) {
	for name, ev := range events() {
		got := AppendCloudTrail(nil, &ev)
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, got, "", "  "); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, got)
		}
		pretty.WriteByte('\n')
		file := filepath.Join("testdata", name+".json")
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(pretty.Bytes(), want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, &pretty, want)
		}
	}
}

func TestUsername(t *testing.T) {
	for _, row := range []struct{ arn, id, want string }{
		{"arn:aws:iam::1:root", "1", "root"},
		{"arn:aws:iam::1:user/ci", "AIDA", "ci"},
		{"arn:aws:sts::1:assumed-role/app/i-1", "AROA:i-1", "i-1"},
		{"", "somebody", "somebody"},
		{"arn:aws:iam::1:oidc-provider/a.example/b", "a.example/b:sts.amazonaws.com:system:serviceaccount:a:b", "system:serviceaccount:a:b"},
	} {
		if got := Username(&store.EventCaller{ARN: row.arn, UserID: row.id}); got != row.want {
			t.Errorf("%q: %q, want %q", row.arn, got, row.want)
		}
	}
}

// TestScalars: a text that is not exactly a number or a boolean stays a text.
func TestScalars(t *testing.T) {
	for value, want := range map[string]string{
		"true": "true", "17": "17", "-1": "-1", "017": `"017"`, "+1": `"+1"`, "1,\"x\":2": `"1,\"x\":2"`, "": `""`, "null": `"null"`, "1e9": `"1e9"`,
	} {
		if got := string(appendDetails([]byte("{"), asked("dryRun", value))); got != `{"dryRun":`+want {
			t.Errorf("%q: %s", value, got)
		}
	}
}

// FuzzCloudTrail: whatever the texts of an event are, it is one line of ASCII-safe
// JSON which says them, and nothing else, where they belong.
func FuzzCloudTrail(f *testing.F) {
	for _, s := range []string{
		"a", "\"", `\`, "\n", "\r\n", "\u2028\u2029\u0085", "\u202egnp.exe", "\x00\x1f\x7f", "\xff\xfe", "\U000e0001", "😀",
		`","errorCode":"`, `"},"x":{"`, "</script>", "=1+1", "é",
	} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		const account = "1" // its ARN's: another's would be shown no more of
		ev := event(account, metering.BatchMeterUsage, store.EventCaller{ARN: "arn:aws:iam::1:user/" + one, UserID: two, KeyID: one})
		ev.Region, ev.SourceIP, ev.UserAgent, ev.Error, ev.Message = one, two, one, "X"+two, one
		ev.Asked = asked("productCode", two, "dryRun", one)
		ev.Records = []store.EventRecord{{Dimension: one, Customer: metering.CustomerID(two), Buyer: metering.AccountID(one), LicenseARN: two}}
		got := AppendCloudTrail(nil, &ev)
		if bytes.ContainsAny(got, "\n\r\v\f\u0085\u2028\u2029\u202e") {
			t.Errorf("more than one line: %q", got)
		}
		var record struct {
			UserIdentity                                struct{ PrincipalID, AccountID, AccessKeyID, UserName string }
			AWSRegion, SourceIPAddress, UserAgent       string
			ErrorCode, ErrorMessage, RecipientAccountID string
			RequestParameters                           struct {
				ProductCode  string
				DryRun       any
				UsageRecords []struct{ Dimension, CustomerIdentifier, CustomerAWSAccountID, LicenseARN string }
			}
		}
		if err := json.Unmarshal(got, &record); err != nil {
			t.Fatalf("%v: %q", err, got)
		}
		one, two = string([]rune(one)), string([]rune(two)) // what is not UTF-8 is U+FFFD
		who, asked := record.UserIdentity, record.RequestParameters
		pairs := map[string][2]string{
			"principalId": {who.PrincipalID, two}, "accountId": {who.AccountID, account}, "accessKeyId": {who.AccessKeyID, one},
			"awsRegion": {record.AWSRegion, one}, "sourceIPAddress": {record.SourceIPAddress, two}, "userAgent": {record.UserAgent, one},
			"errorCode": {record.ErrorCode, "X" + two}, "errorMessage": {record.ErrorMessage, one}, "recipientAccountId": {record.RecipientAccountID, account},
			"productCode": {asked.ProductCode, two}, "dryRun": {fmt.Sprint(asked.DryRun), one},
		}
		if len(asked.UsageRecords) != 1 {
			t.Fatalf("%d usage records: %q", len(asked.UsageRecords), got)
		}
		r := asked.UsageRecords[0]
		pairs["dimension"], pairs["licenseArn"] = [2]string{r.Dimension, one}, [2]string{r.LicenseARN, two}
		pairs["customerIdentifier"], pairs["customerAWSAccountId"] = [2]string{r.CustomerIdentifier, two}, [2]string{r.CustomerAWSAccountID, one}
		for name, pair := range pairs {
			if pair[0] != pair[1] {
				t.Errorf("%s: %q, want %q", name, pair[0], pair[1])
			}
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(got, &members); err != nil || len(members) > 20 || members["x"] != nil {
			t.Errorf("%d members, %v: %q", len(members), err, got)
		}
	})
}

func BenchmarkCloudTrail(b *testing.B) {
	ev := events()["batch_licenses"]
	ev.Records = slices.Repeat(ev.Records[:1], 25)
	var room []byte
	b.ReportAllocs()
	for b.Loop() {
		room = AppendCloudTrail(room[:0], &ev)
	}
}
