package convert

import (
	"fmt"
	"regexp/syntax"
)

// maxPrefix is longer than every authority: nothing that has it as a beginning is a host.
const maxPrefix = 260

// walker follows every way through a pattern up to the slash behind the host. Alternatives are tried one after the
// other on one buffer, so memory does not grow with their product.
type walker struct {
	options *Options
	chars   *alphabet

	buf   []byte // the host so far
	loose []bool // which of buf are unescaped dots
	steps int

	hosts   []hostReading
	byName  map[string]int // of hosts, once there are many
	wilds   []wildReading
	odd     []oddSpelling
	invalid []string

	reason Reason // why it cannot be converted; the first reason stands
	why    string
}

// state is where one way through the pattern is.
type state struct {
	n     int  // of walker.buf, that this way has
	begun bool // past ^
	wild  *run // the host begins with it
	port  portState

	crossed bool // a run of the port goes on into the path
}

type portState uint8

const (
	noPort    portState = iota
	portBegun           // behind the colon
	portFirst           // behind one digit of any value but 0, perhaps
	somePort
	anyPort
)

// rest is what is left of the pattern: a node, perhaps to be repeated, then more. Nil is its end.
type rest struct {
	re   *syntax.Regexp
	next *rest
}

func (w *walker) fail(reason Reason, format string, args ...any) {
	if w.reason == "" {
		w.reason, w.why = reason, fmt.Sprintf(format, args...)
	}
}

// prefix is the host so far, for messages.
func (w *walker) prefix(s state) string {
	if s.wild != nil {
		return "*" + string(w.buf[:s.n])
	}
	return string(w.buf[:s.n])
}

func (w *walker) walk(k *rest, s state) {
	for w.reason == "" {
		w.steps++
		if w.steps > w.options.MaxSteps {
			w.fail(ReasonTooComplex, "it takes more than %d steps to follow (Options.MaxSteps); split it into several filters", w.options.MaxSteps)
			return
		}
		if k == nil {
			w.end(s)
			return
		}
		var more bool
		if k, s, more = w.node(k, s); !more {
			return
		}
	}
}

// node follows one node. More is false if nothing is left to do on this way.
func (w *walker) node(k *rest, s state) (next *rest, _ state, more bool) {
	re := k.re
	switch re.Op {
	case syntax.OpEmptyMatch:
		return k.next, s, true
	case syntax.OpCapture:
		return &rest{re.Sub[0], k.next}, s, true
	case syntax.OpConcat:
		next := k.next
		for i := len(re.Sub) - 1; i >= 0; i-- {
			next = &rest{re.Sub[i], next}
		}
		return next, s, true
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			w.walk(&rest{sub, k.next}, s)
		}
		return nil, s, false
	case syntax.OpQuest:
		w.walk(k.next, s)
		return w.optional(k, s)
	case syntax.OpStar, syntax.OpPlus, syntax.OpRepeat:
		return w.repeat(k, s)
	default:
		return w.leaf(k, s)
	}
}

// optional goes on with what ? makes optional.
func (w *walker) optional(k *rest, s state) (*rest, state, bool) {
	if any := k.re.Sub[0]; isDot(any) && s.port == noPort {
		w.fail(ReasonAnyCharacter, "an optional unescaped dot after %q stands for any character; write \\. for a dot", w.prefix(s))
		return nil, s, false
	}
	return &rest{k.re.Sub[0], k.next}, s, true
}

func isDot(re *syntax.Regexp) bool {
	for re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	return re.Op == syntax.OpAnyChar || re.Op == syntax.OpAnyCharNotNL
}

func (w *walker) leaf(k *rest, s state) (*rest, state, bool) {
	switch k.re.Op {
	case syntax.OpBeginText, syntax.OpBeginLine:
		dead := s.n > 0 || s.wild != nil
		s.begun = true
		return k.next, s, !dead
	case syntax.OpEndText, syntax.OpEndLine:
		w.endText(k.next, s)
		return nil, s, false
	case syntax.OpNoMatch:
		return nil, s, false
	case syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		w.fail(ReasonAssertion, "a word boundary (\\b) after %q does not say where the host ends; write the host in full, with ^ and \\/", w.prefix(s))
		return nil, s, false
	}
	if !s.begun {
		w.fail(ReasonUnanchored, "it is not anchored: without ^ at its beginning it also matches in the middle of other hosts")
		return nil, s, false
	}
	if s.port != noPort {
		return w.inPort(k, s)
	}
	switch k.re.Op {
	case syntax.OpLiteral:
		return w.literal(k, s)
	case syntax.OpCharClass:
		w.class(k, s)
		return nil, s, false
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return w.looseDot(k, s)
	}
	w.fail(ReasonTooComplex, "it has a part (%v) that is not known", k.re.Op)
	return nil, s, false
}

