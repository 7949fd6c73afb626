package audit

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// eventVersion is that of CloudTrail's records since 2021. AWS's samples of metering
// are older, and say 1.05.
const eventVersion = "1.08"

// hidden is what CloudTrail shows in place of a secret.
const hidden = "HIDDEN_DUE_TO_SECURITY_REASONS"

// meteringSource is where most events come from (documented).
const meteringSource = "metering-marketplace.amazonaws.com"

// kinds are the operations that are not the Metering Service's writes. The source
// of GetEntitlements is inferred: AWS shows no event of it, and its Marketplace
// services are named alike (agreement-, deployment-, discovery-, metering-).
var kinds = map[metering.Operation]struct {
	source   string
	readOnly bool
}{
	metering.GetEntitlements:    {"entitlement-marketplace.amazonaws.com", true},
	metering.LookupEvents:       {"cloudtrail.amazonaws.com", true},
	"AssumeRole":                {"sts.amazonaws.com", true},
	"AssumeRoleWithWebIdentity": {"sts.amazonaws.com", true},
	"GetCallerIdentity":         {"sts.amazonaws.com", true},
}

// ours leads the names of what an operator does, which is no operation of AWS's, and
// is its source.
const ours = "meterd"

// isOurs reports whether an operation is an operator's.
func isOurs(op metering.Operation) bool { return strings.HasPrefix(string(op), ours+":") }

// Source is the service that an operation is of, as eventSource names it.
func Source(op metering.Operation) string {
	if isOurs(op) {
		return ours
	}
	if k, ok := kinds[op]; ok {
		return k.source
	}
	return meteringSource
}

// ReadOnly reports whether an operation changes nothing.
func ReadOnly(op metering.Operation) bool { return kinds[op].readOnly }

// AppendCloudTrail appends an event as CloudTrail shows it: one JSON object on one
// line, whatever the texts in it are.
func AppendCloudTrail(b []byte, ev *store.Event) []byte {
	b = appendText(append(b, '{'), "eventVersion", eventVersion)
	b = appendIdentity(appendName(b, "userIdentity"), ev)
	b = appendText(b, "eventTime", ev.Time.UTC().Format(time.RFC3339))
	b = appendText(b, "eventSource", Source(ev.Operation))
	b = appendText(b, "eventName", string(ev.Operation))
	b = appendText(b, "awsRegion", ev.Region)
	b = appendTextIfAny(b, "sourceIPAddress", ev.SourceIP) // a proxy hides it
	b = appendTextIfAny(b, "userAgent", ev.UserAgent)
	if ev.Error != "" {
		b = appendText(b, "errorCode", errorCode(ev.Error))
		b = appendTextIfAny(b, "errorMessage", ev.Message)
	}
	b = appendAsked(appendName(b, "requestParameters"), ev)
	b = appendTold(appendName(b, "responseElements"), ev)
	b = appendAdditional(b, ev)
	b = appendID(b, "requestID", ev.RequestID)
	b = appendID(b, "eventID", ev.ID)
	b = appendBool(b, "readOnly", ReadOnly(ev.Operation))
	if isOurs(ev.Operation) {
		b = appendText(b, "eventType", "MeterdOperatorAct")
	} else {
		b = appendText(b, "eventType", "AwsApiCall")
	}
	b = appendBool(b, "managementEvent", true)
	b = appendText(b, "recipientAccountId", string(ev.Account))
	if kind, _ := kindOf(ev); kind == "AWSAccount" { // the caller's account has an event of the same request
		b = appendID(b, "sharedEventID", ev.RequestID)
	}
	return append(appendText(b, "eventCategory", "Management"), '}')
}

// errorCode is the exception's name, except that CloudTrail has a word of its own
// for what IAM denies.
func errorCode(name string) string {
	if name == "AccessDeniedException" {
		return "AccessDenied"
	}
	return name
}

// unread are the errors of calls whose parameters nobody has read, or not for sure.
var unread = map[string]bool{"AccessDeniedException": true, "ThrottlingException": true, "SerializationException": true}

