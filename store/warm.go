package store

import (
	"github.com/cockroachdb/pebble/v2"

	"berth/router/hostkey"
)

// A table that a flush or a compaction has just written is opened by the first look-up that comes to it, which also reads the table's
// filter: a millisecond, where look-ups take microseconds. While somebody loads routes that would be one in a thousand. So the store
// looks into each new table itself, as soon as Pebble says that it is there.

// warmAhead is how many tables may wait to be looked into. What is beyond waits for a look-up, as without all this.
const warmAhead = 256

// warmTables asks for a look into the tables that have routes.
func (s *Store) warmTables(tables []pebble.TableInfo) {
	for i := range tables {
		k, ok := routeWithin(&tables[i])
		if !ok {
			continue
		}
		select {
		case s.warm <- k:
		default:
			return
		}
	}
}

// routeWithin returns a key that a look-up must look for in the table, one that is there wherever that can be told.
func routeWithin(t *pebble.TableInfo) (k hostkey.Key, ok bool) {
	for _, end := range [][]byte{t.Smallest.UserKey, t.Largest.UserKey} {
		if len(end) == 1+len(k) && end[0] == tableRoute {
			return hostkey.Key(end[1:]), true
		}
	}
	return k, t.Smallest.UserKey[0] < tableRoute && t.Largest.UserKey[0] > tableRoute
}

// keepWarm looks into new tables until the store stops.
func (s *Store) keepWarm() {
	for {
		select {
		case <-s.stop:
			return
		case k := <-s.warm:
			s.lookInto(k)
		}
	}
}

// lookInto is a look-up with an iterator of its own, made after the table: those that are parked may not know it. It is parked then.
func (s *Store) lookInto(k hostkey.Key) {
	v, err := s.acquire()
	if err != nil {
		return
	}
	l, err := s.newLookup(v)
	if err != nil {
		v.unref()
		return
	}
	l.key[0] = tableRoute
	copy(l.key[1:], k[:])
	// The first reads the filter. If that says that there is no such key, the second reads what leads to the nearest one.
	if !l.it.SeekPrefixGE(l.key[:]) && l.it.Error() == nil {
		l.it.SeekGE(l.key[:])
	}
	if l.it.Error() != nil {
		l.close() // who needs the table will hear of it
		return
	}
	s.put(l, s.lookups.slotOf(&k))
}
