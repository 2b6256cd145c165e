package store

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"berth/router/hostkey"
)

// filters keeps the keyFilter that look-ups ask. It is filled in the background after Open, from the records that there are; until
// then the filters of Pebble's tables do the same more slowly.
//
// No key is ever missing from it. The committer adds a group's keys before the group can be read, to the filter that is in use and to
// one that is being filled. And it holds mu from there until the group can be read: so the view that a new filter is filled from either
// shows the group, or was taken when the group's keys went into the new filter too.
type filters struct {
	live atomic.Pointer[keyFilter] // nil: none yet
	want chan struct{}             // of one: another is to be filled

	mu       sync.Mutex // guards what follows; held for no read of the disk
	next     *keyFilter // being filled
	gone     int64      // records deleted since live was begun: it has them still
	paused   int        // none may be filled or used: records come without the committer
	expected int64      // keys that there will be, as somebody says who writes many; 0: nobody does
}

func newFilters() *filters { return &filters{want: make(chan struct{}, 1)} }

const (
	filterHeadroom   = 4  // the first filter is for a fourth more keys than there are; one that is needed because they grew, for twice as many
	expectedHeadroom = 16 // and for a sixteenth more than are expected: others write too
	routeBytes       = 28 // that a route record takes on disk, about
	filterStep       = 8192
)

// committed adds the keys that a group set and makes the group readable.
func (f *filters) committed(touched []touch, publish func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	live := f.live.Load()
	for i := range touched {
		t := &touched[i]
		if t.gone {
			f.gone++
			continue
		}
		if live != nil {
			live.add(t.table, &t.key)
		}
		if f.next != nil {
			f.next.add(t.table, &t.key)
		}
	}
	publish()
	if live != nil && (live.full() && !live.capped || f.gone > max(live.room/2, filterMinKeys)) {
		f.ask()
	}
}

// ask has another filter filled. That one is asked for already is as good.
func (f *filters) ask() {
	select {
	case f.want <- struct{}{}:
	default:
	}
}

// filling reports whether there is going to be another.
func (f *filters) filling() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	live := f.live.Load()
	return f.next != nil || len(f.want) > 0 || live != nil && f.tooSmall(live)
}

// ExpectRoutes says that there will be about n records of hosts and wildcards in all. Whoever is about to write many says so
// beforehand: the filter of host keys has its size from the start then, where it would have been filled anew, from all records, each
// time that there were a fourth more of them. Options.KeyFilterBytes bounds it all the same. It holds until it is said again; 0 or less
// takes it back, and leaves the filter as it is.
func (s *Store) ExpectRoutes(n int64) {
	f := s.filters
	f.mu.Lock()
	defer f.mu.Unlock()
	n = min(n, s.opts.KeyFilterBytes) // which are good for fewer keys
	f.expected = n + n/expectedHeadroom
	if live := f.live.Load(); live != nil && f.tooSmall(live) {
		f.ask()
	}
}

// tooSmall reports whether another filter would serve the keys that are there and those that are expected better.
func (f *filters) tooSmall(x *keyFilter) bool {
	return !x.capped && (x.full() || x.room < f.expected)
}

// beginFilter makes a filter that commits from here on go into, too, and returns the view that has all that came before.
func (s *Store) beginFilter(keys int64) (*keyFilter, *view, error) {
	f := s.filters
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.paused > 0 {
		return nil, nil, nil
	}
	v, err := s.acquire()
	if err != nil {
		return nil, nil, err
	}
	f.next = newKeyFilter(max(keys, f.expected), s.opts.KeyFilterBytes)
	return f.next, v, nil
}

// endFilter puts the new filter to use if it is complete.
func (f *filters) endFilter(x *keyFilter, complete bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next != x {
		return // pause forgot it
	}
	f.next = nil
	if !complete {
		return
	}
	f.live.Store(x)
	f.gone = 0
	select {
	case <-f.want: // what it was asked for is done
	default:
	}
	if f.tooSmall(x) {
		f.ask() // there were more keys than it was made for, or more are expected by now
	}
}

// pause does without a filter until resume.
func (f *filters) pause() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.paused++
	f.live.Store(nil)
	f.next = nil
}

func (f *filters) resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.paused--
	f.ask()
}

// keepFilter fills a filter whenever one is wanted, until the store stops.
func (s *Store) keepFilter() {
	for {
		select {
		case <-s.stop:
			return
		case <-s.filters.want:
		}
		if err := s.fillFilter(); err != nil && !errors.Is(err, ErrClosed) {
			// Nothing is lost but speed: the database is asked for every host.
			s.opts.Log.Warn("no filter of host keys", "err", err)
		}
	}
}

func (s *Store) fillFilter() error {
	keys, err := s.countKeys()
	if err != nil {
		return err
	}
	room := keys + keys/filterHeadroom
	if live := s.filters.live.Load(); live != nil && live.full() {
		room = 2 * keys
	}
	x, v, err := s.beginFilter(room)
	if x == nil {
		return err
	}
	err = s.fillFrom(v, x)
	v.unref()
	s.filters.endFilter(x, err == nil)
	return err
}

// countKeys is about how many there are.
func (s *Store) countKeys() (int64, error) {
	f := s.filters
	f.mu.Lock()
	live, gone := f.live.Load(), f.gone
	f.mu.Unlock()
	if live != nil {
		return max(live.n.Load()-gone, 0), nil
	}
	du, err := s.DiskUsage()
	return int64(du.Routes) / routeBytes, err
}

// fillFrom adds what a view has. It works half of the time: a start should not be felt by those who are served meanwhile.
func (s *Store) fillFrom(v *view, x *keyFilter) error {
	for _, table := range []byte{tableRoute, tableWildcard} {
		it, err := v.snap.NewIter(&pebble.IterOptions{LowerBound: []byte{table}, UpperBound: []byte{table + 1}})
		if err != nil {
			return readError([]byte{table}, err)
		}
		err = s.fillFromIter(it, table, x)
		if err := errors.Join(err, it.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) fillFromIter(it *pebble.Iterator, table byte, x *keyFilter) error {
	began, n := time.Now(), 0
	var give courtesy
	for ok := it.First(); ok; ok = it.Next() {
		b := it.Key()
		if len(b) != 1+len(hostkey.Key{}) {
			return corrupt(b, errTruncated)
		}
		k := hostkey.Key(b[1:])
		x.add(table, &k)
		give.one()
		if n++; n%filterStep != 0 {
			continue
		}
		if !s.rest(time.Since(began) - give.waited) {
			return ErrClosed
		}
		began, give.waited = time.Now(), 0
	}
	return it.Error()
}

// rest reports false if the store stops meanwhile.
func (s *Store) rest(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.stop:
		return false
	case <-t.C:
		return true
	}
}
