package awsapi

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/meterd/meterd/internal/audit"
	"github.com/meterd/meterd/internal/awsjson"
	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// maxLookup is the most that a page holds, and what it holds when the caller does
// not say; maxAttribute is the length of an attribute's value (API reference of
// LookupEvents).
const (
	maxLookup    = 50
	maxAttribute = 2000
)

// insight is the one event category that can be asked for. There are no such events
// here.
const insight = "insight"

type lookupEventsInput struct {
	attributes []lookupAttribute
	start, end awsjson.Opt[awsjson.Timestamp]
	category   awsjson.Opt[string]
	maxResults awsjson.Opt[int32]
	nextToken  awsjson.Opt[string]
}

type lookupAttribute struct{ key, value awsjson.Opt[string] }

func (in *lookupEventsInput) decode(d *awsjson.Decoder) {
	for name := range d.Object() {
		switch string(name) {
		case "LookupAttributes":
			in.decodeAttributes(d)
		case "StartTime":
			in.start = d.Timestamp()
		case "EndTime":
			in.end = d.Timestamp()
		case "EventCategory":
			in.category = d.String()
		case "MaxResults":
			in.maxResults = d.Int32()
		case "NextToken":
			in.nextToken = d.String()
		default:
			d.Skip()
		}
	}
}

func (in *lookupEventsInput) decodeAttributes(d *awsjson.Decoder) {
	if d.Null() {
		return
	}
	for range d.List() {
		var a lookupAttribute
		if !d.Null() {
			for name := range d.Object() {
				switch string(name) {
				case "AttributeKey":
					a.key = d.String()
				case "AttributeValue":
					a.value = d.String()
				default:
					d.Skip()
				}
			}
		}
		if len(in.attributes) < 2 { // two are too many
			in.attributes = append(in.attributes, a)
		}
	}
}

// product is none: a lookup is about the account's calls, whatever they were about.
func (in *lookupEventsInput) product() string { return "" }

// check refuses parameters in CloudTrail's own way: it has an exception for each.
func (in *lookupEventsInput) check(metering.Caller) error {
	if in.category.Set && in.category.Value != insight {
		return fmt.Errorf("%w: %q; the one that can be asked for is %s", errInvalidEventCategory, shorten(in.category.Value), insight)
	}
	if n := in.maxResults; n.Set && (n.Value < 1 || n.Value > maxLookup) {
		return fmt.Errorf("%w: %d is not in 1 to %d", errInvalidMaxResults, n.Value, maxLookup)
	}
	for _, t := range []awsjson.Opt[awsjson.Timestamp]{in.start, in.end} {
		if store.CheckTime(t.Value.Time) != nil {
			return fmt.Errorf("%w: %s is out of range", errInvalidTimeRange, t.Value.Time.Format(time.RFC3339))
		}
	}
	if in.start.Set && in.end.Set && in.end.Value.Time.Before(in.start.Value.Time) {
		return fmt.Errorf("%w: EndTime is before StartTime", errInvalidTimeRange)
	}
	return in.checkAttributes()
}

func (in *lookupEventsInput) checkAttributes() error {
	switch len(in.attributes) {
	case 0:
		return nil
	case 2:
		return fmt.Errorf("%w: there can be one, not more", errInvalidLookupAttributes)
	}
	a := in.attributes[0]
	switch a.key.Value {
	case "EventId", "EventName", "ReadOnly", "Username", "ResourceType", "ResourceName", "EventSource", "AccessKeyId":
	default:
		return fmt.Errorf("%w: %q is no AttributeKey", errInvalidLookupAttributes, shorten(a.key.Value))
	}
	if n := utf8.RuneCountInString(a.value.Value); n < 1 || n > maxAttribute {
		return fmt.Errorf("%w: an AttributeValue has 1 to %d characters", errInvalidLookupAttributes, maxAttribute)
	}
	if store.CheckText(a.value.Value) != nil {
		return fmt.Errorf("%w: an AttributeValue must not contain U+0000", errInvalidLookupAttributes)
	}
	return nil
}

func (in *lookupEventsInput) attribute() (key, value string) {
	if len(in.attributes) == 0 {
		return "", ""
	}
	return in.attributes[0].key.Value, in.attributes[0].value.Value
}

// made is when the id was made of the one event that is asked for, if one is and if
// it tells.
func (in *lookupEventsInput) made() (at time.Time, ok bool) {
	key, value := in.attribute()
	id, ok := metering.ParseID(value)
	if key != "EventId" || !ok {
		return time.Time{}, false
	}
	return madeAt(id)
}

// lookup is what a checked input asks for, and from where on; nil: nothing can be
// found. Both ends of the time are within it, to the second, as the times that a
// lookup shows.
func (in *lookupEventsInput) lookup(req *request) (*lookup, place, error) {
	key, value := in.attribute()
	l := &lookup{account: req.caller.Account, region: req.region, limit: maxLookup, picks: picker(key, value)}
	l.key = fmt.Sprintf("%q %q %q %q %q %q", l.account, l.region, key, value, in.start.Value.Literal, in.end.Value.Literal)
	if in.maxResults.Set {
		l.limit = int(in.maxResults.Value)
	}
	switch key {
	case "EventName":
		l.operation = metering.Operation(value)
	case "EventId":
		l.limit, l.one = 1, true
	}
	l.from = req.now.Add(-lookupReach).Truncate(time.Second)
	if in.start.Set {
		l.from = in.start.Value.Time.Truncate(time.Second)
	}
	if in.end.Set {
		l.to = in.end.Value.Time.Truncate(time.Second).Add(time.Second)
	}
	var after place
	if in.nextToken.Set {
		var err error
		if after, err = l.resume(in.nextToken.Value, req.now); err != nil {
			return nil, place{}, err
		}
	}
	if l.picks == nil || in.category.Set {
		return nil, place{}, nil
	}
	return l, after, nil
}

// picker tells the events that have an attribute; nil: none can have it.
func picker(key, value string) func(*store.Event) bool {
	switch key {
	case "", "EventName": // the store has found them by it
		return func(*store.Event) bool { return true }
	case "EventId":
		if id, ok := metering.ParseID(value); ok {
			return func(ev *store.Event) bool { return ev.ID == id }
		}
	case "ReadOnly":
		return func(ev *store.Event) bool { return strconv.FormatBool(audit.ReadOnly(ev.Operation)) == value }
	case "Username":
		return func(ev *store.Event) bool { return audit.Username(&ev.Caller) == value }
	case "EventSource":
		return func(ev *store.Event) bool { return audit.Source(ev.Operation) == value }
	case "AccessKeyId":
		return func(ev *store.Event) bool { return ev.Caller.KeyID == value }
	}
	return nil
}

func (in *lookupEventsInput) trace(ev *store.Event) {
	add := func(name, value string) {
		ev.Asked = append(ev.Asked, store.Detail{Name: name, Value: caller.Text(value)})
	}
	if key, value := in.attribute(); key != "" {
		add(audit.LookupKey, key)
		add(audit.LookupValue, value)
	}
	if in.start.Set {
		add("startTime", audit.English(in.start.Value.Time))
	}
	if in.end.Set {
		add("endTime", audit.English(in.end.Value.Time))
	}
	if in.category.Set {
		add("eventCategory", in.category.Value)
	}
	if in.maxResults.Set {
		add("maxResults", strconv.Itoa(int(in.maxResults.Value)))
	}
}
