package awsapi

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/meterd/meterd/internal/awsjson"
	"github.com/meterd/meterd/internal/metering"
)

// Fault makes the next calls of an operation fail on purpose, so that a client
// can be seen to bear it.
type Fault struct {
	Operation metering.Operation
	// Code is an error's name on the wire. The call is answered with it after
	// throttling, in place of parsing.
	Code string
	// Unprocessed, in place of a code: a batch passes its checks, and then every
	// record comes back in UnprocessedRecords, and none is stored.
	Unprocessed bool
	// Count is how many calls it is for; zero clears the operation's fault.
	Count int
}

// Faults are the faults that are set, one for each operation at most. The zero
// value has none.
type Faults struct {
	mu  sync.Mutex
	set map[metering.Operation]Fault
}

// Set sets an operation's fault in place of the one before.
func (f *Faults) Set(fault Fault) error {
	if !slices.Contains(slices.Collect(maps.Values(targets)), fault.Operation) {
		return fmt.Errorf("operation %q: there is none of that name", fault.Operation)
	}
	switch _, known := exceptionNamed(fault.Code); {
	case fault.Count < 0:
		return fmt.Errorf("count %d: it must not be negative", fault.Count)
	case fault.Count == 0:
	case fault.Unprocessed && fault.Code != "":
		return fmt.Errorf("code and unprocessed exclude each other")
	case fault.Unprocessed && fault.Operation != metering.BatchMeterUsage:
		return fmt.Errorf("unprocessed: only BatchMeterUsage answers UnprocessedRecords")
	case !fault.Unprocessed && !known:
		return fmt.Errorf("code %q: no operation answers it", fault.Code)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if fault.Count == 0 {
		delete(f.set, fault.Operation)
		return nil
	}
	if f.set == nil {
		f.set = make(map[metering.Operation]Fault)
	}
	f.set[fault.Operation] = fault
	return nil
}

// All lists the faults that are still to come, by operation.
func (f *Faults) All() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]Fault, 0, len(f.set))
	for _, fault := range f.set {
		all = append(all, fault)
	}
	slices.SortFunc(all, func(a, b Fault) int { return cmp.Compare(a.Operation, b.Operation) })
	return all
}

// take uses up one of an operation's fault, of the one kind or the other.
func (f *Faults) take(op metering.Operation, unprocessed bool) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault, ok := f.set[op]
	if !ok || fault.Unprocessed != unprocessed {
		return Fault{}, false
	}
	if fault.Count--; fault.Count == 0 {
		delete(f.set, op)
	} else {
		f.set[op] = fault
	}
	return fault, true
}

// strike is the error that a call was chosen for, if it was.
func (f *Faults) strike(op metering.Operation) error {
	fault, ok := f.take(op, false)
	if !ok {
		return nil
	}
	e, _ := exceptionNamed(fault.Code)
	return &injectedError{awsjson.Fault{Name: e.name, Status: e.status, Message: "injected fault: " + fault.Code}}
}

// unprocessed reports whether a batch is to come back whole.
func (f *Faults) unprocessed() bool {
	_, ok := f.take(metering.BatchMeterUsage, true)
	return ok
}

// injectedError is an error that was asked for.
type injectedError struct{ fault awsjson.Fault }

func (e *injectedError) Error() string { return e.fault.Message }
