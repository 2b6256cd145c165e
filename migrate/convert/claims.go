package convert

import (
	"strings"

	"berth/router/hostkey"
)

// claim is who answers a host.
type claim struct {
	entry   int
	hash    string
	answers answers
}

// looseClaims finds the entries that answer a host only because of unescaped dots. Such an entry and the host have the
// same length and differ at most at its dots, so entries with dots at the same places are kept together, and looked up
// with those places blanked.
type looseClaims struct {
	byLength map[int][]looseGroup
	blanked  []byte
	expect   int // about so many in the first group: nearly all hosts of a table are of one length
}

type looseGroup struct {
	offsets string
	first   map[string]claim
}

func (l *looseClaims) add(name, offsets string, c claim) {
	if offsets == "" {
		return
	}
	if l.byLength == nil {
		l.byLength = map[int][]looseGroup{}
	}
	groups := l.byLength[len(name)]
	at := -1
	for i := range groups {
		if groups[i].offsets == offsets {
			at = i
		}
	}
	if at < 0 {
		at = len(groups)
		groups = append(groups, looseGroup{offsets, make(map[string]claim, l.expect)})
		l.expect = 0
		l.byLength[len(name)] = groups
	}
	blanked := l.blank(name, offsets)
	if _, ok := groups[at].first[string(blanked)]; !ok {
		groups[at].first[string(blanked)] = c
	}
}

func (l *looseClaims) blank(name, offsets string) []byte {
	l.blanked = append(l.blanked[:0], name...)
	for i := range len(offsets) {
		l.blanked[offsets[i]] = 0
	}
	return l.blanked
}

// find returns the first entry that answers name, and what it cost to find out.
func (l *looseClaims) find(name string) (first claim, ok bool, steps int64) {
	for _, g := range l.byLength[len(name)] {
		steps += int64(len(name))
		if c, has := g.first[string(l.blank(name, g.offsets))]; has && (!ok || c.entry < first.entry) {
			first, ok = c, true
		}
	}
	return first, ok, steps
}

// wildClaim is who answers for the hosts of a wildcard.
type wildClaim struct {
	claim
	wild wildReading
}

// takes reports whether a host is one of the wildcard's: as it was meant, or at least by its unescaped dots.
func (v *wildReading) takes(host string) (meant, loosely bool) {
	cut := len(host) - len(v.parent) - 1
	if cut < 1 {
		return false, false
	}
	for i := range cut {
		if !v.run.class.has(host[i]) {
			return false, false
		}
	}
	tail := host[cut:]
	if tail[0] == '.' && tail[1:] == string(v.parent) {
		return true, true
	}
	return false, v.loose != "" && same(tail, "."+string(v.parent), v.loose)
}

// same compares all but the offsets.
func same(a, b, offsets string) bool {
	for i := range len(a) {
		if a[i] != b[i] && strings.IndexByte(offsets, byte(i)) < 0 {
			return false
		}
	}
	return true
}

// relation of an earlier wildcard to a later one.
type relation uint8

const (
	apart    relation = iota // Berth divides their hosts as the table did
	shadows                  // the earlier one answers all of the later one's
	overlaps                 // it does not, and Berth cannot tell which hosts are whose
)

// before says how v, the earlier, relates to later. label are the characters of labels.
func (v *wildReading) before(later *wildReading, host set) relation {
	switch {
	case v.parent == later.parent:
		if v.run.class.covers(later.run.class) {
			return shadows
		}
		return overlaps
	case isBelow(later.parent, v.parent):
		// The hosts of later have at least two labels below v's parent; Berth's nearest parent is later's.
		between := string(later.parent[:len(later.parent)-len(v.parent)-1])
		for i := range len(between) {
			if !v.run.class.has(between[i]) {
				return apart
			}
		}
		switch {
		case !v.run.class.has('.'):
			return apart
		case v.run.class.covers(later.run.class):
			return shadows
		}
		return overlaps
	case isBelow(v.parent, later.parent):
		// Berth gives all hosts below v's parent to v, also those that the table left for later.
		if later.run.class.has('.') && !v.run.class.covers(later.run.class.and(host)) {
			return overlaps
		}
	}
	return apart
}

func isBelow(h, parent hostkey.Host) bool {
	return len(h) > len(parent) && strings.HasSuffix(string(h), string(parent)) && h[len(h)-len(parent)-1] == '.'
}
