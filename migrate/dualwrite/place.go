package dualwrite

import (
	"errors"
	"strings"

	"berth/router/hostkey"
	"berth/router/legacy"
)

// add puts a new entry where nothing shadows it and where it shadows nothing.
func (e *Editor) add(h hostkey.Host, wildcard bool, scriptHash string) error {
	if !wildcard {
		return e.addFront([]hostkey.Host{h}, legacy.Filter{Pattern: e.pattern(h), ScriptHash: scriptHash})
	}
	if err := e.addTail(h, scriptHash); err != nil {
		return err
	}
	// Wider wildcards would come first now, and answer for the hosts of this one.
	for parent, ok := h.Parent(); ok; parent, ok = parent.Parent() {
		pc, at, of, err := e.locate(parent, true)
		if err != nil {
			return err
		}
		if pc == nil {
			continue
		}
		hash := pc.filters[at].ScriptHash
		if err := e.takeOut(pc, at, of.without(parent, true)); err != nil {
			return err
		}
		if err := e.addTail(parent, hash); err != nil {
			return err
		}
	}
	return nil
}

// pattern writes the dots as the old control plane did where that is harmless. Read loosely, the dots of a host below the server's own
// domain match hosts of other projects only, whose requests never come to this table. Those of a custom host may match
// another one of the same project, which may have an entry or a wildcard behind this one.
func (e *Editor) pattern(h hostkey.Host) string {
	if strings.HasSuffix(string(h), "."+e.rules.Domain) {
		return legacy.Pattern(h)
	}
	return legacy.StrictPattern(h)
}

func (e *Editor) addFront(hosts []hostkey.Host, f legacy.Filter) error {
	if e.front == nil {
		if err := e.openFront(); err != nil {
			return err
		}
	}
	if !e.front.room(f) {
		e.front = e.fresh(e.front.no - 1)
	}
	e.front.insert(0, f)
	for _, h := range hosts {
		if err := e.tx.SetTableHost(e.project, string(h), e.front.no); err != nil {
			return err
		}
	}
	return nil
}

// openFront finds the first piece of the table, if it is one of the front.
func (e *Editor) openFront() error {
	for c, err := range e.tx.TableChunks(e.project) {
		if err != nil {
			return err
		}
		if c.No >= Imported {
			break
		}
		e.front, err = e.keep(c)
		return err
	}
	e.front = e.fresh(Imported - 1)
	return nil
}

func (e *Editor) fresh(no uint32) *piece {
	if pc := e.pieces[no]; pc != nil {
		return pc
	}
	pc := &piece{no: no}
	e.pieces[no] = pc
	return pc
}

// SetBehind makes a host that has no entry lead to what scriptHash names wherever no imported entry answers.
func (e *Editor) SetBehind(h hostkey.Host, scriptHash string) error {
	if e.behind == nil {
		if err := e.openBehind(); err != nil {
			return err
		}
	}
	f := legacy.Filter{Pattern: legacy.StrictPattern(h), ScriptHash: scriptHash}
	if !e.behind.room(f) {
		e.behind = e.fresh(e.behind.no + 1)
	}
	if e.behind.no >= Tail {
		return errors.New("there are no more numbers for pieces behind the imported ones")
	}
	e.behind.insert(len(e.behind.filters), f)
	return e.tx.SetTableHost(e.project, string(h), e.behind.no)
}

// openBehind finds the last piece of those behind the imported part.
func (e *Editor) openBehind() error {
	for c, err := range e.tx.AllTableChunks(e.project, Behind) {
		if err != nil {
			return err
		}
		if c.Project != e.project || c.No >= Tail {
			break
		}
		if e.behind, err = e.keep(c); err != nil {
			return err
		}
	}
	if e.behind == nil {
		e.behind = e.fresh(Behind)
	}
	return nil
}

func (e *Editor) addTail(parent hostkey.Host, scriptHash string) error {
	if e.tail == nil {
		if err := e.openTail(); err != nil {
			return err
		}
	}
	f := legacy.Filter{Pattern: legacy.WildcardPattern(parent), ScriptHash: scriptHash}
	if !e.tail.room(f) {
		e.tail = e.fresh(e.tail.no + 1)
	}
	e.tail.insert(len(e.tail.filters), f)
	return e.tx.SetTableHost(e.project, entryName(parent, true), e.tail.no)
}

// openTail finds the last piece. The tail is short: a project has few wildcards.
func (e *Editor) openTail() error {
	e.tail = nil
	for c, err := range e.tx.AllTableChunks(e.project, Tail) {
		if err != nil {
			return err
		}
		if c.Project != e.project {
			break
		}
		if e.tail, err = e.keep(c); err != nil {
			return err
		}
	}
	if e.tail == nil {
		e.tail = e.fresh(Tail)
	}
	return nil
}

// takeOut replaces a filter by what is left of it: in its place if that has room, else as new entries.
func (e *Editor) takeOut(pc *piece, at int, left names) error {
	hash := pc.filters[at].ScriptHash
	pc.remove(at)
	fs, groups := rebuild(left.hosts, hash)
	for _, w := range left.wilds {
		fs = append(fs, legacy.Filter{Pattern: legacy.WildcardPattern(w), ScriptHash: hash})
	}
	if pc.takes(fs) {
		for i, f := range fs {
			pc.insert(at+i, f)
		}
		return nil
	}
	for i, hosts := range groups {
		if err := e.addFront(hosts, fs[i]); err != nil {
			return err
		}
	}
	for _, w := range left.wilds {
		if err := e.add(w, true, hash); err != nil {
			return err
		}
	}
	return nil
}

func (pc *piece) takes(fs []legacy.Filter) bool {
	bytes := pc.bytes
	for _, f := range fs {
		bytes += Weight(f)
	}
	return len(pc.filters)+len(fs) <= MaxFilters && bytes <= MaxPieceBytes
}

// rebuild makes filters of hosts, as few as their bound allows, and says which hosts each one has.
func rebuild(hosts []hostkey.Host, hash string) (fs []legacy.Filter, groups [][]hostkey.Host) {
	start, size := 0, 0
	flush := func(end int) {
		if end == start {
			return
		}
		pattern := legacy.StrictPattern(hosts[start])
		if end-start > 1 {
			pattern = legacy.AlternativesPattern(hosts[start:end])
		}
		fs, groups = append(fs, legacy.Filter{Pattern: pattern, ScriptHash: hash}), append(groups, hosts[start:end])
		start, size = end, 0
	}
	for i, h := range hosts {
		cost := len(h) + strings.Count(string(h), ".") + 5
		if size+cost > MaxRebuilt {
			flush(i)
		}
		size += cost
	}
	flush(len(hosts))
	return fs, groups
}

// Rebuilt is a filter of so many hosts.
type Rebuilt struct {
	legacy.Filter
	Hosts int
}

// Rebuild makes filters of hosts that all lead to the same, in their order, as few as MaxRebuilt allows.
func Rebuild(hosts []hostkey.Host, scriptHash string) []Rebuilt {
	fs, groups := rebuild(hosts, scriptHash)
	out := make([]Rebuilt, len(fs))
	for i := range fs {
		out[i] = Rebuilt{fs[i], len(groups[i])}
	}
	return out
}
