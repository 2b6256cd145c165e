package load

import (
	"encoding/hex"
	"errors"

	"berth/migrate/convert"
	"berth/router/legacy"
	"berth/store"
)

// Reading a project's deployments in their order costs a tenth of a point read for each.
const (
	fewEntries  = 32        // of a table for which that is not worth it
	mostTargets = 1_000_000 // deployments that are kept in memory; the rest is read one by one
)

// targets finds the deployments that a table's entries name.
type targets struct {
	project store.ProjectNo
	byUUID  map[store.UUID]store.DeploymentNo
	mine    map[store.DeploymentNo][4]byte // how its ID begins
	names   *store.PipelinesOf             // of when mine was read; nil: not read, or one has changed since
}

// target is a deployment of the project; the zero value is none.
type target struct {
	no    store.DeploymentNo
	label [4]byte // how its ID begins: the label of its own host
}

// scanTargets reads the deployments of a project, if its table is long enough, and their names. The reader is of one state of the store.
func scanTargets(r *store.Reader, p store.ProjectNo, entries int) (*targets, error) {
	t := &targets{project: p, byUUID: map[store.UUID]store.DeploymentNo{}, mine: map[store.DeploymentNo][4]byte{}}
	if entries < fewEntries {
		return t, nil
	}
	for d, err := range r.DeploymentIDs(p) {
		if err != nil {
			return nil, err
		}
		if len(t.byUUID) == mostTargets {
			break
		}
		t.byUUID[d.UUID], t.mine[d.No] = d.No, [4]byte(d.UUID[:4])
	}
	if len(t.mine) == 0 {
		return t, nil
	}
	var err error
	t.names, err = r.PipelinesOf(p, mostTargets)
	return t, err
}

// find answers like legacy.Target, with little of the deployment and its project; zero if there is no such deployment.
func (t *targets) find(r *store.Reader, scriptHash string) (to target, of store.ProjectNo, err error) {
	var id store.UUID
	if len(scriptHash) == 2*len(id) {
		if _, err := hex.Decode(id[:], []byte(scriptHash)); err == nil && hex.EncodeToString(id[:]) == scriptHash {
			if no, ok := t.byUUID[id]; ok {
				return target{no, [4]byte(id[:4])}, t.project, nil
			}
		}
	} else if no, err := t.pipeline(r, scriptHash); err == nil {
		if label, ok := t.mine[no]; ok {
			return target{no, label}, t.project, nil
		}
	} else if errors.Is(err, store.ErrNotFound) {
		return target{}, 0, nil
	}
	d, err := legacy.Target(r, scriptHash)
	if errors.Is(err, store.ErrNotFound) {
		return target{}, 0, nil
	}
	return target{d.No, [4]byte(d.UUID[:4])}, d.Project, err
}

// pipeline is Reader.Pipeline; it finds most names of a long table's own deployments in one reading of them all.
func (t *targets) pipeline(r *store.Reader, name string) (store.DeploymentNo, error) {
	if t.names == nil {
		return r.Pipeline(name)
	}
	if same, err := t.names.Current(r); err != nil {
		return 0, err
	} else if !same {
		t.names = nil // that of a deployment which is gone may be another's now
		return r.Pipeline(name)
	}
	if no, ok := t.names.Find(name); ok {
		if _, ok := t.mine[no]; ok {
			return no, nil
		}
	}
	return r.Pipeline(name)
}

// target finds an entry's deployment, and reports one that names none of the project's.
func (j *job) target(f *convert.Filter) (target, error) {
	to, of, err := j.targets.find(&j.store.Reader, f.ScriptHash)
	switch {
	case err != nil:
		return target{}, err
	case to.no == 0:
		j.problem(Dangling, f, "script_hash %q names no deployment: the entry answers nobody until --deployments says which it is", clip(f.ScriptHash))
	case of != j.project.No:
		j.problem(Dangling, f, "script_hash %q names a deployment of another project: the entry answers nobody", clip(f.ScriptHash))
		return target{}, nil
	}
	return to, nil
}
