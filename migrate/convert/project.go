package convert

import (
	"fmt"

	"berth/router/hostkey"
)

// maxPrograms times Options.MaxProgram bounds the instructions that a project keeps to test hosts against.
const maxPrograms = 64

// Project converts the filters of one table in order: the first that answers a host has it. Its memory grows with the hosts
// that it has seen, up to Options.MaxRoutes. It is not safe for concurrent use.
type Project struct {
	converter *Converter
	hosts     map[hostkey.Host]claim
	loose     looseClaims
	wilds     []wildClaim
	opaques   []opaque
	shapes    shapes
	one       [1]hostReading // of the entry that is being added, if it has just one host
	dots      struct {
		length  int
		offsets string
	}
	left, leftWilds []int // of the entry that is being added: what no earlier one has

	kept int   // instructions of opaques
	work int64 // steps, but for the simulator's
	sim  simulator
}

// Project begins a table.
func (c *Converter) Project() *Project { return c.ProjectOf(0) }

// ProjectOf begins a table of about so many hosts.
func (c *Converter) ProjectOf(hosts int) *Project {
	hosts = max(0, min(hosts, c.options.MaxRoutes))
	return &Project{
		converter: c, hosts: make(map[hostkey.Host]claim, hosts), loose: looseClaims{expect: hosts}, shapes: shapes{},
		sim: simulator{subject: c.options.Subject},
	}
}

// Add says what the next filter means behind those added before. Filters are added in the order of the table, Index
// rising.
func (p *Project) Add(f Filter) Entry {
	if p.Work() > p.converter.options.MaxWork {
		e := Entry{Index: f.Index, Pattern: f.Pattern, ScriptHash: f.ScriptHash}
		e.refuse(ReasonLimit, -1, "the table took more than %d steps before it came to this entry (Options.MaxWork); split it", p.converter.options.MaxWork)
		return e
	}
	e, u := p.understand(f)
	p.work += u.cost
	if e.Class == CannotConvert {
		p.keep(&e, u)
		return e
	}
	p.place(&e, &u)
	return e
}

// AddName adds a name that needs no pattern: a host, or "*." before a name for all hosts below it.
func (p *Project) AddName(index int, name, scriptHash string) Entry {
	e := Entry{Index: index, Pattern: name, ScriptHash: scriptHash, By: -1}
	host, wildcard, err := hostkey.CanonicalPattern(name)
	if err != nil {
		e.refuse(ReasonNotAHost, -1, "%v", err)
		return e
	}
	var u understood
	all := answers{full: withoutPort | withAnyPort}
	if wildcard {
		u.wilds = []wildReading{{parent: host, run: run{class: p.converter.chars.host}, answers: all}}
		e.Class, e.Wildcards, e.Why = NeedsWildcard, []string{"*." + string(host)}, "it answers *."+string(host)
	} else {
		u.hosts = []hostReading{{host: host, answers: all}}
		e.Class, e.Hosts, e.Why = Converted, []hostkey.Host{host}, "it answers "+string(host)
	}
	p.place(&e, &u)
	return e
}

// keep remembers an entry that stays with the old table, for those behind it.
func (p *Project) keep(e *Entry, u understood) {
	o := opaque{entry: e.Index, hash: e.ScriptHash}
	if u.shaped {
		u.tree, _ = p.converter.parse(Filter{Pattern: e.Pattern}) // it has the shape of one that could be parsed
	}
	switch {
	case u.broken:
		return
	case p.kept < maxPrograms*p.converter.options.MaxProgram:
		o.prog = program(u.tree, p.converter.options.MaxProgram)
	}
	if o.prog != nil {
		p.kept += len(o.prog.Inst)
		if p.converter.options.Subject != Host && openAtStart(o.prog) {
			o.prog = nil
		}
	}
	p.opaques = append(p.opaques, o)
}

// place compares an entry with those before it, and claims what is left.
func (p *Project) place(e *Entry, u *understood) {
	first := -1
	earlier := func(by int) {
		if first < 0 || by < first {
			first = by
		}
	}
	left, leftWilds := p.left[:0], p.leftWilds[:0]
	for i := range u.hosts {
		by, taken, v := p.judgeHost(e, &u.hosts[i])
		switch {
		case v.reason != "":
			p.refuse(e, u, v)
			return
		case taken:
			earlier(by)
		default:
			left = append(left, i)
		}
	}
	for i := range u.wilds {
		by, taken, v := p.judgeWild(e, &u.wilds[i])
		switch {
		case v.reason != "":
			p.refuse(e, u, v)
			return
		case taken:
			earlier(by)
		default:
			leftWilds = append(leftWilds, i)
		}
	}
	p.left, p.leftWilds = left, leftWilds
	if len(p.hosts)+len(p.wilds)+len(left)+len(u.wilds) > p.converter.options.MaxRoutes {
		p.refuse(e, u, verdict{ReasonLimit, -1, fmt.Sprintf("the table stands for more than %d hosts (Options.MaxRoutes)", p.converter.options.MaxRoutes)})
		return
	}
	p.claim(e, u, left, leftWilds)
	p.trim(e, u, left, leftWilds, first)
}

// verdict is why an entry cannot be converted. The zero value says that it can.
type verdict struct {
	reason Reason
	by     int
	why    string
}

func (p *Project) refuse(e *Entry, u *understood, v verdict) {
	e.refuse(v.reason, v.by, "%s", v.why)
	e.Notes = nil
	p.keep(e, *u)
}

