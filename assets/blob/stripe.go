package blob

import (
	"sync"
	"sync/atomic"

	"berth/assets/manifest"
)

// stripe holds what is known in memory about the blobs of one shard.
type stripe struct {
	// mu guards entries, and serialises Touch, Pin, Remove and the touch of an upload that finds its blob stored, so that
	// a sweep sees either the pin and the touch of a deployment or takes the blob before the deployment looks for it. It is
	// held over a stat, a change of time and an unlink, never over a sync or a wait. Nothing is locked under it but a
	// digestSet.
	mu      sync.Mutex
	entries map[manifest.Digest]entry // those that are not zero
}

type entry struct {
	pins int
	// claim is not nil while somebody decides about the blob's file: a commit, or a Verify. It is closed when they are done.
	claim chan struct{}
}

func (d *Dir) stripe(g manifest.Digest) *stripe { return &d.stripes[g[0]] }

// set stores an entry; mu is held.
func (s *stripe) set(g manifest.Digest, e entry) {
	if e == (entry{}) {
		delete(s.entries, g)
		return
	}
	if s.entries == nil {
		s.entries = map[manifest.Digest]entry{}
	}
	s.entries[g] = e
}

// pin counts a pin up; mu is held.
func (s *stripe) pin(g manifest.Digest) {
	e := s.entries[g]
	e.pins++
	s.set(g, e)
}

func (d *Dir) unpin(g manifest.Digest) {
	s := d.stripe(g)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[g]
	e.pins--
	s.set(g, e)
}

// claim waits until nobody else has claimed g and claims it until release. Who claims more than one does so in ascending
// order, else two batches with the same blobs could wait for each other for ever.
func (d *Dir) claim(g manifest.Digest, done chan struct{}) {
	s := d.stripe(g)
	for {
		s.mu.Lock()
		e := s.entries[g]
		if e.claim == nil {
			e.claim = done
			s.set(g, e)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		<-e.claim
	}
}

// release gives up a claim. Those who wait go on when its channel is closed.
func (d *Dir) release(g manifest.Digest) {
	s := d.stripe(g)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[g]
	e.claim = nil
	s.set(g, e)
}

// digestSet is a set that is nearly always empty, and asking an empty one takes no lock.
type digestSet struct {
	n  atomic.Int64
	mu sync.RWMutex // guards m, and changes of n
	m  map[manifest.Digest]struct{}
}

func (s *digestSet) has(g manifest.Digest) bool {
	if s.n.Load() == 0 {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.m[g]
	return ok
}

func (s *digestSet) add(g manifest.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = map[manifest.Digest]struct{}{}
	}
	s.m[g] = struct{}{}
	s.n.Store(int64(len(s.m)))
}

func (s *digestSet) remove(g manifest.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, g)
	s.n.Store(int64(len(s.m)))
}
