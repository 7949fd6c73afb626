package caller

import "sync"

// generation is the number of things that a recent collects before it forgets
// the ones it collected before.
const generation = 4096

// recent remembers what was made lately, at most two generations of it: when the
// young one is full it becomes the old one. What is in use is young or becomes so
// again, and what is lost was not used for a while. The zero value is ready.
type recent[K comparable, V any] struct {
	mu         sync.RWMutex
	young, old map[K]V
}

// get finds what was put, if it is not forgotten.
func (c *recent[K, V]) get(k K) (V, bool) {
	c.mu.RLock()
	v, young := c.young[k]
	found := young
	if !young {
		v, found = c.old[k]
	}
	c.mu.RUnlock()
	if found && !young {
		c.put(k, v)
	}
	return v, found
}

func (c *recent[K, V]) put(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.young == nil || len(c.young) >= generation {
		c.young, c.old = make(map[K]V), c.young
	}
	c.young[k] = v
}
