package rules

import (
	"cmp"
	"slices"
	"strings"
)

// index finds the patterns that match a string among many, at a cost that does not depend on those that cannot.
//
// It is a radix tree over the patterns' texts, read from the left. A placeholder is an edge that skips to the end of the
// path segment, whatever the pattern has between it and there; a "*" ends the text. Where that leaves something
// unchecked (a text behind a placeholder in its segment, or behind "*"), the tree's leaf holds a second tree, of the same
// form, over the texts read from the right. So that patterns are together as long as they agree, from both ends, and
// a string meets only those whose ends agree with it.
//
// In the tree a string has one way to reach each node: literals are as long as they are, and a skip goes to the end of
// the segment. So a walk visits each node at most once, whatever was built to confuse it.
type index struct {
	sep      byte
	patterns []pattern
	nodes    []node  // the root is nodes[0]
	ids      []int32 // what lists are cut from
}

type node struct {
	label string // what the string must go on with here
	keys  string // the first bytes of the labels of the children
	kids  int32  // the first child; the others follow it in the order of keys
	skip  int32  // the child that is reached by skipping the rest of a segment; 0: none
	low   int32  // the lowest pattern at or below this node

	ends, opens         list  // patterns that end here, and that have "*" here and nothing else to check
	endsBack, opensBack int32 // roots of trees of those with something to check; 0: none
}

// list is a range of index.ids, in ascending order.
type list struct{ from, to int32 }

// skipKey stands for a placeholder in the text of a key. No pattern has it: it is percent-encoded or refused.
const skipKey = 0

// entry is a pattern on its way into the tree.
type entry struct {
	key   string // read from the left
	back  string // read from the right, as far as a "*"
	open  bool   // key ends at a "*"
	exact bool   // key says all
	id    int32
}

// newIndex makes an index of those patterns whose numbers are given.
func newIndex(sep byte, patterns []pattern, ids []int32) index {
	ix := index{sep: sep, patterns: patterns}
	if len(ids) == 0 {
		return ix
	}
	entries := make([]entry, len(ids))
	for i, id := range ids {
		entries[i] = patterns[id].entry(id)
	}
	ix.nodes = append(ix.nodes, node{})
	ix.grow(0, entries, func(e entry) string { return e.key }, ix.addLeaf)
	ix.nodes, ix.ids = slices.Clip(ix.nodes), slices.Clip(ix.ids)
	return ix
}

// numbers is 0 to n-1.
func numbers(n int) []int32 {
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// grow fills node n with a tree of entries by their keys.
func (ix *index) grow(n int32, entries []entry, key func(entry) string, leaf func(n int32, entries []entry)) {
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Or(strings.Compare(key(a), key(b)), cmp.Compare(a.id, b.id)) })
	ix.branch(n, entries, 0, key, leaf)
}

// branch does grow for entries in order, of whose keys the first depth bytes are dealt with.
func (ix *index) branch(n int32, entries []entry, depth int, key func(entry) string, leaf func(int32, []entry)) {
	label := commonLabel(key(entries[0])[depth:], key(entries[len(entries)-1])[depth:])
	depth += len(label)
	low := entries[0].id
	for _, e := range entries {
		low = min(low, e.id)
	}
	ix.nodes[n].label, ix.nodes[n].low = label, low

	here := 0
	for here < len(entries) && len(key(entries[here])) == depth {
		here++
	}
	if here > 0 {
		leaf(n, entries[:here])
	}
	var groups [][]entry
	var keys []byte
	for rest := entries[here:]; len(rest) > 0; {
		c, same := key(rest[0])[depth], 1
		for same < len(rest) && key(rest[same])[depth] == c {
			same++
		}
		if c == skipKey {
			skip := int32(len(ix.nodes))
			ix.nodes = append(ix.nodes, node{})
			ix.nodes[n].skip = skip
			ix.branch(skip, rest[:same], depth+1, key, leaf)
		} else {
			keys, groups = append(keys, c), append(groups, rest[:same])
		}
		rest = rest[same:]
	}
	kids := int32(len(ix.nodes))
	ix.nodes = append(ix.nodes, make([]node, len(groups))...)
	ix.nodes[n].keys, ix.nodes[n].kids = string(keys), kids
	for i, group := range groups {
		ix.branch(kids+int32(i), group, depth, key, leaf)
	}
}

