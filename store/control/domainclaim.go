package control

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"berth/store"
)

// hostFree refuses a host that another project holds, and one that another account's wildcard covers or, being a
// wildcard, covers another account's host. An account may overlap with itself: the exact host wins there.
func (s *Service) hostFree(tx *store.Tx, p store.Project, host string) error {
	if owner, err := tx.HostOwner(host); err == nil {
		return s.heldBy(p, host, host, owner)
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	name, wildcard := strings.CutPrefix(host, "*.")
	if err := s.coveredBy(tx, p, host, name, wildcard); err != nil || !wildcard {
		return err
	}
	for below, o := range tx.HostsUnder(name) {
		if o.Err != nil {
			return o.Err
		}
		if o.Owner.Account != p.Account {
			return s.heldBy(p, host, below, o.Owner)
		}
	}
	return nil
}

// coveredBy looks for another account's wildcard at each ancestor of a name. A wildcard itself covers its parent's
// children, so its own name counts as one of them.
func (s *Service) coveredBy(tx *store.Tx, p store.Project, host, name string, wildcard bool) error {
	if !wildcard {
		_, name, _ = strings.Cut(name, ".")
	}
	for ; name != ""; _, name, _ = strings.Cut(name, ".") {
		owner, err := tx.HostOwner("*." + name)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if owner.Account != p.Account {
			return s.heldBy(p, host, "*."+name, owner)
		}
	}
	return nil
}

// heldBy words the conflict. Another account's project is not named.
func (s *Service) heldBy(p store.Project, host, held string, owner store.HostOwner) error {
	overlap := ""
	if host != held {
		overlap = ", which overlaps with " + held
		if owner.Account != p.Account {
			overlap = ", which overlaps with a domain of another account"
		}
	}
	holder := "another account holds it"
	switch {
	case owner.Project == p.No:
		holder = "the project holds it already"
	case owner.Account == p.Account:
		holder = "another project of the account holds it"
	case overlap != "":
		holder = "it cannot be added"
	}
	return refuse(http.StatusConflict, codeConflict, "domain %s%s: %s", host, overlap, holder)
}

// activate makes a domain hold its host and serve, all in this Update.
func (s *Service) activate(ctx context.Context, tx *store.Tx, p store.Project, d *store.Domain) error {
	d.Status, d.Error, d.Checked = store.DomainActive, "", s.now()
	if err := tx.ClaimHost(d.Host, store.HostOwner{Account: p.Account, Project: p.No}); err != nil {
		return err
	}
	if err := tx.PutDomain(*d); err != nil {
		return err
	}
	r, err := s.domainRoute(tx, p, *d)
	if err != nil {
		return err
	}
	if r.Route == nil {
		return nil // nothing to serve yet; the first deployment sets the route
	}
	return s.applyRoutes(ctx, tx, p.No, []RouteChange{r})
}
