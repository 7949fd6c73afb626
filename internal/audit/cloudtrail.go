package audit

import (
	"encoding/json"
	"time"

	"github.com/meterd/meterd/internal/store"
)

// AppendCloudTrail appends an event as CloudTrail shows it: one line, without its
// end.
func AppendCloudTrail(b []byte, ev *store.Event) []byte {
	line, err := json.Marshal(struct {
		EventTime time.Time `json:"eventTime"`
		EventName string    `json:"eventName"`
		Region    string    `json:"awsRegion"`
		Error     string    `json:"errorCode,omitempty"`
		RequestID string    `json:"requestID"`
		EventID   string    `json:"eventID"`
		Account   string    `json:"recipientAccountId"`
	}{ev.Time.UTC().Truncate(time.Second), string(ev.Operation), ev.Region, ev.Error, ev.RequestID.String(), ev.ID.String(), string(ev.Account)})
	if err != nil {
		panic(err) // strings, and a time of a year that stores keep
	}
	return append(b, line...)
}
