package convert

import (
	"slices"
	"strings"

	"berth/router/hostkey"
)

// Nearly all patterns of a table are the same but for the host in them. What surrounds it, a shape, is understood once through
// its syntax tree, by two hosts put in its place, and from then on the host is all that is looked at. That is sound because the
// host stands there as it is: it is of letters, digits, '-' and lone dots, begins and ends with a letter or digit as both
// probes do, and so binds to what surrounds it as they do. A shape that answers anything else than just the host
// that is put into it is not used.
const (
	shapeHead = `^(?:`
	maxShapes = 16
	probe     = "a1.b2"
	otherOne  = "c-3.d.e4"

	stepsOfByte = 4 // more than a byte of a host can add to the nodes visited
)

// shape is what is known of all patterns that end alike.
type shape struct {
	sound   bool
	answers answers
	steps   int
}

// shapes are those of one table, by what is behind the host. A tail is learnt when it is met for the second time.
type shapes map[string]*shape

// cut divides a pattern that begins with a host of Berth's into host and tail.
func cutHost(pattern string) (name, tail string, ok bool) {
	rest, ok := strings.CutPrefix(pattern, shapeHead)
	if !ok {
		return "", "", false
	}
	n := 0
	for n < len(rest) && (plainByte(rest[n]) || rest[n] == '.' || rest[n] == '-') {
		n++
	}
	name, tail = rest[:n], rest[n:]
	ok = n > 0 && plainByte(name[0]) && plainByte(name[n-1]) && !strings.Contains(name, "..")
	return name, tail, ok
}

func plainByte(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// understand is Converter.understand, with a short way for patterns of a known shape.
func (p *Project) understand(f Filter) (Entry, understood) {
	name, tail, ok := cutHost(f.Pattern)
	if !ok || f.Fold || len(f.Pattern) > p.converter.options.MaxString {
		return p.converter.understand(f)
	}
	s, known := p.shapes[tail]
	switch {
	case !known:
		if len(p.shapes) < maxShapes {
			p.shapes[strings.Clone(tail)] = nil
		}
		return p.converter.understand(f)
	case s == nil:
		s = p.converter.learn(tail)
		p.shapes[strings.Clone(tail)] = s
	}
	host, err := hostkey.Canonical(name)
	if !s.sound || err != nil || string(host) != name || s.steps+stepsOfByte*len(name) > p.converter.options.MaxSteps {
		return p.converter.understand(f)
	}
	return p.shaped(f, s, host)
}

// learn asks what two hosts in the shape mean. Had it a host of its own beside the one put into it, that could be one of the
// two, not both.
func (c *Converter) learn(tail string) *shape {
	s := &shape{}
	for i, name := range []string{probe, otherOne} {
		e, u := c.understand(Filter{Pattern: shapeHead + name + tail})
		if e.Class != Converted || len(u.hosts) != 1 || string(u.hosts[0].host) != name || u.hosts[0].loose != dotsOf(name) {
			return &shape{}
		}
		if slices.ContainsFunc(e.Notes, func(n Note) bool { return n.Kind != NoteLooseDot }) || i > 0 && s.answers != u.hosts[0].answers {
			return &shape{}
		}
		s.answers, s.steps = u.hosts[0].answers, max(s.steps, u.steps)
	}
	s.sound = true
	return s
}

// shaped is what understand makes of a host in a sound shape.
func (p *Project) shaped(f Filter, s *shape, host hostkey.Host) (Entry, understood) {
	e := Entry{Index: f.Index, Pattern: f.Pattern, ScriptHash: f.ScriptHash, By: -1, Class: Converted, Hosts: []hostkey.Host{host}}
	p.one[0] = hostReading{host: host, loose: p.dotsOf(string(host)), answers: s.answers} // nobody keeps it for longer than Add
	u := understood{shaped: true, cost: p.converter.cost(f.Pattern, s.steps), hosts: p.one[:]}
	if p.converter.options.Brief {
		return e, u
	}
	e.Why = "it answers " + string(host)
	if n := looseNote(u.hosts, nil); n.Kind != "" {
		e.Notes = []Note{n}
	}
	return e, u
}

// dotsOf is dotsOf, which is nearly always what it was for the host before.
func (p *Project) dotsOf(name string) string {
	if len(name) != p.dots.length || !onlyDots(name, p.dots.offsets) {
		p.dots.length, p.dots.offsets = len(name), dotsOf(name)
	}
	return p.dots.offsets
}

// onlyDots reports whether the dots of name are at the offsets and nowhere else.
func onlyDots(name, offsets string) bool {
	next := 0
	for i := range len(offsets) {
		at := int(offsets[i])
		if at >= len(name) || name[at] != '.' || strings.IndexByte(name[next:at], '.') >= 0 {
			return false
		}
		next = at + 1
	}
	return strings.IndexByte(name[next:], '.') < 0
}

// dotsOf returns the offsets of the dots, as a hostReading has them.
func dotsOf(name string) string {
	var at [32]byte
	dots := at[:0]
	for i := range len(name) {
		if name[i] == '.' {
			dots = append(dots, byte(i))
		}
	}
	return string(dots)
}
