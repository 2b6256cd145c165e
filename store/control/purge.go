package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"berth/assets/kept"
	"berth/assets/manifest"
	"berth/store"
)

const (
	maxPurgePaths  = 1000
	maxPurgedShown = 1000 // paths of one target that an answer lists
)

// purgeInput says what is not to be answered any more of what hosts have moved on from. Nothing said is everything.
type purgeInput struct {
	Production bool     `json:"production"` // of production and of branch alone; neither: of every target
	Branch     string   `json:"branch"`
	Deployment string   `json:"deployment"` // what that one left behind
	Paths      []string `json:"paths"`      // those files alone
}

// purgeObject is what was ended.
type purgeObject struct {
	Files   int            `json:"files"`
	Targets []purgedObject `json:"targets"`
}

type purgedObject struct {
	Branch      *string  `json:"branch"` // null: production
	Files       int      `json:"files"`
	Paths       []string `json:"paths"`       // of them, the first thousand
	Deployments []string `json:"deployments"` // that no page can be pinned to any more
}

// purge is one under way.
type purge struct {
	svc        *Service
	project    store.Project
	hold       *reservation
	production bool
	branch     string
	deployment store.DeploymentNo // 0: any
	paths      []string           // sorted; none: all

	unpin []func()
}

// purgeKept ends at once what hosts of the project still answer of earlier deployments.
func (s *Service) purgeKept(c *call) (any, error) {
	var in purgeInput
	if err := c.readJSON(&in); err != nil {
		return nil, err
	}
	g, err := s.purgeOf(c.project, in)
	if err != nil {
		return nil, err
	}
	done, err := g.run(c.ctx)
	if err != nil {
		return nil, err
	}
	s.deps.Log.Info("files of earlier deployments are not answered any more", slog.String("project", c.project.Name), slog.Int("files", done.Files))
	return done, nil
}

func (s *Service) purgeOf(p store.Project, in purgeInput) (*purge, error) {
	g := &purge{svc: s, project: p, production: in.Production, branch: in.Branch, paths: in.Paths}
	if len(in.Paths) > maxPurgePaths {
		return nil, refuse(http.StatusBadRequest, codeLimit, "%d paths in one purge, more than %d", len(in.Paths), maxPurgePaths)
	}
	for _, path := range in.Paths {
		if err := manifest.CheckPath(path); err != nil {
			return nil, refuse(http.StatusBadRequest, codeBadRequest, "path %q is not one of a file, such as /app.js: %v", clip(path), err)
		}
	}
	slices.Sort(g.paths)
	if in.Branch != "" {
		if _, err := s.deps.Store.Branch(p.No, in.Branch); errors.Is(err, store.ErrNotFound) {
			return nil, refuse(http.StatusNotFound, codeNotFound, "project %q has no branch %q", p.Name, clip(in.Branch))
		} else if err != nil {
			return nil, fmt.Errorf("branch %q: %w", clip(in.Branch), err)
		}
	}
	if in.Deployment == "" {
		return g, nil
	}
	d, err := findDeployment(&s.deps.Store.Reader, p.No, strings.ToLower(in.Deployment))
	if errors.Is(err, store.ErrNotFound) {
		return nil, noDeployment(in.Deployment, p)
	}
	g.deployment = d.No
	return g, err
}

func (g *purge) run(ctx context.Context) (done purgeObject, err error) {
	release, err := g.svc.targets.acquire(ctx, g.project.No)
	if err != nil {
		return done, err
	}
	defer release()
	g.hold = g.svc.upkeep.reserve()
	defer g.hold.release()
	for range moveTries {
		if done, err = g.try(ctx); !errors.Is(err, errMoved) {
			return done, err
		}
	}
	return done, refuse(http.StatusConflict, codeConflict, "what project %q serves is being changed by others; try again", g.project.Name)
}

