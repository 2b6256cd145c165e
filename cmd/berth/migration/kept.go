package migration

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/ramp"
	"berth/migrate/tables"
	"berth/migrate/verify"
	"berth/router/rollout"
	"berth/store"
)

// keepFailing opts the sites out that have entries without a record, in the batch that enters a phase: until somebody decides, their tables
// alone know everything that they answer. It returns the names of all of them. It reads every failure and every site that verify listed, both of
// which are bounded by ten thousand; others wait for that long.
func (s *Service) keepFailing(tx *store.Tx, who string) ([]string, error) {
	sites, err := failing(&tx.Reader)
	if err != nil || len(sites) == 0 {
		return sites, err
	}
	d, err := ramp.LoadRollout(&tx.Reader)
	if err != nil {
		return nil, err
	}
	c := d.Config
	c.OptOut = slices.Concat(c.OptOut, sites)
	slices.Sort(c.OptOut)
	c.OptOut = slices.Compact(c.OptOut)
	_, err = ramp.SetRolloutIn(tx, s.deps.Now(), ramp.Change{From: d.Revision, Config: c, Who: who, Why: "entries of these sites have no route record"})
	return sites, err
}

// takeBack ends a ramp that is reverted: where it is entered again it begins with nobody on the records but the sites that are pinned to them, and what
// it had come to is not in force at once.
func (s *Service) takeBack(tx *store.Tx, who string) error {
	d, err := ramp.LoadRollout(&tx.Reader)
	if err != nil {
		return err
	}
	c := d.Config
	c.Percent, c.Default = 0, rollout.Legacy
	c.Datacentres = maps.Clone(c.Datacentres)
	maps.DeleteFunc(c.Datacentres, func(_ string, side rollout.Side) bool { return side == rollout.Hashed })
	_, err = ramp.SetRolloutIn(tx, s.deps.Now(), ramp.Change{From: d.Revision, Config: c, Who: who, Why: "the ramp was taken back"})
	return err
}

// matters says whether the tables may answer somebody by an entry that failed so. By an entry of another project, or without a
// deployment, they answer nobody.
func matters(c tables.Class) bool {
	return c != tables.NoDeployment && c != tables.Foreign && c != tables.NoProject
}

// undecided tells sites apart whose failures somebody has to decide about from those where that is done.
type undecided struct {
	open     map[store.ProjectNo]bool
	accepted map[store.ProjectNo]int64 // failures that were skipped, or known when their site was opted in
	decided  decided
	names    *names
}

// failing lists the sites that exist and have such entries, about which nobody has decided: those in the backfill's queue, and those
// that verify found, because the queue is bounded.
func failing(r *store.Reader) (sites []string, err error) {
	u := undecided{open: map[store.ProjectNo]bool{}, accepted: map[store.ProjectNo]int64{}, names: namesIn(r)}
	state, err := migrate.Load(r)
	if err != nil {
		return nil, err
	}
	if u.decided, err = loadDecided(r); err != nil {
		return nil, err
	}
	for f, err := range backfill.Failures(r) {
		if err != nil {
			return nil, err
		}
		if matters(f.Class) && f.Epoch == state.Epoch {
			u.queued(&f)
		}
	}
	if err := u.verified(r, state.Epoch); err != nil {
		return nil, err
	}
	for no := range u.open {
		p, err := r.Project(no)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("name a site with failures: %w", err)
		}
		sites = append(sites, p.Name)
	}
	slices.Sort(sites)
	return sites, nil
}

func (u *undecided) queued(f *backfill.Failure) {
	at, in := u.decided.OptedIn[u.names.of(f.Project)]
	if f.Skipped || in && !f.First.After(at) {
		u.accepted[f.Project]++
	} else {
		u.open[f.Project] = true
	}
}

// verified adds what verify found that the queue does not have.
func (u *undecided) verified(r *store.Reader, epoch store.Epoch) error {
	v, there, err := verify.Load(r)
	if err != nil || !there || v.Epoch != epoch {
		return err
	}
	overflow, err := backfill.Overflow(r)
	if err != nil {
		return err
	}
	for site, err := range verify.Sites(r) {
		if err != nil {
			return err
		}
		if at, in := u.decided.OptedIn[site.Name]; in && !v.Finished.IsZero() && !v.Finished.After(at) {
			continue
		}
		left := site.Hosts[verify.Error]
		if u.accepted[site.Project] == 0 || overflow > 0 {
			left += site.Hosts[verify.Unconvertible] // otherwise the queue has all of these, of equal entries one
		}
		if left > u.accepted[site.Project] {
			u.open[site.Project] = true
		}
	}
	return nil
}

// checkKept wants every site with failures to be known by name.
func checkKept(r *store.Reader, p *Plan) error {
	unlisted, err := backfill.Overflow(r)
	if err != nil {
		return err
	}
	v, _, err := verify.Load(r)
	if err != nil {
		return err
	}
	if more := v.Sites - v.Listed; unlisted > 0 && more > 0 {
		p.check("failures", false, "%d failures and %d sites found no room to be listed, so those sites cannot be kept on their tables: mend some of the others first", unlisted, more)
	}
	return nil
}
