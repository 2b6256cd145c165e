package migration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"berth/bench"
	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/report/plot"
	"berth/migrate/tables"
	"berth/store"
)

// BackfillConfig measures the backfill without a rate, on an idle store on disk: entries a second, and the resident memory of the
// process while it runs. Each round copies the tables twice: into a database without records, as in a first migration, and once more in
// another epoch, where every key has a record that counts as absent.
type BackfillConfig struct {
	Entries []int // default 100,000 and 400,000
	Rounds  int   // each on a database of its own; default 3
	Seed    uint64
}

// BackfillReport has a line for each number of entries.
type BackfillReport struct{ Runs []BackfillRun }

// BackfillRun is the result for one number of entries.
type BackfillRun struct {
	Entries, Projects int
	First, Again      Copying
	Peak              int64 // highest resident memory while it ran
	Before            int64 // resident memory when it began
}

// Copying is a series of passes over all tables.
type Copying struct {
	Took []time.Duration
	Rate bench.Sample // entries a second
	CPU  bench.Sample // microseconds of processor time an entry, all cores
}

// Backfill runs the workload.
func Backfill(ctx context.Context, c BackfillConfig) (*BackfillReport, error) {
	if len(c.Entries) == 0 {
		c.Entries = []int{100_000, 400_000}
	}
	if c.Rounds == 0 {
		c.Rounds = 3
	}
	rep := &BackfillReport{}
	for _, n := range c.Entries {
		run, err := c.run(ctx, n)
		if err != nil {
			return nil, fmt.Errorf("backfill of %d entries: %w", n, err)
		}
		rep.Runs = append(rep.Runs, run)
	}
	return rep, nil
}

func (c BackfillConfig) run(ctx context.Context, n int) (run BackfillRun, err error) {
	corpus := newCorpus(c.Seed, zipfSizes(c.Seed, max(1, n/1400), n))
	run = BackfillRun{Entries: corpus.total, Projects: len(corpus.sizes)}
	dir, err := os.MkdirTemp("", "berth-bench-")
	if err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	imported := filepath.Join(dir, "imported")
	if err := corpus.imported(ctx, imported); err != nil {
		return run, err
	}
	// Opened anew, so that what filling it left in memory does not count.
	memory, err := bench.StartPeak()
	if err != nil {
		return run, err
	}
	run.Before = memory.Before
	for i := range c.Rounds {
		if err := run.round(ctx, imported, filepath.Join(dir, fmt.Sprint(i)), corpus); err != nil {
			return run, err
		}
	}
	run.Peak, err = memory.Read()
	return run, err
}

// round copies the database and works on that.
func (r *BackfillRun) round(ctx context.Context, imported, dir string, c *corpus) (err error) {
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.CopyFS(dir, os.DirFS(imported)); err != nil {
		return err
	}
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := r.First.pass(ctx, s, c); err != nil {
		return err
	}
	return r.Again.pass(ctx, s, c)
}

// imported makes the database that an import leaves.
func (c *corpus) imported(ctx context.Context, dir string) (err error) {
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := c.fill(ctx, s, parts{records: true, tables: true, index: true}); err != nil {
		return err
	}
	return s.Compact(ctx)
}

// pass runs the job in a new epoch, from its beginning to its end.
func (r *Copying) pass(ctx context.Context, s *store.Store, c *corpus) error {
	if err := enterBackfill(ctx, s); err != nil {
		return err
	}
	reader, err := tables.New(tables.Config{Domain: domain, Hasher: c.hasher()})
	if err != nil {
		return err
	}
	job, err := backfill.New(backfill.Deps{Store: s, Tables: reader}, backfill.Options{MaxCommit: -1, MaxP99: -1})
	if err != nil {
		return err
	}
	used, err := bench.ProcessTime()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := untilFinished(ctx, s, job); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := bench.ProcessTime()
	if err != nil {
		return err
	}
	st, err := job.Status()
	if err != nil {
		return err
	}
	if st.Done != int64(c.total) || st.Written != int64(c.total) || st.Queued != 0 {
		return fmt.Errorf("of %d entries %d were looked at, %d written, %d failed", c.total, st.Done, st.Written, st.Queued)
	}
	r.Took = append(r.Took, took)
	r.Rate = append(r.Rate, float64(c.total)/took.Seconds())
	r.CPU = append(r.CPU, float64((after-used).Microseconds())/float64(c.total))
	return nil
}

