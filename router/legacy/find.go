package legacy

import (
	"errors"
	"fmt"
	"strings"

	"berth/router/hostkey"
	"berth/store"
)

// candidate is a project whose table may answer for a host. A custom host may have several: its own owner, then those of the
// wildcards above it, nearest first, because whoever holds a name may have nothing to serve there.
type candidate struct {
	owner
	custom bool
	parent hostkey.Host // whose wildcard the project holds; "" if it holds the host itself
}

// site is who may answer for a host, or for all hosts of a project. It is shared and never changed.
type site struct{ candidates []candidate }

// siteName is what hosts of the same site have in common: for those below the server's own domain the host of the project. It is a
// view of h.
func siteName(domain string, h hostkey.Host) (name string, project string) {
	label, project, own := split(domain, h)
	if !own || label == "" {
		return string(h), project
	}
	return string(h)[len(label)+1:], project
}

// find reads who may answer; an unknown site has no candidates. A label that is no project's ends here: no table is read for it.
func find(r *store.Reader, h hostkey.Host, project string) (*site, error) {
	if project != "" {
		p, err := r.ProjectByName(project)
		if errors.Is(err, store.ErrNotFound) {
			return &site{}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("legacy: find project %q: %w", project, err)
		}
		return &site{[]candidate{{owner: owner{p.No, p.Name}}}}, nil
	}
	s := &site{}
	if err := s.add(r, string(h), ""); err != nil {
		return nil, err
	}
	labels := h.Labels()
	for parent, ok := h.Parent(); ok; parent, ok = parent.Parent() {
		// A made-up host may have 127 labels, and no wildcard stands above that many.
		if labels--; labels > hostkey.MaxWildcardLabels {
			continue
		}
		if err := s.add(r, "*."+string(parent), hostkey.Host(strings.Clone(string(parent)))); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *site) add(r *store.Reader, host string, parent hostkey.Host) error {
	o, err := r.HostOwner(host)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("legacy: find the owner of %s: %w", host, err)
	}
	p, err := r.Project(o.Project)
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted between the two reads
	}
	if err != nil {
		return fmt.Errorf("legacy: find the owner of %s: %w", host, err)
	}
	s.candidates = append(s.candidates, candidate{owner{p.No, p.Name}, true, parent})
	return nil
}
