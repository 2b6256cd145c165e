package load

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// claimer says whether a host is the project's, and makes it so where nobody has it.
type claimer struct {
	tx      *store.Tx
	opts    *Options
	project *store.Project

	added int    // domains
	moved string // what is to be said of the last one, if it serves what nothing else does
}

type refusal struct {
	class Class
	text  string
}

// take returns why the project cannot have a host; an empty refusal if it can.
func (c *claimer) take(h hostkey.Host, wildcard bool, target store.DeploymentNo) (refusal, error) {
	host := name(h, wildcard)
	domain := c.opts.Domain
	project, own := legacy.Own(domain, h)
	switch {
	case own && project == c.project.Name:
		return refusal{}, nil
	case own:
		return refusal{Foreign, fmt.Sprintf("%s is a host of project %s, whose table alone is asked for it", host, project)}, nil
	case string(h) == domain, wildcard && strings.HasSuffix(domain, "."+string(h)):
		return refusal{Foreign, fmt.Sprintf("%s is not a project's: it is, or covers, this server's own domain", host)}, nil
	case h.IsIP() || !strings.Contains(string(h), "."):
		return refusal{Foreign, fmt.Sprintf("%s cannot be a custom domain, so no project is found for it", host)}, nil
	}
	owner, err := c.tx.HostOwner(host)
	switch {
	case err == nil && owner.Project == c.project.No:
		return refusal{}, nil
	case err == nil:
		return refusal{Claimed, fmt.Sprintf("%s belongs to project %s, and project %s claims it too", host, c.nameOf(owner.Project), c.project.Name)}, nil
	case !errors.Is(err, store.ErrNotFound):
		return refusal{}, err
	case c.opts.NoDomains:
		return refusal{Unowned, fmt.Sprintf("nobody holds %s, which answers 404 until somebody does: berth domain add %s --project %s", host, host, c.project.Name)}, nil
	}
	over, err := c.overlap(h, wildcard)
	if err != nil || over != "" {
		return refusal{Claimed, over}, err
	}
	return refusal{}, c.add(host, target)
}

func (c *claimer) nameOf(no store.ProjectNo) string {
	p, err := c.tx.Project(no)
	if err != nil {
		return fmt.Sprintf("number %d", no)
	}
	return p.Name
}

// overlap refuses what the control plane refuses: a host that another account's wildcard covers, and a wildcard that covers another
// account's host.
func (c *claimer) overlap(h hostkey.Host, wildcard bool) (string, error) {
	covered := func(host string, o store.HostOwner) string {
		return fmt.Sprintf("%s overlaps with %s of project %s, which is another account's", name(h, wildcard), host, c.nameOf(o.Project))
	}
	for parent, ok := h.Parent(); ok; parent, ok = parent.Parent() {
		o, err := c.tx.HostOwner("*." + string(parent))
		if err == nil && o.Account != c.project.Account {
			return covered("*."+string(parent), o), nil
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return "", err
		}
	}
	if !wildcard {
		return "", nil
	}
	for host, o := range c.tx.HostsUnder(string(h)) {
		if o.Err != nil {
			return "", o.Err
		}
		if o.Owner.Account != c.project.Account {
			return covered(host, o.Owner), nil
		}
	}
	return "", nil
}

// add makes the host an active domain: whoever loads tables administers the server, and needs no proof.
func (c *claimer) add(host string, target store.DeploymentNo) error {
	d, err := c.tx.Domain(c.project.No, host)
	if errors.Is(err, store.ErrNotFound) {
		d = store.Domain{Project: c.project.No, Host: host, Created: c.opts.Now().UTC().Round(0)}
		if d.Branch, err = c.follows(host, target); err != nil {
			return err
		}
		if d.UUID, err = newUUID(c.opts.Rand); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	d.Status, d.Error, d.Checked = store.DomainActive, "", c.opts.Now().UTC().Round(0)
	if err := c.tx.ClaimHost(host, store.HostOwner{Account: c.project.Account, Project: c.project.No}); err != nil {
		return err
	}
	c.added++
	return c.tx.PutDomain(d)
}

// follows says with what a domain moves from now on: with what serves its deployment today.
func (c *claimer) follows(host string, no store.DeploymentNo) (branch string, err error) {
	if no == 0 || no == c.project.Live {
		return "", nil
	}
	target, err := c.tx.Deployment(no)
	if err != nil {
		return "", err
	}
	b, err := c.tx.Branch(c.project.No, target.Branch)
	switch {
	case err == nil && b.Latest == no:
		return target.Branch, nil
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return "", err
	}
	what := "production"
	if target.Environment != store.Production && err == nil {
		branch, what = target.Branch, fmt.Sprintf("branch %q", target.Branch)
	}
	c.moved = fmt.Sprintf("%s serves deployment %s, which %s has moved on from: the next deployment there moves it too", host, target.UUID, what)
	return branch, nil
}

func newUUID(rand io.Reader) (id store.UUID, err error) {
	if _, err := io.ReadFull(rand, id[:]); err != nil {
		return id, fmt.Errorf("draw the ID of a domain: %w", err)
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id, nil
}
