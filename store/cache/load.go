package cache

import (
	"context"
	"fmt"
)

// Load answers from the cache or from fill, which runs once per key however many wait.
//
// A fill that a Drop overtook is not kept; it is returned to those who asked before the Drop, and whoever asks after it
// starts another. An error is given to all who wait and is not cached. A panic in fill becomes a *PanicError.
//
// ctx bounds the waiting of this caller only. The fill's own context carries nothing of any caller's, because
// the fill may outlive each of them; it is cancelled when nobody waits any more, and then the fill is not kept either.
func (c *Cache[K, V]) Load(ctx context.Context, k K, fill func(context.Context) (V, error)) (V, error) {
	h := mix(c.o.Hash(k))
	if e := c.fast(h, k); e != nil {
		return e.value, nil
	}
	e, f, fillCtx := c.join(ctx, h, k)
	switch {
	case e != nil:
		return e.value, nil
	case f == nil:
		return c.gaveUp(ctx)
	case fillCtx == nil:
		return c.wait(ctx, k, f)
	case f.cancel == nil:
		c.run(fillCtx, h, k, f, fill)
		return f.value, f.err
	default:
		go c.run(fillCtx, h, k, f, fill)
		return c.wait(ctx, k, f)
	}
}

// join returns the entry, if it is kept after all; or the flight to wait for; or a new flight, with the context in which the caller
// must run its fill; or nothing, if a fill is needed and ctx is done already.
func (c *Cache[K, V]) join(ctx context.Context, h uint64, k K) (*entry[K, V], *flight[V], context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.fast(h, k); e != nil {
		return e, nil, nil
	}
	c.counts.misses++
	if f := c.flights[k]; f != nil {
		f.waiters++
		if f.done == nil {
			f.done = make(chan struct{})
		}
		return nil, f, nil
	}
	if ctx.Err() != nil {
		return nil, nil, nil
	}
	c.counts.fills++
	f := &flight[V]{waiters: 1}
	c.flights[k] = f
	fillCtx := context.Background()
	if !c.o.Inline && ctx.Done() != nil {
		f.done = make(chan struct{})
		fillCtx, f.cancel = context.WithCancel(fillCtx)
	}
	return nil, f, fillCtx
}

// wait is for a caller who is counted in f.waiters.
func (c *Cache[K, V]) wait(ctx context.Context, k K, f *flight[V]) (V, error) {
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
	}
	if c.leave(k, f) {
		f.cancel()
	}
	return c.gaveUp(ctx)
}

func (c *Cache[K, V]) gaveUp(ctx context.Context) (zero V, err error) {
	return zero, fmt.Errorf("cache: wait for fill: %w", ctx.Err())
}
