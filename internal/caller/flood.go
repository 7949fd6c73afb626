package caller

import (
	"sync"

	"github.com/meterd/meterd/internal/metering"
)

// Flood counts refusals of which not every one is written down. Its zero value is
// ready, and it is safe for use by many at once.
type Flood struct {
	mu    sync.Mutex
	calls map[FloodOf]int64 // since the last that was written down
}

// FloodOf is what is counted together.
type FloodOf struct {
	Account   metering.AccountID
	Region    string
	Operation metering.Operation
	Name      string // of the exception
}

// Add counts a refusal. If it is to be written down, it returns how many that
// stands for.
func (f *Flood) Add(of FloodOf, write bool) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.calls[of] + 1
	if write {
		delete(f.calls, of)
		return n
	}
	if f.calls == nil {
		f.calls = make(map[FloodOf]int64)
	}
	f.calls[of] = n
	return 0
}
