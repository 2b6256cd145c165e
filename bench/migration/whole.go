package migration

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"berth/bench"
	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/load"
	"berth/migrate/tables"
	"berth/migrate/verify"
	"berth/store"
)

// WholeConfig takes a service of the old design over from its exports to the proof: names of deployments, tables, entries for what Berth
// serves already, backfill, and verify, on an idle store on disk.
type WholeConfig struct {
	Deployments int // default 1,000,000; 14,000,000 take 6 to 20 minutes
	Projects    int // default one for 1,400 deployments; none has more than 50,000
	Seed        uint64
	Own         bool         // tables name deployments by Berth's own IDs, so that there is no file of names
	Tell        func(string) // is told of each step when it is over; nil: nobody
}

// WholeReport has a line for each step.
type WholeReport struct {
	Deployments, Projects, Largest int

	Steps []WholeStep
}

// WholeStep is one step. Memory and disk are those of the whole process and of the whole database.
type WholeStep struct {
	Name string
	Took time.Duration
	CPU  time.Duration
	Peak int64 // highest resident memory meanwhile, bytes
	Disk int64 // of the database's directory afterwards, bytes
}

// Whole runs the workload. It fails unless every host agrees in the end.
func Whole(ctx context.Context, c WholeConfig) (rep *WholeReport, err error) {
	if c.Deployments == 0 {
		c.Deployments = 1_000_000
	}
	if c.Projects == 0 {
		c.Projects = max(1, c.Deployments/1400)
	}
	w := whole{corpus: newCorpus(c.Seed, zipfSizes(c.Seed, c.Projects, c.Deployments)), config: c}
	rep = &WholeReport{Deployments: w.corpus.total, Projects: len(w.corpus.sizes)}
	for _, n := range w.corpus.sizes {
		rep.Largest = max(rep.Largest, n)
	}
	if w.dir, err = os.MkdirTemp("", "berth-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(w.dir)) }()
	for _, s := range w.steps() {
		step, err := w.step(ctx, s.name, s.run)
		if err != nil {
			return nil, fmt.Errorf("%s, %d deployments: %w", s.name, rep.Deployments, err)
		}
		rep.Steps = append(rep.Steps, step)
		if c.Tell != nil {
			c.Tell(rep.line(step))
		}
	}
	return rep, nil
}

// whole is one run under way.
type whole struct {
	corpus *corpus
	config WholeConfig
	dir    string
}

type step struct {
	name string
	run  func(context.Context, *store.Store, *migrate.Machine) error
}

// Names of the steps. What is prepared is there before a migration begins.
const (
	stepPrepare  = "projects and deployments"
	stepNames    = "import: names"
	stepTables   = "import: tables"
	stepComplete = "import: complete"
	stepBackfill = "backfill"
	stepVerify   = "verify"
)

func (w *whole) steps() []step {
	steps := []step{{stepPrepare, func(ctx context.Context, s *store.Store, _ *migrate.Machine) error {
		return w.corpus.bulk(ctx, s)
	}}}
	if !w.config.Own {
		steps = append(steps, step{stepNames, w.names})
	}
	return append(steps, step{stepTables, w.tables}, step{stepComplete, w.complete}, step{stepBackfill, w.backfill}, step{stepVerify, w.verify})
}

// step opens the store anew, so that what the step before left in memory does not count.
func (w *whole) step(ctx context.Context, name string, run func(context.Context, *store.Store, *migrate.Machine) error) (out WholeStep, err error) {
	out.Name = name
	memory, err := bench.StartPeak()
	if err != nil {
		return out, err
	}
	used, err := bench.ProcessTime()
	if err != nil {
		return out, err
	}
	began := time.Now()
	if err := w.open(func(s *store.Store, m *migrate.Machine) error { return run(ctx, s, m) }); err != nil {
		return out, err
	}
	out.Took = time.Since(began)
	after, err := bench.ProcessTime()
	if err != nil {
		return out, err
	}
	out.CPU = after - used
	if out.Peak, err = memory.Read(); err != nil {
		return out, err
	}
	out.Disk, err = sizeOf(w.dir)
	return out, err
}

func (w *whole) open(fn func(*store.Store, *migrate.Machine) error) (err error) {
	s, err := store.Open(w.dir, store.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	m, err := migrate.New(s, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer m.Close()
	return fn(s, m)
}

func (w *whole) options() load.Options {
	return load.Options{Domain: domain, Hasher: w.corpus.hasher(), Who: "bench", Why: "measured"}
}

func (w *whole) names(ctx context.Context, s *store.Store, m *migrate.Machine) error {
	r := written(w.writeNames)
	defer r.Close()
	rep, err := load.Deployments(ctx, s, m, "deployments", r, w.options())
	if err == nil && (rep.Set != w.corpus.total || rep.Bad > 0) {
		err = fmt.Errorf("of %d names %d were set, %d are bad: %v", w.corpus.total, rep.Set, rep.Bad, rep.Problems)
	}
	return err
}

func (w *whole) tables(ctx context.Context, s *store.Store, m *migrate.Machine) error {
	const maxLine = 64 << 20
	r := written(w.writeTables)
	defer r.Close()
	rep, err := load.Tables(ctx, s, m, load.NDJSON("tables", r, maxLine), w.options())
	if err == nil && (rep.Stored != w.corpus.total || rep.Hosts != w.corpus.total || rep.Projects != len(w.corpus.sizes) || len(rep.With) > 0) {
		err = fmt.Errorf("not every entry was taken: %d of %d in %d tables, %v", rep.Stored, w.corpus.total, rep.Projects, rep.ByClass)
	}
	return err
}

func (w *whole) complete(ctx context.Context, s *store.Store, m *migrate.Machine) error {
	rep, err := load.Fill(ctx, s, m, w.hosts, w.options())
	if err == nil && (rep.Hosts != w.corpus.total || rep.Had != w.corpus.total) {
		err = fmt.Errorf("%+v", rep)
	}
	return err
}

func (w *whole) backfill(ctx context.Context, s *store.Store, m *migrate.Machine) error {
	for _, to := range []migrate.Phase{migrate.DualWrite, migrate.Backfill} {
		if _, err := m.Move(ctx, m.State().Phase, to, "bench", "measured"); err != nil {
			return err
		}
	}
	reader, err := tables.New(tables.Config{Domain: domain, Hasher: w.corpus.hasher()})
	if err != nil {
		return err
	}
	job, err := backfill.New(backfill.Deps{Store: s, Tables: reader}, backfill.Options{MaxCommit: -1, MaxP99: -1})
	if err != nil {
		return err
	}
	if err := untilFinished(ctx, s, job); err != nil {
		return err
	}
	st, err := job.Status()
	if err == nil && (st.Written != int64(w.corpus.total) || st.Queued > 0) {
		err = fmt.Errorf("of %d entries %d were written, %d failed", w.corpus.total, st.Written, st.Queued)
	}
	return err
}

func (w *whole) verify(ctx context.Context, s *store.Store, m *migrate.Machine) error {
	if _, err := m.Move(ctx, migrate.Backfill, migrate.Verify, "bench", "measured"); err != nil {
		return err
	}
	reader, err := tables.New(tables.Config{Domain: domain, Hasher: w.corpus.hasher()})
	if err != nil {
		return err
	}
	job, err := verify.New(verify.Deps{Store: s, Tables: reader}, verify.Options{MaxP99: -1})
	if err != nil {
		return err
	}
	if err := job.Start(ctx, "bench", "measured"); err != nil {
		return err
	}
	var rep verify.Report
	err = runUntil(ctx, s, job.Run, func() (over bool, err error) {
		rep, _, err = verify.Load(&s.Reader)
		return !rep.Finished.IsZero(), err
	})
	if err == nil && (!rep.Clean() || rep.Hosts[verify.Agree] != int64(w.corpus.total)) {
		err = fmt.Errorf("the two sides do not agree: %v %s", rep.Hosts, rep.Aborted)
	}
	return err
}

// sizeOf adds up the files of a directory.
func sizeOf(dir string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}
