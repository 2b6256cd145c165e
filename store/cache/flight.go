package cache

import (
	"context"
	"fmt"
	"runtime/debug"
)

// flight is one run of a fill and those who wait for it.
type flight[V any] struct {
	done   chan struct{} // closed when value and err are final; set by the first to wait, nil if none does
	value  V
	err    error
	cancel context.CancelFunc // of the fill's context; nil if the fill runs inline

	waiters int  // guarded by Cache.mu
	doomed  bool // guarded by Cache.mu: not to be kept, not in Cache.flights
}

// PanicError is what a Load gets whose fill panicked or ended its goroutine (Value is then nil).
type PanicError struct {
	Value any
	Stack []byte // of the fill
}

func (e *PanicError) Error() string { return fmt.Sprintf("cache: panic in fill: %v", e.Value) }

// run does the fill. Whatever happens in it, the waiters are released.
func (c *Cache[K, V]) run(ctx context.Context, h uint64, k K, f *flight[V], fill func(context.Context) (V, error)) {
	var e *entry[K, V]
	var in *segment[K, V]
	returned := false
	defer func() {
		if !returned {
			e, f.err = nil, &PanicError{Value: recover(), Stack: debug.Stack()}
		}
		if f.err != nil {
			var zero V
			f.value = zero
		}
		c.finish(h, k, f, e, in)
	}()
	f.value, f.err = fill(ctx)
	if f.err == nil {
		e, in = c.newEntry(k, f.value)
	}
	returned = true
}

// newEntry returns an entry and the segment that it belongs to; no segment for a value that is too heavy for any.
func (c *Cache[K, V]) newEntry(k K, v V) (*entry[K, V], *segment[K, V]) {
	weight := int64(1)
	if c.o.Weight != nil {
		weight = max(c.o.Weight(k, v), 1)
	}
	in := c.segs[0]
	if c.o.Aside != nil && c.o.Aside(v) {
		in = c.segs[1]
	}
	if weight > maxWeight {
		return &entry[K, V]{key: k, value: v}, nil
	}
	return &entry[K, V]{key: k, value: v, weight: uint32(weight)}, in
}

// finish keeps e in its segment, if it has one and the flight is not doomed, and releases the waiters. Keeping comes first: who was
// released must find it. e is nil if there is no value.
func (c *Cache[K, V]) finish(h uint64, k K, f *flight[V], e *entry[K, V], in *segment[K, V]) {
	c.mu.Lock()
	kept := false
	if !f.doomed {
		delete(c.flights, k)
		if in != nil {
			var evicted uint64
			evicted, kept = in.add(h, e)
			c.counts.evicted += evicted
			if evicted > 0 && c.seen.Load() == nil {
				c.seen.Store(newSeen(2 * in.lru.Len()))
			}
		}
	}
	if e != nil && !kept && c.o.Released != nil {
		c.left = append(c.left, e.value)
	}
	done := f.done // nobody joins from here on
	c.unlock()
	if f.cancel != nil {
		f.cancel()
	}
	if done != nil {
		close(done)
	}
}

// leave reports whether nobody waits any more. Then nobody may join either: what a cancelled fill returns is of no use.
// It cannot happen to an inline flight, whose first caller never leaves.
func (c *Cache[K, V]) leave(k K, f *flight[V]) (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.waiters--
	if f.waiters > 0 {
		return false
	}
	if c.flights[k] == f {
		f.doomed = true
		delete(c.flights, k)
	}
	return true
}

// doom makes f one that is not kept and that nobody joins. The caller holds mu.
func (c *Cache[K, V]) doom(k K, f *flight[V]) {
	f.doomed = true
	delete(c.flights, k)
	c.counts.discarded++
}

// doomAll dooms every fill under way. The caller holds mu.
func (c *Cache[K, V]) doomAll() {
	for k, f := range c.flights {
		c.doom(k, f)
	}
}
