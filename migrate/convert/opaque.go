package convert

import (
	"regexp/syntax"
	"unicode/utf8"

	"berth/router/hostkey"
)

// opaque is an entry that cannot be converted. It is still tested by the old table, so later entries must be compared
// with it: not "does it match this path" but "is there a path with which it matches". The answer may be yes too often, never
// too seldom.
type opaque struct {
	entry int
	hash  string
	prog  *syntax.Prog // nil: it may match anything
}

// openAtStart reports whether a match may begin anywhere, and so in the path of a request to any host.
func openAtStart(prog *syntax.Prog) bool {
	return prog.StartCond()&atBegin == 0
}

// program compiles what Compile of regexp would, if it is not too large. Parsing has bounded it already, but by
// millions of instructions.
func program(tree *syntax.Regexp, most int) *syntax.Prog {
	if tree == nil || size(tree, most) > most {
		return nil
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil
	}
	return prog
}

// size estimates the instructions that re compiles to, and stops counting beyond most.
func size(re *syntax.Regexp, most int) int {
	n := 2 + len(re.Rune)
	for _, sub := range re.Sub {
		if n += size(sub, most); n > most {
			return most + 1
		}
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, most+1)
}

// threads is a set of instructions at which a match under way may stand.
type threads struct {
	list []uint32
	in   []bool
}

func (t *threads) clear() {
	for _, pc := range t.list {
		t.in[pc] = false
	}
	t.list = t.list[:0]
}

// simulator runs programs over hosts, one at a time. It counts its steps.
type simulator struct {
	prog      *syntax.Prog
	subject   Subject
	now, next threads
	stack     []uint32
	steps     int64
	matched   bool
}

func (s *simulator) load(prog *syntax.Prog) {
	s.prog = prog
	s.now.clear()
	s.next.clear()
	if n := len(prog.Inst); n > len(s.now.in) {
		s.now.in, s.next.in = make([]bool, n), make([]bool, n)
	}
}

// enter adds an instruction and all that follow from it without a character. Word boundaries count as there.
func (s *simulator) enter(to *threads, pc uint32, known syntax.EmptyOp) {
	s.stack = append(s.stack[:0], pc)
	for len(s.stack) > 0 {
		pc := s.stack[len(s.stack)-1]
		s.stack = s.stack[:len(s.stack)-1]
		if to.in[pc] {
			continue
		}
		to.in[pc] = true
		to.list = append(to.list, pc)
		s.steps++
		switch inst := &s.prog.Inst[pc]; inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			s.stack = append(s.stack, inst.Arg, inst.Out)
		case syntax.InstCapture, syntax.InstNop:
			s.stack = append(s.stack, inst.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(inst.Arg)&^(known|syntax.EmptyWordBoundary|syntax.EmptyNoWordBoundary) == 0 {
				s.stack = append(s.stack, inst.Out)
			}
		case syntax.InstMatch:
			s.matched = true
		}
	}
}

const (
	atBegin = syntax.EmptyBeginText | syntax.EmptyBeginLine
	atTail  = syntax.EmptyEndText | syntax.EmptyEndLine
)

// step goes on by one character.
func (s *simulator) step(r rune, known syntax.EmptyOp) {
	s.next.clear()
	for _, pc := range s.now.list {
		s.steps++
		if inst := &s.prog.Inst[pc]; consumes(inst) && inst.MatchRune(r) {
			s.enter(&s.next, inst.Out, known)
		}
	}
	s.enter(&s.next, uint32(s.prog.Start), known) // a match may begin anywhere
	s.now, s.next = s.next, s.now
}

func consumes(inst *syntax.Inst) bool {
	switch inst.Op {
	case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		return true
	}
	return false
}

func (s *simulator) begin() {
	s.matched = false
	s.now.clear()
	s.enter(&s.now, uint32(s.prog.Start), atBegin)
}

// host reports whether the program may match a request to h.
func (s *simulator) host(h hostkey.Host) bool {
	s.begin()
	return s.follow(spelled(h))
}

// below reports whether the program may match a request to any host that ends in a dot and parent.
func (s *simulator) below(parent hostkey.Host, chars set) bool {
	s.begin()
	s.anything(chars, 0)
	return s.follow("." + string(parent))
}

// anything goes on by any number of characters at once: what stands before is kept.
func (s *simulator) anything(chars set, known syntax.EmptyOp) {
	for i := 0; i < len(s.now.list); i++ {
		inst := &s.prog.Inst[s.now.list[i]]
		if !consumes(inst) {
			continue
		}
		for c := byte(0); c < utf8.RuneSelf; c++ {
			s.steps++
			if chars.has(c) && inst.MatchRune(rune(c)) {
				s.enter(&s.now, inst.Out, known)
				break
			}
		}
	}
	s.enter(&s.now, uint32(s.prog.Start), known)
}

// follow goes over the rest of a host, and asks whether anything behind it could complete a match.
func (s *simulator) follow(text string) bool {
	for i := range len(text) {
		if s.matched {
			return true
		}
		known := syntax.EmptyOp(0)
		if i == len(text)-1 && s.subject != HostPath {
			known = atTail // the host may be all there is
		}
		s.step(rune(text[i]), known)
	}
	if s.matched {
		return true
	}
	if s.subject == Host {
		return false
	}
	return s.subject == HostPath && s.alive('/') || s.port()
}

// port goes over any port, and asks the same.
func (s *simulator) port() bool {
	var digits set
	digits.addRange('0', '9')
	known := syntax.EmptyOp(0)
	if s.subject == Authority {
		known = atTail
	}
	s.step(':', known)
	s.anything(digits, known)
	return s.matched || s.subject == HostPath && s.alive('/')
}

// alive reports whether a match that went over the host could go over c, too, and then perhaps to its end.
func (s *simulator) alive(c rune) bool {
	for _, pc := range s.now.list {
		s.steps++
		if inst := &s.prog.Inst[pc]; consumes(inst) && inst.MatchRune(c) {
			return true
		}
	}
	return false
}
