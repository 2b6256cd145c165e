package store

import (
	"fmt"
	"slices"
	"time"

	"berth/router/hostkey"
)

// The commit log keeps, for each of the last commits, when it was made and what each route record it touched was
// before. What a record was at revision R is then the first previous value found after R, or, if no later commit
// touched it, what it is now.

// trimStep bounds how many old records one Update deletes: more than the one it adds, so that the log shrinks when it
// is over its bounds, and few, so that no Update pays for a long pause.
const trimStep = 8

// encodeCommit appends the record of a commit to b.
func encodeCommit(b []byte, now time.Time, touched []touch) []byte {
	e := encoder{b: slices.Grow(b, 16+len(touched)*30)}
	e.u8(commitVersion)
	e.time(now)
	e.uint(uint64(len(touched)))
	for _, t := range touched {
		e.u8(t.table)
		e.fixed(t.key[:])
		e.bytes(t.before)
	}
	return e.b
}

// findTouch looks for one record in a commit; before is a view of b, empty if the record was not there.
func findTouch(b []byte, id routeID) (before []byte, found bool, err error) {
	d := decoder{b: b}
	d.version(commitVersion)
	d.time()
	for n := d.uint(); n > 0 && d.err == nil; n-- {
		at := routeID{table: d.u8()}
		d.fixed(at.key[:])
		before := d.take(d.uint())
		if d.err == nil && at == id {
			return before, true, nil
		}
	}
	return nil, false, d.finish()
}

func decodeCommitTime(b []byte) (time.Time, error) {
	d := decoder{b: b}
	d.version(commitVersion)
	t := d.time()
	return t, d.err
}

// trimCommitLog deletes what the log need not hold any more once the commit of tx is in it.
func (tx *Tx) trimCommitLog(now time.Time) error {
	g := tx.g
	for range trimStep {
		old := g.head.logOldest
		if old >= g.head.rev {
			return nil
		}
		key := key64(tableCommit, old)
		if g.head.rev-old < Revision(g.s.opts.CommitLogMax) {
			at, err := g.oldestTime(&tx.Reader)
			if err != nil {
				return err
			}
			if now.Sub(at) <= g.s.opts.CommitLogAge {
				return nil
			}
		}
		if err := tx.drop(key); err != nil {
			return err
		}
		g.head.logOldest++
	}
	return nil
}

// oldestTime is when the oldest commit of the log was made. It is read once for each that becomes the oldest.
func (g *group) oldestTime(r *Reader) (time.Time, error) {
	if old := g.head.logOldest; g.s.oldest.rev != old {
		t, err := getRecord(r, key64(tableCommit, old), decodeCommitTime, "commit %d", old)
		if err != nil {
			return time.Time{}, err
		}
		g.s.oldest.rev, g.s.oldest.at = old, t
	}
	return g.s.oldest.at, nil
}

// RouteAt answers what the record of k was at revision rev, from the bounded commit log: ErrNotFound if there was none
// then, ErrTooOld when the log no longer reaches back. It reads the log from rev on: for people, not for requests.
func (s *Store) RouteAt(k hostkey.Key, rev Revision) (Route, error) {
	return s.recordAt(routeID{tableRoute, k}, rev)
}

// WildcardAt is RouteAt for the wildcard record of a parent host's key.
func (s *Store) WildcardAt(k hostkey.Key, rev Revision) (Route, error) {
	return s.recordAt(routeID{tableWildcard, k}, rev)
}

func (s *Store) recordAt(id routeID, rev Revision) (Route, error) {
	v, err := s.acquire()
	if err != nil {
		return Route{}, err
	}
	defer v.unref()
	switch {
	case rev > v.head.rev:
		return Route{}, fmt.Errorf("store: revision %d is not there yet, the newest is %d", rev, v.head.rev)
	case rev+1 < v.head.logOldest:
		return Route{}, fmt.Errorf("%w: revision %d, the oldest it can answer for is %d", ErrTooOld, rev, v.head.logOldest-1)
	}
	r := &Reader{viewSource{v}}
	next := rev + 1
	for c, err := range recordsIn(r, key64(tableCommit, next), []byte{tableCommit + 1}, matchCommit(id)) {
		switch {
		case err != nil:
			return Route{}, err
		case c.rev != next:
			return Route{}, fmt.Errorf("%w: the commit log has no revision %d", ErrCorrupt, next)
		case c.found && len(c.before) == 0:
			return Route{}, notFound("record of host key %x at revision %d", id.key[:], rev)
		case c.found:
			return decodeRoute(c.before)
		}
		next++
	}
	if id.table == tableWildcard {
		return r.Wildcard(id.key)
	}
	return r.Route(id.key)
}

type commitMatch struct {
	rev    Revision
	before []byte
	found  bool
}

func matchCommit(id routeID) func(k, v []byte) (commitMatch, error) {
	return func(k, v []byte) (m commitMatch, err error) {
		if m.rev, err = revisionOf(k); err != nil {
			return m, err
		}
		m.before, m.found, err = findTouch(v, id)
		return m, err
	}
}
