package load

import (
	"context"
	"errors"
	"fmt"

	"berth/migrate/convert"
	"berth/migrate/dualwrite"
	"berth/store"
)

// ErrConcurrent ends an import that meets another one.
var ErrConcurrent = errors.New("load: somebody else loads the table")

// job loads one project's table.
type job struct {
	*loader
	teller
	project store.Project
	table   *convert.Project
	targets *targets
	at      progress

	replacing bool                      // the first batch, which is the only one, takes the old table off
	replaced  []dualwrite.ImportedEntry // by it
	kept      map[string]bool           // hosts of those that have an entry of Berth's now, without those that the new table names
	before    progress                  // of the old table
}

// item is an entry and what it means behind those before it.
type item struct {
	filter convert.Filter
	entry  convert.Entry
	target target
}

func (l *loader) project(ctx context.Context, t Table) (ProjectReport, error) {
	rep := ProjectReport{Project: t.Project, Place: t.Place}
	j := &job{loader: l, teller: teller{l.opts.MaxProblems, &rep}}
	filters, digest, fault, err := l.read(t)
	if err != nil {
		return rep, err
	}
	failed := func(class Class, format string, args ...any) (ProjectReport, error) {
		rep.Failed = true
		j.problem(class, nil, format, args...)
		return rep, nil
	}
	if fault != nil {
		return failed(BadTable, "%v; nothing of it is loaded", fault)
	}
	rep.Entries = len(filters)
	j.project, err = l.store.ProjectByName(t.Project)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return failed(NoProject, "there is no such project; create it and load its table again: berth project create %s", t.Project)
	case err != nil:
		return rep, err
	case j.project.State != store.ProjectActive:
		return failed(NoProject, "the project is being deleted")
	}
	found, err := getDocument(&l.store.Reader, progressName(j.project.No), &j.at)
	switch {
	case err != nil:
		return rep, err
	case found && j.at.Digest != digest && !l.opts.Replace:
		return failed(Changed, "another table of the project was loaded before; to load this one in its place: berth migrate import --replace")
	case found && j.at.Digest != digest && max(len(filters), j.at.Next) > l.opts.MaxReplaced:
		return failed(Changed, "the table has %d entries, and the one before %d; more than %d are not replaced in one batch, which others wait for: berth migrate import --max-replaced N",
			len(filters), j.at.Next, l.opts.MaxReplaced)
	case found && j.at.Digest != digest:
		j.replacing, j.before, j.at = true, j.at, progress{Digest: digest, Piece: dualwrite.Imported}
	case found && j.at.Done:
		rep.Unchanged, rep.Meaning = true, j.at.Meaning
		if j.targets, err = scanTargets(&l.store.Reader, j.project.No, 0); err == nil {
			err = j.staying(ctx)
		}
		return rep, err
	case !found:
		j.at = progress{Digest: digest, Piece: dualwrite.Imported}
	}
	err = j.load(ctx, filters)
	rep.Meaning = j.at.Meaning
	return rep, err
}

// load goes through the table in batches. Those that were stored before an interruption are understood again, as what is behind
// them depends on them, and not written.
func (j *job) load(ctx context.Context, filters []convert.Filter) error {
	j.table = j.conv.Project()
	snap := j.store.Snapshot()
	var err error
	j.targets, err = scanTargets(&snap.Reader, j.project.No, len(filters))
	snap.Close()
	if err != nil {
		return err
	}
	size := j.opts.Batch
	if j.replacing {
		size = len(filters)
	}
	for start := 0; ; {
		end := min(start+size, len(filters))
		items, err := j.understand(filters[start:end])
		if err != nil {
			return err
		}
		if end > j.at.Next || !j.at.Done && end == len(filters) {
			if err := j.batch(ctx, items[max(j.at.Next-start, 0):], end, end == len(filters)); err != nil {
				return err
			}
		}
		if start = end; end == len(filters) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// understand says what entries mean, and reports those that the operator has to know of.
func (j *job) understand(filters []convert.Filter) ([]item, error) {
	items := make([]item, len(filters))
	for i := range filters {
		items[i] = item{filter: filters[i], entry: j.table.Add(filters[i])}
		it, f := &items[i], &items[i].filter
		switch it.entry.Class {
		case convert.CannotConvert:
			j.problem(NotConverted, f, "%s (%s)", it.entry.Why, it.entry.Reason)
		case convert.Shadowed:
			j.problem(Shadowed, f, "%s; it is left out", it.entry.Why)
			continue
		}
		var err error
		if it.target, err = j.target(f); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// batch stores entries and how far the project is now.
func (j *job) batch(ctx context.Context, items []item, next int, last bool) error {
	var after progress
	_, err := j.store.Update(ctx, func(tx *store.Tx) error {
		if err := j.loads(tx); err != nil {
			return err
		}
		p, err := j.same(tx)
		if err != nil {
			return err
		}
		if j.replacing {
			if err := j.replace(tx, p); err != nil {
				return err
			}
		}
		w, err := j.newWriter(tx, p)
		if err != nil {
			return err
		}
		for i := range items {
			if err := w.item(&items[i]); err != nil {
				return fmt.Errorf("entry %d: %w", items[i].filter.Index, err)
			}
		}
		if err := w.flush(); err != nil {
			return err
		}
		if err := j.left(tx, p); err != nil {
			return err
		}
		after = progress{Digest: j.at.Digest, Next: next, Piece: w.no, Done: last, Outcome: j.at.Outcome, Meaning: j.at.Meaning}
		after.Outcome.add(w.outcome)
		for i := range items {
			after.Meaning.entry(&items[i].entry)
		}
		return putDocument(tx, progressName(p.No), after)
	})
	if err == nil {
		j.at = after
	}
	return err
}

// same refuses to go on when the project, or how far it is, is not what this import left.
func (j *job) same(tx *store.Tx) (store.Project, error) {
	p, err := tx.Project(j.project.No)
	if err != nil || p.State != store.ProjectActive {
		return p, errors.Join(fmt.Errorf("project %s was deleted meanwhile; load the tables again", j.project.Name), err)
	}
	var now progress
	found, err := getDocument(&tx.Reader, progressName(p.No), &now)
	was := j.at
	if j.replacing {
		was = j.before
	}
	if err == nil && (found && now != was || !found && was.Next > 0) {
		err = fmt.Errorf("%w of project %s: one import at a time; run this one again when the other is over", ErrConcurrent, p.Name)
	}
	return p, err
}

func clip(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
