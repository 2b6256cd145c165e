package control

import (
	"context"
	"errors"
	"fmt"

	"berth/router/hostkey"
	"berth/store"
)

func (f *fsck) projects(ctx context.Context) error {
	var inner error
	err := walk(ctx, f, "project", f.rd.Projects(), func(p store.Project) {
		if inner == nil {
			inner = f.project(ctx, p)
		}
	})
	return errors.Join(err, inner)
}

func (f *fsck) project(ctx context.Context, p store.Project) error {
	f.sum.Projects++
	name := "project " + p.Name
	if got, err := f.rd.ProjectByName(p.Name); err != nil || got.No != p.No {
		f.problem(ProblemIndex, name, "its name leads to project number %d, not %d (%v)", got.No, p.No, err)
	}
	if _, err := f.rd.Account(p.Account); err != nil {
		f.problem(ProblemIndex, name, "its account, number %d: %v", p.Account, err)
	}
	if p.State == store.ProjectDeleting && p.Live != 0 {
		f.problem(ProblemIndex, name, "is being deleted and has production deployment %d", p.Live)
	}
	if p.Live != 0 {
		f.ofProject(name+": production", p, p.Live)
	}
	f.latest(name, p)
	f.expect(f.svc.productionHost(p), false, hostRoute("", store.ClassProduction, p.No, p.Live).Route)
	if err := walk(ctx, f, name+": domain", f.rd.Domains(p.No), func(d store.Domain) { f.domain(p, d) }); err != nil {
		return err
	}
	return walk(ctx, f, name+": branch", f.rd.Branches(p.No), func(b store.Branch) { f.branch(p, b) })
}

// ofProject checks that a number names a deployment of p.
func (f *fsck) ofProject(object string, p store.Project, no store.DeploymentNo) (d store.Deployment, ok bool) {
	d, err := f.rd.Deployment(no)
	switch {
	case err != nil:
		f.problem(ProblemIndex, object, "deployment %d: %v", no, err)
	case d.Project != p.No:
		f.problem(ProblemIndex, object, "deployment %d belongs to project number %d", no, d.Project)
	default:
		return d, true
	}
	return d, false
}

// latest checks that the project's newest deployment is the one it names; while it is being deleted it names none.
func (f *fsck) latest(name string, p store.Project) {
	if p.State == store.ProjectDeleting {
		return
	}
	newest := store.DeploymentNo(0)
	for d, err := range f.rd.DeploymentsOf(p.No, 0) {
		if err != nil {
			return // told when all deployments are walked
		}
		newest = d.No
		break
	}
	if newest != p.Latest {
		f.problem(ProblemIndex, name, "names %d as its newest deployment, which is %d", p.Latest, newest)
	}
}

func (f *fsck) domain(p store.Project, d store.Domain) {
	f.sum.Domains++
	name := "domain " + d.Host
	owner, err := f.rd.HostOwner(d.Host)
	if d.Status != store.DomainActive {
		return
	}
	if err != nil || owner != (store.HostOwner{Account: p.Account, Project: p.No}) {
		f.problem(ProblemIndex, name, "serves project %s, and its owner is %+v (%v)", p.Name, owner, err)
	}
	if p.State == store.ProjectDeleting {
		f.problem(ProblemIndex, name, "serves project %s, which is being deleted", p.Name)
	}
	target, err := domainTarget(f.rd, p, d)
	if err != nil {
		f.problem(ProblemUnreadable, name, "%v", err)
		return
	}
	c := domainHostRoute(p, d, target)
	f.expect(c.Host, c.Wildcard, c.Route)
}

func (f *fsck) branch(p store.Project, b store.Branch) {
	f.sum.Branches++
	name := fmt.Sprintf("branch %q of project %s", b.Name, p.Name)
	if d, ok := f.ofProject(name, p, b.Latest); ok && d.Branch != b.Name {
		f.problem(ProblemIndex, name, "its newest deployment %d is of branch %q", b.Latest, d.Branch)
	}
	exact, plain := hostkey.Alias(b.Name)
	if b.Exact != "" && b.Exact != exact || b.Plain != "" && b.Plain != plain {
		f.problem(ProblemIndex, name, "holds the labels %q and %q; its name gives %q and %q", b.Exact, b.Plain, exact, plain)
	}
	for _, label := range labels(b) {
		if got, err := f.rd.BranchByLabel(p.No, label); err != nil || got.Name != b.Name {
			f.problem(ProblemIndex, name, "its label %q leads to branch %q (%v)", label, got.Name, err)
		}
		f.expect(f.svc.labelHost(p, label), false, hostRoute("", store.ClassBranch, p.No, b.Latest).Route)
	}
}

// expect compares a host's route record with what it should be; want nil is none.
func (f *fsck) expect(h hostkey.Host, wildcard bool, want *store.Route) {
	if f.sum.RoutesUnset {
		return
	}
	read, name := f.rd.Route, string(h)
	if wildcard {
		read, name = f.rd.Wildcard, "*."+name
	}
	got, err := read(f.svc.deps.Hasher.Key(h))
	if err == nil && got.Epoch != f.epoch {
		err = store.ErrNotFound // what an earlier epoch left behind counts as absent
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		if want != nil {
			f.problem(ProblemMissing, name, "has no route record; it should say %s", routeText(*want))
		}
		return
	case err != nil:
		f.problem(ProblemUnreadable, name, "route record: %v", err)
		return
	case want != nil && got.Deployment == want.Deployment:
	case f.imported(f.svc.deps.Hasher.Key(h), got, wildcard):
		return // it serves what its table said, until something moves it
	case want == nil:
		f.problem(ProblemExtra, name, "has a route record that says %s, and nothing to serve", routeText(got))
		return
	}
	if got.Epoch = want.Epoch; got != *want { // what is wanted is of no epoch
		f.problem(ProblemDifferent, name, "its route record says %s; it should say %s", routeText(got), routeText(*want))
	}
}

func routeText(r store.Route) string {
	return fmt.Sprintf("kind %d, class %d, flags %#x, project %d, deployment %d", r.Kind, r.Class, r.Flags, r.Project, r.Deployment)
}
