package dualwrite

import (
	"context"
	"errors"
	"fmt"

	"berth/migrate"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// Leads asks the sides that are written in this phase: the table, the record, or both.
func (w *Writer) Leads(tx *store.Tx, p store.ProjectNo, h store.ImportedHost) (bool, error) {
	state, err := migrate.Load(&tx.Reader)
	if err != nil {
		return false, fmt.Errorf("dualwrite: %w", err)
	}
	if state.Phase.WritesTables() {
		if leads, err := w.Edit(tx, p).leads(h); leads || err != nil {
			return leads, err
		}
	}
	if state.Phase.WritesRecords() {
		return w.records.Leads(tx, p, h)
	}
	return false, nil
}

// Free takes hosts off the tables, if those are written in this phase, and deletes their records in every phase, as Apply does, each only where it leads
// to its deployment.
func (w *Writer) Free(ctx context.Context, tx *store.Tx, p store.ProjectNo, hosts []store.ImportedHost) error {
	state, err := migrate.Load(&tx.Reader)
	if err != nil {
		return fmt.Errorf("dualwrite: %w", err)
	}
	if state.Phase.WritesTables() {
		e := w.Edit(tx, p)
		for _, h := range hosts {
			if err := e.free(h); err != nil {
				return fmt.Errorf("dualwrite: table of project number %d: entry of %s: %w", p, entryName(hostkey.Host(h.Host), h.Wildcard), err)
			}
		}
		if err := e.Flush(); err != nil {
			return fmt.Errorf("dualwrite: table of project number %d: %w", p, err)
		}
	}
	return w.records.Free(ctx, tx, p, hosts)
}

// leads reports whether the entry that answers a host, or one that would if another one were not before it, leads to its deployment.
func (e *Editor) leads(h store.ImportedHost) (bool, error) {
	if h.Host == "" { // found in the records of a server that had no tables any more
		return false, nil
	}
	hash, ok, err := e.Get(hostkey.Host(h.Host), h.Wildcard)
	if err == nil && !ok {
		hash, ok, err = e.Buried(hostkey.Host(h.Host), h.Wildcard)
	}
	if err != nil || !ok {
		return false, err
	}
	d, err := e.deployment(hash)
	return err == nil && d != 0 && d == h.Deployment, err
}

func (e *Editor) free(h store.ImportedHost) error {
	leads, err := e.leads(h)
	if err != nil || !leads {
		return err
	}
	return e.Delete(hostkey.Host(h.Host), h.Wildcard)
}

// deployment is what a script_hash names; 0 is none.
func (e *Editor) deployment(scriptHash string) (store.DeploymentNo, error) {
	d, err := legacy.Target(&e.tx.Reader, scriptHash)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return d.No, err
}

// moved has the index of imported hosts forget that a host leads to what a script_hash names.
func (e *Editor) moved(h hostkey.Host, wildcard bool, scriptHash string) error {
	d, err := e.deployment(scriptHash)
	if err != nil || d == 0 {
		return err
	}
	return e.tx.DeleteImportedHost(d, e.rules.Hasher.Key(h), wildcard)
}
