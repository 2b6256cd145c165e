package control

import (
	"errors"
	"fmt"

	"berth/router/hostkey"
	"berth/store"
)

// moveBranch makes a deployment the newest of its branch: the branch record with the labels it can get, and the routes
// of its aliases and domains. notes tell the deployment's log about labels that others hold.
func (s *Service) moveBranch(tx *store.Tx, p store.Project, name string, to store.DeploymentNo) (rs []RouteChange, notes []string, err error) {
	b, err := tx.Branch(p.No, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, nil, fmt.Errorf("branch %q: %w", name, err)
	}
	b.Project, b.Name, b.Latest = p.No, name, to
	exact, plain := hostkey.Alias(name)
	if b.Exact == "" {
		note, err := s.takeExact(tx, p, &b, exact)
		if err != nil {
			return nil, nil, err
		}
		notes = append(notes, note...)
	}
	if b.Plain == "" && plain != "" && plain != b.Exact {
		note, err := s.takePlain(tx, p, &b, plain)
		if err != nil {
			return nil, nil, err
		}
		notes = append(notes, note...)
	}
	if err := tx.PutBranch(b); err != nil {
		return nil, nil, fmt.Errorf("write branch %q: %w", name, err)
	}
	rs, err = s.branchRoutes(tx, p, b)
	return rs, notes, err
}

// takeExact gives b its published label. Whoever has it as a plain one, a courtesy, loses it; only a branch whose own
// published label is the same (24 bits of hash met) keeps it, and then b goes without.
func (s *Service) takeExact(tx *store.Tx, p store.Project, b *store.Branch, label string) (notes []string, err error) {
	holder, err := tx.BranchByLabel(p.No, label)
	switch {
	case errors.Is(err, store.ErrNotFound):
		b.Exact = label
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("holder of alias %s: %w", label, err)
	case holder.Exact == label:
		return []string{fmt.Sprintf("This branch gets no alias: branch %q already answers at %s. Rename one of the two.",
			holder.Name, s.hostURL(s.labelHost(p, label)))}, nil
	}
	holder.Plain = ""
	if err := tx.PutBranch(holder); err != nil {
		return nil, fmt.Errorf("take alias %s from branch %q: %w", label, holder.Name, err)
	}
	b.Exact = label
	return []string{fmt.Sprintf("%s now belongs to this branch, whose name it is; branch %q keeps its exact alias.",
		s.hostURL(s.labelHost(p, label)), holder.Name)}, nil
}

// takePlain gives b the short label if no other branch holds it. It is never a deployment's label: hostkey.Alias gives none
// that looks like one.
func (s *Service) takePlain(tx *store.Tx, p store.Project, b *store.Branch, label string) (notes []string, err error) {
	holder, err := tx.BranchByLabel(p.No, label)
	switch {
	case errors.Is(err, store.ErrNotFound):
		b.Plain = label
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("holder of alias %s: %w", label, err)
	}
	return []string{fmt.Sprintf("%s belongs to branch %q.", s.hostURL(s.labelHost(p, label)), holder.Name)}, nil
}

// dropBranch forgets a branch that has no deployments left, with its aliases and the routes of domains that name it.
func (s *Service) dropBranch(tx *store.Tx, p store.Project, b store.Branch) ([]RouteChange, error) {
	if err := tx.DeleteBranch(p.No, b.Name); err != nil {
		return nil, fmt.Errorf("delete branch %q: %w", b.Name, err)
	}
	if err := tx.DeleteTarget(p.No, b.Name); err != nil {
		return nil, fmt.Errorf("forget what branch %q served: %w", b.Name, err)
	}
	b.Latest = 0
	return s.branchRoutes(tx, p, b)
}
