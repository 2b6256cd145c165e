package migration

import (
	"context"
	"sync/atomic"

	"berth/router"
)

// front is the resolver that the edge has for ever; what answers behind it changes with the phase.
type front struct {
	behind atomic.Pointer[router.Resolver]
}

func newFront(r router.Resolver) *front {
	f := new(front)
	f.set(r)
	return f
}

func (f *front) set(r router.Resolver) { f.behind.Store(&r) }

// Resolve asks what is behind, with one atomic load.
func (f *front) Resolve(ctx context.Context, q *router.Query) (router.Decision, error) {
	return (*f.behind.Load()).Resolve(ctx, q)
}
