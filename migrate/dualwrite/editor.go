package dualwrite

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"berth/migrate/convert"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// How a table is divided.
const (
	Imported   uint32 = 1 << 31      // number of the first imported piece
	Behind     uint32 = Tail - 1<<24 // number of the first piece behind the imported part
	Tail       uint32 = 3 << 30      // number of the first piece of the tail
	MaxFilters        = 256          // entries of a piece
	// MaxPieceBytes bounds the text of a piece, whatever the patterns. A record of the store holds sixteen times that.
	MaxPieceBytes = 1 << 20
	// MaxRebuilt bounds a pattern of several hosts that was written anew, so that it is within every bound of whoever compiles it.
	MaxRebuilt = 4 << 10
)

// Rules are what edits of all tables have in common.
type Rules struct {
	Converter *convert.Converter
	Hasher    *hostkey.Hasher
	Domain    string // the server's own
}

// Editor edits one project's table inside one Update. It reads a piece once and writes it once.
type Editor struct {
	tx      *store.Tx
	rules   Rules
	project store.ProjectNo
	pieces  map[uint32]*piece
	front   *piece // where the next host goes
	behind  *piece // where the next one goes that stands behind the imported entries
	tail    *piece // where the next wildcard goes
}

type piece struct {
	no      uint32
	filters []legacy.Filter
	bytes   int // of the filters' text, about
	stored  bool
	dirty   bool
}

// NewEditor begins edits of a project's table.
func NewEditor(tx *store.Tx, r Rules, p store.ProjectNo) *Editor {
	return &Editor{tx: tx, rules: r, project: p, pieces: map[uint32]*piece{}}
}

// Set makes a host, or the hosts below it, lead to what scriptHash names.
func (e *Editor) Set(h hostkey.Host, wildcard bool, scriptHash string) error {
	pc, at, names, err := e.locate(h, wildcard)
	if err != nil {
		return err
	}
	switch {
	case pc == nil:
		return e.add(h, wildcard, scriptHash)
	case pc.filters[at].ScriptHash == scriptHash:
		return nil
	}
	if err := e.moved(h, wildcard, pc.filters[at].ScriptHash); err != nil {
		return err
	}
	switch {
	case names.len() == 1:
		pc.bytes += len(scriptHash) - len(pc.filters[at].ScriptHash)
		pc.filters[at].ScriptHash = scriptHash
		pc.dirty = true
		return nil
	}
	if err := e.takeOut(pc, at, names.without(h, wildcard)); err != nil {
		return err
	}
	return e.add(h, wildcard, scriptHash)
}

// Delete takes a host, or a wildcard, off the table. What is not there is no error.
func (e *Editor) Delete(h hostkey.Host, wildcard bool) error {
	pc, at, names, err := e.locate(h, wildcard)
	if err != nil {
		return err
	}
	if pc != nil {
		if err := e.moved(h, wildcard, pc.filters[at].ScriptHash); err != nil {
			return err
		}
		if err := e.takeOut(pc, at, names.without(h, wildcard)); err != nil {
			return err
		}
	}
	if err := e.tx.DeleteTableHost(e.project, entryName(h, wildcard)); err != nil {
		return err
	}
	return e.deleteBuried(h, wildcard)
}

// Get returns the script_hash of the entry that is known to answer a host or wildcard; ok is false if there is none.
func (e *Editor) Get(h hostkey.Host, wildcard bool) (scriptHash string, ok bool, err error) {
	pc, at, _, err := e.locate(h, wildcard)
	if err != nil || pc == nil {
		return "", false, err
	}
	return pc.filters[at].ScriptHash, true, nil
}

// Flush writes what was edited. Pieces without entries are deleted.
func (e *Editor) Flush() error {
	for _, pc := range e.pieces {
		switch {
		case !pc.dirty:
			continue
		case len(pc.filters) > 0:
			if err := e.tx.PutTableChunk(store.TableChunk{Project: e.project, No: pc.no, JSON: legacy.AppendChunk(nil, pc.filters)}); err != nil {
				return err
			}
		case pc.stored:
			if err := e.tx.DeleteTableChunk(e.project, pc.no); err != nil {
				return err
			}
		}
		pc.dirty, pc.stored = false, len(pc.filters) > 0
	}
	return nil
}

