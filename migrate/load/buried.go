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

// unproven stores an entry that cannot be converted. Custom hosts that it names find their project by it, as those of others do.
func (w *writer) unproven(it *item, f legacy.Filter) error {
	alone := w.conv.Pattern(it.filter)
	switch {
	case alone.Routes() > 0:
		return w.buried(it, f, &alone)
	case len(alone.Named) > 0:
		return w.part(it, f, alone.Named)
	}
	if alone.Reason != convert.ReasonNeverMatches {
		w.outcome.Opaque++
	}
	return w.add(f, nil)
}

// part stores an entry that answers hosts for some paths or ports only, and notes them: what Berth itself serves there comes behind it.
func (w *writer) part(it *item, f legacy.Filter, named []string) error {
	var at []string
	for _, s := range named {
		parent, wildcard := strings.CutPrefix(s, "*.")
		h := hostkey.Host(parent)
		was, err := w.served(it, h, wildcard)
		if err != nil {
			return err
		}
		ok, err := w.claim(it, h, wildcard)
		if err != nil {
			return err
		}
		if !ok || it.target.no == 0 && was != 0 {
			continue // as long as it answers nobody, what Berth served comes before it
		}
		if _, own := legacy.Own(w.opts.Domain, h); was != 0 || !own {
			w.outcome.Part++
			w.problem(Part, &it.filter, "the entry answers %s for some paths or ports; for others it serves what project %s does there", s, w.p.Name)
		}
		at = append(at, dualwrite.PartName(h, wildcard))
	}
	return w.add(f, at)
}

// buried stores an entry that could be converted but for the entries before it, and notes the hosts that its pattern names: whoever deletes
// such a host has to find the entry, else it would answer again. A host that was noted before is left out: the earlier entry
// answers it wherever this one would.
func (w *writer) buried(it *item, f legacy.Filter, alone *convert.Entry) error {
	var hosts, wilds []hostkey.Host
	noted := 0
	for _, h := range alone.Hosts {
		if err := w.keepBuried(it, h, false, &hosts, &noted); err != nil {
			return err
		}
	}
	for _, s := range alone.Wildcards {
		if err := w.keepBuried(it, hostkey.Host(strings.TrimPrefix(s, "*.")), true, &wilds, &noted); err != nil {
			return err
		}
	}
	if noted > 0 {
		w.problem(Shadowed, &it.filter, "earlier entries, which cannot be converted either, name some of its hosts or all; it is stored without them")
	}
	if len(hosts)+len(wilds) == alone.Routes() {
		return w.bury(f, hosts, wilds)
	}
	for _, r := range dualwrite.Rebuild(hosts, f.ScriptHash) {
		if err := w.bury(r.Filter, hosts[:r.Hosts], nil); err != nil {
			return err
		}
		hosts = hosts[r.Hosts:]
	}
	for i, parent := range wilds {
		if err := w.bury(legacy.Filter{Pattern: legacy.WildcardPattern(parent), ScriptHash: f.ScriptHash}, nil, wilds[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// keepBuried keeps a host that the entry may have; noted counts those that an earlier one has.
func (w *writer) keepBuried(it *item, h hostkey.Host, wildcard bool, into *[]hostkey.Host, noted *int) error {
	_, err := w.tx.TableHost(w.p.No, dualwrite.BuriedName(h, wildcard))
	if err == nil {
		*noted++
		return nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	ok, err := w.mayHave(it, h, wildcard)
	if !ok || err != nil {
		return err
	}
	*into = append(*into, h)
	return pointed(w.tx, &w.rules, w.p, h, wildcard, it.target)
}

// bury stores a filter and notes its hosts, at the piece that it is now in.
func (w *writer) bury(f legacy.Filter, hosts, wilds []hostkey.Host) error {
	if err := w.add(f, nil); err != nil {
		return err
	}
	var faults []error
	for _, h := range hosts {
		faults = append(faults, w.tx.SetTableHost(w.p.No, dualwrite.BuriedName(h, false), w.no))
	}
	for _, parent := range wilds {
		faults = append(faults, w.tx.SetTableHost(w.p.No, dualwrite.BuriedName(parent, true), w.no))
	}
	return errors.Join(faults...)
}
