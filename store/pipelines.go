package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"iter"
	"maps"
	"slices"

	"github.com/zeebo/blake3"
)

// The names that the old design gives to deployments, its pipelines, are kept twice: by name; and, as digests, by the project of the
// deployment. Who goes through a project's table reads the second once and in order, where each name looked up by itself is a block
// somewhere among those of all projects.
//
// The second lacks names that were set before it was kept, or for what was no deployment then. It may go on having those of deployments that were
// deleted since, whose numbers are not given again. Of a deployment that there is it has no name that is another's by now.

// PipelineName is a name with its deployment.
type PipelineName struct {
	Name       string
	Deployment DeploymentNo
}

// Pipeline returns the deployment that the old design calls by this name.
func (r *Reader) Pipeline(name string) (DeploymentNo, error) {
	no, err := r.number(keyString(tablePipeline, name), "pipeline %q", name)
	return DeploymentNo(no), err
}

// Pipelines yields every name, from the given one on.
func (r *Reader) Pipelines(from string) iter.Seq2[string, error] {
	return recordsIn(r, keyString(tablePipeline, from), []byte{tablePipeline + 1}, func(k, _ []byte) (string, error) { return string(k[1:]), nil })
}

// PipelinesOf is what a project's deployments are called. One that was read in an Update is of no use after it.
type PipelinesOf struct {
	names  []pipelineDigest // sorted
	of     []DeploymentNo
	change Revision
}

type pipelineDigest [16]byte

func digestPipeline(name string) pipelineDigest {
	sum := blake3.Sum256([]byte(name))
	return pipelineDigest(sum[:])
}

// PipelinesOf reads the names of a project's deployments, no more of them than most, at 24 bytes each.
func (r *Reader) PipelinesOf(p ProjectNo, most int) (*PipelinesOf, error) {
	x := &PipelinesOf{}
	var err error
	if x.change, err = r.pipelineChange(); errors.Is(err, ErrCorrupt) {
		return x, nil
	} else if err != nil {
		return nil, err
	}
	for n, err := range records(r, key32(tablePipelineOf, p), decodePipelineOf) {
		if errors.Is(err, ErrCorrupt) {
			continue // it is not found, and Pipeline is asked
		}
		if err != nil {
			return nil, err
		}
		if len(x.names) == most {
			break
		}
		x.names, x.of = append(x.names, n.digest), append(x.of, n.of)
	}
	return x, nil
}

type digested struct {
	digest pipelineDigest
	of     DeploymentNo
}

func decodePipelineOf(k, v []byte) (d digested, err error) {
	if len(k) != 5+len(d.digest) {
		return d, errTruncated
	}
	no, err := decodeNumber(v)
	return digested{pipelineDigest(k[5:]), DeploymentNo(no)}, err
}

// Find returns the deployment with a name. It is sure to have it if it was there when the names were read, and they are Current. If none is
// found, Pipeline is to be asked.
func (x *PipelinesOf) Find(name string) (DeploymentNo, bool) {
	d := digestPipeline(name)
	i, ok := slices.BinarySearchFunc(x.names, d, func(a, b pipelineDigest) int { return bytes.Compare(a[:], b[:]) })
	if !ok {
		return 0, false
	}
	return x.of[i], true
}

// Current reports whether no name has changed since.
func (x *PipelinesOf) Current(r *Reader) (bool, error) {
	change, err := r.pipelineChange()
	if errors.Is(err, ErrCorrupt) {
		return false, nil
	}
	return change == x.change, err
}

// pipelineChange is the revision that changed a name last.
func (r *Reader) pipelineChange() (Revision, error) {
	n, err := r.number(pipelineChangeKey, "last change of a pipeline")
	if isNotFound(err) {
		return 0, nil
	}
	return Revision(n), err
}

func (tx *Tx) pipelinesChange() error {
	return tx.set(pipelineChangeKey, encodeNumber(tx.Revision()))
}

var pipelineChangeKey = []byte{tablePipelineOf}

// CheckPipeline returns ErrInvalid for what cannot be a name.
func CheckPipeline(name string) error { return checkName("pipeline", name) }

// SetPipeline names a deployment as the old design does.
func (tx *Tx) SetPipeline(name string, no DeploymentNo) error {
	_, err := tx.SetPipelines([]PipelineName{{name, no}})
	return err
}

