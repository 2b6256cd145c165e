package serving

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"berth/bench"
	"berth/bench/load"
	"berth/migrate/report/plot"
)

// ProfileReport is where the time goes.
type ProfileReport struct {
	Compared []Comparison // Berth beside the floor
	Profiles []Profiled
}

// Profiled is a profile of Berth while it answered.
type Profiled struct {
	Size  int
	File  string // for go tool pprof
	Spent []Spent
	Top   string // the functions that take the most; like Spent, none without a Go toolchain
}

// profileSeconds is how long a profile is taken.
const profileSeconds = 5

// Profile compares Berth with the floor of the machine, and writes CPU profiles of Berth under that load to dir.
func Profile(ctx context.Context, c Config, dir string) (rep *ProfileReport, err error) {
	c.Sides, c.Load, c.Headers = []string{sideBerth, sideEpoll}, []string{loadOwn}, []string{string(load.Browser)}
	c.Rounds = or(c.Rounds, 5)
	if c, err = c.withDefaults(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	env, cleanup, err := c.prepare(ctx)
	if err != nil {
		return nil, fmt.Errorf("prepare the sites: %w", err)
	}
	defer func() { err = errors.Join(err, cleanup()) }()
	rep = &ProfileReport{}
	sides, _, err := c.sides(env)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, s := range sides {
			s.stop()
		}
	}()
	for _, sc := range c.scenarios() {
		cmp, err := c.compare(ctx, env, sides, sc)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cmp.title(), err)
		}
		p, err := c.profile(ctx, env, sides[0], sc, filepath.Join(dir, sc.profileName()))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cmp.title(), err)
		}
		rep.Compared, rep.Profiles = append(rep.Compared, cmp), append(rep.Profiles, p)
	}
	return rep, nil
}

func (sc scenario) profileName() string {
	name := shortName(sc.file) + ".pprof"
	if sc.name == uniformHosts {
		name = uniformHosts + "-" + name
	}
	return name
}

func (c Config) profile(ctx context.Context, env *environment, s *side, sc scenario, file string) (p Profiled, err error) {
	p = Profiled{Size: sc.file.Size, File: file}
	c.Progress(fmt.Sprintf("profile of %s: %d s", bytesName(p.Size), profileSeconds))
	taken := make(chan error, 1)
	var b []byte
	go func() {
		var err error
		b, err = profile(ctx, s.running, fmt.Sprintf("profile?seconds=%d", profileSeconds))
		taken <- err
	}()
	c.Slot = profileSeconds * time.Second
	_, loadErr := c.turn(ctx, env, s, sc)
	if err := errors.Join(loadErr, <-taken); err != nil {
		return p, err
	}
	if err := os.WriteFile(file, b, 0o644); err != nil {
		return p, err
	}
	// Where there is no Go toolchain the profile is there all the same.
	p.Top, _ = pprof(ctx, "-top", "-nodecount=25", file)
	if traces, err := pprof(ctx, "-traces", file); err == nil {
		p.Spent = spent(traces)
	}
	return p, nil
}

func pprof(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", append([]string{"tool", "pprof"}, args...)...).Output()
	return string(out), err
}

// Rows are all turns.
func (r *ProfileReport) Rows() (rows []bench.Row) {
	for _, c := range r.Compared {
		for _, s := range c.Sides {
			for _, sl := range s.Slots {
				rows = append(rows, sl.row(fmt.Sprintf("Floor/size=%s/side=%s", c.File, s.Side)))
			}
		}
	}
	return rows
}

func (r *ProfileReport) String() string {
	var b strings.Builder
	b.WriteString("Berth beside the floor of this machine (median of the rounds, least to most)\n")
	var s bench.Sheet
	s.Add("", "berth", "the floor", "berth's share that is the floor", "", "allocations")
	for i := range r.Compared {
		c := &r.Compared[i]
		share := c.Better(sideEpoll)
		low, high := share.Range()
		s.Add(bytesName(c.Size), bench.NS(c.side(sideBerth).median(Slot.PerRequest)), bench.NS(c.side(sideEpoll).median(Slot.PerRequest)),
			plot.Share.Format(share.Median()), fmt.Sprintf("%s–%s", plot.Share.Format(low), plot.Share.Format(high)), fmt.Sprintf("%.3g", c.Allocations.Median()))
	}
	b.WriteString(s.String())
	b.WriteString("\nWhere its time goes\n")
	b.WriteString(r.spentSheet().String())
	for _, p := range r.Profiles {
		fmt.Fprintf(&b, "\n%s: %s\n%s", bytesName(p.Size), p.File, p.Top)
	}
	return b.String()
}

// spentSheet is the share of each place, by the size of the file.
func (r *ProfileReport) spentSheet() (s bench.Sheet) {
	head := []string{""}
	for _, p := range r.Profiles {
		head = append(head, bytesName(p.Size))
	}
	s.Add(head...)
	for _, place := range newSpent() {
		row := []string{place.Place}
		for _, p := range r.Profiles {
			of, all := time.Duration(0), time.Duration(0)
			for _, x := range p.Spent {
				if all += x.Time; x.Place == place.Place {
					of += x.Time
				}
			}
			row = append(row, fmt.Sprintf("%.1f %%", 100*of.Seconds()/max(all.Seconds(), 1e-9)))
		}
		s.Add(row...)
	}
	return s
}

// Figures are both sides by the size of the file.
func (r *ProfileReport) Figures() []plot.Figure {
	l := plot.Lines{X: plot.Axis{Label: "Size of the file", Unit: plot.Bytes, Log: true}, Y: plot.Axis{Label: "CPU time for a request", Unit: plot.Seconds, Log: true}}
	for _, side := range []string{sideBerth, sideEpoll} {
		s := plot.Series{Name: side, Colour: colour(side), Dots: true}
		for i := range r.Compared {
			c := &r.Compared[i]
			s.Points = append(s.Points, plot.Point{X: float64(c.Size), Y: c.side(side).median(Slot.PerRequest) / 1e9})
		}
		l.Series = append(l.Series, s)
	}
	return []plot.Figure{{ID: "floor", Title: "Berth beside the floor of the machine", Note: "Lower is better.", Chart: l}}
}
