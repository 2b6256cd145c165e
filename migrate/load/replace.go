package load

import (
	"errors"
	"fmt"

	"berth/migrate"
	"berth/migrate/dualwrite"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// Bounds of Options.MaxReplaced. Replacing happens in one Update, which other writers wait for, and which is in memory as a whole.
const (
	DefaultReplaced = 200_000
	MostReplaced    = 1_000_000 // which is the most that a table may have
)

// replace takes the table that was imported before off the project, so that another one can be stored in the same Update. Hosts that move
// with production, or a branch, and serve what they do by Berth's own account keep their entries: a deployment may have moved them since the
// first import, and an older export of the table must not take that back.
func (j *job) replace(tx *store.Tx, p store.Project) error {
	state, err := migrate.Load(&tx.Reader)
	if err != nil {
		return err
	}
	if state.Phase != migrate.Legacy {
		return fmt.Errorf("%w: a table can be replaced in phase %s, and it is %s: revert first", migrate.ErrPhase, migrate.Legacy, state.Phase)
	}
	e := j.editor(tx, p.No)
	old, err := e.DropImported()
	if err != nil {
		return err
	}
	if err := tx.DeleteDocuments(staysOf(p.No)); err != nil {
		return err
	}
	j.replaced, j.kept = old, map[string]bool{}
	for _, x := range old {
		d, err := legacy.Target(&tx.Reader, x.ScriptHash)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if !x.Wildcard && legacy.IsOwnHost(j.opts.Domain, p.Name, x.Host, [4]byte(d.UUID[:4])) {
			continue
		}
		was, err := servesNow(tx, j.opts.Domain, p, x.Host, x.Wildcard)
		if err != nil {
			return err
		}
		if was != d.No {
			continue
		}
		if err := e.Set(x.Host, x.Wildcard, x.ScriptHash); err != nil {
			return err
		}
		j.kept[name(x.Host, x.Wildcard)] = true
	}
	// Until Fill has gone through them again, hosts that Berth serves and the new table does not name have no entries.
	return errors.Join(e.Flush(), putState(tx, importState{}))
}

// left is about the hosts that the replaced table named and this one does not. Custom hosts that are the project's domains stay that, and are
// reported. Those that the project does not serve by Berth's own account are gone: a record of them that an earlier epoch left, and that is asked
// until the import is complete, goes with their entry.
func (j *job) left(tx *store.Tx, p store.Project) error {
	for _, x := range j.replaced {
		host := name(x.Host, x.Wildcard)
		if err := j.forget(tx, p, x.Host, x.Wildcard); err != nil {
			return fmt.Errorf("%s: %w", host, err)
		}
		if _, own := legacy.Own(j.opts.Domain, x.Host); own {
			continue
		}
		named, err := j.named(tx, p, x.Host, x.Wildcard)
		if err != nil {
			return err
		}
		if named && !j.kept[host] {
			continue
		}
		if o, err := tx.HostOwner(host); err != nil || o.Project != p.No {
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			continue
		}
		j.problem(Left, nil, "%s is not in the table any more, and still a domain of the project, which it serves; if it is not to: berth domain delete %[1]s --project %s", host, p.Name)
	}
	return nil
}

// forget deletes the project's record of a host that its table does not name, and that it does not serve. Before a first backfill there are few.
func (j *job) forget(tx *store.Tx, p store.Project, h hostkey.Host, wildcard bool) error {
	k, read, drop := j.opts.Hasher.Key(h), tx.Route, tx.DeleteRoute
	if wildcard {
		read, drop = tx.Wildcard, tx.DeleteWildcard
	}
	r, err := read(k)
	if errors.Is(err, store.ErrNotFound) || err == nil && r.Project != p.No {
		return nil
	}
	if err != nil {
		return err
	}
	if named, err := j.named(tx, p, h, wildcard); err != nil || named {
		return err
	}
	if no, err := servesNow(tx, j.opts.Domain, p, h, wildcard); err != nil || no != 0 {
		return err
	}
	return drop(k)
}

// named reports whether the table has an entry that names a host, of whatever sort.
func (j *job) named(tx *store.Tx, p store.Project, h hostkey.Host, wildcard bool) (bool, error) {
	for _, n := range []string{name(h, wildcard), dualwrite.BuriedName(h, wildcard), dualwrite.PartName(h, wildcard)} {
		_, err := tx.TableHost(p.No, n)
		if err == nil || !errors.Is(err, store.ErrNotFound) {
			return err == nil, err
		}
	}
	return false, nil
}

// agrees reports whether the entry that Berth has for a host leads where the table's does.
func (w *writer) agrees(it *item, h hostkey.Host, wildcard bool) (bool, error) {
	hash, ok, err := w.editor(w.tx, w.p.No).Get(h, wildcard)
	if err != nil || !ok || it.target.no == 0 {
		return false, err
	}
	d, err := legacy.Target(&w.tx.Reader, hash)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && d.No == it.target.no, err
}
