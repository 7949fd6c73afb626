package admin

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/meterd/meterd/internal/store"
)

// Plan is what applying a catalogue changes, or would change.
type Plan struct {
	Applied  bool         `json:"applied" doc:"Whether it was carried out; a dry run is not."`
	Revision int64        `json:"revision" doc:"The catalogue's revision after it."`
	Totals   []Total      `json:"totals" doc:"How many entries of each kind come, change and go."`
	Changes  []PlanChange `json:"changes" doc:"The changes, a thousand at the most."`
	More     int          `json:"more,omitempty" doc:"How many changes are not listed."`

	found *store.Ref // what the request made when it came before
}

// Total counts the changes to one kind of entry.
type Total struct {
	Kind    store.Kind `json:"kind"`
	Create  int        `json:"create"`
	Update  int        `json:"update"`
	Remove  int        `json:"remove"`
	Current int        `json:"unchanged" doc:"Named by the file, and so already."`
}

// Action is what becomes of an entry.
type Action string

// The actions.
const (
	ActionCreate Action = "create"
	ActionUpdate Action = "update"
	ActionRemove Action = "remove"
)

// PlanChange is the change of one entry.
type PlanChange struct {
	Action Action        `json:"action"`
	Kind   store.Kind    `json:"kind"`
	Name   string        `json:"name"`
	Fields []FieldChange `json:"fields,omitempty" doc:"What differs, of an update."`
}

// FieldChange is a field that differs. Secrets show as ***.
type FieldChange struct {
	Field  string `json:"field"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// maxListed is how many changes a plan lists.
const maxListed = 1000

// plan weighs what the file says against what is known, and returns the entries
// that differ. base is the revision that it is weighed against.
func (a *application) plan(base int64) (*Plan, []store.Entry, error) {
	p := &Plan{Revision: base, Changes: []PlanChange{}}
	totals := make(map[store.Kind]*Total)
	total := func(kind store.Kind) *Total {
		if totals[kind] == nil {
			totals[kind] = &Total{Kind: kind}
		}
		return totals[kind]
	}
	list := func(c PlanChange) {
		if len(p.Changes) < maxListed {
			p.Changes = append(p.Changes, c)
		} else {
			p.More++
		}
	}
	var changed []store.Entry
	for _, e := range a.order {
		ref := e.Ref()
		was := a.known.Get(ref)
		if was == nil {
			total(ref.Kind).Create++
			list(PlanChange{Action: ActionCreate, Kind: ref.Kind, Name: ref.Name})
			changed = append(changed, e)
			continue
		}
		same, err := sameEntry(was, e)
		if err != nil {
			return nil, nil, err
		}
		if same {
			total(ref.Kind).Current++
			continue
		}
		total(ref.Kind).Update++
		fields, err := fieldChanges(was, e)
		if err != nil {
			return nil, nil, err
		}
		list(PlanChange{Action: ActionUpdate, Kind: ref.Kind, Name: ref.Name, Fields: fields})
		changed = append(changed, e)
	}
	for ref := range a.removed {
		if a.known.Get(ref) == nil {
			delete(a.removed, ref)
			continue
		}
		total(ref.Kind).Remove++
	}
	for _, ref := range slices.SortedFunc(maps.Keys(a.removed), compareRefs) {
		list(PlanChange{Action: ActionRemove, Kind: ref.Kind, Name: ref.Name})
	}
	for _, kind := range slices.Sorted(maps.Keys(totals)) {
		p.Totals = append(p.Totals, *totals[kind])
	}
	return p, changed, nil
}

// Changed counts all changes, listed or not.
func (p *Plan) Changed() int { return len(p.Changes) + p.More }

func compareRefs(a, b store.Ref) int {
	if a.Kind != b.Kind {
		return bytes.Compare([]byte(a.Kind), []byte(b.Kind))
	}
	return bytes.Compare([]byte(a.Name), []byte(b.Name))
}

// sameEntry compares entries as a store keeps them.
func sameEntry(was, now store.Entry) (bool, error) {
	before, err := store.EncodeEntry(was, nil)
	if err != nil {
		return false, err
	}
	after, err := store.EncodeEntry(now, nil)
	return bytes.Equal(before, after), err
}

// fieldChanges compares entries as they are shown.
func fieldChanges(was, now store.Entry) ([]FieldChange, error) {
	before, err := fieldsOf(was)
	if err != nil {
		return nil, err
	}
	after, err := fieldsOf(now)
	if err != nil {
		return nil, err
	}
	names := make(map[string]bool)
	for name := range before {
		names[name] = true
	}
	for name := range after {
		names[name] = true
	}
	var changes []FieldChange
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if string(before[name]) != string(after[name]) {
			changes = append(changes, FieldChange{name, raw(before[name]), raw(after[name])})
		}
	}
	if c, ok := now.(*store.Credential); ok {
		if old, ok := was.(*store.Credential); ok && old.Secret != c.Secret {
			changes = append(changes, FieldChange{"secret_access_key", old.Secret.String(), c.Secret.String()})
		}
	}
	return changes, nil
}

// raw is a field as it is shown; one that is absent is null.
func raw(field json.RawMessage) any {
	var v any
	_ = json.Unmarshal(field, &v) // it was marshalled a moment ago
	return v
}

func fieldsOf(e store.Entry) (map[string]json.RawMessage, error) {
	b, err := json.Marshal(shapeOf(e))
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	return fields, json.Unmarshal(b, &fields)
}
