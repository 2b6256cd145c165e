package rules

import "strings"

// walk is one look into an index.
type walk struct {
	ix   *index
	s    string
	all  bool
	low  int32   // without all: the lowest pattern found so far
	hits []int32 // with all: every pattern found, in no order
}

const noPattern = 1<<31 - 1

// first returns the first pattern that matches s.
func (ix *index) first(s string) (int32, bool) {
	if len(ix.nodes) == 0 {
		return 0, false
	}
	w := walk{ix: ix, s: s, low: noPattern}
	w.forward(0, 0)
	if w.low == noPattern {
		return 0, false
	}
	return w.low, true
}

// appendAll appends all patterns that match s, in no order.
func (ix *index) appendAll(hits []int32, s string) []int32 {
	if len(ix.nodes) == 0 {
		return hits
	}
	w := walk{ix: ix, s: s, all: true, hits: hits}
	w.forward(0, 0)
	return w.hits
}

// forward goes down from node n, whose label has to be found at s[at:].
func (w *walk) forward(n int32, at int) {
	for {
		nd := &w.ix.nodes[n]
		if !w.all && nd.low >= w.low || !strings.HasPrefix(w.s[at:], nd.label) {
			return
		}
		at += len(nd.label)
		w.take(nd.opens)
		if nd.opensBack != 0 {
			w.backward(nd.opensBack, len(w.s))
		}
		if at == len(w.s) {
			w.take(nd.ends)
			if nd.endsBack != 0 {
				w.backward(nd.endsBack, len(w.s))
			}
			return
		}
		if nd.skip != 0 && w.s[at] != w.ix.sep {
			end := len(w.s)
			if n := strings.IndexByte(w.s[at:], w.ix.sep); n >= 0 {
				end = at + n
			}
			w.forward(nd.skip, end)
		}
		kid := strings.IndexByte(nd.keys, w.s[at])
		if kid < 0 {
			return
		}
		n = nd.kids + int32(kid)
	}
}

// backward goes down from node n, whose label has to be found before s[at:], and compares s with the patterns it finds.
func (w *walk) backward(n int32, at int) {
	for {
		nd := &w.ix.nodes[n]
		if !w.all && nd.low >= w.low || !strings.HasSuffix(w.s[:at], nd.label) {
			return
		}
		at -= len(nd.label)
		w.check(nd.ends)
		if at == 0 {
			return
		}
		if nd.skip != 0 && w.s[at-1] != w.ix.sep {
			w.backward(nd.skip, strings.LastIndexByte(w.s[:at], w.ix.sep)+1)
		}
		kid := strings.IndexByte(nd.keys, w.s[at-1])
		if kid < 0 {
			return
		}
		n = nd.kids + int32(kid)
	}
}

// take accepts the patterns of l.
func (w *walk) take(l list) {
	switch {
	case l.from == l.to:
	case w.all:
		w.hits = append(w.hits, w.ix.ids[l.from:l.to]...)
	default:
		w.low = min(w.low, w.ix.ids[l.from])
	}
}

// check accepts those patterns of l that match.
func (w *walk) check(l list) {
	for _, id := range w.ix.ids[l.from:l.to] {
		switch {
		case !w.all && id >= w.low:
			return
		case !w.ix.patterns[id].match(w.s, nil):
		case w.all:
			w.hits = append(w.hits, id)
		default:
			w.low = id
		}
	}
}
