package edge

import (
	"context"
	"errors"
	"time"

	"berth/assets"
	"berth/assets/catalog"
	"berth/store"
)

// planner is the part of an *assets.Site that a request needs.
type planner interface {
	Plan(dst *assets.Plan, req *assets.Request)
}

// deployment is what answers a request.
type deployment struct {
	planner  planner
	no       store.DeploymentNo
	project  store.ProjectNo
	uuid     store.UUID
	settings store.SiteSettings // its own
	content  catalog.Content    // zero: its answers are not prepared
	part     *assets.Site       // planner, if its plans count only while it has no Err; nil: it is whole
	// functions says which requests its code answers; nil: it has none.
	functions *catalog.Functions
}

// sites lets tests stand in planners of their own.
type sites interface {
	deployment(ctx context.Context, no store.DeploymentNo) (deployment, error)
	settings(ctx context.Context, no store.ProjectNo) (*store.SiteSettings, error)
	target(ctx context.Context, no store.DeploymentNo, production bool) (*catalog.Target, error)
}

type compiledSites struct{ Sites }

func (c compiledSites) deployment(ctx context.Context, no store.DeploymentNo) (deployment, error) {
	d, err := c.Deployment(ctx, no)
	if err != nil {
		return deployment{}, err
	}
	found := deployment{planner: d.Site, no: d.No, project: d.Project, functions: d.Functions, uuid: d.UUID, settings: d.Settings, content: d.Content}
	if d.Part {
		found.part = d.Site
	}
	return found, nil
}

func (c compiledSites) settings(ctx context.Context, no store.ProjectNo) (*store.SiteSettings, error) {
	return c.Settings(ctx, no)
}

func (c compiledSites) target(ctx context.Context, no store.DeploymentNo, production bool) (*catalog.Target, error) {
	return c.Target(ctx, no, production)
}

// A host may move between the look-up of its route and that of what it served before; the two then do not belong together,
// and a file, or a pin, may seem to be of none of its deployments. So the route is looked up again. A commit can be read a
// moment before the caches know of it, a long one if the machine is busy: hence the pauses, each twice as long.
const (
	maxFollows  = 7 // 63 ms of pauses
	followPause = time.Millisecond
)

// plan makes the plan for a request whose route has been found.
func (s *Server) plan(x *exchange) answer {
	for try := 0; ; try++ {
		x.movedOn = false
		if a := s.planOnce(x); a.status != 0 || !x.movedOn || try == maxFollows {
			return a
		}
		if try > 0 {
			time.Sleep(followPause << (try - 1))
		}
		if a := s.find(x); a.status != 0 {
			return a
		}
	}
}

func (s *Server) planOnce(x *exchange) answer {
	x.skew, x.pinned, x.code, x.req.Kept, x.text = skew{}, false, false, nil, x.text[:0]
	project, err := s.sites.settings(s.base, x.route.Project)
	if err != nil {
		return s.fault(x, unavailable(), "settings cannot be had", err)
	}
	settings := catalog.Effective(x.serving.settings, *project)
	if x.route.Class != store.ClassDeployment && settings.Skew == store.On {
		s.choose(x)
		if x.serving.no != x.route.Deployment {
			x.pinned = true
			settings = catalog.Effective(x.serving.settings, *project)
		}
	}
	if x.code = s.selects(x); x.code {
		return answer{}
	}
	if a := s.planFiles(x, settings); a.status != 0 {
		return a
	}
	if x.skew.on {
		s.finishSkew(x)
	}
	return answer{}
}

// planFiles asks the site, and where it has no file, what the host served before.
func (s *Server) planFiles(x *exchange, settings store.SiteSettings) answer {
	x.req.NoIndex = x.route.Flags&store.FlagNoIndex != 0
	x.req.NoCORS = settings.CORS == store.Off
	x.serving.planner.Plan(&x.plan, &x.req)
	moves := x.route.Class != store.ClassDeployment
	if keep := catalog.Keep(s.opts.KeepAssets, settings.KeepAssets); x.plan.Missing && moves && keep >= 0 {
		s.planKept(x, keep)
	}
	if x.serving.part != nil {
		if err := x.serving.part.Err(); err != nil {
			return s.fault(x, unavailable(), "site cannot be read", err)
		}
	}
	return answer{}
}

// planKept plans again, with the files that the host served before. A pinned deployment may lack one of them as well: that of
// a tab that was opened before the one which moved the pin.
func (s *Server) planKept(x *exchange, keep time.Duration) {
	t := s.target(x)
	if t == nil || t.Kept.Len() == 0 {
		return
	}
	now := s.now()
	x.req.Kept, x.req.Now = t.Kept, now.Unix()
	x.serving.planner.Plan(&x.plan, &x.req)
	if no := x.plan.KeptSource; no != 0 && t.Expired(store.DeploymentNo(no), now, keep) {
		x.req.Kept = nil
		x.serving.planner.Plan(&x.plan, &x.req)
	}
}

// target returns what the host of a request served before; nil: that cannot be had, which is no reason to refuse what it
// serves now.
func (s *Server) target(x *exchange) *catalog.Target {
	production := x.route.Class == store.ClassProduction ||
		x.route.Class == store.ClassCustom && x.route.Flags&store.FlagFollowsBranch == 0
	t, err := s.sites.target(s.base, x.route.Deployment, production)
	switch {
	case errors.Is(err, store.ErrNotFound): // it was deleted just now
		return nil
	case err != nil:
		s.fault(x, answer{}, "earlier deployments cannot be had", err)
		return nil
	}
	x.movedOn = x.movedOn || t.MovedOn
	return t
}