// judgeHost finds the earlier entry that answers a host for sure, or why that cannot be known.
func (p *Project) judgeHost(e *Entry, h *hostReading) (by int, taken bool, _ verdict) {
	if c, ok := p.hosts[h.host]; ok {
		if c.hash != e.ScriptHash && h.answers.full&^c.answers.full&withAnyPort != 0 {
			return 0, false, verdict{ReasonPort, c.entry, fmt.Sprintf("entry %d answers %s without a port, and this one with any; a route has no port: remove one of them", c.entry, h.host)}
		}
		return c.entry, true, verdict{}
	}
	loose, found, steps := p.loose.find(spelled(h.host))
	p.work += steps
	for i := range p.wilds {
		v := &p.wilds[i]
		p.work += int64(len(h.host))
		meant, loosely := v.wild.takes(string(h.host))
		if meant {
			return v.entry, true, verdict{}
		}
		if loosely && (!found || v.entry < loose.entry) {
			loose, found = v.claim, true
		}
	}
	if found && loose.hash != e.ScriptHash {
		return 0, false, verdict{ReasonLooseConflict, loose.entry, fmt.Sprintf("the old table answers %s by entry %d, whose unescaped dots match it; escape them there, or say which of the two is meant", h.host, loose.entry)}
	}
	if len(p.opaques) == 0 && p.Work() <= p.converter.options.MaxWork {
		return 0, false, verdict{}
	}
	return 0, false, p.unproven(e, string(h.host), func(s *simulator) bool { return s.host(h.host) })
}

func (p *Project) judgeWild(e *Entry, w *wildReading) (by int, taken bool, _ verdict) {
	for i := range p.wilds {
		v := &p.wilds[i]
		p.work += int64(len(w.parent))
		switch r := v.wild.before(w, p.converter.chars.host); {
		case r == shadows:
			return v.entry, true, verdict{}
		case r == overlaps && v.hash == e.ScriptHash && v.wild.parent == w.parent:
			w.widens = true
			return v.entry, true, verdict{} // one record answers for both
		case r == overlaps && v.hash != e.ScriptHash:
			return 0, false, verdict{ReasonOverlap, v.entry, fmt.Sprintf("entry %d answers some hosts of *.%s and leaves others; wildcards cannot be divided so: list the hosts of one of them", v.entry, w.parent)}
		}
	}
	return 0, false, p.unproven(e, "*."+string(w.parent), func(s *simulator) bool { return s.below(w.parent, p.converter.chars.host) })
}

// unproven asks the entries that stay with the old table whether they could answer what is named.
func (p *Project) unproven(e *Entry, name string, may func(*simulator) bool) verdict {
	for i := range p.opaques {
		o := &p.opaques[i]
		if o.hash == e.ScriptHash {
			continue // whichever answers, the answer is the same
		}
		if p.Work() > p.converter.options.MaxWork {
			return verdict{ReasonLimit, -1, fmt.Sprintf("it cannot be said whether an earlier entry answers %s within %d steps (Options.MaxWork)", name, p.converter.options.MaxWork)}
		}
		if o.prog != nil {
			p.sim.load(o.prog)
			if !may(&p.sim) {
				continue
			}
		}
		return verdict{ReasonUnproven, o.entry, fmt.Sprintf("entry %d comes first, cannot be converted, and may answer requests to %s; move this entry before it, or remove that one", o.entry, name)}
	}
	if p.Work() > p.converter.options.MaxWork {
		return verdict{ReasonLimit, -1, fmt.Sprintf("it cannot be said whether an earlier entry answers %s within %d steps (Options.MaxWork)", name, p.converter.options.MaxWork)}
	}
	return verdict{}
}

// Work is how many steps were spent.
func (p *Project) Work() int64 { return p.work + p.sim.steps }

func (p *Project) claim(e *Entry, u *understood, left, leftWilds []int) {
	mine := claim{entry: e.Index, hash: e.ScriptHash}
	for _, i := range left {
		mine.answers = u.hosts[i].answers
		p.hosts[u.hosts[i].host] = mine
	}
	// What is shadowed as it was meant still answers by its unescaped dots.
	for i := range u.hosts {
		p.loose.add(spelled(u.hosts[i].host), u.hosts[i].loose, mine)
	}
	for _, i := range leftWilds {
		p.wilds = append(p.wilds, wildClaim{mine, u.wilds[i]})
	}
	for i := range u.wilds {
		if u.wilds[i].widens { // it has no record of its own, but its hosts are taken
			p.wilds = append(p.wilds, wildClaim{mine, u.wilds[i]})
		}
	}
}

// trim makes e what is left of it.
func (p *Project) trim(e *Entry, u *understood, left, leftWilds []int, first int) {
	if len(left) == len(u.hosts) && len(leftWilds) == len(u.wilds) {
		return
	}
	hosts, wilds := len(e.Hosts), len(e.Wildcards)
	e.Hosts, e.Wildcards, e.By = nil, nil, first
	for _, i := range left {
		e.Hosts = append(e.Hosts, u.hosts[i].host)
	}
	for _, i := range leftWilds {
		e.Wildcards = append(e.Wildcards, "*."+string(u.wilds[i].parent))
	}
	if e.Routes() == 0 {
		e.Class, e.Reason = Shadowed, ReasonTaken
		e.Why = fmt.Sprintf("entry %d answers all of it already", first)
		e.Notes = nil
		return
	}
	if len(e.Wildcards) == 0 {
		e.Class = Converted
	}
	e.Notes = append(e.Notes, Note{NotePartShadow, fmt.Sprintf("%d of its %d hosts and wildcards are answered by earlier entries, the first of them entry %d",
		hosts+wilds-e.Routes(), hosts+wilds, first), ""})
}