func (w *walker) literal(k *rest, s state) (*rest, state, bool) {
	fold := k.re.Flags&syntax.FoldCase != 0
	for i, r := range k.re.Rune {
		c, ascii := lowerOf(r, fold)
		var ok bool
		switch {
		case !ascii:
			s, ok = w.pushText(string(r), s)
		case w.closes(c, s):
			after := k.next
			if i+1 < len(k.re.Rune) {
				after = &rest{&syntax.Regexp{Op: syntax.OpLiteral, Flags: k.re.Flags, Rune: k.re.Rune[i+1:]}, k.next}
			}
			return w.close(c, s, after)
		default:
			s, ok = w.push(c, false, s)
		}
		if !ok {
			return nil, s, false
		}
	}
	return k.next, s, true
}

// closes says whether c stands behind the host: a slash, or the colon before a port, but not one of an IPv6 address.
func (w *walker) closes(c byte, s state) bool {
	if c == ':' && s.n > 0 && w.buf[0] == '[' && w.buf[s.n-1] != ']' {
		return false
	}
	return w.chars.ends.has(c)
}

func (w *walker) close(c byte, s state, after *rest) (*rest, state, bool) {
	if c == ':' {
		s.port = portBegun
		return after, s, true
	}
	if w.options.Subject == HostPath {
		w.record(s, anyPath(after))
	} // else there is no slash to match
	return nil, s, false
}

// push appends one character. It is false if no host begins so.
func (w *walker) push(c byte, loose bool, s state) (state, bool) {
	switch {
	case s.wild != nil && s.n == 0 && c != '.':
		w.fail(ReasonUnbounded, "the run at its beginning does not end at a dot but at %q: it matches parts of labels, which no wildcard does; write \\. behind it, or list the hosts", string(rune(c)))
		return s, false
	case c == '.' && s.n > 0 && w.loose[s.n-1]:
		w.failAny(s)
		return s, false
	case s.n >= maxPrefix:
		return s, false
	}
	w.buf, w.loose = append(w.buf[:s.n], c), append(w.loose[:s.n], loose)
	s.n++
	return s, true
}

// pushText appends a character beyond ASCII: no client sends it, but a message can say what it would send.
func (w *walker) pushText(text string, s state) (_ state, ok bool) {
	for i := range len(text) {
		if s, ok = w.push(text[i], false, s); !ok {
			return s, false
		}
	}
	return s, true
}

// class tries each character that a host can have there.
func (w *walker) class(k *rest, s state) {
	all, _ := oneChar(k.re)
	can := all.and(w.chars.host.or(w.chars.ends))
	if can.empty() {
		// No host has any of them. One is followed all the same, for a message that can say what a client would send.
		if len(k.re.Rune) > 0 {
			if s, ok := w.pushText(string(k.re.Rune[0]), s); ok {
				w.walk(k.next, s)
			}
		}
		return
	}
	for c := byte(0); c < 128 && w.reason == ""; c++ {
		switch {
		case !can.has(c):
		case w.closes(c, s):
			if next, s, more := w.close(c, s, k.next); more {
				w.walk(next, s)
			}
		default:
			if s, ok := w.push(c, false, s); ok {
				w.walk(k.next, s)
			}
		}
	}
}

// looseDot reads an unescaped dot as the dot that it meant, if a dot can stand there.
func (w *walker) looseDot(k *rest, s state) (*rest, state, bool) {
	if s.n == 0 && s.wild == nil || s.n > 0 && w.buf[s.n-1] == '.' {
		w.failAny(s)
		return nil, s, false
	}
	s, ok := w.push('.', true, s)
	return k.next, s, ok
}

func (w *walker) failAny(s state) {
	w.fail(ReasonAnyCharacter, "an unescaped dot after %q stands for any character, and no dot can be meant there; write \\. for a dot, or the character", w.prefix(s))
}
