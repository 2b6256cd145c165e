package control

import (
	"context"

	"berth/store"
)

// goLive makes the deployment visible, and its branch, and production if it is for that, move to it.
func (pub *publication) goLive(ctx context.Context) (done deploymentObject, err error) {
	m := &move{svc: pub.svc, hold: pub.prover.hold, project: pub.project, to: pub.deployment(), listing: pub.listing, branches: pub.targets}
	err = pub.svc.moveTargets(ctx, m, func() error {
		_, err := pub.svc.deps.Store.Update(ctx, func(tx *store.Tx) (err error) {
			done, err = pub.commit(ctx, tx, m)
			return err
		})
		return err
	})
	if err != nil {
		return deploymentObject{}, err
	}
	return done, nil
}

// targets is what is to serve the deployment: its branch, and production if it is of the production branch.
func (pub *publication) targets(p store.Project) []string {
	branch, environment := placeOf(p, pub.form.Branch)
	if environment == store.Production {
		return []string{production, branch}
	}
	return []string{branch}
}
