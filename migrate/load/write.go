package load

import (
	"errors"
	"strings"

	"berth/migrate/convert"
	"berth/migrate/dualwrite"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// writer stores the entries of one batch.
type writer struct {
	*job
	tx      *store.Tx
	p       store.Project
	no      uint32 // of the piece that is being filled
	filters []legacy.Filter
	bytes   int
	names   []string // of the piece
	edited  bool     // Berth has written entries of its own
	outcome Outcome  // of the batch
}

func (j *job) newWriter(tx *store.Tx, p store.Project) (*writer, error) {
	w := &writer{job: j, tx: tx, p: p, no: j.at.Piece}
	for c, err := range tx.TableChunks(p.No) {
		if err != nil {
			return nil, err
		}
		w.edited = c.No < dualwrite.Imported
		break
	}
	for c, err := range tx.AllTableChunks(p.No, dualwrite.Behind) {
		if err != nil {
			return nil, err
		}
		w.edited = w.edited || c.Project == p.No
		break
	}
	return w, nil
}

// item stores an entry, or what is left of it.
func (w *writer) item(it *item) error {
	f := legacy.Filter{Pattern: it.filter.Pattern, ScriptHash: it.filter.ScriptHash}
	switch it.entry.Class {
	case convert.Shadowed:
		return nil
	case convert.CannotConvert:
		return w.unproven(it, f)
	}
	var hosts, wilds []hostkey.Host
	var names []string
	rebuild := partShadowed(&it.entry)
	if rebuild {
		w.problem(Shadowed, &it.filter, "earlier entries answer some of its hosts; it is stored without them")
	}
	keep := func(h hostkey.Host, wildcard bool, into *[]hostkey.Host) error {
		ok, err := w.mayHave(it, h, wildcard)
		if err != nil {
			return err
		}
		if !ok {
			rebuild = true
			return nil
		}
		*into, names = append(*into, h), append(names, name(h, wildcard))
		return pointed(w.tx, &w.rules, w.p, h, wildcard, it.target)
	}
	for _, h := range it.entry.Hosts {
		if err := keep(h, false, &hosts); err != nil {
			return err
		}
	}
	for _, s := range it.entry.Wildcards {
		if err := keep(hostkey.Host(strings.TrimPrefix(s, "*.")), true, &wilds); err != nil {
			return err
		}
	}
	w.report.Hosts += len(hosts)
	w.report.Wildcards += len(wilds)
	if !rebuild {
		return w.add(f, names)
	}
	return w.rebuilt(hosts, wilds, f.ScriptHash)
}

func partShadowed(e *convert.Entry) bool {
	for _, n := range e.Notes {
		if n.Kind == convert.NotePartShadow {
			return true
		}
	}
	return false
}

// rebuilt stores filters for the hosts that are left of one. Each is of a few hosts, whose names must be of its piece.
func (w *writer) rebuilt(hosts, wilds []hostkey.Host, hash string) error {
	for _, f := range dualwrite.Rebuild(hosts, hash) {
		n := f.Hosts
		names := make([]string, n)
		for i, h := range hosts[:n] {
			names[i] = name(h, false)
		}
		hosts = hosts[n:]
		if err := w.add(f.Filter, names); err != nil {
			return err
		}
	}
	for _, parent := range wilds {
		if err := w.add(legacy.Filter{Pattern: legacy.WildcardPattern(parent), ScriptHash: hash}, []string{name(parent, true)}); err != nil {
			return err
		}
	}
	return nil
}

func name(h hostkey.Host, wildcard bool) string {
	if wildcard {
		return "*." + string(h)
	}
	return string(h)
}

func (w *writer) add(f legacy.Filter, names []string) error {
	weight := dualwrite.Weight(f)
	if len(w.filters) > 0 && (len(w.filters) == dualwrite.MaxFilters || w.bytes+weight > dualwrite.MaxPieceBytes) {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.filters, w.names, w.bytes = append(w.filters, f), append(w.names, names...), w.bytes+weight
	w.report.Stored++
	return nil
}

// flush stores a piece and its part of the index.
func (w *writer) flush() error {
	if len(w.filters) == 0 {
		return nil
	}
	if w.no >= dualwrite.Behind {
		return errors.New("the table has more pieces than there are numbers for")
	}
	if err := w.tx.PutTableChunk(store.TableChunk{Project: w.p.No, No: w.no, JSON: legacy.AppendChunk(nil, w.filters)}); err != nil {
		return err
	}
	for _, name := range w.names {
		if err := w.tx.SetTableHost(w.p.No, name, w.no); err != nil {
			return err
		}
	}
	w.no++
	w.filters, w.names, w.bytes = w.filters[:0], w.names[:0], 0
	return nil
}

// mayHave says whether the project may have an entry for a host, and gives it a custom host that nobody has. What Berth served there before
// makes way for an entry that leads somewhere, as the old design answered by that, and for no other.
func (w *writer) mayHave(it *item, h hostkey.Host, wildcard bool) (bool, error) {
	if w.edited {
		_, err := w.tx.TableHost(w.p.No, name(h, wildcard))
		if err == nil {
			delete(w.kept, name(h, wildcard))
			if agrees, err := w.agrees(it, h, wildcard); agrees || err != nil {
				return false, err
			}
			w.problem(Known, &it.filter, "%s has an entry of Berth's, which is newer; it is left out here", name(h, wildcard))
			return false, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
	}
	was, err := w.served(it, h, wildcard)
	if err != nil {
		return false, err
	}
	if ok, err := w.claim(it, h, wildcard); !ok || err != nil {
		return false, err
	}
	return w.decides(it, h, wildcard, was)
}

// claim gives the project a custom host that nobody has, and reports why it cannot have a host.
func (w *writer) claim(it *item, h hostkey.Host, wildcard bool) (bool, error) {
	c := claimer{tx: w.tx, opts: &w.opts, project: &w.p}
	refusal, err := c.take(h, wildcard, it.target.no)
	if err != nil {
		return false, err
	}
	w.report.Domains += c.added
	if c.moved != "" {
		w.problem(Moved, &it.filter, "%s", c.moved)
	}
	if refusal.text == "" {
		return true, nil
	}
	w.problem(refusal.class, &it.filter, "%s; it is left out here", refusal.text)
	if refusal.class == Unowned {
		w.outcome.add(Outcome{Unowned: 1, UnownedBy: name(h, wildcard)})
	}
	return false, nil
}
