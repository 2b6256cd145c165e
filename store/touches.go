package store

import "time"

// touches are the route records that an Update has set or deleted, in the order in which it came to them.
type touches struct {
	list     []touch
	at       map[routeID]int // where in list
	courtesy courtesy
}

// keptTouches is how many records the committer has memory ready for. An Update of more makes garbage.
const keptTouches = 1 << 16

// find returns the touch of a record, nil if there is none. It is valid until the next add.
func (t *touches) find(id routeID) *touch {
	if i, ok := t.at[id]; ok {
		return &t.list[i]
	}
	return nil
}

// add notes a record that is not there yet.
func (t *touches) add(id routeID, before []byte) *touch {
	if t.at == nil {
		t.at = make(map[routeID]int)
	}
	t.at[id] = len(t.list)
	t.list = append(t.list, touch{routeID: id, before: before})
	t.courtesy.one()
	return &t.list[len(t.list)-1]
}

// expect makes room for n more.
func (t *touches) expect(n int) {
	if t.at == nil {
		t.at = make(map[routeID]int, n)
	}
	if t.list == nil {
		t.list = make([]touch, 0, n)
	}
}

// reset empties t and keeps its memory for the next Update, unless that is much. most is how many records it has had room for.
func (t *touches) reset(most *int) {
	n := len(t.list)
	if *most = max(*most, n); max(*most, cap(t.list)) > keptTouches {
		*t, *most = touches{}, 0
		return
	}
	if n < *most/16 { // to clear the map would be most of the work of a small Update
		for i := range t.list {
			delete(t.at, t.list[i].routeID)
		}
	} else {
		clear(t.at)
	}
	clear(t.list) // what was before is garbage now
	t.list = t.list[:0]
}

// spare is memory that the committer uses again. Bulk loads would have Go collect garbage thirty times a second, and each time stops
// those who look hosts up.
type spare struct {
	update touches
	most   int // records of an Update that update has room for
	group  []touch
	log    []byte
}

// commit returns the record of a commit, which is good until the next one.
func (s *spare) commit(now time.Time, touched []touch) []byte {
	b := encodeCommit(s.log[:0], now, touched)
	if len(touched) <= keptTouches {
		s.log = b
	}
	return b
}

func (s *spare) keep(group []touch) {
	if s.group = nil; cap(group) <= keptTouches {
		clear(group)
		s.group = group[:0]
	}
}