// enterBackfill goes to the phase through a new epoch, in which no record is of use.
func enterBackfill(ctx context.Context, s *store.Store) error {
	m, err := migrate.New(s, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer m.Close()
	if m.State().Since.IsZero() {
		if _, err := s.Update(ctx, func(tx *store.Tx) error { return m.Begin(tx, "bench", "begin") }); err != nil {
			return err
		}
	}
	for _, to := range []migrate.Phase{migrate.Legacy, migrate.DualWrite, migrate.Backfill} {
		if from := m.State().Phase; from != to {
			if _, err := m.Move(ctx, from, to, "bench", "a round"); err != nil {
				return err
			}
		}
	}
	return nil
}

// untilFinished runs the job until it has been through all tables.
func untilFinished(ctx context.Context, s *store.Store, job *backfill.Job) error {
	return runUntil(ctx, s, job.Run, func() (bool, error) {
		finished, _, err := backfill.Finished(&s.Reader)
		return finished, err
	})
}

// runUntil runs a job until the store says that it is over.
func runUntil(ctx context.Context, s *store.Store, run func(context.Context) error, over func() (bool, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	commits := make(chan struct{}, 1)
	defer s.OnCommit(func(store.Commit) {
		select {
		case commits <- struct{}{}:
		default:
		}
	})()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	// The hook runs before the commit is acknowledged to the reader below, so the last one may be seen only by looking again.
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if is, err := over(); is || err != nil {
			cancel()
			return errors.Join(err, <-ended)
		}
		select {
		case <-commits:
		case <-again.C:
		case err := <-ended:
			return errors.Join(err, ctx.Err(), errors.New("the job ended before its end"))
		}
	}
}

type namedCopying struct {
	key, name string
	Copying
}

func (r *BackfillRun) copyings() []namedCopying {
	return []namedCopying{{"first", "", r.First}, {"again", ", once more", r.Again}}
}

func (r *BackfillReport) Rows() (rows []bench.Row) {
	for _, run := range r.Runs {
		for _, c := range run.copyings() {
			for i, took := range c.Took {
				rows = append(rows, bench.Measured(fmt.Sprintf("Backfill/entries=%d/epoch=%s", run.Entries, c.key), run.Entries, bench.In(float64(took.Nanoseconds())/float64(run.Entries), "ns/op"),
					bench.In(c.Rate[i], "entries/s"), bench.In(c.CPU[i], "cpu-µs/entry"), bench.In(float64(run.Peak), "peak-RSS-B")))
			}
		}
	}
	return rows
}

func (r *BackfillReport) String() string {
	var b strings.Builder
	b.WriteString("Backfill without a rate (median of the rounds, least to most)\n")
	var s bench.Sheet
	s.Add("entries", "projects", "entries a second", "processor time an entry", "memory at the start", "at most", "grew by")
	for _, run := range r.Runs {
		for _, c := range run.copyings() {
			s.Add(plot.Whole(int64(run.Entries))+c.name, plot.Whole(int64(run.Projects)),
				fmt.Sprintf("%s (%s–%s)", plot.Whole(int64(c.Rate.Median())), plot.Whole(int64(slices.Min(c.Rate))), plot.Whole(int64(slices.Max(c.Rate)))),
				fmt.Sprintf("%.2f µs", c.CPU.Median()), plot.Bytes.Format(float64(run.Before)), plot.Bytes.Format(float64(run.Peak)), plot.Bytes.Format(float64(run.Peak-run.Before)))
		}
	}
	b.WriteString(s.String())
	b.WriteString("  Once more: after a revert, when each host has a record of an epoch that counts no more.\n")
	return b.String()
}

func (r *BackfillReport) Figures() []plot.Figure {
	rate := plot.Lines{X: plot.Axis{Label: "Entries", Log: true}, Y: plot.Axis{Label: "Entries a second, median"}, Series: []plot.Series{{Name: "entries a second", Dots: true}}}
	mem := plot.Lines{X: plot.Axis{Label: "Entries", Log: true}, Y: plot.Axis{Label: "Resident memory, at most", Unit: plot.Bytes}, Series: []plot.Series{{Name: "memory", Dots: true, Colour: 2}}}
	for _, run := range r.Runs {
		rate.Series[0].Points = append(rate.Series[0].Points, plot.Point{X: float64(run.Entries), Y: run.First.Rate.Median()})
		mem.Series[0].Points = append(mem.Series[0].Points, plot.Point{X: float64(run.Entries), Y: float64(run.Peak)})
	}
	return []plot.Figure{{ID: "backfill", Title: "Backfill", Note: "Without a rate, on a store that does nothing else.", Chart: rate},
		{ID: "memory", Title: "Memory of the backfill", Note: "Of the whole process, caches of the store included.", Chart: mem}}
}
