package migration

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/ramp"
	"berth/migrate/report"
	"berth/migrate/shadow"
	"berth/router/rollout"
	"berth/store"
	"berth/store/control"
)

// Bounds of what a report carries; the page shows the newest, or the first, of them.
const (
	reportLog   = 1000
	reportDiffs = 100
)

func (s *Service) getReport(context.Context, control.Principal, *http.Request) (any, error) {
	return s.Report()
}

// Report is the migration as report.HTML draws it.
func (s *Service) Report() (*report.Data, error) {
	state := s.machine.State()
	d := &report.Data{Server: string(s.opts.Domain), Generated: s.deps.Now(), Phase: string(state.Phase)}
	for _, p := range migrate.Phases() {
		d.Phases = append(d.Phases, string(p))
	}
	if e := s.engine.Load(); e != nil && state.Phase != migrate.Retired {
		s.history.sample(e) // so that the plots reach up to now
	}
	past := s.history.drawn()
	for _, part := range []func(*report.Data, *history) error{s.reportLog, s.reportBackfill, s.reportSides, s.reportDiffs, s.reportStorage, s.reportRollout} {
		if err := part(d, &past); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// reportLog tells the log, and the phases by it.
func (s *Service) reportLog(d *report.Data, _ *history) error {
	for e, err := range migrate.Log(&s.deps.Store.Reader) {
		if err != nil {
			return err
		}
		if d.Log = append(d.Log, report.Entry{Time: e.Time, Who: e.Who, What: e.What, Why: e.Why}); len(d.Log) > reportLog {
			d.Log = d.Log[1:]
		}
		from, to, ok := strings.Cut(strings.TrimPrefix(e.What, "phase "), " to ")
		if _, err := migrate.ParsePhase(to); !ok || err != nil || !strings.HasPrefix(e.What, "phase "+from) {
			continue
		}
		if n := len(d.Spans); n > 0 {
			d.Spans[n-1].To = e.Time
		}
		d.Spans = append(d.Spans, report.Span{Phase: to, From: e.Time, Who: e.Who, Why: e.Why})
	}
	return nil
}

func (s *Service) reportBackfill(d *report.Data, past *history) error {
	b, err := s.backfill.Status()
	if err != nil {
		return err
	}
	if b.Epoch != 0 {
		d.Activity, d.Why = string(b.Activity), b.Why
	}
	d.Progress = report.Progress{
		Total: b.Total, Done: b.Done, Written: b.Written, Present: b.Present, PerSecond: b.Rate, ETA: b.ETA, Started: b.Started, Finished: b.Finished,
		DoneOver: past.Done, RateOver: past.Rate,
	}
	at := map[string]int{}
	for f, err := range backfill.Failures(&s.deps.Store.Reader) {
		if err != nil {
			return err
		}
		class := string(f.Class)
		i, ok := at[class]
		if !ok {
			i = len(d.Failures)
			at[class] = i
			d.Failures = append(d.Failures, report.Failures{Class: class, Example: f.Pattern, Count: int64(b.Failures[f.Class])}) // the queue has not room for all
		}
		if !f.Skipped {
			d.Failures[i].Retries++
		}
	}
	return nil
}

var quantiles = [...]float64{0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999}

func (s *Service) reportSides(d *report.Data, past *history) error {
	e := s.engine.Load()
	for _, side := range []string{rollout.Legacy.String(), rollout.Hashed.String()} {
		l := report.Latency{Side: side, MedianOver: copyOf(past.Median[side]), P99Over: copyOf(past.P99[side])}
		c := report.Cache{Side: side, HitRateOver: copyOf(past.HitRate[side])}
		if e != nil {
			stats, cached := e.rollout.Stats().Legacy, cacheOf(e.legacy.Stats().Tables)
			c.Bytes, c.Bound = cached.Weight, s.opts.LegacyCache
			if side == rollout.Hashed.String() {
				stats, cached = e.rollout.Stats().Hashed, cacheOf(e.hashed.Stats())
				c.Bytes, c.Bound = 0, 0
			}
			c.Hits, c.Misses, c.Entries = cached.Hits, cached.Misses, cached.Entries
			l.Count = stats.Latency.Count
			for _, q := range quantiles {
				if l.Count > 0 {
					l.Quantiles = append(l.Quantiles, report.Quantile{Share: q, Took: stats.Latency.Quantile(q)})
				}
			}
		}
		d.Latency, d.Caches = append(d.Latency, l), append(d.Caches, c)
	}
	return nil
}

func (s *Service) reportDiffs(d *report.Data, past *history) error {
	if e := s.engine.Load(); e != nil {
		c := e.shadow.Stats()
		d.Diffs.Compared, d.Diffs.Agree = c.Compared(), c.Agree
	}
	for _, class := range []string{"missing", "extra", "different", "error"} {
		over := copyOf(past.Diffs[class])
		n := uint64(0)
		if k := len(over.Points); k > 0 {
			n = uint64(over.Points[k-1].Value)
		}
		d.Diffs.Classes = append(d.Diffs.Classes, report.DiffClass{Name: class, Count: n, Over: over})
	}
	for x, err := range shadow.Diffs(&s.deps.Store.Reader, "") {
		if err != nil {
			return err
		}
		if d.Diffs.Examples = append(d.Diffs.Examples, report.Diff{
			Time: x.Last, Class: string(x.Class), Host: x.Host, Legacy: outcome(x.Legacy), Other: outcome(x.Hashed), Line: x.Line,
		}); len(d.Diffs.Examples) == reportDiffs {
			break
		}
	}
	return nil
}

func outcome(o shadow.Outcome) string {
	switch {
	case o.Error != "":
		return "error: " + o.Error
	case !o.Found:
		return "no route"
	}
	return fmt.Sprintf("project %d, deployment %d", o.Project, o.Deployment)
}

func (s *Service) reportStorage(d *report.Data, _ *history) error {
	f, err := s.finished(&s.deps.Store.Reader)
	if err != nil {
		return err
	}
	if f != nil && f.Before.Total > 0 {
		d.Storage.Before = routing(f.Before)
		d.Storage.Deployments = f.Tables.Entries
		if f.After.Total > 0 {
			d.Storage.After = routing(f.After)
		}
		return nil
	}
	du, err := s.deps.Store.DiskUsage()
	if err != nil {
		return err
	}
	d.Storage.Before = routing(du)
	return nil
}

func routing(u store.DiskUsage) report.Routing {
	return report.Routing{Measured: true, Tables: int64(u.Tables), Index: int64(u.TableIndex), Routes: int64(u.Routes)}
}

func (s *Service) reportRollout(d *report.Data, _ *history) error {
	r, err := ramp.LoadRollout(&s.deps.Store.Reader)
	if err != nil {
		return err
	}
	if s.machine.State().Phase == migrate.Retired {
		return nil
	}
	d.Rollout = rollout.Changes(rollout.Config{Default: rollout.Legacy}, r.Config)
	if g, err := ramp.LoadState(&s.deps.Store.Reader); err == nil && g.Status != ramp.None {
		d.Rollout = append(d.Rollout, fmt.Sprintf("guarded ramp: %s at %s since %s %s", g.Status, rollout.FormatPercent(g.Percent), g.Since.Format(time.RFC3339), g.Reason))
	}
	d.Remaining = r.Config.Kept()
	return nil
}
