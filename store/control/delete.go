package control

import (
	"context"
	"errors"
	"fmt"

	"berth/store"
)

// deleteAtOnce is how much goes in the first batch: a project with no more deployments and branches is gone in one.
const deleteAtOnce = 1000

// deleteProject deletes a project with everything it owns, in batches that each leave the store consistent.
//
// The first one takes the project out of service: it marks it, frees the production host, gives its custom domains back
// to the world, and takes as many aliases and deployments as fit. What is left is deleted a chunk at a time, the record
// and with it the name last. A kill in between leaves a marked project that maintenance goes on with. To delete a project
// twice at once is harmless. What was uploaded to it goes with the next sweep.
func (s *Service) deleteProject(ctx context.Context, p store.Project) error {
	return s.deleteInSteps(ctx, p, deleteAtOnce, deleteChunk)
}

func (s *Service) deleteInSteps(ctx context.Context, p store.Project, first, chunk int) error {
	var at deletion
	for budget, done := first, false; !done; budget = chunk {
		_, err := s.deps.Store.UpdateFreeing(ctx, func(tx *store.Tx) (err error) {
			done, err = s.deleteSome(ctx, tx, p.No, budget, &at)
			return err
		})
		if err != nil {
			return fmt.Errorf("delete project %s: %w", p.Name, err)
		}
	}
	return nil
}

// deletion is how far the deletion of a project has come. What was deleted stays in the database's tables for a while, and who began at
// the first again for every step would walk over all of it each time.
type deletion struct {
	branch     string             // none before it is left
	deployment store.DeploymentNo // none newer than it is left, nor itself; 0: not begun
}

// deleteSome deletes up to budget branches and, when no branch is left, as many deployments. It reports whether the project
// is gone.
func (s *Service) deleteSome(ctx context.Context, tx *store.Tx, no store.ProjectNo, budget int, at *deletion) (done bool, err error) {
	p, err := tx.Project(no)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if err := importedKnown(tx); err != nil {
		return false, err
	}
	rs, err := s.retire(tx, &p)
	if err != nil {
		return false, err
	}
	branches, more, err := firstBranches(tx, no, budget, at.branch)
	if err != nil {
		return false, err
	}
	for _, b := range branches {
		gone, err := s.dropBranch(tx, p, b)
		if err != nil {
			return false, err
		}
		rs, at.branch = append(rs, gone...), b.Name
	}
	if !more {
		if more, err = s.deleteDeploymentsOf(ctx, tx, p, budget, &at.deployment); err != nil {
			return false, err
		}
	}
	if err := s.applyRoutes(ctx, tx, no, rs); err != nil {
		return false, err
	}
	if more {
		return false, nil
	}
	return true, tx.DeleteProject(no)
}

// retire takes an active project out of service. Domains go with their claims on the host, so that another project can
// have them at once.
func (s *Service) retire(tx *store.Tx, p *store.Project) ([]RouteChange, error) {
	if p.State == store.ProjectDeleting {
		return nil, nil
	}
	p.State, p.Live, p.Latest = store.ProjectDeleting, 0, 0
	if err := tx.DeleteTarget(p.No, production); err != nil {
		return nil, fmt.Errorf("forget what production served: %w", err)
	}
	var domains []store.Domain
	for d, err := range tx.Domains(p.No) {
		if err != nil {
			return nil, fmt.Errorf("list domains: %w", err)
		}
		domains = append(domains, d)
	}
	rs := []RouteChange{hostRoute(s.productionHost(*p), store.ClassProduction, p.No, 0)}
	for _, d := range domains {
		if d.Status == store.DomainActive {
			h, wildcard := splitWildcard(d.Host)
			rs = append(rs, RouteChange{Host: h, Wildcard: wildcard})
			if err := tx.ReleaseHost(d.Host); err != nil {
				return nil, fmt.Errorf("release %s: %w", d.Host, err)
			}
		}
		if err := tx.DeleteDomain(p.No, d.Host); err != nil {
			return nil, fmt.Errorf("delete domain %s: %w", d.Host, err)
		}
	}
	return rs, tx.PutProject(*p)
}

// firstBranches are those whose name is not before the given one.
func firstBranches(tx *store.Tx, no store.ProjectNo, n int, name string) (bs []store.Branch, more bool, err error) {
	for b, err := range tx.BranchesFrom(no, name) {
		if err != nil {
			return nil, false, fmt.Errorf("list branches: %w", err)
		}
		if len(bs) == n {
			return bs, true, nil
		}
		bs = append(bs, b)
	}
	return bs, false, nil
}

// deleteDeploymentsOf deletes deployments, at least one and up to n of them with their imported hosts counted, from after on; it does
// nothing about branches, so those must be gone.
func (s *Service) deleteDeploymentsOf(ctx context.Context, tx *store.Tx, p store.Project, n int, after *store.DeploymentNo) (more bool, err error) {
	var ds []store.Deployment
	for d, err := range tx.DeploymentsOf(p.No, *after) {
		if err != nil {
			return false, fmt.Errorf("list deployments: %w", err)
		}
		if n <= 0 {
			more = true
			break
		}
		n--
		for _, err := range tx.ImportedHosts(d.No) {
			if err != nil {
				return false, fmt.Errorf("imported hosts of deployment %s: %w", d.UUID.String(), err)
			}
			n--
		}
		ds = append(ds, d)
	}
	if len(ds) > 0 {
		*after = ds[len(ds)-1].No
	}
	return more, s.removeDeployments(ctx, tx, p, ds...)
}
