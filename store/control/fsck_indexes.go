package control

import (
	"context"
	"errors"

	"berth/store"
)

// indexFaults checks what leads to records against the records; the other direction is checked where each record is found.
func (f *fsck) indexFaults(ctx context.Context) error {
	return walk(ctx, f, "index", f.rd.IndexFaults(), func(x store.IndexFault) {
		f.problem(ProblemIndex, "index of "+x.Table+", key "+x.Key, "%s", x.What)
	})
}

// owners checks that each custom host that is held is held for an active domain of that project. Otherwise nobody could
// add the host, and no project would show why.
func (f *fsck) owners(ctx context.Context) error {
	for host, o := range f.rd.AllHostOwners() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		name := "host " + host
		if o.Err != nil {
			f.problem(ProblemUnreadable, name, "its owner: %v", o.Err)
			continue
		}
		d, err := f.rd.Domain(o.Owner.Project, host)
		switch {
		case errors.Is(err, store.ErrNotFound):
			f.problem(ProblemIndex, name, "is held by project number %d, which has no such domain", o.Owner.Project)
		case err != nil:
			f.problem(ProblemUnreadable, name, "the domain that holds it: %v", err)
		case d.Status != store.DomainActive:
			f.problem(ProblemIndex, name, "is held by project number %d, whose domain is not active", o.Owner.Project)
		}
	}
	return nil
}
