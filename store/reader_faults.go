package store

import (
	"bytes"
	"encoding/binary"
	"iter"
)

// IndexFault is an index entry that points at nothing, or at a record that does not point back. Reads that go through it
// say "not found" or "corrupt"; an index entry that is missing is found by asking for each record by its other names.
type IndexFault struct {
	Table string // what the index is of
	What  string // what is wrong
	Key   string // the entry's key, names in hex: safe to show
}

// indexTable is one table that names records of another.
type indexTable struct {
	table byte
	name  string
	// check reports whether what the entry names is there and agrees; isNotFound is no.
	check func(r *Reader, k, v []byte) (bool, error)
	least int // bytes of a key
}

func indexTables() []indexTable {
	return []indexTable{
		{tableAccountID, "account IDs", checkAccountID, 2},
		{tableProjectName, "project names", checkProjectName, 2},
		{tableAccountProj, "projects of an account", checkAccountProject, 6},
		{tableDeploymentNo, "deployment numbers", checkDeploymentNo, 9},
		{tableUUID, "deployment IDs", checkUUID, 17},
		{tableLabel, "deployment labels", checkLabel, 9},
		{tableLog, "deployment logs", checkOwner, 13},
		{tableBranchLabel, "branch labels", checkBranchLabel, 6},
		{tableAccountToken, "tokens of an account", checkAccountToken, 6},
		{tableVariants, "encoded forms of deployments", checkOwner, 9},
		{tableVariantsTodo, "encoded forms to be made", checkOwner, 9},
		{tableImported, "imported hosts of deployments", checkOwner, 26},
		{tablePipeline, "names of the old design", checkPipeline, 2},
		{tablePipelineOf, "names of the old design by project", checkPipelineOf, 1},
	}
}

// IndexFaults yields every fault of the indexes, all as of one state. An index entry, or the record that it names, which
// cannot be decoded is yielded as an error, and the scan goes on behind it.
func (r *Reader) IndexFaults() iter.Seq2[IndexFault, error] {
	return func(yield func(IndexFault, error) bool) {
		src, done, err := r.src.pin()
		if err != nil {
			yield(IndexFault{}, err)
			return
		}
		defer done()
		pinned := &Reader{src}
		for _, x := range indexTables() {
			for f, err := range records(pinned, []byte{x.table}, x.fault(pinned)) {
				if err == nil && f == (IndexFault{}) {
					continue
				}
				if !yield(f, err) {
					return
				}
			}
		}
	}
}

// fault decodes an entry to what is wrong with it, the zero value if nothing is.
func (x indexTable) fault(r *Reader) func(k, v []byte) (IndexFault, error) {
	return func(k, v []byte) (IndexFault, error) {
		f := IndexFault{Table: x.name, Key: keyName(k)}
		if len(k) < x.least {
			f.What = "the key is too short"
			return f, nil
		}
		ok, err := x.check(r, k, v)
		switch {
		case isNotFound(err):
			f.What = "the record that it names is not there"
			return f, nil
		case err != nil:
			return IndexFault{}, err
		case !ok:
			f.What = "the record that it names does not agree"
			return f, nil
		}
		return IndexFault{}, nil
	}
}

// checkPipeline is about what the project of a name's deployment has by the name, if it has anything: a name may be of what is no deployment.
func checkPipeline(r *Reader, k, v []byte) (bool, error) {
	no, err := decodeNumber(v)
	if err != nil {
		return false, err
	}
	p, err := r.number(key64(tableDeploymentNo, DeploymentNo(no)), "deployment %d", no)
	if isNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	of, err := r.number(pipelineOfKey(ProjectNo(p), string(k[1:])), "pipeline of project %d", p)
	if isNotFound(err) {
		return true, nil
	}
	return of == no, err
}

// checkPipelineOf is about whose the deployment is, if it is there.
func checkPipelineOf(r *Reader, k, v []byte) (bool, error) {
	if len(k) == len(pipelineChangeKey) {
		_, err := decodeNumber(v)
		return true, err
	}
	d, err := decodePipelineOf(k, v)
	if err != nil {
		return false, err
	}
	p, err := r.number(key64(tableDeploymentNo, d.of), "deployment %d", d.of)
	if isNotFound(err) {
		return true, nil
	}
	return uint32(p) == number32(k), err
}

func number32(k []byte) uint32 { return binary.BigEndian.Uint32(k[1:]) }

func checkAccountID(r *Reader, k, v []byte) (bool, error) {
	no, err := decodeNumber(v)
	if err != nil {
		return false, err
	}
	a, err := r.Account(AccountNo(no))
	return a.ID == string(k[1:]), err
}

func checkProjectName(r *Reader, k, v []byte) (bool, error) {
	p, err := projectOfIndex(r, k, v)
	return p.Name == string(k[1:]), err
}

func checkAccountProject(r *Reader, k, v []byte) (bool, error) {
	p, err := projectOfIndex(r, k, v)
	return p.Name == string(k[5:]) && p.Account == AccountNo(number32(k)), err
}

func checkDeploymentNo(r *Reader, k, _ []byte) (bool, error) {
	_, err := r.Deployment(DeploymentNo(binary.BigEndian.Uint64(k[1:])))
	return true, err
}

func checkUUID(r *Reader, k, v []byte) (bool, error) {
	x, err := deploymentOfIndex(r, v)
	return bytes.Equal(x.UUID[:], k[1:]), err
}

func checkLabel(r *Reader, k, v []byte) (bool, error) {
	x, err := deploymentOfIndex(r, v)
	return x.Project == ProjectNo(number32(k)) && bytes.Equal(x.UUID[:4], k[5:]), err
}

func deploymentOfIndex(r *Reader, v []byte) (Deployment, error) {
	no, err := decodeNumber(v)
	if err != nil {
		return Deployment{}, err
	}
	return r.Deployment(DeploymentNo(no))
}

// checkOwner is for whatever has a deployment's number in its key.
func checkOwner(r *Reader, k, _ []byte) (bool, error) {
	return r.has(key64(tableDeploymentNo, DeploymentNo(binary.BigEndian.Uint64(k[1:]))))
}

func checkBranchLabel(r *Reader, k, v []byte) (bool, error) {
	b, err := r.Branch(ProjectNo(number32(k)), string(v))
	label := string(k[5:])
	return b.Exact == label || b.Plain == label, err
}

func checkAccountToken(r *Reader, k, _ []byte) (bool, error) {
	t, err := r.Token(string(k[5:]))
	return t.Account == AccountNo(number32(k)), err
}

// AllHostOwners yields every claimed host, wildcards included.
func (r *Reader) AllHostOwners() iter.Seq2[string, HostOwnerOrErr] {
	return r.hostOwners([]byte{tableHost})
}
