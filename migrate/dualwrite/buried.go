package dualwrite

import (
	"errors"

	"berth/router/hostkey"
	"berth/store"
)

// BuriedName is how the index calls a host, or the hosts below it, of an imported entry that names it, but that cannot be converted for
// what stands before it. No host has this form. An entry of Berth's own comes before such a one and leaves it where it is; it is taken out
// with the host, which it would bring back to life otherwise.
func BuriedName(h hostkey.Host, wildcard bool) string { return "!" + entryName(h, wildcard) }

// PartName is how the index calls a host, or the hosts below it, of an imported entry that names it for some paths or ports only.
func PartName(h hostkey.Host, wildcard bool) string { return "?" + entryName(h, wildcard) }

// Buried returns the script_hash of the buried entry that names a host or wildcard.
func (e *Editor) Buried(h hostkey.Host, wildcard bool) (scriptHash string, ok bool, err error) {
	no, err := e.tx.TableHost(e.project, BuriedName(h, wildcard))
	if errors.Is(err, store.ErrNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	pc, err := e.piece(no)
	if errors.Is(err, store.ErrNotFound) { // an entry that was moved to the front may have left no piece
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	for _, f := range pc.filters {
		if e.namesOf(f).has(h, wildcard) {
			return f.ScriptHash, true, nil
		}
	}
	return "", false, nil
}

// deleteBuried takes a host out of the buried entry that names it. It comes after the entry that answers the host is gone.
func (e *Editor) deleteBuried(h hostkey.Host, wildcard bool) error {
	no, err := e.tx.TableHost(e.project, BuriedName(h, wildcard))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	pc, err := e.piece(no)
	if err != nil && !errors.Is(err, store.ErrNotFound) { // an entry that was moved to the front may have left no piece
		return err
	}
	for i := 0; err == nil && i < len(pc.filters); i++ {
		of := e.namesOf(pc.filters[i])
		if !of.has(h, wildcard) {
			continue
		}
		left, err := e.unanswered(of.without(h, wildcard))
		if err != nil {
			return err
		}
		if err := e.takeOut(pc, i, left); err != nil {
			return err
		}
		break
	}
	return e.tx.DeleteTableHost(e.project, BuriedName(h, wildcard))
}

// unanswered leaves out what another entry answers: what is left of a buried one may move to the front, and must not come before that.
func (e *Editor) unanswered(n names) (left names, err error) {
	keep := func(hs []hostkey.Host, wildcard bool) (kept []hostkey.Host) {
		for _, h := range hs {
			_, lookup := e.tx.TableHost(e.project, entryName(h, wildcard))
			switch {
			case errors.Is(lookup, store.ErrNotFound):
				kept = append(kept, h)
			case lookup != nil:
				err = lookup
			}
		}
		return kept
	}
	return names{keep(n.hosts, false), keep(n.wilds, true)}, err
}
