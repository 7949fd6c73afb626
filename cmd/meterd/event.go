package main

import (
	"cmp"
	"encoding/json"
	"strconv"

	"github.com/spf13/cobra"
)

func newEvent() *cobra.Command {
	return group("event", "See who called what: the audit trail", newEventList())
}

func newEventList() *cobra.Command {
	options := []option{
		{name: "account", help: "account that called (default: all)"},
		{name: "event", help: "name of one operation, such as BatchMeterUsage (default: all)"},
		{name: "key", help: "id of one access key (default: all)"},
	}
	var l listing
	var span timeSpan
	cmd := &cobra.Command{
		Use: "list", Short: "List the calls that were made, refused ones among them, newest first", Args: exactly(),
		Long: `List the calls that were made, refused ones among them: newest first, of one
account after the other. JSON and YAML are the records of AWS CloudTrail; tables
and CSV show what most questions are about. An account that wants to see its own
calls asks with the AWS CLI: aws cloudtrail lookup-events. What an operator did and
no history tells has names such as meterd:Backup; account 000000000000 has what was
done to all accounts.`,
		Example: `  meterd event list --account 210987654321 --limit 20
  meterd event list --event MeterUsage --from 2026-09-15T00:00:00Z --output csv
  meterd event list --event meterd:Backup
  meterd event list --key AKIAMETERDSELLER0001 --output json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query, err := span.query(cmd)
			if err != nil {
				return err
			}
			narrowed, err := queryOf(cmd, options)
			if err != nil {
				return err
			}
			for name, values := range narrowed {
				query[name] = values
			}
			return listAll(cmd, l, eventView, "/events", query)
		},
	}
	declare(cmd, options)
	span.flags(cmd, "called from this time on, RFC 3339", "called before this time, RFC 3339")
	l.flags(cmd)
	return cmd
}

// trailEvent is a record of CloudTrail, and what a row shows of it.
type trailEvent struct {
	record json.RawMessage
	shown  struct {
		EventTime, EventName, EventID, RequestID, AWSRegion, SourceIPAddress, UserAgent string
		RecipientAccountID, ErrorCode, ErrorMessage                                     string

		UserIdentity        struct{ ARN, PrincipalID, InvokedBy, AccessKeyID string }
		RequestParameters   struct{ ProductCode string }
		AdditionalEventData struct{ Calls int64 }
	}
}

func (e *trailEvent) UnmarshalJSON(b []byte) error {
	e.record = append(e.record[:0], b...)
	return json.Unmarshal(b, &e.shown)
}

func (e *trailEvent) MarshalJSON() ([]byte, error) { return e.record, nil }

var eventView = view[trailEvent]{
	columns: []string{"time", "event", "account", "product", "principal", "access_key_id", "region", "source_ip", "error", "message", "calls", "user_agent", "request_id", "id"},
	narrow:  []string{"time", "event", "account", "access_key_id", "region", "error"},
	row: func(e *trailEvent) []string {
		s, who := &e.shown, &e.shown.UserIdentity
		return []string{
			s.EventTime, s.EventName, s.RecipientAccountID, s.RequestParameters.ProductCode, cmp.Or(who.ARN, who.PrincipalID, who.InvokedBy), who.AccessKeyID,
			s.AWSRegion, s.SourceIPAddress, s.ErrorCode, s.ErrorMessage, strconv.FormatInt(max(1, s.AdditionalEventData.Calls), 10),
			s.UserAgent, s.RequestID, s.EventID,
		}
	},
	name: func(e *trailEvent) string { return e.shown.EventID },
}
