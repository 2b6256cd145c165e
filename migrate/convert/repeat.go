package convert

import "regexp/syntax"

// Lengths that stand for "any": labels have at most 63 characters, ports at most 5.
const (
	maxLabel = 63
	maxPort  = 5
)

// run is any number of characters of a class, at the beginning of a host.
type run struct {
	class   set // of those that hosts have
	crosses bool
}

// bounds returns how often a node wants its child; most is -1 for any number.
func bounds(re *syntax.Regexp) (least, most int) {
	switch re.Op {
	case syntax.OpStar:
		return 0, -1
	case syntax.OpPlus:
		return 1, -1
	default:
		return re.Min, re.Max
	}
}

func (w *walker) repeat(k *rest, s state) (*rest, state, bool) {
	sub := k.re.Sub[0]
	least, most := bounds(k.re)
	one, single := oneChar(sub)
	if single && s.port != noPort && !one.and(w.chars.digits).empty() {
		return w.portRun(k, s, one, least, most)
	}
	endless := most < 0 || single && most >= maxLabel && one.covers(w.chars.plain)
	if !single && endless && s.n == 0 && s.wild == nil && s.begun {
		if class, ok := w.labels(sub); ok {
			return w.labelRun(k, s, class, least)
		}
	}
	switch {
	case endless && single && one.and(w.chars.host).empty():
		return w.unroll(k, s, least, most) // slashes or colons: one of them ends the host
	case endless && s.port == noPort:
		return w.hostRun(k, s, one, single, least)
	case endless:
		w.fail(ReasonPort, "what follows the colon after %q is no port; write (?::[0-9]+)?", w.prefix(s))
		return nil, s, false
	case isDot(sub) && s.port == noPort:
		w.failAny(s)
		return nil, s, false
	}
	return w.unroll(k, s, least, most)
}

// unroll takes one repetition off.
func (w *walker) unroll(k *rest, s state, least, most int) (*rest, state, bool) {
	if most == 0 {
		return k.next, s, true
	}
	if least == 0 {
		w.walk(k.next, s)
	}
	less := &syntax.Regexp{Op: syntax.OpRepeat, Flags: k.re.Flags, Sub: k.re.Sub, Min: max(least-1, 0), Max: max(most-1, -1)}
	return &rest{k.re.Sub[0], &rest{less, k.next}}, s, true
}

// hostRun is a run without end. At the beginning of the host a wildcard may stand for it.
func (w *walker) hostRun(k *rest, s state, class set, single bool, least int) (*rest, state, bool) {
	switch {
	case !s.begun:
		w.fail(ReasonUnanchored, "it is not anchored: without ^ at its beginning it also matches in the middle of other hosts")
	case s.n > 0 || s.wild != nil || !single:
		w.fail(ReasonUnbounded, "a repetition without end after %q stands for hosts without number, and only a run at the beginning of a host, before a dot, can become a wildcard; list the hosts", w.prefix(s))
	case !class.covers(w.chars.plain):
		w.fail(ReasonUnbounded, "the run at its beginning lacks letters or digits, so it answers a part only of what a wildcard would; list the hosts, or widen it to [^.]+")
	case least > 1:
		w.fail(ReasonUnbounded, "the run at its beginning wants %d characters at least, so it answers a part only of what a wildcard would; list the hosts, or write + for the number", least)
	default:
		s.wild = &run{class: class.and(w.chars.host), crosses: w.crosses(class)}
		return k.next, s, true
	}
	return nil, s, false
}

// crosses reports whether a run of the class goes on from the host into the path.
func (w *walker) crosses(class set) bool { return w.options.Subject == HostPath && class.has('/') }

// labels recognises a run and a dot, such as [^.]+\., of which any number may follow each other.
func (w *walker) labels(re *syntax.Regexp) (set, bool) {
	for re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	if re.Op != syntax.OpConcat || len(re.Sub) != 2 {
		return set{}, false
	}
	first, dot := re.Sub[0], re.Sub[1]
	for first.Op == syntax.OpCapture {
		first = first.Sub[0]
	}
	if first.Op != syntax.OpPlus && first.Op != syntax.OpStar && first.Op != syntax.OpRepeat {
		return set{}, false
	}
	least, most := bounds(first)
	class, ok := oneChar(first.Sub[0])
	if !ok || least > 1 || most >= 0 && most < maxLabel || !class.covers(w.chars.plain) {
		return set{}, false
	}
	c, ok := oneChar(dot)
	return class, ok && c == setOf(".")
}

// labelRun is any number of labels, each with its dot.
func (w *walker) labelRun(k *rest, s state, class set, least int) (*rest, state, bool) {
	if least > 1 {
		w.fail(ReasonUnbounded, "it wants %d labels at least before the host; a wildcard stands for one or more: write + for the number", least)
		return nil, s, false
	}
	if least == 0 {
		w.walk(k.next, s)
	}
	s.wild = &run{class: class.or(setOf(".")).and(w.chars.host), crosses: w.crosses(class)}
	s, ok := w.push('.', false, s)
	return k.next, s, ok
}

// portRun is a run of digits behind the colon.
func (w *walker) portRun(k *rest, s state, class set, least, most int) (*rest, state, bool) {
	begin := s.port
	s.crossed = s.crossed || class.has('/')
	s.port = somePort
	switch {
	case !class.covers(w.chars.digits):
	case begin == anyPort:
		s.port = anyPort
	case begin == portBegun && least <= 2 && (most < 0 || most >= maxPort),
		begin == portFirst && least <= 1 && (most < 0 || most >= maxPort-1):
		s.port = anyPort
	}
	return k.next, s, true
}

// inPort follows one node behind the colon. What is no digit is in no request.
func (w *walker) inPort(k *rest, s state) (*rest, state, bool) {
	if k.re.Op == syntax.OpLiteral {
		return w.portLiteral(k, s)
	}
	class, _ := oneChar(k.re)
	digits := class.and(w.chars.digits)
	if class.has('/') {
		w.fail(ReasonPort, "it is not clear where the port after %q ends; write (?::[0-9]+)?", w.prefix(s))
		return nil, s, false
	}
	if digits.empty() {
		return nil, s, false
	}
	var nonZero set
	nonZero.addRange('1', '9')
	if s.port == portBegun && digits.covers(nonZero) {
		s.port = portFirst
	} else {
		s.port = somePort
	}
	return k.next, s, true
}

func (w *walker) portLiteral(k *rest, s state) (*rest, state, bool) {
	for i, r := range k.re.Rune {
		switch {
		case r == '/' && i+1 < len(k.re.Rune):
			after := &syntax.Regexp{Op: syntax.OpLiteral, Flags: k.re.Flags, Rune: k.re.Rune[i+1:]}
			return w.close('/', s, &rest{after, k.next})
		case r == '/':
			return w.close('/', s, k.next)
		case r < '0' || r > '9':
			return nil, s, false
		}
		s.port = somePort
	}
	return k.next, s, true
}
