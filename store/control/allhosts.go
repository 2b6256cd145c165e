package control

import (
	"iter"

	"berth/router/hostkey"
	"berth/store"
)

// HostRoute is a host, or the parent of a wildcard, and what its route record must say.
type HostRoute struct {
	Host     hostkey.Host
	Wildcard bool
	Route    store.Route
}

// Hosts yields every host that is served, project by project, by the control plane's own records: what route records say is not looked at.
// It reads rd as it goes; give it a Snapshot.
func (s *Service) Hosts(rd *store.Reader) iter.Seq2[HostRoute, error] {
	return func(yield func(HostRoute, error) bool) {
		for p, err := range rd.Projects() {
			if err != nil {
				yield(HostRoute{}, err)
				return
			}
			for c, err := range s.hostsOf(rd, p) {
				h := HostRoute{Host: c.Host, Wildcard: c.Wildcard}
				if c.Route != nil {
					h.Route = *c.Route
				} else if err == nil {
					continue // nothing to serve
				}
				if !yield(h, err) {
					return
				}
			}
		}
	}
}

// hostsOf yields the hosts of a project; those without a Route have nothing to serve.
func (s *Service) hostsOf(rd *store.Reader, p store.Project) iter.Seq2[RouteChange, error] {
	return func(yield func(RouteChange, error) bool) {
		if !yield(hostRoute(s.productionHost(p), store.ClassProduction, p.No, p.Live), nil) {
			return
		}
		for d, err := range rd.Domains(p.No) {
			var c RouteChange
			if err == nil {
				var target store.DeploymentNo
				target, err = domainTarget(rd, p, d)
				c = domainHostRoute(p, d, target)
			}
			if !yield(c, err) {
				return
			}
		}
		for b, err := range rd.Branches(p.No) {
			for _, label := range labels(b) {
				if !yield(hostRoute(s.labelHost(p, label), store.ClassBranch, p.No, b.Latest), err) {
					return
				}
			}
			if err != nil && !yield(RouteChange{}, err) {
				return
			}
		}
		for d, err := range rd.DeploymentsOf(p.No, 0) {
			if !yield(hostRoute(s.deploymentHost(p, d), store.ClassDeployment, p.No, d.No), err) {
				return
			}
		}
	}
}
