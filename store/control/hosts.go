package control

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"berth/router/hostkey"
	"berth/store"
)

// productionHost is where a project's production deployment answers: <project>.<domain>.
func (s *Service) productionHost(p store.Project) hostkey.Host {
	return hostkey.Host(p.Name + "." + s.opts.Domain)
}

// labelHost is a host below a project's: of a deployment or of a branch alias. Project names and labels are DNS labels
// and New bounds the domain, so what comes out is canonical.
func (s *Service) labelHost(p store.Project, label string) hostkey.Host {
	return hostkey.Host(label + "." + p.Name + "." + s.opts.Domain)
}

func (s *Service) deploymentHost(p store.Project, d store.Deployment) hostkey.Host {
	return s.labelHost(p, shortID(d.UUID))
}

// shortID is a deployment's label: the first 8 hex digits of its UUID.
func shortID(id store.UUID) string { return hex.EncodeToString(id[:4]) }

// hostURL is where people reach a host: with the scheme and port that the operator says the outside sees.
func (s *Service) hostURL(h hostkey.Host) string {
	scheme, port, ok := strings.Cut(s.opts.PublicURL, ":")
	if !ok {
		return scheme + "://" + string(h)
	}
	return scheme + "://" + string(h) + ":" + port
}

// splitWildcard gives the host under which a domain's route is kept: a wildcard's parent.
func splitWildcard(host string) (h hostkey.Host, wildcard bool) {
	parent, wildcard := strings.CutPrefix(host, "*.")
	return hostkey.Host(parent), wildcard
}

func siteRoute(class store.Class, p store.ProjectNo, d store.DeploymentNo) *store.Route {
	r := &store.Route{Kind: store.RouteSite, Class: class, Project: p, Deployment: d}
	if class == store.ClassDeployment || class == store.ClassBranch {
		r.Flags |= store.FlagNoIndex
	}
	return r
}

// hostRoute points a host at a deployment, or frees it when there is none.
func hostRoute(h hostkey.Host, class store.Class, p store.ProjectNo, d store.DeploymentNo) RouteChange {
	if d == 0 {
		return RouteChange{Host: h}
	}
	return RouteChange{Host: h, Route: siteRoute(class, p, d)}
}

// domainTarget is the deployment that a custom domain serves; 0 while it is pending or there is nothing to serve.
func domainTarget(rd *store.Reader, p store.Project, d store.Domain) (store.DeploymentNo, error) {
	if d.Status != store.DomainActive {
		return 0, nil
	}
	if d.Branch == "" {
		return p.Live, nil
	}
	b, err := rd.Branch(p.No, d.Branch)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("branch of domain %s: %w", d.Host, err)
	}
	return b.Latest, nil
}

// domainRoute is the change that makes an active custom domain's route record right. Its Route is nil while there is
// nothing to serve.
func (s *Service) domainRoute(tx *store.Tx, p store.Project, d store.Domain) (RouteChange, error) {
	target, err := domainTarget(&tx.Reader, p, d)
	if err != nil {
		return RouteChange{}, err
	}
	return domainHostRoute(p, d, target), nil
}

// domainHostRoute points a custom domain at a deployment. Its record says whether it moves with a branch: by the class
// alone nobody could tell, and what a host served before belongs to the target that it follows.
func domainHostRoute(p store.Project, d store.Domain, target store.DeploymentNo) RouteChange {
	h, wildcard := splitWildcard(d.Host)
	c := hostRoute(h, store.ClassCustom, p.No, target)
	c.Wildcard = wildcard
	if c.Route != nil && d.Branch != production {
		c.Route.Flags |= store.FlagFollowsBranch
	}
	return c
}

// domainRoutes is domainRoute for each active domain of the project that follows branch ("" is production).
func (s *Service) domainRoutes(tx *store.Tx, p store.Project, branch string) ([]RouteChange, error) {
	var rs []RouteChange
	for d, err := range tx.Domains(p.No) {
		if err != nil {
			return nil, fmt.Errorf("list domains of %s: %w", p.Name, err)
		}
		if d.Branch != branch || d.Status != store.DomainActive {
			continue
		}
		r, err := s.domainRoute(tx, p, d)
		if err != nil {
			return nil, err
		}
		rs = append(rs, r)
	}
	return rs, nil
}

// productionRoutes makes the production host and the domains that follow production serve p.Live.
func (s *Service) productionRoutes(tx *store.Tx, p store.Project) ([]RouteChange, error) {
	rs, err := s.domainRoutes(tx, p, "")
	if err != nil {
		return nil, err
	}
	return append(rs, hostRoute(s.productionHost(p), store.ClassProduction, p.No, p.Live)), nil
}

// branchRoutes makes the aliases of b, and the domains that name it, serve b.Latest. The branch record must be written.
func (s *Service) branchRoutes(tx *store.Tx, p store.Project, b store.Branch) ([]RouteChange, error) {
	rs, err := s.domainRoutes(tx, p, b.Name)
	if err != nil {
		return nil, err
	}
	for _, label := range labels(b) {
		rs = append(rs, hostRoute(s.labelHost(p, label), store.ClassBranch, p.No, b.Latest))
	}
	return rs, nil
}

// labels are the alias labels that a branch holds, the plain one first.
func labels(b store.Branch) []string {
	var ls []string
	for _, l := range []string{b.Plain, b.Exact} {
		if l != "" {
			ls = append(ls, l)
		}
	}
	return ls
}

// applyRoutes writes route changes inside the Update that makes them.
func (s *Service) applyRoutes(ctx context.Context, tx *store.Tx, p store.ProjectNo, rs []RouteChange) error {
	if len(rs) == 0 {
		return nil
	}
	return s.deps.Routes.Apply(ctx, tx, Change{Project: p, Routes: rs})
}

// RecordWriter is the RouteWriter of a server that does not migrate: route records and nothing else. A decorator wraps it.
func RecordWriter(h *hostkey.Hasher) RouteWriter { return recordWriter{hasher: h} }

type recordWriter struct{ hasher *hostkey.Hasher }

func (w recordWriter) Apply(_ context.Context, tx *store.Tx, c Change) error {
	for _, r := range c.Routes {
		if err := w.write(tx, r); err != nil {
			return fmt.Errorf("route of %s: %w", r.Host, err)
		}
	}
	return nil
}

func (w recordWriter) write(tx *store.Tx, r RouteChange) error {
	k := w.hasher.Key(r.Host)
	if err := w.moved(tx, k, r); err != nil {
		return err
	}
	switch {
	case r.Wildcard && r.Route == nil:
		return tx.DeleteWildcard(k)
	case r.Wildcard:
		return tx.SetWildcard(k, *r.Route)
	case r.Route == nil:
		return tx.DeleteRoute(k)
	default:
		return tx.SetRoute(k, *r.Route)
	}
}

// moved has the index of imported hosts forget that a host leads to where its record does now.
func (w recordWriter) moved(tx *store.Tx, k hostkey.Key, r RouteChange) error {
	if tx.Epoch() == 0 { // no host was ever imported
		return nil
	}
	read := tx.Route
	if r.Wildcard {
		read = tx.Wildcard
	}
	old, err := read(k)
	if errors.Is(err, store.ErrNotFound) || err == nil && r.Route != nil && r.Route.Deployment == old.Deployment {
		return nil
	}
	if err != nil {
		return err
	}
	return tx.DeleteImportedHost(old.Deployment, k, r.Wildcard)
}
