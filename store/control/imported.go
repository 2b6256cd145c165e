package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"berth/store"
)

// errIndexing refuses what would leave hosts behind that nobody knows of yet. The server finds them by itself after its first start with
// this format.
func errIndexing() error {
	return refuse(http.StatusServiceUnavailable, codeBusy,
		"the server still notes which hosts of the imported tables lead to which deployment, as it does once after an update; try again in some minutes")
}

// importedKnown refuses while it is not known which imported hosts lead to a deployment.
func importedKnown(tx *store.Tx) error {
	known, err := tx.ImportedHostsKnown()
	if err == nil && !known {
		err = errIndexing()
	}
	return err
}

// hostsOfDeployment are the hosts that are to be freed with a deployment: its own, and those that an imported table pointed to it.
func (s *Service) hostsOfDeployment(tx *store.Tx, p store.Project, d store.Deployment) ([]store.ImportedHost, error) {
	own := s.deploymentHost(p, d)
	hosts := []store.ImportedHost{{Deployment: d.No, Key: s.deps.Hasher.Key(own), Class: store.ClassDeployment, Host: string(own)}}
	for h, err := range tx.ImportedHosts(d.No) {
		if err != nil {
			return nil, fmt.Errorf("imported hosts of deployment %s: %w", d.UUID.String(), err)
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// needed finds an imported host that is more than a deployment's own address and still leads to d, besides those that are being moved: a
// name that people know, which nothing else would answer. none means that there is none.
func (s *Service) needed(tx *store.Tx, p store.ProjectNo, d store.DeploymentNo, moving []RouteChange) (worst store.ImportedHost, none bool, err error) {
	if err := importedKnown(tx); err != nil {
		return worst, false, err
	}
	for h, err := range tx.ImportedHosts(d) {
		if err != nil {
			return worst, false, fmt.Errorf("imported hosts of deployment %d: %w", d, err)
		}
		if h.Class <= max(worst.Class, store.ClassDeployment) || s.moves(moving, h) {
			continue
		}
		leads, err := s.deps.Routes.Leads(tx, p, h)
		if err != nil {
			return worst, false, err
		}
		if leads {
			worst = h
		}
	}
	return worst, worst.Class == 0, nil
}

func (s *Service) moves(rs []RouteChange, h store.ImportedHost) bool {
	for _, r := range rs {
		if r.Route != nil && r.Wildcard == h.Wildcard && s.deps.Hasher.Key(r.Host) == h.Key {
			return true
		}
	}
	return false
}

// refuseNeeded refuses to delete a deployment that an imported host needs. A branch alias can be forced to go; what production or a custom
// domain serves moves on first, as with hosts that Berth gave itself.
func (s *Service) refuseNeeded(tx *store.Tx, p store.Project, d store.Deployment, force bool, moving []RouteChange) error {
	h, none, err := s.needed(tx, p.No, d.No, moving)
	if err != nil || none {
		return err
	}
	name := hostText(h)
	switch {
	case h.Class == store.ClassBranch && force:
		return nil
	case h.Class == store.ClassBranch:
		return refuse(http.StatusConflict, codeConflict,
			"deployment %s is what %s serves, a host that came with an imported table. With force=true both are deleted", shortID(d.UUID), name)
	case h.Class == store.ClassProduction:
		return refuse(http.StatusConflict, codeConflict,
			"deployment %s is live: %s serves it, as its imported table says. Roll back to or promote another one first", shortID(d.UUID), name)
	}
	return refuse(http.StatusConflict, codeConflict,
		"deployment %s is what %s serves, as its imported table says. Deploy, roll back or promote what the domain follows, or remove it, first", shortID(d.UUID), name)
}

// takeBack makes those hosts of production serve what production is which an imported table pointed elsewhere.
func (s *Service) takeBack(ctx context.Context, tx *store.Tx, p store.Project) error {
	all, err := s.productionRoutes(tx, p)
	if err != nil {
		return err
	}
	var rs []RouteChange
	for _, r := range all {
		if r.Route == nil {
			continue
		}
		leads, err := s.deps.Routes.Leads(tx, p.No, store.ImportedHost{
			Deployment: r.Route.Deployment, Key: s.deps.Hasher.Key(r.Host), Wildcard: r.Wildcard, Class: r.Route.Class, Host: string(r.Host),
		})
		if err != nil {
			return err
		}
		if !leads {
			rs = append(rs, r)
		}
	}
	return s.applyRoutes(ctx, tx, p.No, rs)
}

func hostText(h store.ImportedHost) string {
	switch {
	case h.Host == "":
		return "the host of key " + h.Key.String()
	case h.Wildcard:
		return "*." + h.Host
	}
	return h.Host
}

// removeDeployments frees the hosts of deployments, where they still lead to them, and deletes the records.
func (s *Service) removeDeployments(ctx context.Context, tx *store.Tx, p store.Project, ds ...store.Deployment) error {
	var hosts []store.ImportedHost
	for _, d := range ds {
		hs, err := s.hostsOfDeployment(tx, p, d)
		if err != nil {
			return err
		}
		hosts = append(hosts, hs...)
	}
	if err := s.deps.Routes.Free(ctx, tx, p.No, hosts); err != nil {
		return fmt.Errorf("free the hosts of %d deployments: %w", len(ds), err)
	}
	for _, d := range ds {
		if err := tx.DeleteDeployment(d.No); err != nil {
			return fmt.Errorf("delete deployment %s: %w", d.UUID.String(), err)
		}
	}
	return nil
}

// Leads reads the record, of this epoch alone.
func (w recordWriter) Leads(tx *store.Tx, _ store.ProjectNo, h store.ImportedHost) (bool, error) {
	read := tx.CurrentRoute
	if h.Wildcard {
		read = tx.CurrentWildcard
	}
	r, err := read(h.Key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && r.Deployment == h.Deployment, err
}

// Free deletes records. One of an earlier epoch counts as absent, and goes too.
func (w recordWriter) Free(_ context.Context, tx *store.Tx, _ store.ProjectNo, hosts []store.ImportedHost) error {
	for _, h := range hosts {
		read, drop := tx.Route, tx.DeleteRoute
		if h.Wildcard {
			read, drop = tx.Wildcard, tx.DeleteWildcard
		}
		r, err := read(h.Key)
		if err == nil && r.Deployment == h.Deployment {
			err = drop(h.Key)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("route of %s: %w", hostText(h), err)
		}
	}
	return nil
}
