package control

import (
	"context"
	"errors"
	"fmt"

	"berth/store"
)

// targets checks what hosts still answer of deployments that they have moved on from. Nothing else relies on it, so what
// is damaged can be ended without loss of anything but open tabs.
func (f *fsck) targets(ctx context.Context) error {
	return walk(ctx, f, "target", f.rd.AllTargets(), func(t store.Target) {
		f.sum.Targets++
		p, err := f.rd.Project(t.Project)
		if err != nil {
			f.problem(ProblemIndex, fmt.Sprintf("what %s of project number %d served", targetName(t.Branch), t.Project), "its project: %v", err)
			return
		}
		f.target(p, t)
	})
}

func (f *fsck) target(p store.Project, t store.Target) {
	name, end := fmt.Sprintf("what %s of project %s served", targetName(t.Branch), p.Name), "; end it with: berth purge --production --project "+p.Name
	if t.Branch != production {
		end = fmt.Sprintf("; end it with: berth purge --branch %q --project %s", clip(t.Branch), p.Name)
		if _, err := f.rd.Branch(p.No, t.Branch); errors.Is(err, store.ErrNotFound) {
			f.problem(ProblemIndex, name, "there is no such branch")
			return
		}
	}
	now, err := serves(f.rd, p, t.Branch)
	if err != nil {
		return // told as a branch
	}
	for _, past := range t.Past {
		if past.Deployment == now {
			f.problem(ProblemIndex, name, "deployment %d is what it serves now%s", now, end)
			continue
		}
		d, err := f.rd.Deployment(past.Deployment)
		switch {
		case err != nil:
			f.problem(ProblemIndex, name, "deployment %d: %v%s", past.Deployment, err, end)
		case d.Project != p.No:
			f.problem(ProblemIndex, name, "deployment %d belongs to project number %d%s", d.No, d.Project, end)
		case t.Branch != production && d.Branch != t.Branch:
			f.problem(ProblemIndex, name, "deployment %d is of branch %q%s", d.No, clip(d.Branch), end)
		}
	}
	if t.Kept != (store.FileRef{}) {
		f.index(name, end, t)
	}
}

// index checks that a target's index is one, and that the files in it are there.
func (f *fsck) index(name, end string, t store.Target) {
	index, err := f.svc.readIndex(t)
	if err != nil {
		f.problem(ProblemKept, name, "the index of its files: %v%s", err, end)
		return
	}
	if index.Len() > int(t.KeptFiles) {
		f.problem(ProblemKept, name, "the index has %d files, its record says %d%s", index.Len(), t.KeptFiles, end)
	}
	for file := range index.All() {
		f.blob(name+": "+file.Path, file.Digest, file.Size)
	}
}
