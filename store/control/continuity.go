package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"berth/store"
)

// Asset continuity: a page in an open tab goes on loading the scripts and styles of the deployment that it came from,
// after its host has moved on.
//
// What a host has moved on from belongs to the moving target that it follows: production of a project, or a branch. Its
// record (store.Target) has the deployments that it served, and names an index of their files that the one it serves now
// does not have (package kept). Every move writes that record in its own batch, see move. A deployment that is deleted
// leaves every record in the batch of its deletion.

// maxPast bounds the deployments that a target remembers. Whoever deploys more often than that within the time for which
// files are kept has the oldest end early.
const maxPast = 256

// production is the branch name of the target that is production.
const production = ""

// targetLocks has a lock for each project that is moving a target: an index is made from what the target serves, which
// must not change until it is committed. It is ordered before upkeep's and the store's, and is held for no client's body.
// Its zero value works.
type targetLocks struct {
	mu   sync.Mutex // guards what follows
	held map[store.ProjectNo]*targetLock
}

type targetLock struct {
	semaphore
	users int // that hold it or wait for it
}

// acquire waits for the project's lock until ctx is done.
func (l *targetLocks) acquire(ctx context.Context, p store.ProjectNo) (release func(), err error) {
	l.mu.Lock()
	lock := l.held[p]
	if lock == nil {
		if l.held == nil {
			l.held = make(map[store.ProjectNo]*targetLock)
		}
		lock = new(targetLock)
		l.held[p] = lock
	}
	lock.users++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if lock.users--; lock.users == 0 {
			delete(l.held, p)
		}
	}
	unlock, err := lock.acquire(ctx)
	if err != nil {
		leave()
		return nil, err
	}
	return func() { unlock(); leave() }, nil
}

// serves is what a target serves now; 0: nothing.
func serves(rd *store.Reader, p store.Project, branch string) (store.DeploymentNo, error) {
	if branch == production {
		return p.Live, nil
	}
	b, err := rd.Branch(p.No, branch)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, fmt.Errorf("branch %q: %w", branch, err)
	}
	return b.Latest, nil
}

// targetOf is a target's record, an empty one if it has not moved yet.
func targetOf(rd *store.Reader, p store.ProjectNo, branch string) (store.Target, error) {
	t, err := rd.Target(p, branch)
	if errors.Is(err, store.ErrNotFound) {
		return store.Target{Project: p, Branch: branch}, nil
	}
	if err != nil {
		return t, fmt.Errorf("what %s served: %w", targetName(branch), err)
	}
	return t, nil
}

func targetName(branch string) string {
	if branch == production {
		return "production"
	}
	return fmt.Sprintf("branch %q", clip(branch))
}

// writeTarget writes a target's record, if it says anything.
func writeTarget(tx *store.Tx, t store.Target) (err error) {
	if len(t.Past) == 0 {
		err = tx.DeleteTarget(t.Project, t.Branch)
	} else {
		err = tx.PutTarget(t)
	}
	if err != nil {
		return fmt.Errorf("write what %s served: %w", targetName(t.Branch), err)
	}
	return nil
}

// putTarget is writeTarget for one that goes on serving what it serves: caches forget what they have of it.
func putTarget(tx *store.Tx, p store.Project, t store.Target) error {
	if err := writeTarget(tx, t); err != nil {
		return err
	}
	no, err := serves(&tx.Reader, p, t.Branch)
	if err != nil || no == 0 {
		return err
	}
	return tx.TouchDeployment(no)
}

// forget takes deployments that are deleted in this Update out of what targets served. Besides production only its own
// branch can have served one.
func forget(tx *store.Tx, p store.Project, ds ...store.Deployment) error {
	branches := []string{production}
	gone := make(map[store.DeploymentNo]bool, len(ds))
	for _, d := range ds {
		gone[d.No] = true
		branches = append(branches, d.Branch)
	}
	slices.Sort(branches)
	for _, branch := range slices.Compact(branches) {
		t, err := targetOf(&tx.Reader, p.No, branch)
		if err != nil {
			return err
		}
		n := len(t.Past)
		t.Past = slices.DeleteFunc(t.Past, func(past store.Past) bool { return gone[past.Deployment] })
		if len(t.Past) == n {
			continue
		}
		if err := putTarget(tx, p, t); err != nil {
			return err
		}
	}
	return nil
}

// endKept ends what the project's targets keep and, by its settings of now, should not.
func (s *Service) endKept(tx *store.Tx, p store.Project) error {
	var ended []store.Target
	for t, err := range tx.Targets(p.No) {
		if err != nil {
			return fmt.Errorf("list what hosts of %s served: %w", p.Name, err)
		}
		if t.Kept == (store.FileRef{}) {
			continue
		}
		no, err := serves(&tx.Reader, p, t.Branch)
		if err != nil {
			return err
		}
		d, err := tx.Deployment(no)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("deployment %d: %w", no, err)
		}
		if s.siteOf(p, d).KeepAssets <= 0 {
			t.Kept, t.KeptFiles = store.FileRef{}, 0
			ended = append(ended, t)
		}
	}
	for _, t := range ended {
		if err := putTarget(tx, p, t); err != nil {
			return err
		}
	}
	return nil
}

// pastAge is for how long anybody wants to know what a target served.
func (s *Service) pastAge() time.Duration { return max(s.opts.KeepAssets, s.opts.SkewMaxAge, 0) }

// expire is what is left of a target at a time, and whether that is less.
func (s *Service) expire(t store.Target, now time.Time) (left store.Target, less bool) {
	oldest := now.Add(-s.pastAge())
	left = t
	left.Past = slices.DeleteFunc(slices.Clone(t.Past), func(past store.Past) bool { return !past.Left.After(oldest) })
	if s.opts.KeepAssets <= 0 || len(left.Past) == 0 {
		left.Kept, left.KeptFiles = store.FileRef{}, 0
	}
	return left, len(left.Past) < len(t.Past) || left.Kept != t.Kept
}

// expireTargets forgets what is over in projects that do not move any more, so that a sweep can have the indexes. It is
// for the server alone: who opens its directory offline need not know its settings.
func (s *Service) expireTargets(ctx context.Context) {
	now := s.now()
	over := func(t store.Target) (bool, error) {
		_, less := s.expire(t, now)
		return less, nil
	}
	drop := func(tx *store.Tx, t store.Target) error {
		t, err := targetOf(&tx.Reader, t.Project, t.Branch)
		if err != nil {
			return err
		}
		left, less := s.expire(t, now)
		if !less {
			return nil
		}
		p, err := tx.Project(t.Project)
		if errors.Is(err, store.ErrNotFound) {
			return tx.DeleteTarget(t.Project, t.Branch)
		}
		if err != nil {
			return err
		}
		return putTarget(tx, p, left)
	}
	err := inChunks(ctx, s.deps.Store, s.deps.Store.AllTargets(), over, drop)
	if err != nil && ctx.Err() == nil {
		s.deps.Log.Error("files of earlier deployments not expired", slog.Any("error", err))
	}
}
