// Package explain says how one URL is answered and why: every step from the host to the plan, with what was found.
package explain

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"berth/assets/catalog"
	"berth/router"
	"berth/router/edge"
	"berth/router/hostkey"
	"berth/store"
)

// Sites gives what requests are answered from, as catalog.Catalog does.
type Sites interface {
	Deployment(ctx context.Context, no store.DeploymentNo) (*catalog.Deployment, error)
	Settings(ctx context.Context, no store.ProjectNo) (*store.SiteSettings, error)
	Target(ctx context.Context, no store.DeploymentNo, production bool) (*catalog.Target, error)
}

// Deps are the parts of the server that answer requests.
type Deps struct {
	Store      *store.Store
	Hasher     *hostkey.Hasher
	Resolver   router.Resolver
	Sites      Sites
	Datacentre string
	// Who says which router answers now, while there are two; nil: that of hashed routes.
	Who func(context.Context, *router.Query) (Who, error)
	// Skew is how skew protection chooses the deployment that answers; nil: it does not.
	Skew func(edge.SkewQuestion) (*edge.SkewChoice, error)
	// RunsFunctions says that the code of deployments answers the paths that are for it.
	RunsFunctions bool
	// KeepAssets is the longest time that the server answers files of earlier deployments; negative: never.
	KeepAssets time.Duration
}

// Who is the router that answers, and why it does.
type Who struct {
	Table    string           // hashed, or legacy
	Why      string           // what decided that; "": there is no other
	Line     string           // of the table that answers
	Decision *router.Decision // of legacy; nil: it has no route
}

// ErrURL says that the question is no URL of a site.
var ErrURL = errors.New("not a URL of a site")

// Explain follows a question as the edge would follow the request.
func (d Deps) Explain(ctx context.Context, q Question) (*Report, error) {
	u, err := parseURL(q.URL)
	if err != nil {
		return nil, err
	}
	asked, err := q.parse(u)
	if err != nil {
		return nil, err
	}
	at := q.At
	host, err := hostkey.Canonical(u.Host)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	r := &Report{
		URL: q.URL, Method: asked.request.Method, Host: u.Host, Canonical: string(host), Key: d.Hasher.Key(host).String(),
		Datacentre: d.Datacentre, Newest: d.Store.Revision(), Revision: at, Table: "hashed", Match: "none",
	}
	if at == 0 {
		r.Revision = r.Newest
	}
	if at > r.Newest {
		return nil, fmt.Errorf("%w: revision %d is yet to come; the newest is %d", ErrURL, at, r.Newest)
	}
	route, err := d.route(ctx, r, u, host)
	if err != nil || route == nil {
		return r, err
	}
	if at == 0 {
		d.compare(ctx, r, host, *route)
	}
	if err := d.describe(r, *route); err != nil {
		return nil, err
	}
	asked.request.Host = string(host)
	return r, d.plan(ctx, r, asked, *route, at == 0)
}

// parseURL takes what people paste: a URL, or a host with or without a path.
func parseURL(raw string) (*url.URL, error) {
	text := raw
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%w: the scheme is %q, want http or https", ErrURL, u.Scheme)
	case u.Host == "":
		return nil, fmt.Errorf("%w: %q has no host", ErrURL, raw)
	}
	return u, nil
}

// route is what leads to a deployment: a route record, or the entry of a table of the old design.
func (d Deps) route(ctx context.Context, r *Report, u *url.URL, host hostkey.Host) (*store.Route, error) {
	if d.Who == nil || r.Revision != r.Newest {
		return d.find(r, host, r.Revision)
	}
	who, err := d.Who(ctx, &router.Query{Host: host, Port: port(u), Path: u.EscapedPath()})
	if err != nil {
		return nil, fmt.Errorf("ask which router answers: %w", err)
	}
	r.Table, r.Why, r.Line = who.Table, who.Why, who.Line
	switch {
	case who.Table == "hashed":
		return d.find(r, host, 0)
	case who.Decision == nil:
		r.Note = "no table has an entry for this host: the edge says 404"
		return nil, nil
	}
	r.Match = "table"
	a := who.Decision
	return &store.Route{Kind: a.Kind, Class: a.Class, Flags: a.Flags, Project: a.Project, Deployment: a.Deployment}, nil
}

// find reads the record: the host's own, else that of the nearest wildcard above it.
func (d Deps) find(r *Report, host hostkey.Host, at store.Revision) (*store.Route, error) {
	route, err := d.read(d.Hasher.Key(host), at, false)
	if err == nil {
		r.Match = "exact"
		return &route, nil
	}
	for parent, ok := host.Parent(); ok && errors.Is(err, store.ErrNotFound); parent, ok = parent.Parent() {
		if parent.Labels() > hostkey.MaxWildcardLabels {
			continue
		}
		if route, err = d.read(d.Hasher.Key(parent), at, true); err == nil {
			r.Match, r.Wildcard = "wildcard", "*."+string(parent)
			return &route, nil
		}
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		r.Note = "no deployment answers for this host: the edge says 404"
		return nil, nil
	case errors.Is(err, store.ErrTooOld):
		r.Note = fmt.Sprintf("the commit log no longer reaches back to revision %d", at)
		return nil, nil
	}
	return nil, fmt.Errorf("read the route record: %w", err)
}

func (d Deps) read(k hostkey.Key, at store.Revision, wildcard bool) (store.Route, error) {
	switch {
	case at == 0 && wildcard:
		return d.Store.Wildcard(k)
	case at == 0:
		return d.Store.Route(k)
	case wildcard:
		return d.Store.WildcardAt(k, at)
	}
	return d.Store.RouteAt(k, at)
}

// compare asks the router itself, caches and all: a difference is a fault of Berth's, and worth a look.
func (d Deps) compare(ctx context.Context, r *Report, host hostkey.Host, route store.Route) {
	got, err := d.Resolver.Resolve(ctx, &router.Query{Host: host, Path: "/"})
	if err != nil {
		r.Note = fmt.Sprintf("the router answers otherwise than the store: %v", err)
		return
	}
	r.Agrees = got == router.Decision{
		Kind: route.Kind, Project: route.Project, Deployment: route.Deployment, Class: route.Class, Flags: route.Flags,
	}
}

// describe names what the record's numbers are.
func (d Deps) describe(r *Report, route store.Route) error {
	rec := &Record{
		Kind: kindName(route.Kind), Class: className(route.Class), Flags: []string{},
		ProjectNo: route.Project, Deployment: route.Deployment, Epoch: route.Epoch,
	}
	if route.Flags&store.FlagNoIndex != 0 {
		rec.Flags = append(rec.Flags, "noindex")
	}
	r.Record = rec
	p, err := d.Store.Project(route.Project)
	switch {
	case err == nil:
		rec.Project = p.Name
	case !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("read the project: %w", err)
	}
	dep, err := d.Store.Deployment(route.Deployment)
	if errors.Is(err, store.ErrNotFound) {
		r.Note = "the deployment was deleted since"
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the deployment: %w", err)
	}
	r.Deployment = describeDeployment(dep)
	return nil
}

func describeDeployment(dep store.Deployment) *Deployment {
	environment := "preview"
	if dep.Environment == store.Production {
		environment = "production"
	}
	return &Deployment{
		ID: dep.UUID.String(), Branch: dep.Branch, Environment: environment, CommitHash: dep.CommitHash, Created: dep.Created, Files: dep.Files,
	}
}