// entryName is how the index calls a host or wildcard.
func entryName(h hostkey.Host, wildcard bool) string {
	if wildcard {
		return "*." + string(h)
	}
	return string(h)
}

// names are the hosts and wildcards that a filter is known to answer.
type names struct {
	hosts []hostkey.Host
	wilds []hostkey.Host // their parents
}

func (n names) len() int { return len(n.hosts) + len(n.wilds) }

func (n names) has(h hostkey.Host, wildcard bool) bool {
	if wildcard {
		return slices.Contains(n.wilds, h)
	}
	return slices.Contains(n.hosts, h)
}

func (n names) without(h hostkey.Host, wildcard bool) names {
	drop := func(hs []hostkey.Host) []hostkey.Host {
		return slices.DeleteFunc(slices.Clone(hs), func(x hostkey.Host) bool { return x == h })
	}
	if wildcard {
		return names{n.hosts, drop(n.wilds)}
	}
	return names{drop(n.hosts), n.wilds}
}

// locate finds the entry of a host by the index; no piece if there is none.
func (e *Editor) locate(h hostkey.Host, wildcard bool) (pc *piece, at int, of names, err error) {
	no, err := e.tx.TableHost(e.project, entryName(h, wildcard))
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, names{}, nil
	}
	if err != nil {
		return nil, 0, names{}, err
	}
	if pc, err = e.piece(no); err != nil {
		return nil, 0, names{}, err
	}
	for i, f := range pc.filters { // nearly always one of Berth's own form: nothing but text is compared
		if x, wild, ok := legacy.HostOf(f.Pattern); ok && x == h && wild == wildcard {
			of = names{hosts: []hostkey.Host{h}}
			if wildcard {
				of = names{wilds: []hostkey.Host{h}}
			}
			return pc, i, of, nil
		}
	}
	for i, f := range pc.filters {
		if _, _, ok := legacy.HostOf(f.Pattern); ok {
			continue
		}
		if of := e.namesOf(f); of.has(h, wildcard) {
			return pc, i, of, nil
		}
	}
	return nil, 0, names{}, fmt.Errorf("%w: the index says that piece %d has an entry for %s, and it has none", store.ErrCorrupt, no, entryName(h, wildcard))
}

func (e *Editor) namesOf(f legacy.Filter) names {
	entry := e.rules.Converter.Pattern(convert.Filter{Pattern: f.Pattern, ScriptHash: f.ScriptHash})
	n := names{hosts: entry.Hosts}
	for _, w := range entry.Wildcards {
		n.wilds = append(n.wilds, hostkey.Host(strings.TrimPrefix(w, "*.")))
	}
	return n
}

// piece reads a piece, or returns it as it was edited.
func (e *Editor) piece(no uint32) (*piece, error) {
	if pc := e.pieces[no]; pc != nil {
		return pc, nil
	}
	c, err := e.tx.TableChunk(e.project, no)
	if err != nil {
		return nil, err
	}
	return e.keep(c)
}

func (e *Editor) keep(c store.TableChunk) (*piece, error) {
	if pc := e.pieces[c.No]; pc != nil {
		return pc, nil
	}
	filters, err := legacy.ParseChunk(c.JSON)
	if err != nil {
		return nil, fmt.Errorf("piece %d: %w", c.No, err)
	}
	pc := &piece{no: c.No, filters: filters, bytes: len(c.JSON), stored: true}
	e.pieces[c.No] = pc
	return pc, nil
}

// Weight is about what a filter takes in a piece, with its punctuation and its backslashes doubled.
func Weight(f legacy.Filter) int {
	return len(f.Pattern) + len(f.ScriptHash) + strings.Count(f.Pattern, `\`) + 32
}

func (pc *piece) room(f legacy.Filter) bool {
	return len(pc.filters) < MaxFilters && pc.bytes+Weight(f) <= MaxPieceBytes
}

func (pc *piece) insert(at int, f legacy.Filter) {
	pc.filters = slices.Insert(pc.filters, at, f)
	pc.bytes += Weight(f)
	pc.dirty = true
}

func (pc *piece) remove(at int) {
	pc.bytes -= Weight(pc.filters[at])
	pc.filters = slices.Delete(pc.filters, at, at+1)
	pc.dirty = true
}
