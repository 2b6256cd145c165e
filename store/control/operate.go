package control

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"berth/store"
)

// resumeEvery is how often deletions are looked for that a caller's hang-up or an error left half done.
const resumeEvery = 5 * time.Minute

const maxShownProblems = 1000

// operatorEndpoints is what the server's operator may ask for.
func (s *Service) operatorEndpoints() []endpoint {
	return []endpoint{
		{"POST /berth/sweep", needServer, s.sweepNow},
		{"POST /berth/fsck", needServer, s.fsckNow},
	}
}

// MinSweepGrace is the least grace that a sweep by request takes without force=true. It must be more than blob.TouchSlack
// and the time that a large site takes from its first upload to its deployment: whatever was uploaded longer ago than the
// grace, and is not yet named by a deployment, is swept.
const MinSweepGrace = 15 * time.Minute

// sweepNow sweeps with ?grace=24h&dry_run=true&force=true.
func (s *Service) sweepNow(c *call) (any, error) {
	o := SweepOptions{Grace: s.opts.SweepGrace}
	q := c.r.URL.Query()
	if text := q.Get("grace"); text != "" {
		d, err := parseAge(text)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, codeBadRequest, "grace=%q: want a time such as 12h or 1d", clip(text))
		}
		o.Grace = d
	}
	var err error
	if o.DryRun, err = boolOf(c.r, "dry_run"); err != nil {
		return nil, err
	}
	force, err := boolOf(c.r, "force")
	if err != nil {
		return nil, err
	}
	if o.Grace < MinSweepGrace && !o.DryRun && !force {
		return nil, refuse(http.StatusBadRequest, codeBadRequest, "a grace of %v would take uploads that are on their way to a deployment: want %v or more. "+
			"With force=true any is taken, and a deployment that is being made may be refused and have to be made again", o.Grace, MinSweepGrace)
	}
	return s.Sweep(c.ctx, o)
}

type fsckObject struct {
	FsckReport
	List      []Problem `json:"list"` // the first thousand
	Truncated bool      `json:"truncated"`
}

// fsckNow checks with ?content=false to leave blobs unread. Problems are its result, not its failure.
func (s *Service) fsckNow(c *call) (any, error) {
	content := true
	if c.r.URL.Query().Get("content") != "" {
		var err error
		if content, err = boolOf(c.r, "content"); err != nil {
			return nil, err
		}
	}
	o := fsckObject{List: []Problem{}}
	sum, err := s.Fsck(c.ctx, FsckOptions{SkipContent: !content}, func(p Problem) {
		if len(o.List) < maxShownProblems {
			o.List = append(o.List, p)
		}
	})
	if err != nil {
		return nil, err
	}
	o.FsckReport, o.Truncated = sum, sum.Problems > len(o.List)
	return o, nil
}

// boolOf reads a query parameter that is false when absent.
func boolOf(r *http.Request, name string) (bool, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, refuse(http.StatusBadRequest, codeBadRequest, "%s=%q: want true or false", name, clip(text))
	}
	return b, nil
}

// runMaintenance does the background work until ctx is done: it goes on with deletions, first of all those that a kill
// cut short, and sweeps.
func (s *Service) runMaintenance(ctx context.Context) error {
	s.resumeDeletions(ctx)
	s.expireTargets(ctx)
	resume := time.NewTicker(resumeEvery)
	defer resume.Stop()
	var sweep <-chan time.Time // nil: never
	if s.opts.SweepEvery > 0 {
		t := time.NewTicker(s.opts.SweepEvery)
		defer t.Stop()
		sweep = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-resume.C:
			s.resumeDeletions(ctx)
		case <-sweep:
			s.expireTargets(ctx)
			s.sweepQuietly(ctx)
		}
	}
}

func (s *Service) sweepQuietly(ctx context.Context) {
	r, err := s.Sweep(ctx, SweepOptions{Grace: s.opts.SweepGrace})
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.deps.Log.Error("sweep failed", slog.Any("error", err))
	case r.Removed+r.Claims+r.Proofs > 0:
		s.deps.Log.Info("swept", slog.Int("blobs", r.Removed), slog.Int64("bytes", r.RemovedBytes), slog.Int("claims", r.Claims), slog.Int("proofs", r.Proofs))
	}
}

// resumeDeletions finishes what is marked as being deleted. One that fails does not stop the others.
func (s *Service) resumeDeletions(ctx context.Context) {
	var left []store.Project
	var faults error
	for p, err := range s.deps.Store.Projects() {
		switch {
		case err != nil:
			faults = errors.Join(faults, err)
		case p.State == store.ProjectDeleting:
			left = append(left, p)
		}
	}
	for _, p := range left {
		if err := s.deleteProject(ctx, p); err != nil {
			faults = errors.Join(faults, err)
		}
	}
	if faults != nil && ctx.Err() == nil {
		s.deps.Log.Error("deletion of projects not finished", slog.Any("error", faults))
	}
}
