package sdk

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
)

// found is an event as an SDK returns it, and what tests read of the record in it.
type found struct {
	EventName, EventID, Username, CloudTrailEvent string
}

type trailRecord struct {
	EventName, ErrorCode, RecipientAccountID string
	RequestParameters                        struct {
		UsageRecords []struct{ Dimension, Timestamp string }
	}
	ResponseElements struct{ Results []struct{ Status string } }
}

// lookups are the ways that a caller's events of a name are looked up, page by page.
var lookups = map[string]func(t *testing.T, s *server, as, event string) []found{
	"go": func(t *testing.T, s *server, as, event string) (all []found) {
		pages := cloudtrail.NewLookupEventsPaginator(cloudtrail.NewFromConfig(callers[as].config(t, s.url, "")), &cloudtrail.LookupEventsInput{
			LookupAttributes: []trailtypes.LookupAttribute{{AttributeKey: trailtypes.LookupAttributeKeyEventName, AttributeValue: aws.String(event)}},
			MaxResults:       aws.Int32(1),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, ev := range page.Events {
				if ev.EventTime == nil || ev.EventTime.Format(time.RFC3339) != clockT {
					t.Errorf("event time %v, want %s", ev.EventTime, clockT)
				}
				all = append(all, found{*ev.EventName, *ev.EventId, *ev.Username, *ev.CloudTrailEvent})
			}
		}
		return all
	},
	"boto3": func(t *testing.T, s *server, as, event string) []found {
		if _, missing := boto3Client(); missing != "" {
			t.Skip(missing)
		}
		return lookedUpBy(t, s, as, "python3", "-c", `import boto3, json, sys
pages = boto3.client("cloudtrail").get_paginator("lookup_events").paginate(
    LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": sys.argv[1]}], PaginationConfig={"PageSize": 1})
print(json.dumps([e for page in pages for e in page["Events"]], default=str))`, event)
	},
	"cli": func(t *testing.T, s *server, as, event string) []found {
		if _, missing := cliClient(); missing != "" {
			t.Skip(missing)
		}
		return lookedUpBy(t, s, as, "aws", "cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=EventName,AttributeValue="+event,
			"--start-time", "2026-09-15T10:00:00Z", "--query", "Events", "--output", "json", "--page-size", "1")
	},
}

// lookedUpBy runs a program that prints a caller's events.
func lookedUpBy(t *testing.T, s *server, as string, argv ...string) (all []found) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL_CLOUDTRAIL="+s.url, "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID="+callers[as].id, "AWS_SECRET_ACCESS_KEY="+callers[as].secret)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		t.Fatalf("%v: %s", argv, exit.Stderr)
	}
	if err == nil {
		err = json.Unmarshal(out, &all)
	}
	if err != nil {
		t.Fatalf("%v: %v", argv, err)
	}
	return all
}

// TestLookupEvents: a seller finds its batches and those that were refused, a buyer
// what its workload metered, and neither the other's.
func TestLookupEvents(t *testing.T) {
	oneOrTwo(t, lookedUpAt)
}

func lookedUpAt(t *testing.T, p place) {
	s := p.start(t)
	for _, request := range []call{
		s.goodCall(t, "BatchMeterUsage"), s.callAs(t, "seller", "BatchMeterUsage", `{"ProductCode":"no-such-product","UsageRecords":[{"Timestamp":"2026-09-15T10:30:00Z","CustomerAWSAccountId":"111122223333","Dimension":"scans","Quantity":7}]}`),
		s.goodCall(t, "MeterUsage"),
	} {
		if _, err := (goClient{}).send(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range p.clients() {
		lookup := lookups[name]
		if lookup == nil { // not asked for
			continue
		}
		t.Run(name, func(t *testing.T) {
			for _, row := range []struct {
				as, event, account string
				want               []string // newest first
			}{
				{"seller", "BatchMeterUsage", "210987654321", []string{"InvalidProductCodeException", "Success"}},
				{"seller", "MeterUsage", "", nil},
				{"user-a", "MeterUsage", "111122223333", []string{""}},
				{"user-a", "BatchMeterUsage", "", nil},
				{"other-seller", "BatchMeterUsage", "", nil},
			} {
				var got []string
				for _, ev := range lookup(t, s, row.as, row.event) {
					var record trailRecord
					if err := json.Unmarshal([]byte(ev.CloudTrailEvent), &record); err != nil {
						t.Fatalf("%v: %s", err, ev.CloudTrailEvent)
					}
					if ev.EventName != row.event || record.EventName != row.event || record.RecipientAccountID != row.account || ev.EventID == "" || ev.Username == "" {
						t.Errorf("%s: %+v", row.as, ev)
					}
					outcome := record.ErrorCode
					for _, r := range record.ResponseElements.Results {
						outcome += r.Status
					}
					got = append(got, outcome)
				}
				if !slices.Equal(got, row.want) {
					t.Errorf("%s looks for %s: %q, want %q", row.as, row.event, got, row.want)
				}
			}
		})
	}
}

// TestLookupErrors: the SDK knows CloudTrail's exceptions by their types.
func TestLookupErrors(t *testing.T) {
	t.Parallel()
	s := start(t)
	client := cloudtrail.NewFromConfig(callers["seller"].config(t, s.url, ""))
	attribute := func(key, value string) trailtypes.LookupAttribute {
		return trailtypes.LookupAttribute{AttributeKey: trailtypes.LookupAttributeKey(key), AttributeValue: aws.String(value)}
	}
	for _, row := range []struct {
		in   cloudtrail.LookupEventsInput
		want any
	}{
		{cloudtrail.LookupEventsInput{MaxResults: aws.Int32(51)}, new(*trailtypes.InvalidMaxResultsException)},
		{cloudtrail.LookupEventsInput{NextToken: aws.String("made up")}, new(*trailtypes.InvalidNextTokenException)},
		{cloudtrail.LookupEventsInput{EventCategory: "data"}, new(*trailtypes.InvalidEventCategoryException)},
		{cloudtrail.LookupEventsInput{LookupAttributes: []trailtypes.LookupAttribute{attribute("Colour", "red")}}, new(*trailtypes.InvalidLookupAttributesException)},
		{cloudtrail.LookupEventsInput{StartTime: aws.Time(time.Unix(2, 0)), EndTime: aws.Time(time.Unix(1, 0))}, new(*trailtypes.InvalidTimeRangeException)},
	} {
		if _, err := client.LookupEvents(t.Context(), &row.in); !errors.As(err, row.want) {
			t.Errorf("%v, want %T", err, row.want)
		}
	}
}
