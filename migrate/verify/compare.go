package verify

import (
	"context"
	"errors"
	"fmt"

	"berth/migrate/tables"
	"berth/store"
)

// finding is what was found of some projects, and is not in the report yet.
type finding struct {
	projects int
	entries  int64
	hosts    map[Class]int64
	faults   map[tables.Class]int
	examples []Diff
	sites    []Site
	sums     map[store.ProjectNo]*sum
	next     store.ProjectNo
	runOf    store.Revision // whose it is
}

func newFinding() *finding {
	return &finding{hosts: map[Class]int64{}, faults: map[tables.Class]int{}, sums: map[store.ProjectNo]*sum{}}
}

func (f *finding) sum(p store.ProjectNo) *sum {
	if f.sums[p] == nil {
		f.sums[p] = &sum{Version: documentVersion}
	}
	return f.sums[p]
}

// diff notes what does not agree, in the report and with its site.
func (f *finding) diff(s *Site, most int, d Diff) {
	f.hosts[d.Class]++
	s.Hosts[d.Class]++
	d.Project, d.Site = s.Project, s.Name
	if f.hosts[d.Class] <= int64(most) {
		f.examples = append(f.examples, d)
	}
	if s.Hosts[d.Class] <= siteExamples {
		s.Examples = append(s.Examples, d)
	}
}

// siteExamples are kept of each class for each site.
const siteExamples = 3

// comparison is of one project, at one state of the store.
type comparison struct {
	job   *Job
	r     *store.Reader
	epoch store.Epoch
	table *tables.Table
	site  Site
	f     *finding
}

// compare reads the table of a project and compares it with the records.
func (j *Job) compare(ctx context.Context, p store.ProjectNo, epoch store.Epoch, f *finding) error {
	snap := j.deps.Store.Snapshot()
	defer snap.Close()
	if s, err := readSituation(&snap.Reader); err != nil {
		return err
	} else if err := s.goesOn(f.runOf); err != nil {
		return err
	}
	t, err := j.deps.Tables.Table(&snap.Reader, p)
	if err != nil {
		return err
	}
	c := &comparison{job: j, r: &snap.Reader, epoch: epoch, table: t, f: f,
		site: Site{Version: documentVersion, Project: p, Name: t.Project().Name, Hosts: map[Class]int64{}}}
	f.sum(p)
	for chunk, err := range snap.TableChunks(p) {
		if err != nil {
			return fmt.Errorf("read the table of project %d: %w", p, err)
		}
		piece, err := t.Piece(&snap.Reader, chunk)
		if err != nil {
			return err
		}
		if err := c.piece(&piece); err != nil {
			return err
		}
		if err := j.pay(ctx, max(1, len(piece.Lines))); err != nil {
			return err
		}
	}
	f.projects++
	if len(c.site.Hosts) > 0 {
		f.sites = append(f.sites, c.site)
	}
	return nil
}

func (c *comparison) piece(p *tables.Piece) error {
	c.f.entries += int64(len(p.Lines))
	for i := range p.Faults {
		c.fault(&p.Faults[i])
	}
	for i := range p.Routes {
		if err := c.route(p, &p.Routes[i]); err != nil {
			return err
		}
	}
	return nil
}

// fault is a difference unless the old router answers nobody by the entry either.
func (c *comparison) fault(f *tables.Fault) {
	c.f.faults[f.Class]++
	class := Error
	switch f.Class {
	case tables.Foreign, tables.NoDeployment:
		return
	case tables.CannotConvert:
		class = Unconvertible
	}
	c.f.diff(&c.site, c.job.opts.MaxExamples, Diff{Class: class, Host: f.Host, Piece: f.Piece, Line: f.Line, Entry: f.Entry, Pattern: f.Pattern, Why: f.Why})
}

func (c *comparison) route(p *tables.Piece, r *tables.Route) error {
	rec, err := lookUp(c.r, slot{r.Key, r.Wildcard})
	there := err == nil && rec.Epoch == c.epoch
	if there {
		sum := c.f.sum(rec.Project)
		sum.note(slot{r.Key, r.Wildcard})
	}
	rec.Epoch = 0
	d := Diff{Host: r.Name(), Key: r.Key.String(), Table: side(r.Record), Piece: p.No, Line: r.Line, Entry: p.First + r.Line, Pattern: p.Lines[r.Line].Pattern}
	switch {
	case errors.Is(err, store.ErrCorrupt):
		d.Class, d.Why = Error, err.Error()
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	case !there:
		d.Class = Missing
	case rec != r.Record:
		d.Class, d.Record = Different, side(rec)
		if rec.Project != c.site.Project {
			c.f.sum(c.site.Project).Strays = true
		}
	default:
		c.f.hosts[Agree]++
		return nil
	}
	c.f.diff(&c.site, c.job.opts.MaxExamples, d)
	return nil
}

func lookUp(r *store.Reader, k slot) (store.Route, error) {
	if k.wildcard {
		return r.Wildcard(k.key)
	}
	return r.Route(k.key)
}
