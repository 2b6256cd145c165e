// Package dualwrite writes every route change to where the migration's phase wants it: to the tables of the old design, to the
// route records, or to both, in the Update that makes the change.
//
// # Tables
//
// A project's table is kept in pieces of at most MaxFilters entries, with an index from hosts to pieces. An edit reads and writes
// the one or two pieces that it concerns, however large the table is. Pieces are tried in the order of their numbers, which
// makes three parts of the table:
//
//   - The front, numbers below Imported, growing downwards: hosts that Berth was told of. They come first, so that no imported pattern
//     shadows them; none of them is a wildcard, so they shadow nothing.
//   - The imported part, in the order in which it came; behind it, from number Behind on, hosts that Berth served before and that an
//     imported entry names for some paths only, so that it answers those paths as it did.
//   - The tail, numbers from Tail on: wildcards that Berth was told of, so that every host of its own comes before them. A wildcard is
//     put at the end, and those of its parents after it: the nearest parent answers.
//
// The index has each host and wildcard that an entry is known to answer, at most one entry for each. What else an imported pattern
// answers is not touched by edits.
package dualwrite

import (
	"context"
	"errors"
	"fmt"

	"berth/migrate"
	"berth/migrate/convert"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
	"berth/store/control"
)

// Writer decorates a control.RouteWriter. It is safe for concurrent use.
type Writer struct {
	records control.RouteWriter
	rules   Rules
}

// New returns a Writer that hands changes of records, whose keys are of that hasher, on to records. domain is the server's own.
func New(records control.RouteWriter, hasher *hostkey.Hasher, domain string) (*Writer, error) {
	var faults []error
	if hasher == nil {
		faults = append(faults, errors.New("dualwrite: a hasher is required"))
	}
	if records == nil {
		faults = append(faults, errors.New("dualwrite: a writer of records is required"))
	}
	if h, err := hostkey.Canonical(domain); err != nil || string(h) != domain {
		faults = append(faults, fmt.Errorf("dualwrite: domain %q is not a canonical host", domain))
	}
	conv, err := convert.New(convert.Options{})
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	return &Writer{records: records, rules: Rules{Converter: conv, Hasher: hasher, Domain: domain}}, nil
}

// Apply writes a change. The phase is the one that this Update sees: a phase that changes in the same group of commits is in force for
// the changes behind it.
//
// What is deleted loses its record where records are not written, too: while an import is under way those of before the migration answer
// for hosts that have no entry (load.Complete), and a host that is gone must not be one of them.
func (w *Writer) Apply(ctx context.Context, tx *store.Tx, c control.Change) error {
	state, err := migrate.Load(&tx.Reader)
	if err != nil {
		return fmt.Errorf("dualwrite: %w", err)
	}
	if state.Phase.WritesTables() {
		if err := w.tables(tx, c); err != nil {
			return fmt.Errorf("dualwrite: table of project number %d: %w", c.Project, err)
		}
	}
	if !state.Phase.WritesRecords() {
		if c.Routes = deletions(c.Routes); len(c.Routes) == 0 {
			return nil
		}
	}
	return w.records.Apply(ctx, tx, c)
}

func deletions(all []control.RouteChange) (gone []control.RouteChange) {
	for _, r := range all {
		if r.Route == nil {
			gone = append(gone, r)
		}
	}
	return gone
}

func (w *Writer) tables(tx *store.Tx, c control.Change) error {
	e := w.Edit(tx, c.Project)
	for _, r := range c.Routes {
		if err := e.change(r); err != nil {
			return fmt.Errorf("entry of %s: %w", entryName(r.Host, r.Wildcard), err)
		}
	}
	return e.Flush()
}

func (e *Editor) change(r control.RouteChange) error {
	if r.Route == nil {
		return e.Delete(r.Host, r.Wildcard)
	}
	d, err := e.tx.Deployment(r.Route.Deployment)
	if err != nil {
		return err
	}
	return e.Set(r.Host, r.Wildcard, legacy.ScriptHash(d.UUID))
}

// Rules are those of its edits.
func (w *Writer) Rules() Rules { return w.rules }

// Edit begins edits of a project's table. They are complete only after Flush.
func (w *Writer) Edit(tx *store.Tx, p store.ProjectNo) *Editor {
	return NewEditor(tx, w.rules, p)
}

// SetEntry makes a host of a project, or the hosts below it, lead to what scriptHash names, on the side of the tables alone.
func (w *Writer) SetEntry(tx *store.Tx, p store.ProjectNo, h hostkey.Host, wildcard bool, scriptHash string) error {
	e := w.Edit(tx, p)
	if err := e.Set(h, wildcard, scriptHash); err != nil {
		return err
	}
	return e.Flush()
}

// DeleteEntry takes a host off a project's table.
func (w *Writer) DeleteEntry(tx *store.Tx, p store.ProjectNo, h hostkey.Host, wildcard bool) error {
	e := w.Edit(tx, p)
	if err := e.Delete(h, wildcard); err != nil {
		return err
	}
	return e.Flush()
}
