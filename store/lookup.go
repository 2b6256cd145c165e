package store

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"berth/router/hostkey"
)

// lookups is the pool of iterators behind LookupRoute.
//
// Pebble's Get does not consult the filters of the last level, where nearly all keys are, so it reads a data block for
// every host that does not exist. An iterator may be told to consult them, but making one costs more than the seek. So
// iterators are kept, each bound to the view that it was made from, in slots that are taken and given back with one
// atomic swap. An iterator of an older view is never used: it is closed when it is met, by the commit that published
// the newer view, or, so that tables which a compaction has replaced are not kept on disk by a server without commits, by a ticker.
//
// Each slot is for a part of the keys, in their order. An iterator that has found a key stands in that key's table of the last level, and the next
// key of the part is nearly always in the same one; to go to another table takes an eighth of a look-up among 14 million routes.
type lookups struct {
	slots []lookupSlot
}

const (
	// leastLookups is twice the number of tables that 14 million routes take, and more.
	leastLookups = 32

	// lookupStrays is how many keys, on average, an empty slot leaves to iterators of other slots before it gets its own. To make one costs
	// as much as five that go to another table, and a commit closes them all.
	lookupStrays = 8
)

type lookupSlot struct {
	it atomic.Pointer[lookup]
	_  [56]byte // a cache line each: neighbours are used by different cores
}

// lookup is an iterator with its key buffer and a reference to its view.
type lookup struct {
	it   *pebble.Iterator
	v    *view
	made int64 // Unix nanoseconds, to the resolution of the ticker
	key  [1 + len(hostkey.Key{})]byte
}

// atOnce is for how many who look up at once there should be iterators.
func atOnce() int { return max(4, 2*runtime.GOMAXPROCS(0)) }

func newLookups() *lookups { return &lookups{slots: make([]lookupSlot, max(leastLookups, atOnce()))} }

func (l *lookup) close() {
	_ = l.it.Close() // a read error was returned to who met it
	l.v.unref()
}

// slotOf is the slot for k. Keys are hashes, and so evenly spread.
func (p *lookups) slotOf(k *hostkey.Key) int {
	return int(binary.BigEndian.Uint16(k[:])) * len(p.slots) >> 16
}

// take returns an idle iterator of v, that of the slot if it is there. If it returns nil, one should be made.
func (p *lookups) take(v *view, slot int) *lookup {
	if l := p.slots[slot].take(v); l != nil {
		return l
	}
	if rand.Uint32N(lookupStrays) == 0 {
		return nil
	}
	for i := 1; i < len(p.slots); i++ {
		if l := p.slots[(slot+i)%len(p.slots)].take(v); l != nil {
			return l
		}
	}
	return nil
}

func (s *lookupSlot) take(v *view) *lookup {
	if s.it.Load() == nil {
		return nil
	}
	l := s.it.Swap(nil)
	if l == nil || l.v == v {
		return l
	}
	l.close()
	return nil
}

// put parks l, in the slot or one after it, unless every slot is taken, the store has moved on, or l is old.
func (s *Store) put(l *lookup, slot int) {
	if s.coarse.Load()-l.made > int64(maxLookupAge) {
		l.close()
		return
	}
	slots := s.lookups.slots
	for i := range slots {
		at := &slots[(slot+i)%len(slots)]
		if at.it.Load() != nil || s.current.Load() != l.v {
			continue
		}
		if !at.it.CompareAndSwap(nil, l) {
			continue
		}
		// The commit may have swept the pool between the check and the swap: then nobody else would close l.
		if s.current.Load() != l.v {
			if l := at.it.Swap(nil); l != nil {
				l.close()
			}
		}
		return
	}
	l.close()
}

// sweep closes parked iterators that stale names.
func (p *lookups) sweep(stale func(*lookup) bool) {
	for i := range p.slots {
		slot := &p.slots[i]
		if l := slot.it.Load(); l == nil || !stale(l) {
			continue
		}
		if l := slot.it.Swap(nil); l != nil {
			l.close()
		}
	}
}

