package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"berth/store"
)

// deletedObject is what is left to say of a deployment.
type deletedObject struct {
	ID string `json:"id"`
}

// dropDeployment deletes one deployment. ?force=true deletes it although a branch's aliases point to it.
func (s *Service) dropDeployment(c *call) (any, error) {
	force, err := boolOf(c.r, "force")
	if err != nil {
		return nil, err
	}
	d, err := s.deploymentOf(c)
	if err != nil {
		return nil, err
	}
	if err := s.deleteDeployment(c.ctx, c.project, d, force); err != nil {
		return nil, err
	}
	return deletedObject{ID: d.UUID.String()}, nil
}

// errMoved says that what a deletion found out before its Update was not true any more inside it.
var errMoved = errors.New("control: the branch changed meanwhile")

const deleteTries = 5

// deleteDeployment finds the deployment that its branch would fall back to outside of the Update, where a walk through a
// long project holds nobody up. Numbers only grow, so nothing newer can come below d meanwhile; what was found can only go.
func (s *Service) deleteDeployment(ctx context.Context, p store.Project, d store.Deployment, force bool) error {
	release, err := s.targets.acquire(ctx, p.No)
	if err != nil {
		return err
	}
	defer release()
	hold := s.upkeep.reserve()
	defer hold.release()
	for range deleteTries {
		back, err := s.fallBack(p, d, force)
		if err != nil {
			return err
		}
		commit := func() error {
			_, err := s.deps.Store.UpdateFreeing(ctx, func(tx *store.Tx) error { return s.unpublish(ctx, tx, p, d, force, back) })
			return err
		}
		if back.move == nil {
			err = commit()
		} else {
			back.move.hold = hold
			err = back.move.try(ctx, commit)
		}
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return refuse(http.StatusConflict, codeConflict, "branch %q is being changed by others; try again", clip(d.Branch))
}

// fallBack is where a branch goes when its newest deployment is deleted. The zero value is "not found out".
type fallBack struct {
	known bool
	move  *move // nil: nothing is left of the branch
}

// fallBack finds the newest deployment of d's branch that is older than d, if d is its branch's newest.
func (s *Service) fallBack(p store.Project, d store.Deployment, force bool) (fallBack, error) {
	if !force {
		return fallBack{}, nil
	}
	b, err := s.deps.Store.Branch(p.No, d.Branch)
	if errors.Is(err, store.ErrNotFound) || err == nil && b.Latest != d.No {
		return fallBack{}, nil
	}
	if err != nil {
		return fallBack{}, fmt.Errorf("branch %q: %w", d.Branch, err)
	}
	for old, err := range s.deps.Store.DeploymentsOf(p.No, d.No) {
		if err != nil {
			return fallBack{}, fmt.Errorf("list deployments of %s: %w", p.Name, err)
		}
		if old.Branch == d.Branch && old.Status == store.StatusSuccess {
			branches := func(store.Project) []string { return []string{d.Branch} }
			return fallBack{known: true, move: &move{svc: s, project: p, to: old, gone: d.No, branches: branches}}, nil
		}
	}
	return fallBack{known: true}, nil
}

// unpublish deletes d in one batch with everything that points to it.
func (s *Service) unpublish(ctx context.Context, tx *store.Tx, p store.Project, d store.Deployment, force bool, back fallBack) error {
	p, err := sameProject(tx, p)
	if err != nil {
		return err
	}
	if _, err := tx.Deployment(d.No); errors.Is(err, store.ErrNotFound) {
		return noDeployment(d.UUID.String(), p)
	} else if err != nil {
		return fmt.Errorf("deployment %d: %w", d.No, err)
	}
	if p.Live == d.No {
		return refuse(http.StatusConflict, codeConflict, "deployment %s is live: %s serves it. Roll back to or promote another one first",
			shortID(d.UUID), s.hostURL(s.productionHost(p)))
	}
	rs, err := s.leaveBranch(tx, p, d, force, back)
	if err != nil {
		return err
	}
	if err := s.refuseNeeded(tx, p, d, force, rs); err != nil {
		return err
	}
	if err := s.removeDeployments(ctx, tx, p, d); err != nil {
		return err
	}
	if err := errors.Join(forget(tx, p, d), s.fixLatest(tx, p, d.No)); err != nil {
		return err
	}
	return s.applyRoutes(ctx, tx, p.No, rs)
}

// leaveBranch moves the branch that d is the newest of.
func (s *Service) leaveBranch(tx *store.Tx, p store.Project, d store.Deployment, force bool, back fallBack) ([]RouteChange, error) {
	b, err := tx.Branch(p.No, d.Branch)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && b.Latest != d.No:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("branch %q: %w", d.Branch, err)
	case !force:
		return nil, refuse(http.StatusConflict, codeConflict, "deployment %s is the newest of branch %q, whose aliases point to it. "+
			"With force=true it is deleted and they move to the one before, if there is one", shortID(d.UUID), clip(d.Branch))
	case !back.known:
		return nil, errMoved
	case back.move == nil:
		return s.dropBranch(tx, p, b)
	}
	to := back.move.to
	if _, err := tx.Deployment(to.No); errors.Is(err, store.ErrNotFound) {
		return nil, errMoved
	} else if err != nil {
		return nil, fmt.Errorf("deployment %d: %w", to.No, err)
	}
	if err := back.move.apply(tx, p, to); err != nil {
		return nil, err
	}
	rs, _, err := s.moveBranch(tx, p, b.Name, to.No)
	return rs, err
}

// fixLatest finds the project's newest deployment again if it was the one that is gone.
func (s *Service) fixLatest(tx *store.Tx, p store.Project, gone store.DeploymentNo) error {
	if p.Latest != gone {
		return nil
	}
	p.Latest = 0
	for d, err := range tx.DeploymentsOf(p.No, 0) {
		if err != nil {
			return fmt.Errorf("list deployments of %s: %w", p.Name, err)
		}
		p.Latest = d.No
		break
	}
	return tx.PutProject(p)
}
