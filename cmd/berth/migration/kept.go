package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"berth/migrate/backfill"
	"berth/migrate/tables"
	"berth/migrate/verify"
	"berth/router/rollout"
	"berth/store"
)

// keepFailing opts the sites out that have entries without a record: until somebody decides, their tables alone know everything that
// they answer. It returns the names of all of them.
func (s *Service) keepFailing(ctx context.Context, who string) ([]string, error) {
	sites, err := s.failing()
	if err != nil || len(sites) == 0 {
		return sites, err
	}
	_, err = s.setRollout(ctx, who, "entries of these sites have no route record", nil, func(c *rollout.Config) error {
		c.OptOut = slices.Concat(c.OptOut, sites)
		slices.Sort(c.OptOut)
		c.OptOut = slices.Compact(c.OptOut)
		return nil
	})
	return sites, err
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
func (s *Service) failing() (sites []string, err error) {
	u := undecided{open: map[store.ProjectNo]bool{}, accepted: map[store.ProjectNo]int64{}, names: s.names()}
	if u.decided, err = loadDecided(&s.deps.Store.Reader); err != nil {
		return nil, err
	}
	for f, err := range backfill.Failures(&s.deps.Store.Reader) {
		if err != nil {
			return nil, err
		}
		if matters(f.Class) && f.Epoch == s.deps.Store.Epoch() {
			u.queued(&f)
		}
	}
	if err := s.verified(&u); err != nil {
		return nil, err
	}
	for no := range u.open {
		p, err := s.deps.Store.Project(no)
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
func (s *Service) verified(u *undecided) error {
	v, err := s.verification()
	if err != nil || !v.There || v.Epoch != s.deps.Store.Epoch() {
		return err
	}
	b, err := s.backfill.Status()
	if err != nil {
		return err
	}
	for site, err := range verify.Sites(&s.deps.Store.Reader) {
		if err != nil {
			return err
		}
		if at, in := u.decided.OptedIn[site.Name]; in && v.Done && !v.Finished.After(at) {
			continue
		}
		left := site.Hosts[verify.Error]
		if u.accepted[site.Project] == 0 || b.Overflow > 0 {
			left += site.Hosts[verify.Unconvertible] // otherwise the queue has all of these, of equal entries one
		}
		if left > u.accepted[site.Project] {
			u.open[site.Project] = true
		}
	}
	return nil
}

// checkKept wants every site with failures to be known by name.
func (s *Service) checkKept(p *Plan) error {
	b, err := s.backfill.Status()
	if err != nil {
		return err
	}
	v, err := s.verification()
	if err != nil {
		return err
	}
	if more := v.Sites - v.Listed; b.Overflow > 0 && more > 0 {
		p.check("failures", false, "%d failures and %d sites found no room to be listed, so those sites cannot be kept on their tables: mend some of the others first", b.Overflow, more)
	}
	return nil
}
