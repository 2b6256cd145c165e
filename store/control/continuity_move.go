package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"berth/assets/manifest"
	"berth/assets/rules"
	"berth/assets/sitefile"
	"berth/store"
)

// move is one deployment on its way to the targets that are to serve it: what becomes of their records.
//
// It is planned from a view of the store before the Update that makes the move, because comparing listings and storing an
// index takes too long to have everybody wait for it, and applied inside, where the plan is checked against what is so
// then. The project's lock keeps two moves from being planned on each other's past; what else changes a target, a
// deletion or a setting, has the move planned again.
type move struct {
	svc      *Service
	hold     *reservation
	project  store.Project
	to       store.Deployment   // No is 0 while it is not committed
	listing  *manifest.Manifest // of to; nil: read it
	gone     store.DeploymentNo // a deployment that this Update deletes; 0: none
	branches func(store.Project) []string

	redirects *rules.Redirects // of to
	loaded    bool

	now     time.Time
	keep    time.Duration
	plans   []targetPlan
	victims []store.Target // of other branches: their indexes give way to the new ones
	dropped int            // files that are given up for the project's bound
	broken  bool           // some index could not be made
	unpin   []func()
}

// targetPlan is what becomes of one target.
type targetPlan struct {
	branch string
	before store.Target
	from   store.DeploymentNo // what it serves; 0: nothing
	stays  bool               // it serves the deployment already
	after  store.Target
}

const moveTries = 5

// moveTargets plans m and calls commit, which is to apply it in an Update, until the plan still holds there.
func (s *Service) moveTargets(ctx context.Context, m *move, commit func() error) error {
	release, err := s.targets.acquire(ctx, m.project.No)
	if err != nil {
		return err
	}
	defer release()
	for range moveTries {
		if err := m.try(ctx, commit); !errors.Is(err, errMoved) {
			return err
		}
	}
	return refuse(http.StatusConflict, codeConflict, "what project %q serves is being changed by others; try again", m.project.Name)
}

func (m *move) try(ctx context.Context, commit func() error) error {
	defer func() {
		for _, unpin := range m.unpin {
			unpin()
		}
		m.unpin = nil
	}()
	if err := m.plan(ctx); err != nil {
		return err
	}
	return commit()
}

// plan reads what the targets serve and makes their new records and indexes.
func (m *move) plan(ctx context.Context) error {
	snap := m.svc.deps.Store.Snapshot()
	defer snap.Close()
	p, err := snap.Project(m.project.No)
	if errors.Is(err, store.ErrNotFound) {
		p, err = m.project, nil // the Update will find out
	}
	if err != nil {
		return fmt.Errorf("project %s: %w", m.project.Name, err)
	}
	m.now, m.keep = m.svc.now(), m.svc.siteOf(p, m.to).KeepAssets
	m.plans, m.victims, m.dropped, m.broken = nil, nil, 0, false
	for _, branch := range m.branches(p) {
		before, err := targetOf(&snap.Reader, p.No, branch)
		if err != nil {
			return err
		}
		from, err := serves(&snap.Reader, p, branch)
		if err != nil {
			return err
		}
		plan := targetPlan{branch: branch, before: before, from: from, stays: from != 0 && from == m.to.No, after: before}
		if !plan.stays {
			plan.after = m.after(before, from)
		}
		m.plans = append(m.plans, plan)
	}
	return m.indexes(ctx, &snap.Reader)
}

// after is a target's record without its index.
func (m *move) after(before store.Target, from store.DeploymentNo) store.Target {
	after := store.Target{Project: before.Project, Branch: before.Branch}
	if from != 0 && from != m.gone {
		after.Past = append(after.Past, store.Past{Deployment: from, Left: m.now})
	}
	for _, past := range before.Past {
		if no := past.Deployment; no != from && no != m.to.No && len(after.Past) < maxPast {
			after.Past = append(after.Past, past)
		}
	}
	after, _ = m.svc.expire(after, m.now)
	return after
}

// apply writes what was planned, before the Update changes what any target serves. d is the deployment as it is committed,
// p the project before. errMoved: the plan does not fit any more.
func (m *move) apply(tx *store.Tx, p store.Project, d store.Deployment) error {
	planned := func(plan targetPlan, branch string) bool { return plan.branch == branch }
	if m.svc.siteOf(p, d).KeepAssets != m.keep || !slices.EqualFunc(m.plans, m.branches(p), planned) {
		return errMoved
	}
	for _, plan := range m.plans {
		if err := plan.check(tx, p); err != nil {
			return err
		}
	}
	for _, t := range m.victims {
		if err := unchanged(tx, t); err != nil {
			return err
		}
		t.Kept, t.KeptFiles = store.FileRef{}, 0
		if err := putTarget(tx, p, t); err != nil {
			return err
		}
	}
	for _, plan := range m.plans {
		if plan.stays {
			continue
		}
		if err := writeTarget(tx, plan.after); err != nil {
			return err
		}
	}
	return tx.TouchDeployment(d.No)
}

func (plan *targetPlan) check(tx *store.Tx, p store.Project) error {
	from, err := serves(&tx.Reader, p, plan.branch)
	if err != nil {
		return err
	}
	if from != plan.from {
		return errMoved
	}
	return unchanged(tx, plan.before)
}

// unchanged says errMoved if a target's record is another one by now.
func unchanged(tx *store.Tx, before store.Target) error {
	now, err := targetOf(&tx.Reader, before.Project, before.Branch)
	if err != nil {
		return err
	}
	same := func(a, b store.Past) bool { return a.Deployment == b.Deployment && a.Left.Equal(b.Left) }
	if now.Kept != before.Kept || now.KeptFiles != before.KeptFiles || !slices.EqualFunc(now.Past, before.Past, same) {
		return errMoved
	}
	return nil
}

// notes is what the deployment's log says of it.
func (m *move) notes() []string {
	files := 0
	for _, plan := range m.plans {
		files = max(files, int(plan.after.KeptFiles))
	}
	var lines []string
	if files > 0 {
		lines = append(lines, fmt.Sprintf("%s of earlier deployments, which this one does not have, will still be answered for up to %s.",
			count(files, "file"), sitefile.FormatKeep(m.keep)))
	}
	if m.dropped > 0 {
		lines = append(lines, fmt.Sprintf("%s of earlier deployments will no longer be answered: a project keeps %d at most, the newest.",
			count(m.dropped, "file"), m.svc.opts.MaxKeptFiles))
	}
	if m.broken {
		lines = append(lines, "Files of earlier deployments will not be answered: the server could not make their index; its log says why.")
	}
	return lines
}
