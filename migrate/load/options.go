// Package load brings the tables of the old design into the store: a table for each project, the names by which they call
// deployments, and, for what Berth serves already, entries of its own.
//
// # What becomes of a table
//
// A table is read whole and checked before anything of it is stored; one that is wrong changes nothing. Its entries keep their order and
// their text, in pieces of dualwrite.MaxFilters from number dualwrite.Imported on. Three sorts of entries are changed or
// left out, each of them reported, so that afterwards no host has two entries, and an edit of the one cannot bring back the other:
//
//   - entries that earlier ones of the same table shadow, wholly or for some of their hosts;
//   - hosts that another project has, or that are not this project's by their name: nobody ever asked this table for them;
//   - hosts that Berth has written into the table since the migration began.
//
// What cannot be converted is stored as it is, and answers as it did.
//
// # Custom hosts
//
// A request finds its project by who holds the host. A custom host that nobody holds is given to the project whose table names it,
// as an active domain. It follows production, or the branch whose newest deployment it serves.
//
// # Interruptions
//
// Each batch is one Update and carries how far the project is. Loading again goes on from there; a table that was loaded already, entry for
// entry, changes nothing, and another one for the same project is refused.
package load

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/convert"
	"berth/migrate/dualwrite"
	"berth/migrate/verify"
	"berth/router/hostkey"
	"berth/store"
)

// Options of an import. Domain and Hasher must be given; 0 stands for the default.
type Options struct {
	Domain string // the server's own
	Hasher *hostkey.Hasher
	Who    string // for the migration's log
	Why    string

	Batch       int // entries that go into one Update; default 4,096
	MaxProblems int // that are kept of one project; default 20
	MaxLine     int // bytes of a line of deployments; default 64 KiB
	// Convert bounds tables. What bounds a single pattern is not for it to say: edits must understand the same ones later.
	Convert convert.Options
	Replace bool // load a table in the place of another one of its project, in phase legacy; else it is refused
	// MaxReplaced bounds the entries of a table that replaces another one, and of that one; default DefaultReplaced, at most MostReplaced.
	MaxReplaced int
	NoDomains   bool // give custom hosts to nobody: entries of those that the project does not hold are left out

	Now  func() time.Time
	Rand io.Reader

	// Tell, if set, is given each project's report as soon as it is done.
	Tell func(ProjectReport)
}

func (o *Options) prepare() error {
	var faults []error
	if h, err := hostkey.Canonical(o.Domain); err != nil || string(h) != o.Domain {
		faults = append(faults, fmt.Errorf("load: Domain %q is not a canonical host", o.Domain))
	}
	if o.Hasher == nil {
		faults = append(faults, errors.New("load: no Hasher"))
	}
	for _, n := range []struct {
		name string
		n    *int
		def  int
	}{{"Batch", &o.Batch, 4096}, {"MaxProblems", &o.MaxProblems, 20}, {"MaxLine", &o.MaxLine, 64 << 10}, {"MaxReplaced", &o.MaxReplaced, DefaultReplaced}} {
		if *n.n < 0 {
			faults = append(faults, fmt.Errorf("load: %s is %d: must be 0 (for %d) or more", n.name, *n.n, n.def))
		}
		*n.n = cmp.Or(*n.n, n.def)
	}
	if o.MaxReplaced > MostReplaced {
		faults = append(faults, fmt.Errorf("load: MaxReplaced is %d: must be at most %d", o.MaxReplaced, MostReplaced))
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	o.Convert.MaxString, o.Convert.MaxHosts, o.Convert.MaxSteps = 0, 0, 0
	return errors.Join(faults...)
}

// loader is one import under way.
type loader struct {
	store   *store.Store
	machine *migrate.Machine
	opts    Options
	conv    *convert.Converter
	rules   dualwrite.Rules
	sum     Report
}

func newLoader(s *store.Store, m *migrate.Machine, o Options) (*loader, error) {
	if s == nil || m == nil {
		return nil, errors.New("load: a store and a migration are required")
	}
	if err := o.prepare(); err != nil {
		return nil, err
	}
	conv, err := convert.New(o.Convert)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	rules := dualwrite.Rules{Converter: conv, Hasher: o.Hasher, Domain: o.Domain}
	return &loader{store: s, machine: m, opts: o, conv: conv, rules: rules}, nil
}

func (l *loader) editor(tx *store.Tx, p store.ProjectNo) *dualwrite.Editor {
	return dualwrite.NewEditor(tx, l.rules, p)
}

// Tables loads every table of a source. What is wrong with one of them is in the report and does not keep the others; an error
// ends the import, which can be made again.
//
// On a server that never migrated the first batch begins the migration, in phase legacy: from then on the tables are kept. Until Fill has
// returned, hosts that only Berth knew have no entries; see Complete.
func Tables(ctx context.Context, s *store.Store, m *migrate.Machine, src Source, o Options) (Report, error) {
	l, err := newLoader(s, m, o)
	if err != nil {
		return Report{}, err
	}
	seen := map[string]string{}
	for t, err := range src {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return l.sum, fmt.Errorf("load: %w", err)
		}
		if first, twice := seen[t.Project]; twice && t.Fault == nil {
			t.Fault = fmt.Errorf("%s has a table of project %q already: keep one", first, t.Project)
		}
		if t.Project != "" {
			seen[t.Project] = t.Place
		}
		p, err := l.project(ctx, t)
		l.sum.add(p)
		if o.Tell != nil {
			o.Tell(p)
		}
		if err != nil {
			return l.sum, fmt.Errorf("load: %s: %w", t.Place, err)
		}
	}
	return l.sum, nil
}

// loads is inPhase for a batch that brings entries. Where records are written the backfill may have passed those already, in this epoch: it has to go
// through the tables again, and what was compared before says nothing of them.
func (l *loader) loads(tx *store.Tx) error {
	if err := l.inPhase(tx); err != nil {
		return err
	}
	state, err := migrate.Load(&tx.Reader)
	if err != nil || !state.Phase.WritesRecords() {
		return err
	}
	return errors.Join(backfill.Anew(tx), verify.Void(tx, l.opts.Now(), "tables were imported since"))
}

// inPhase begins a migration that has not begun, and refuses to load into one that is past where tables may still come.
func (l *loader) inPhase(tx *store.Tx) error {
	state, err := migrate.Load(&tx.Reader)
	if err != nil {
		return err
	}
	switch {
	case state.Phase == migrate.Retired && state.Since.IsZero():
		if err := l.machine.Begin(tx, l.opts.Who, cmp.Or(l.opts.Why, "tables are imported")); err != nil {
			return err
		}
		return putState(tx, importState{})
	case state.Phase == migrate.Retired:
		return fmt.Errorf("%w: the migration is over since %s", migrate.ErrPhase, state.Since.Format(time.RFC3339))
	case !state.Phase.Before(migrate.Backfill):
		return fmt.Errorf("%w: tables can be loaded in phases %s and %s, and it is %s: revert first", migrate.ErrPhase, migrate.Legacy, migrate.DualWrite, state.Phase)
	}
	return nil
}
