package store

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"iter"
	"slices"
)

// Account returns an account by number.
func (r *Reader) Account(no AccountNo) (Account, error) {
	a, err := getRecord(r, key32(tableAccount, no), decodeAccount, "account %d", no)
	a.No = no
	return zeroIf(a, err), err
}

// AccountByID returns an account by the ID that the API speaks.
func (r *Reader) AccountByID(id string) (Account, error) {
	no, err := r.number(keyString(tableAccountID, id), "account %q", id)
	if err != nil {
		return Account{}, err
	}
	return r.Account(AccountNo(no))
}

// Accounts yields all accounts, by number.
func (r *Reader) Accounts() iter.Seq2[Account, error] {
	return records(r, []byte{tableAccount}, func(k, v []byte) (Account, error) {
		if len(k) != 5 {
			return Account{}, errTruncated
		}
		a, err := decodeAccount(v)
		a.No = AccountNo(binary.BigEndian.Uint32(k[1:]))
		return a, err
	})
}

// Project returns a project by number.
func (r *Reader) Project(no ProjectNo) (Project, error) {
	p, err := getRecord(r, key32(tableProject, no), decodeProject, "project %d", no)
	p.No = no
	return zeroIf(p, err), err
}

// ProjectByName returns a project by its name, which is unique on the server.
func (r *Reader) ProjectByName(name string) (Project, error) {
	no, err := r.number(keyString(tableProjectName, name), "project %q", name)
	if err != nil {
		return Project{}, err
	}
	return r.Project(ProjectNo(no))
}

// ProjectsOf yields the projects of an account, by name, those whose name comes after the given one; "" is before all.
func (r *Reader) ProjectsOf(a AccountNo, after string) iter.Seq2[Project, error] {
	prefix := key32(tableAccountProj, a)
	lo := prefix
	if after != "" {
		lo = append(key32s(tableAccountProj, a, after), 0)
	}
	return joinedIn(r, lo, prefixEnd(prefix), projectOfIndex)
}

// Projects yields all projects, by name.
func (r *Reader) Projects() iter.Seq2[Project, error] {
	return joined(r, []byte{tableProjectName}, projectOfIndex)
}

func projectOfIndex(r *Reader, _, v []byte) (Project, error) {
	no, err := decodeNumber(v)
	if err != nil {
		return Project{}, err
	}
	return r.Project(ProjectNo(no))
}

// Deployment returns a deployment by number.
func (r *Reader) Deployment(no DeploymentNo) (Deployment, error) {
	p, err := r.number(key64(tableDeploymentNo, no), "deployment %d", no)
	if err != nil {
		return Deployment{}, err
	}
	x, err := getRecord(r, deploymentKey(ProjectNo(p), no), decodeDeployment, "deployment %d", no)
	x.No, x.Project = no, ProjectNo(p)
	return zeroIf(x, err), err
}

// DeploymentByUUID returns a deployment by the ID that the API speaks.
func (r *Reader) DeploymentByUUID(id UUID) (Deployment, error) {
	no, err := r.number(append([]byte{tableUUID}, id[:]...), "deployment %s", id)
	if err != nil {
		return Deployment{}, err
	}
	return r.Deployment(DeploymentNo(no))
}

// DeploymentsByUUID returns the numbers of deployments, of those that there are. It sorts ids.
func (r *Reader) DeploymentsByUUID(ids []UUID) (map[UUID]DeploymentNo, error) {
	slices.SortFunc(ids, func(a, b UUID) int { return bytes.Compare(a[:], b[:]) })
	numbers, err := r.numbers(tableUUID, len(ids), func(i int, to []byte) []byte { return append(to, ids[i][:]...) })
	if err != nil {
		return nil, err
	}
	found := make(map[UUID]DeploymentNo, len(ids))
	for i, no := range numbers {
		if no != 0 {
			found[ids[i]] = DeploymentNo(no)
		}
	}
	return found, nil
}

// DeploymentByLabel returns the deployment of a project whose UUID begins with label, 8 lower-case hex digits.
func (r *Reader) DeploymentByLabel(p ProjectNo, label string) (Deployment, error) {
	raw, err := hex.DecodeString(label)
	if err != nil || len(raw) != 4 || hex.EncodeToString(raw) != label {
		return Deployment{}, notFound("deployment with label %q", label)
	}
	no, err := r.number(key32(tableLabel, p, raw...), "deployment with label %q", label)
	if err != nil {
		return Deployment{}, err
	}
	return r.Deployment(DeploymentNo(no))
}

// DeploymentsOf yields the deployments of a project, newest first, reading no other project's records, starting after
// (older than) the given number; 0 starts at the newest.
func (r *Reader) DeploymentsOf(p ProjectNo, after DeploymentNo) iter.Seq2[Deployment, error] {
	lo, hi := key32(tableDeployment, p), prefixEnd(key32(tableDeployment, p))
	if after != 0 {
		lo = deploymentKey(p, after-1)
	}
	return recordsIn(r, lo, hi, decodeDeploymentRecord)
}

