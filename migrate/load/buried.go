package load

import (
	"errors"
	"strings"

	"berth/migrate/dualwrite"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// buried stores an entry that cannot be converted, and notes the hosts that its pattern names if it could be but for the entries
// before it: whoever deletes such a host has to find the entry, else it would answer again. A host that was noted before is left out:
// the earlier entry answers it wherever this one would.
func (w *writer) buried(it *item, f legacy.Filter) error {
	alone := w.conv.Pattern(it.filter)
	var hosts, wilds []hostkey.Host
	for _, h := range alone.Hosts {
		if err := w.unlessBuried(h, false, &hosts); err != nil {
			return err
		}
	}
	for _, s := range alone.Wildcards {
		if err := w.unlessBuried(hostkey.Host(strings.TrimPrefix(s, "*.")), true, &wilds); err != nil {
			return err
		}
	}
	left := len(hosts) + len(wilds)
	if left == alone.Routes() {
		return w.bury(f, hosts, wilds)
	}
	w.problem(Shadowed, &it.filter, "earlier entries, which cannot be converted either, name some of its hosts or all; it is stored without them")
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

func (w *writer) unlessBuried(h hostkey.Host, wildcard bool, into *[]hostkey.Host) error {
	_, err := w.tx.TableHost(w.p.No, dualwrite.BuriedName(h, wildcard))
	if errors.Is(err, store.ErrNotFound) {
		*into, err = append(*into, h), nil
	}
	return err
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
