package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"berth/store"
)

const (
	deleteChunk   = 500 // deployments of one Update: others are not held up for long, and a batch stays small
	maxDeletedIDs = 1000
	maxAgeDays    = 36500
)

// bulkDelete says which deployments go. What production or a branch's aliases serve never does.
type bulkDelete struct {
	filter deploymentFilter
	keep   int       // the newest that match stay
	before time.Time // only older ones go; zero: any age
	dryRun bool
}

type bulkReport struct {
	Deleted int      `json:"deleted"`
	Kept    int      `json:"kept"` // of those that match the filter
	IDs     []string `json:"ids"`  // of the deleted, the first thousand
	DryRun  bool     `json:"dry_run"`
}

// deleteDeployments is the bulk form: ?keep=N&older_than=30d&branch=B&environment=E&dry_run=true.
func (s *Service) deleteDeployments(c *call) (any, error) {
	b, err := s.bulkDeleteOf(c.r)
	if err != nil {
		return nil, err
	}
	return s.deleteMany(c.ctx, c.project, b)
}

func (s *Service) bulkDeleteOf(r *http.Request) (b bulkDelete, err error) {
	if b.filter, err = filterOf(r, "environment"); err != nil {
		return b, err
	}
	q := r.URL.Query()
	keep, age := q.Get("keep"), q.Get("older_than")
	if keep == "" && age == "" {
		return b, refuse(http.StatusBadRequest, codeBadRequest, "say which deployments to delete: keep=N, older_than=30d, or both")
	}
	if keep != "" {
		if b.keep, err = strconv.Atoi(keep); err != nil || b.keep < 0 {
			return b, refuse(http.StatusBadRequest, codeBadRequest, "keep=%q: want a number from 0", clip(keep))
		}
	}
	if age != "" {
		d, err := parseAge(age)
		if err != nil {
			return b, refuse(http.StatusBadRequest, codeBadRequest, "older_than=%q: want a time such as 30d, 2w or 12h", clip(age))
		}
		b.before = s.now().Add(-d)
	}
	b.dryRun, err = boolOf(r, "dry_run")
	return b, err
}

// parseAge is time.ParseDuration with days and weeks.
func parseAge(s string) (time.Duration, error) {
	for suffix, days := range map[string]uint64{"d": 1, "w": 7} {
		if digits, ok := strings.CutSuffix(s, suffix); ok {
			n, err := strconv.ParseUint(digits, 10, 16)
			if err != nil || n*days > maxAgeDays {
				return 0, errors.New("not a number, or too long ago")
			}
			return time.Duration(n*days) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = errors.New("negative")
	}
	return d, err
}

// deleteMany walks the project from its newest deployment and deletes a chunk at a time. Each chunk is complete in itself:
// after a kill, to run it again is to go on.
func (s *Service) deleteMany(ctx context.Context, p store.Project, b bulkDelete) (bulkReport, error) {
	report := bulkReport{IDs: []string{}, DryRun: b.dryRun}
	matched := 0
	for cursor := store.DeploymentNo(0); ; {
		victims, last, err := s.nextVictims(p, b, cursor, &matched)
		if err != nil {
			return report, err
		}
		if len(victims) > 0 {
			gone, err := s.deleteChunk(ctx, p, victims, b.dryRun)
			if err != nil {
				return report, err
			}
			report.add(gone)
		}
		if last == 0 {
			report.Kept = matched - report.Deleted
			return report, nil
		}
		cursor = last
	}
}

func (r *bulkReport) add(gone []store.Deployment) {
	r.Deleted += len(gone)
	for _, d := range gone {
		if len(r.IDs) < maxDeletedIDs {
			r.IDs = append(r.IDs, d.UUID.String())
		}
	}
}

// nextVictims gathers a chunk of what the request names, older than cursor; imported hosts that go with a deployment count as much as it.
// last is where to go on, 0 at the end.
func (s *Service) nextVictims(p store.Project, b bulkDelete, cursor store.DeploymentNo, matched *int) (victims []store.Deployment, last store.DeploymentNo, err error) {
	hosts := 0
	for d, err := range s.deps.Store.DeploymentsOf(p.No, cursor) {
		if err != nil {
			return nil, 0, fmt.Errorf("list deployments of %s: %w", p.Name, err)
		}
		if !b.filter.matches(d) {
			continue
		}
		*matched++
		if *matched <= b.keep || !b.before.IsZero() && !d.Created.Before(b.before) {
			continue
		}
		for _, err := range s.deps.Store.ImportedHosts(d.No) {
			if err != nil {
				return nil, 0, fmt.Errorf("imported hosts of deployment %s: %w", d.UUID.String(), err)
			}
			hosts++
		}
		if victims = append(victims, d); len(victims)+hosts >= deleteChunk {
			return victims, d.No, nil
		}
	}
	return victims, 0, nil
}

// deleteChunk deletes those of the victims that nothing points to, and tells which. A dry run asks the same questions
// in the same place and then undoes itself.
func (s *Service) deleteChunk(ctx context.Context, p store.Project, victims []store.Deployment, dryRun bool) ([]store.Deployment, error) {
	var gone []store.Deployment
	_, err := s.deps.Store.UpdateFreeing(ctx, func(tx *store.Tx) error {
		p, err := sameProject(tx, p)
		if err != nil {
			return err
		}
		if gone, err = s.unaliased(tx, p, victims); err != nil {
			return err
		}
		if dryRun || len(gone) == 0 {
			return errNothing
		}
		return errors.Join(s.removeDeployments(ctx, tx, p, gone...), forget(tx, p, gone...))
	})
	if err != nil && !errors.Is(err, errNothing) {
		return nil, err
	}
	return gone, nil
}

// errNothing undoes an Update that has nothing to write.
var errNothing = errors.New("control: nothing to do")

// unaliased leaves out what production, a branch or an imported host serves.
func (s *Service) unaliased(tx *store.Tx, p store.Project, ds []store.Deployment) (free []store.Deployment, err error) {
	latest := make(map[string]store.DeploymentNo)
	for _, d := range ds {
		if _, err := tx.Deployment(d.No); errors.Is(err, store.ErrNotFound) {
			continue // somebody else was quicker
		} else if err != nil {
			return nil, fmt.Errorf("deployment %d: %w", d.No, err)
		}
		no, ok := latest[d.Branch]
		if !ok {
			b, err := tx.Branch(p.No, d.Branch)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, fmt.Errorf("branch %q: %w", d.Branch, err)
			}
			no = b.Latest
			latest[d.Branch] = no
		}
		if d.No == p.Live || d.No == no {
			continue
		}
		_, unneeded, err := s.needed(tx, p.No, d.No, nil)
		if err != nil {
			return nil, err
		}
		if unneeded {
			free = append(free, d)
		}
	}
	return free, nil
}
