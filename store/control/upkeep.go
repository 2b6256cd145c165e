package control

import (
	"context"
	"sync"

	"berth/assets/manifest"
)

// upkeep keeps the sweep off what publications need, and the sweep and fsck off each other.
//
// Pins alone do not do it: a sweep marks from a frozen view of the store, so a publication that commits after that view
// was taken is unknown to it, and once the publication has committed its pins are gone. So a publication reserves every
// blob it relies on before it looks whether the blob exists, and:
//
//   - a sweep that starts takes over all reservations there are, before it freezes its view. A publication that ended
//     earlier is in the view;
//   - a reservation made while a sweep runs goes into that sweep's marks;
//   - the sweep asks its marks and removes in one critical section (removeUnmarked). A reservation after it finds the
//     blob gone when it looks, one before it is in the marks.
//
// Whatever a publication has found is thus there when it commits and stays there afterwards, for any grace period.
type upkeep struct {
	busy semaphore // the sweep or fsck under way

	mu    sync.Mutex // guards what follows; held for no I/O but one unlink
	held  map[*reservation]struct{}
	marks *bloom // of the sweep under way, nil if there is none
}

// reservation is what one publication relies on.
type reservation struct {
	keeper  *upkeep
	digests []manifest.Digest
}

func (u *upkeep) reserve() *reservation {
	r := &reservation{keeper: u}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.held == nil {
		u.held = make(map[*reservation]struct{})
	}
	u.held[r] = struct{}{}
	return r
}

// add reserves blobs. Only afterwards may the caller look whether they exist.
func (r *reservation) add(ds ...manifest.Digest) {
	r.keeper.mu.Lock()
	defer r.keeper.mu.Unlock()
	r.digests = append(r.digests, ds...)
	if r.keeper.marks == nil {
		return
	}
	for _, d := range ds {
		r.keeper.marks.add(d)
	}
}

// release ends the reservation: after the commit, or when there will be none.
func (r *reservation) release() {
	r.keeper.mu.Lock()
	defer r.keeper.mu.Unlock()
	delete(r.keeper.held, r)
}

// startSweep makes marks the ones that reservations go into; the view of the store must be taken after it.
func (u *upkeep) startSweep(marks *bloom) (end func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.marks = marks
	for r := range u.held {
		for _, d := range r.digests {
			marks.add(d)
		}
	}
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.marks = nil
	}
}

// mark is add for the sweep itself.
func (u *upkeep) mark(ds ...manifest.Digest) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, d := range ds {
		u.marks.add(d)
	}
}

// removeUnmarked calls remove unless d is marked, in the critical section that reservations are made in.
func (u *upkeep) removeUnmarked(d manifest.Digest, remove func() error) (marked bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.marks.has(d) {
		return true, nil
	}
	return false, remove()
}

// semaphore admits one at a time; unlike a mutex, waiting for it ends with the context. Its zero value works.
type semaphore struct {
	once sync.Once
	slot chan struct{}
}

func (m *semaphore) acquire(ctx context.Context) (release func(), err error) {
	m.once.Do(func() { m.slot = make(chan struct{}, 1) })
	select {
	case m.slot <- struct{}{}:
		return func() { <-m.slot }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
