package rules

import "hash/maphash"

// table finds rules without wildcard and placeholder by their source. It holds numbers of rules, and of each source's hash a part: a path
// that no rule has is settled by those. The zero value has room for none.
type table struct {
	seed  maphash.Seed // so that nobody can make sources that collide
	slots []slot       // a power of two, of which at most two thirds are taken
	n     int
}

type slot struct {
	tag  uint32 // of the hash
	rule int32  // its number plus one; 0: free
}

func newTable(room int) table {
	size := 8
	for size*2/3 < room {
		size *= 2
	}
	return table{seed: maphash.MakeSeed(), slots: make([]slot, size)}
}

// find returns the number of the rule with a source, of those that rules has.
func (t *table) find(rules []redirect, from string) (int32, bool) {
	if t.n == 0 {
		return 0, false
	}
	tag, at := t.place(from)
	for {
		s := t.slots[at]
		if s.rule == 0 {
			return 0, false
		}
		if s.tag == tag && rules[s.rule-1].from == from {
			return s.rule - 1, true
		}
		at = (at + 1) & (len(t.slots) - 1)
	}
}

// add takes up rule n, whose source it has not. There must be room.
func (t *table) add(rules []redirect, n int32) {
	tag, at := t.place(rules[n].from)
	for t.slots[at].rule != 0 {
		at = (at + 1) & (len(t.slots) - 1)
	}
	t.slots[at] = slot{tag, n + 1}
	t.n++
}

func (t *table) place(from string) (tag uint32, at int) {
	h := maphash.String(t.seed, from)
	return uint32(h >> 32), int(h) & (len(t.slots) - 1)
}
