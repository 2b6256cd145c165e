package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"berth/store"
)

// rollBack and promote are one act under two names: production moves to a deployment that exists, older or of a branch.
func (s *Service) rollBack(c *call) (any, error) { return s.moveProduction(c, "a rollback") }
func (s *Service) promote(c *call) (any, error)  { return s.moveProduction(c, "a promotion") }

func (s *Service) moveProduction(c *call, cause string) (any, error) {
	target, err := s.deploymentOf(c)
	if err != nil {
		return nil, err
	}
	hold := s.upkeep.reserve()
	defer hold.release()
	m := &move{svc: s, hold: hold, project: c.project, to: target, branches: func(store.Project) []string { return []string{production} }}
	var done deploymentObject
	err = s.moveTargets(c.ctx, m, func() error {
		_, err := s.deps.Store.Update(c.ctx, func(tx *store.Tx) (err error) {
			done, err = s.setLive(c.ctx, tx, m, cause)
			return err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

// setLive makes production, and the domains that follow it, serve what m moves to. To do it twice is to do it once.
func (s *Service) setLive(ctx context.Context, tx *store.Tx, m *move, cause string) (deploymentObject, error) {
	no, none := m.to.No, deploymentObject{}
	p, err := sameProject(tx, m.project)
	if err != nil {
		return none, err
	}
	d, err := tx.Deployment(no)
	if errors.Is(err, store.ErrNotFound) {
		return none, refuse(http.StatusConflict, codeConflict, "the deployment was deleted in the meantime")
	}
	if err != nil {
		return none, fmt.Errorf("deployment %d: %w", no, err)
	}
	if d.Status != store.StatusSuccess {
		return none, refuse(http.StatusConflict, codeConflict, "deployment %s failed; production can only move to one that succeeded", shortID(d.UUID))
	}
	if p.Live == no {
		if err := s.takeBack(ctx, tx, p); err != nil {
			return none, fmt.Errorf("move production of %s: %w", p.Name, err)
		}
		return s.describeDeployment(&tx.Reader, p, d)
	}
	if err := m.apply(tx, p, d); err != nil {
		return none, err
	}
	line := fmt.Sprintf("%s now serves this deployment, after %s.", s.hostURL(s.productionHost(p)), cause)
	p.Live = no
	rs, err := s.productionRoutes(tx, p)
	if err != nil {
		return none, err
	}
	if err := errors.Join(tx.PutProject(p), s.appendLog(tx, no, append([]string{line}, m.notes()...)...)); err != nil {
		return none, fmt.Errorf("move production of %s: %w", p.Name, err)
	}
	if err := s.applyRoutes(ctx, tx, p.No, rs); err != nil {
		return none, fmt.Errorf("move production of %s: %w", p.Name, err)
	}
	return s.describeDeployment(&tx.Reader, p, d)
}

const maxLogLines = 1000 // of one deployment: production can be moved to and fro for ever

func (s *Service) appendLog(tx *store.Tx, no store.DeploymentNo, lines ...string) error {
	old, err := tx.DeploymentLog(no)
	if err != nil || len(old) >= maxLogLines {
		return err
	}
	return tx.AppendLog(no, logLines(s.now(), lines...))
}