// try reads and makes indexes before its Update, as a move does.
func (g *purge) try(ctx context.Context) (done purgeObject, err error) {
	defer func() {
		for _, unpin := range g.unpin {
			unpin()
		}
		g.unpin = nil
	}()
	var before, after []store.Target
	done.Targets = []purgedObject{}
	for t, err := range g.svc.deps.Store.Targets(g.project.No) {
		if err != nil {
			return done, fmt.Errorf("list what hosts of %s served: %w", g.project.Name, err)
		}
		if err := ctx.Err(); err != nil {
			return done, err
		}
		if !g.wants(t) {
			continue
		}
		left, ended, err := g.target(t)
		if err != nil {
			return done, fmt.Errorf("what %s served: %w", targetName(t.Branch), err)
		}
		if left.Kept == t.Kept && len(left.Past) == len(t.Past) {
			continue
		}
		before, after = append(before, t), append(after, left)
		done.Files += ended.Files
		done.Targets = append(done.Targets, ended)
	}
	if len(after) == 0 {
		return done, nil
	}
	_, err = g.svc.deps.Store.UpdateFreeing(ctx, func(tx *store.Tx) error { return g.commit(tx, before, after) })
	return done, err
}

func (g *purge) commit(tx *store.Tx, before, after []store.Target) error {
	p, err := sameProject(tx, g.project)
	if err != nil {
		return err
	}
	for i, t := range before {
		if err := unchanged(tx, t); err != nil {
			return err
		}
		if err := putTarget(tx, p, after[i]); err != nil {
			return err
		}
	}
	return nil
}

func (g *purge) wants(t store.Target) bool {
	if !g.production && g.branch == "" {
		return true
	}
	return g.production && t.Branch == production || g.branch != "" && t.Branch == g.branch
}

// target is what is left of t, and what is ended. An index that cannot be read ends as a whole.
func (g *purge) target(t store.Target) (left store.Target, ended purgedObject, err error) {
	left, ended = t, purgedObject{Paths: []string{}, Deployments: []string{}}
	if t.Branch != production {
		ended.Branch = &t.Branch
	}
	if len(g.paths) == 0 {
		left.Past = slices.DeleteFunc(slices.Clone(t.Past), func(past store.Past) bool {
			if gone := g.deployment == 0 || past.Deployment == g.deployment; !gone {
				return false
			}
			if d, err := g.svc.deps.Store.Deployment(past.Deployment); err == nil {
				ended.Deployments = append(ended.Deployments, d.UUID.String())
			}
			return true
		})
	}
	if t.Kept == (store.FileRef{}) {
		return left, ended, nil
	}
	index, err := g.svc.readIndex(t)
	if err != nil {
		g.svc.deps.Log.Error("a damaged index of files of earlier deployments is dropped", slog.String("project", g.project.Name), slog.String("branch", t.Branch), slog.Any("error", err))
		left.Kept, left.KeptFiles, ended.Files = store.FileRef{}, 0, int(t.KeptFiles)
		return left, ended, nil
	}
	return left, ended, g.cut(index, &left, &ended)
}

// readIndex opens the index of a target that has one.
func (s *Service) readIndex(t store.Target) (*kept.Index, error) {
	raw, err := s.readWhole(t.Kept)
	if err != nil {
		return nil, err
	}
	return kept.Open(raw, func(source uint64) bool {
		return slices.ContainsFunc(t.Past, func(past store.Past) bool { return uint64(past.Deployment) == source })
	})
}

// cut takes out of an index what the purge is about.
func (g *purge) cut(index *kept.Index, left *store.Target, ended *purgedObject) error {
	now, cut := g.svc.now().Unix(), 0
	raw, files, err := index.Filter(func(f kept.File) bool {
		if g.deployment != 0 && f.Source != uint64(g.deployment) {
			return true
		}
		if _, listed := slices.BinarySearch(g.paths, f.Path); len(g.paths) > 0 && !listed {
			return true
		}
		if cut++; f.Until > now {
			if ended.Files++; len(ended.Paths) < maxPurgedShown {
				ended.Paths = append(ended.Paths, f.Path)
			}
		}
		return false
	})
	if err != nil || cut == 0 {
		return err
	}
	left.Kept, left.KeptFiles = store.FileRef{}, uint32(files)
	if raw == nil || len(left.Past) == 0 {
		left.KeptFiles = 0
		return nil
	}
	var unpin func()
	if left.Kept, unpin, err = g.svc.storeIndex(g.hold, raw); err != nil {
		return fmt.Errorf("store an index without them: %w", err)
	}
	g.unpin = append(g.unpin, unpin)
	return nil
}