// appendAsked appends requestParameters; null if none were read.
func appendAsked(b []byte, ev *store.Event) []byte {
	secret := ev.Operation == metering.ResolveCustomer && !unread[ev.Error]
	empty := ev.Operation == metering.BatchMeterUsage && ev.Error == ""
	if len(ev.Asked) == 0 && len(ev.Records) == 0 && !secret && !empty {
		return append(b, "null"...)
	}
	b = append(b, '{')
	switch {
	case ev.Operation == metering.BatchMeterUsage:
		b = append(appendName(b, "usageRecords"), '[')
		for i := range ev.Records {
			b = appendRecord(comma(b), ev, &ev.Records[i])
		}
		b = append(b, ']')
	case secret:
		b = appendText(b, "registrationToken", hidden)
	}
	b = appendDetails(b, ev.Asked)
	if ev.Operation == metering.MeterUsage && len(ev.Records) > 0 {
		r := &ev.Records[0]
		b = appendStamp(b, "timestamp", r.Timestamp)
		b = appendText(b, "usageDimension", r.Dimension)
		b = appendInt(b, "usageQuantity", int64(r.Quantity))
	}
	return append(b, '}')
}

// appendRecord appends a usage record of a batch. A buyer whom the call named by an
// identifier is shown by that alone.
func appendRecord(b []byte, ev *store.Event, r *store.EventRecord) []byte {
	b = appendText(append(b, '{'), "dimension", r.Dimension)
	b = appendStamp(b, "timestamp", r.Timestamp)
	b = appendTextIfAny(b, "customerIdentifier", string(r.Customer))
	if r.Customer == "" || ev.Error != "" { // who was refused may have named both
		b = appendTextIfAny(b, "customerAWSAccountId", string(r.Buyer))
	}
	b = appendTextIfAny(b, "licenseArn", r.LicenseARN)
	return append(appendInt(b, "quantity", int64(r.Quantity)), '}')
}

// appendDetails appends parameters. Those whose names have a part before a dot in
// common, one after the other, are members of one; those of a lookup's attributes are
// one list.
func appendDetails(b []byte, all []store.Detail) []byte {
	for i := 0; i < len(all); i++ {
		d := all[i]
		if of, _, nested := strings.Cut(d.Name, "."); nested {
			b = append(appendName(b, of), '{')
			for ; i < len(all); i++ {
				name, member := strings.CutPrefix(all[i].Name, of+".")
				if !member {
					break
				}
				b = appendText(b, name, all[i].Value)
			}
			i--
			b = append(b, '}')
			continue
		}
		if d.Name == LookupKey && i+1 < len(all) && all[i+1].Name == LookupValue {
			b = append(appendName(b, "lookupAttributes"), "[{"...)
			b = appendText(b, LookupKey, d.Value)
			b = append(appendText(b, LookupValue, all[i+1].Value), "}]"...)
			i++
			continue
		}
		if scalars[d.Name] && isScalar(d.Value) {
			b = append(appendName(b, d.Name), d.Value...)
			continue
		}
		b = appendText(b, d.Name, d.Value)
	}
	return b
}

// LookupKey and LookupValue are what an event of a lookup has, one after the other,
// of the attribute that was asked for.
const (
	LookupKey   = "attributeKey"
	LookupValue = "attributeValue"
)

// scalars are the parameters that are numbers or booleans.
var scalars = map[string]bool{"dryRun": true, "publicKeyVersion": true, "maxResults": true, "durationSeconds": true}

// isScalar reports whether a text is a number or a boolean of JSON as it stands.
func isScalar(text string) bool {
	n, err := strconv.ParseInt(text, 10, 64)
	return text == "true" || text == "false" || err == nil && strconv.FormatInt(n, 10) == text
}