// commonLabel is what two keys have in common before the next skip.
func commonLabel(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] && a[n] != skipKey {
		n++
	}
	return a[:n]
}

// addLeaf hangs the entries whose keys end at node n on it.
func (ix *index) addLeaf(n int32, entries []entry) {
	var of [2][2][]entry // by open and exact
	number := map[bool]int{true: 1}
	for _, e := range entries {
		group := &of[number[e.open]][number[e.exact]]
		*group = append(*group, e)
	}
	ix.nodes[n].ends = ix.addList(of[0][1])
	ix.nodes[n].opens = ix.addList(of[1][1])
	ix.nodes[n].endsBack = ix.addBack(of[0][0])
	ix.nodes[n].opensBack = ix.addBack(of[1][0])
}

// addBack makes a tree by the keys that are read from the right.
func (ix *index) addBack(entries []entry) int32 {
	if len(entries) == 0 {
		return 0
	}
	root := int32(len(ix.nodes))
	ix.nodes = append(ix.nodes, node{})
	ix.grow(root, entries, func(e entry) string { return e.back }, func(n int32, entries []entry) {
		ix.nodes[n].ends = ix.addList(entries)
	})
	for i := root; i < int32(len(ix.nodes)); i++ {
		ix.nodes[i].label = reversed(ix.nodes[i].label) // to be compared with what precedes a place
	}
	return root
}

func (ix *index) addList(entries []entry) list {
	from := int32(len(ix.ids))
	for _, e := range entries {
		ix.ids = append(ix.ids, e.id)
	}
	return list{from, int32(len(ix.ids))}
}

func reversed(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

// entry says what the index can know of p.
func (p *pattern) entry(id int32) entry {
	if p.glob != nil {
		last := len(p.glob) - 1
		return entry{key: p.glob[0], back: reversed(p.glob[last]), open: last > 0, exact: last == 0 || last == 1 && p.glob[1] == "", id: id}
	}
	els := slices.Concat(p.head, p.tail)
	if p.splat {
		els = slices.Concat(els, []element{{kind: splat}}, p.after)
	}
	e := entry{id: id}
	e.key, e.open, e.exact = forwardKey(els, p.sep)
	if !e.exact {
		e.back = backwardKey(els, p.sep)
	}
	return e
}

func forwardKey(els []element, sep byte) (key string, open, exact bool) {
	var b []byte
	exact = true
	skipping := false
	for i, e := range els {
		text := e.text
		switch {
		case e.kind == splat:
			return string(b), true, exact && i == len(els)-1
		case e.kind == placeholder && skipping:
			exact = false
		case e.kind == placeholder:
			b, skipping = append(b, skipKey), true
		case skipping:
			n := strings.IndexByte(text, sep)
			if n != 0 {
				exact = false
			}
			if n < 0 {
				continue
			}
			text, skipping = text[n:], false
			fallthrough
		default:
			b = append(b, text...)
		}
	}
	return string(b), false, exact
}

func backwardKey(els []element, sep byte) string {
	var b []byte
	skipping := false
	for _, e := range slices.Backward(els) {
		text := e.text
		switch {
		case e.kind == splat:
			return string(b)
		case e.kind == placeholder && skipping:
		case e.kind == placeholder:
			b, skipping = append(b, skipKey), true
		case skipping:
			n := strings.LastIndexByte(text, sep)
			if n < 0 {
				continue
			}
			text, skipping = text[:n+1], false
			fallthrough
		default:
			b = append(b, reversed(text)...)
		}
	}
	return string(b)
}