// SetPipelines is SetPipeline for many names, of which a later one goes before the same earlier, at the price of two iterators. It
// returns what each was the name of before, 0 for nothing.
func (tx *Tx) SetPipelines(names []PipelineName) (before []DeploymentNo, err error) {
	for _, n := range names {
		if err := CheckPipeline(n.Name); err != nil {
			return nil, err
		}
	}
	now, err := tx.pipelines(names)
	if err != nil {
		return nil, err
	}
	projects, err := tx.projectsOf(names, now)
	if err != nil {
		return nil, err
	}
	changed := false
	for _, n := range names {
		old := now[n.Name]
		before = append(before, old)
		if old == n.Deployment {
			continue
		}
		changed, now[n.Name] = true, n.Deployment
		if err := tx.setPipeline(n, projects[n.Deployment], projects[old]); err != nil {
			return nil, err
		}
	}
	if !changed {
		return before, nil
	}
	return before, tx.pipelinesChange()
}

func (tx *Tx) setPipeline(n PipelineName, p, old ProjectNo) error {
	if old != 0 && old != p {
		if err := tx.drop(pipelineOfKey(old, n.Name)); err != nil {
			return err
		}
	}
	if p != 0 {
		if err := tx.set(pipelineOfKey(p, n.Name), encodeNumber(n.Deployment)); err != nil {
			return err
		}
	}
	return tx.set(keyString(tablePipeline, n.Name), encodeNumber(n.Deployment))
}

func pipelineOfKey(p ProjectNo, name string) []byte {
	d := digestPipeline(name)
	return key32(tablePipelineOf, p, d[:]...)
}

// pipelines returns what the names stand for now.
func (tx *Tx) pipelines(names []PipelineName) (map[string]DeploymentNo, error) {
	sorted := make([]string, len(names))
	for i, n := range names {
		sorted[i] = n.Name
	}
	slices.Sort(sorted)
	nos, err := tx.numbers(tablePipeline, len(sorted), func(i int, to []byte) []byte { return append(to, sorted[i]...) })
	if err != nil {
		return nil, err
	}
	out := make(map[string]DeploymentNo, len(names))
	for i, no := range nos {
		if no != 0 {
			out[sorted[i]] = DeploymentNo(no)
		}
	}
	return out, nil
}

// projectsOf returns the projects of all deployments that are named by the one or the other.
func (tx *Tx) projectsOf(names []PipelineName, before map[string]DeploymentNo) (map[DeploymentNo]ProjectNo, error) {
	of := make(map[DeploymentNo]ProjectNo, len(names))
	for _, n := range names {
		of[n.Deployment] = 0
	}
	for _, no := range before {
		of[no] = 0
	}
	sorted := slices.SortedFunc(maps.Keys(of), cmp.Compare[DeploymentNo])
	nos, err := tx.numbers(tableDeploymentNo, len(sorted), func(i int, to []byte) []byte {
		return binary.BigEndian.AppendUint64(to, uint64(sorted[i]))
	})
	for i, p := range nos {
		of[sorted[i]] = ProjectNo(p)
	}
	return of, err
}

// DeletePipeline forgets a name, whatever its record says.
func (tx *Tx) DeletePipeline(name string) error {
	there, err := tx.dropPipelineOf(name)
	if !there || err != nil {
		return err
	}
	if err := tx.drop(keyString(tablePipeline, name)); err != nil {
		return err
	}
	return tx.pipelinesChange()
}

// dropPipelineOf takes a name from its project, if that can be told, and reports whether there is such a name.
func (tx *Tx) dropPipelineOf(name string) (there bool, err error) {
	no, err := tx.Pipeline(name)
	if isNotFound(err) {
		return false, nil
	}
	var p uint64
	if err == nil {
		p, err = tx.number(key64(tableDeploymentNo, no), "deployment %d", no)
	}
	if err == nil {
		err = tx.drop(pipelineOfKey(ProjectNo(p), name))
	}
	if isNotFound(err) || errors.Is(err, ErrCorrupt) {
		err = nil
	}
	return true, err
}

// DeletePipelines forgets what the projects' own records of names have, for after the last name.
func (tx *Tx) DeletePipelines() error { return tx.dropAll([]byte{tablePipelineOf}) }