// appendTold appends responseElements: null of what was refused, and of what only
// reads, as CloudTrail has it.
func appendTold(b []byte, ev *store.Event) []byte {
	if ev.Error != "" || len(ev.Told) == 0 && (ReadOnly(ev.Operation) || isOurs(ev.Operation)) {
		return append(b, "null"...)
	}
	b = append(b, '{')
	switch ev.Operation {
	case metering.BatchMeterUsage:
		b = appendResults(b, ev)
	case metering.MeterUsage:
		if len(ev.Records) > 0 && ev.Records[0].Status != "" {
			b = appendID(b, "meteringRecordId", ev.Records[0].ID)
		} else {
			b = appendText(b, "meteringRecordId", DryRunID)
		}
	case metering.RegisterUsage:
		b = appendText(b, "signature", hidden)
	case metering.ResolveCustomer, metering.GetEntitlements, metering.LookupEvents: // in Told, if anything
	}
	return append(appendDetails(b, ev.Told), '}')
}

// DryRunID is the MeteringRecordId that a dry run is told.
const DryRunID = "DryRunOperation"

// appendResults appends what became of a batch's records. One without a status came
// back unprocessed.
func appendResults(b []byte, ev *store.Event) []byte {
	b = append(appendName(b, "results"), '[')
	for i := range ev.Records {
		r := &ev.Records[i]
		if r.Status == "" {
			continue
		}
		b = append(comma(b), '{')
		b = appendRecord(appendName(b, "usageRecord"), ev, r)
		b = appendID(b, "meteringRecordId", r.ID)
		b = append(appendText(b, "status", string(r.Status)), '}')
	}
	b = append(appendName(append(b, ']'), "unprocessedRecords"), '[')
	for i := range ev.Records {
		if r := &ev.Records[i]; r.Status == "" {
			b = appendRecord(comma(b), ev, r)
		}
	}
	return append(b, ']')
}

// appendAdditional appends additionalEventData, if there is any: how many calls the
// event stands for, and of each record's allocations, numbered from 1 as in error
// texts, how many there were and the SHA-256 that is kept of them.
func appendAdditional(b []byte, ev *store.Event) []byte {
	allocated := false
	for i := range ev.Records {
		allocated = allocated || ev.Records[i].Allocations > 0
	}
	if ev.Calls <= 1 && !allocated {
		return b
	}
	b = append(appendName(b, "additionalEventData"), '{')
	if ev.Calls > 1 {
		b = appendInt(b, "calls", ev.Calls)
	}
	if !allocated {
		return append(b, '}')
	}
	b = append(appendName(b, "usageAllocations"), '[')
	for i := range ev.Records {
		r := &ev.Records[i]
		if r.Allocations == 0 {
			continue
		}
		b = appendInt(append(comma(b), '{'), "usageRecord", int64(i+1))
		b = appendInt(b, "count", int64(r.Allocations))
		if r.AllocationsSum != [32]byte{} {
			b = append(appendName(b, "sha256"), '"')
			b = append(hex.AppendEncode(b, r.AllocationsSum[:]), '"')
		}
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

// English is how CloudTrail shows a timestamp among a call's parameters.
func English(t time.Time) string { return t.UTC().Format(english) }

const english = "Jan 2, 2006 3:04:05 PM"

// appendStamp appends a timestamp of a request; none if it was not given.
func appendStamp(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(appendName(b, name), '"')
	return append(t.UTC().AppendFormat(b, english), '"')
}

// Username is who called, as a lookup lists it: the user, "root", the name of the
// role's session, or the subject of a web identity.
func Username(c *store.EventCaller) string {
	if c.ARN == "" {
		return c.UserID
	}
	if strings.Contains(c.ARN, ":oidc-provider/") { // the id is PROVIDER:AUDIENCE:SUBJECT, and subjects have colons
		_, provider, _ := strings.Cut(c.ARN, ":oidc-provider/")
		_, subject, _ := strings.Cut(strings.TrimPrefix(c.UserID, provider+":"), ":")
		return subject
	}
	return c.ARN[strings.LastIndexAny(c.ARN, ":/")+1:]
}