// tend closes iterators that have grown old, until the store stops.
func (s *Store) tend() {
	t := time.NewTicker(maxLookupAge)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-t.C:
			s.coarse.Store(now.UnixNano())
			s.lookups.sweep(func(l *lookup) bool { return now.UnixNano()-l.made > int64(maxLookupAge) })
		}
	}
}

// LookupRoute is the hot point read of the request path: exact key only, no allocation, ErrNotFound unwrapped when
// absent, or of another epoch than the store's. It sees every commit whose Update has returned.
func (s *Store) LookupRoute(k hostkey.Key) (Route, error) { return s.lookupIn(tableRoute, k) }

// LookupWildcard is LookupRoute for the wildcard record of a parent host's key.
func (s *Store) LookupWildcard(k hostkey.Key) (Route, error) { return s.lookupIn(tableWildcard, k) }

// MayHaveRoute is false if LookupRoute would say ErrNotFound, and takes a small part of the time. True means nothing.
func (s *Store) MayHaveRoute(k hostkey.Key) bool { return s.mayHave(tableRoute, &k) }

// MayHaveWildcard is MayHaveRoute for LookupWildcard.
func (s *Store) MayHaveWildcard(k hostkey.Key) bool { return s.mayHave(tableWildcard, &k) }

func (s *Store) mayHave(table byte, k *hostkey.Key) bool {
	f := s.filters.live.Load()
	return f == nil || f.has(table, k)
}

func (s *Store) lookupIn(table byte, k hostkey.Key) (Route, error) {
	if !s.mayHave(table, &k) {
		return Route{}, ErrNotFound
	}
	slot := s.lookups.slotOf(&k)
	l, err := s.borrow(slot)
	if err != nil {
		return Route{}, err
	}
	l.key[0] = table
	copy(l.key[1:], k[:])
	// The default comparer's prefix of a key is the whole key: this is a point read that consults filters.
	if !l.it.SeekPrefixGE(l.key[:]) {
		err := l.it.Error()
		if err != nil {
			err = readError(l.key[:], err)
			l.close() // not worth keeping
			return Route{}, err
		}
		s.put(l, slot)
		return Route{}, ErrNotFound
	}
	b, err := l.it.ValueAndErr()
	if err != nil {
		err = readError(l.key[:], err)
		l.close()
		return Route{}, err
	}
	r, err := decodeRoute(b)
	if err != nil {
		err = corrupt(l.key[:], err)
		s.corrupt.Add(1)
	} else if r.Epoch != l.v.head.epoch {
		r, err = Route{}, ErrNotFound
	}
	s.put(l, slot)
	return r, err
}

func (s *Store) borrow(slot int) (*lookup, error) {
	for {
		v := s.current.Load()
		if v == nil {
			return nil, ErrClosed
		}
		if l := s.lookups.take(v, slot); l != nil {
			return l, nil
		}
		if !v.ref() {
			continue
		}
		l, err := s.newLookup(v)
		if err != nil {
			v.unref()
		}
		return l, err
	}
}

// newLookup makes an iterator of a view, and takes over a reference to it that the caller has.
func (s *Store) newLookup(v *view) (*lookup, error) {
	// Whom the filter in memory let pass is nearly always there: those of the last level would be read for nothing.
	f := s.filters.live.Load()
	it, err := v.snap.NewIter(&pebble.IterOptions{UseL6Filters: f == nil || f.crowded()})
	if err != nil {
		return nil, err
	}
	return &lookup{it: it, v: v, made: s.coarse.Load()}, nil
}

// renew makes iterators of the next view if there are any parked of this one, for as many as may look up at once, so that those who do need not, and that
// many fewer wait for it. They are parked once the view is the current one.
func (s *Store) renew(v *view) (made []*lookup) {
	for i := range s.lookups.slots {
		old := s.lookups.slots[i].it.Load()
		if old == nil || !v.ref() {
			continue
		}
		l, err := s.newLookup(v)
		if err != nil {
			v.unref()
			return made
		}
		l.made = old.made // or they would live on for as long as there are commits, needed or not
		if made = append(made, l); len(made) == atOnce() {
			break
		}
	}
	return made
}
