package store

import (
	"encoding/binary"
	"iter"
)

// Target returns what a moving target served before; branch "" is production. ErrNotFound: it has not moved yet.
func (r *Reader) Target(p ProjectNo, branch string) (Target, error) {
	t, err := getRecord(r, key32s(tableTarget, p, branch), decodeTarget, "target %q of project %d", branch, p)
	t.Project, t.Branch = p, branch
	return zeroIf(t, err), err
}

// Targets yields the targets of a project, production first, then branches by name.
func (r *Reader) Targets(p ProjectNo) iter.Seq2[Target, error] {
	return records(r, key32(tableTarget, p), decodeTargetRecord)
}

// AllTargets yields every target, for the sweep and fsck.
func (r *Reader) AllTargets() iter.Seq2[Target, error] {
	return records(r, []byte{tableTarget}, decodeTargetRecord)
}

func decodeTargetRecord(k, v []byte) (Target, error) {
	if len(k) < 5 {
		return Target{}, errTruncated
	}
	t, err := decodeTarget(v)
	t.Project, t.Branch = ProjectNo(binary.BigEndian.Uint32(k[1:])), string(k[5:])
	return t, err
}

// PutTarget stores a target. What serves from it is told by TouchDeployment.
func (tx *Tx) PutTarget(t Target) error {
	if err := checkTarget(t); err != nil {
		return err
	}
	tx.touchProject(t.Project)
	return tx.set(key32s(tableTarget, t.Project, t.Branch), encodeTarget(t))
}

// DeleteTarget forgets it.
func (tx *Tx) DeleteTarget(p ProjectNo, branch string) error {
	there, err := tx.dropIfThere(key32s(tableTarget, p, branch))
	if there {
		tx.touchProject(p)
	}
	return err
}