// DeploymentID is what a deployment is called inside and outside.
type DeploymentID struct {
	No   DeploymentNo
	UUID UUID
}

// DeploymentIDs is DeploymentsOf, of which it reads the names alone: for whoever needs those of all deployments of a project.
func (r *Reader) DeploymentIDs(p ProjectNo) iter.Seq2[DeploymentID, error] {
	return records(r, key32(tableDeployment, p), func(k, v []byte) (id DeploymentID, err error) {
		_, no, ok := deploymentOf(k)
		if !ok {
			return id, errTruncated
		}
		id.No = no
		id.UUID, err = decodeDeploymentUUID(v)
		return id, err
	})
}

// SkipDeployments goes past as many deployments of a project as most, newest first and older than after, as DeploymentsOf does, but reads
// their keys only. It returns how many there were, and the last one's number; after if there was none.
func (r *Reader) SkipDeployments(p ProjectNo, after DeploymentNo, most int) (n int, last DeploymentNo, err error) {
	lo, hi := key32(tableDeployment, p), prefixEnd(key32(tableDeployment, p))
	if after != 0 {
		lo = deploymentKey(p, after-1)
	}
	it, done, err := r.src.iter(lo, hi)
	if err != nil {
		return 0, after, readError(lo, err)
	}
	defer done()
	defer it.Close()
	last = after
	for ok := it.First(); ok && n < most; ok = it.Next() {
		_, no, ok := deploymentOf(it.Key())
		if !ok {
			return n, last, corrupt(it.Key(), errTruncated)
		}
		n, last = n+1, no
	}
	if err := it.Error(); err != nil {
		return n, last, readError(lo, err)
	}
	return n, last, nil
}

// Deployments yields every deployment, by project, newest first within each.
func (r *Reader) Deployments() iter.Seq2[Deployment, error] {
	return records(r, []byte{tableDeployment}, decodeDeploymentRecord)
}

func decodeDeploymentRecord(k, v []byte) (Deployment, error) {
	p, no, ok := deploymentOf(k)
	if !ok {
		return Deployment{}, errTruncated
	}
	x, err := decodeDeployment(v)
	x.Project, x.No = p, no
	return x, err
}

// DeploymentLog returns the log of a deployment, oldest line first; none is no error.
func (r *Reader) DeploymentLog(no DeploymentNo) ([]LogLine, error) {
	chunks, err := collect(records(r, key64(tableLog, no), func(_, v []byte) ([]LogLine, error) { return decodeLog(v) }))
	var lines []LogLine
	for _, c := range chunks {
		lines = append(lines, c...)
	}
	return lines, err
}

// Branch returns the state of a branch.
func (r *Reader) Branch(p ProjectNo, name string) (Branch, error) {
	b, err := getRecord(r, key32s(tableBranch, p, name), decodeBranch, "branch %q of project %d", name, p)
	b.Project, b.Name = p, name
	return zeroIf(b, err), err
}

// BranchByLabel returns the branch that holds an alias label.
func (r *Reader) BranchByLabel(p ProjectNo, label string) (Branch, error) {
	name, err := getRecord(r, key32s(tableBranchLabel, p, label), decodeName, "branch with label %q of project %d", label, p)
	if err != nil {
		return Branch{}, err
	}
	return r.Branch(p, name)
}

func decodeName(b []byte) (string, error) { return string(b), nil }

// Branches yields the branches of a project, by name.
func (r *Reader) Branches(p ProjectNo) iter.Seq2[Branch, error] { return r.BranchesFrom(p, "") }

// BranchesFrom is Branches for those whose name is not before the given one.
func (r *Reader) BranchesFrom(p ProjectNo, name string) iter.Seq2[Branch, error] {
	prefix := key32(tableBranch, p)
	return recordsIn(r, key32s(tableBranch, p, name), prefixEnd(prefix), func(k, v []byte) (Branch, error) {
		b, err := decodeBranch(v)
		b.Project, b.Name = p, string(k[5:])
		return b, err
	})
}

// Domain returns a custom domain of a project, pending or active.
func (r *Reader) Domain(p ProjectNo, host string) (Domain, error) {
	m, err := getRecord(r, key32s(tableDomain, p, host), decodeDomain, "domain %q of project %d", host, p)
	m.Project, m.Host = p, host
	return zeroIf(m, err), err
}

// Domains yields the custom domains of a project, by host.
func (r *Reader) Domains(p ProjectNo) iter.Seq2[Domain, error] {
	return records(r, key32(tableDomain, p), func(k, v []byte) (Domain, error) {
		m, err := decodeDomain(v)
		m.Project, m.Host = p, string(k[5:])
		return m, err
	})
}
