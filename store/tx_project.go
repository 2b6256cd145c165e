package store

import (
	"fmt"
	"math"
)

// Numbers are given out in order and never again: an Update that fails gives back the ones it took, nobody saw them.

// NextAccount gives out the next account number.
func (tx *Tx) NextAccount() (AccountNo, error) {
	n, err := next(tx, &tx.g.head.lastAccount, math.MaxUint32)
	return n, err
}

// NextProject gives out the next project number.
func (tx *Tx) NextProject() (ProjectNo, error) {
	n, err := next(tx, &tx.g.head.lastProject, math.MaxUint32)
	return n, err
}

// NextDeployment gives out the next deployment number.
func (tx *Tx) NextDeployment() (DeploymentNo, error) {
	return next(tx, &tx.g.head.lastDeployment, math.MaxUint64)
}

func next[N AccountNo | ProjectNo | DeploymentNo](tx *Tx, last *N, most uint64) (N, error) {
	if err := tx.usable(); err != nil {
		return 0, err
	}
	if uint64(*last) == most {
		return 0, fmt.Errorf("store: all %d numbers are given out", most)
	}
	*last++
	tx.wrote = true // a number that was given out is a change of state
	return *last, nil
}

func checkName(what, s string) error {
	if s == "" || len(s) > maxNameBytes {
		return invalid("%s of %d bytes, must have 1 to %d", what, len(s), maxNameBytes)
	}
	return nil
}

// free says ErrConflict if an index key names another record than no.
func free[N ~uint32 | ~uint64](tx *Tx, key []byte, no N, format string, args ...any) error {
	held, err := tx.number(key, format, args...)
	switch {
	case isNotFound(err):
		return nil
	case err != nil:
		return err
	case held != uint64(no):
		return fmt.Errorf("%w: %s", ErrConflict, fmt.Sprintf(format, args...))
	}
	return nil
}

// PutAccount stores an account under a number of NextAccount. ErrConflict: another account has its ID.
func (tx *Tx) PutAccount(a Account) error {
	if a.No == 0 {
		return invalid("account without a number")
	}
	if err := checkName("account ID", a.ID); err != nil {
		return err
	}
	idKey := keyString(tableAccountID, a.ID)
	if err := free(tx, idKey, a.No, "account ID %q", a.ID); err != nil {
		return err
	}
	old, err := tx.Account(a.No)
	if err != nil && !isNotFound(err) {
		return err
	}
	if err == nil && old.ID != a.ID {
		if err := tx.drop(keyString(tableAccountID, old.ID)); err != nil {
			return err
		}
	}
	if err := tx.set(idKey, encodeNumber(a.No)); err != nil {
		return err
	}
	return tx.set(key32(tableAccount, a.No), encodeAccount(a))
}

// PutProject stores a project under a number of NextProject. ErrConflict: another project has its name.
func (tx *Tx) PutProject(p Project) error {
	switch {
	case p.No == 0 || p.Account == 0:
		return invalid("project %q without a number or an account", p.Name)
	case p.State != ProjectActive && p.State != ProjectDeleting:
		return invalid("project %q in unknown state %d", p.Name, p.State)
	}
	if err := checkName("project name", p.Name); err != nil {
		return err
	}
	nameKey := keyString(tableProjectName, p.Name)
	if err := free(tx, nameKey, p.No, "project name %q", p.Name); err != nil {
		return err
	}
	old, err := tx.Project(p.No)
	if err != nil && !isNotFound(err) {
		return err
	}
	if err == nil && (old.Name != p.Name || old.Account != p.Account) {
		if err := tx.dropProjectNames(old); err != nil {
			return err
		}
	}
	no := encodeNumber(p.No)
	if err := tx.set(nameKey, no); err != nil {
		return err
	}
	if err := tx.set(key32s(tableAccountProj, p.Account, p.Name), no); err != nil {
		return err
	}
	tx.touchProject(p.No)
	return tx.set(key32(tableProject, p.No), encodeProject(p))
}

func (tx *Tx) dropProjectNames(p Project) error {
	if err := tx.drop(keyString(tableProjectName, p.Name)); err != nil {
		return err
	}
	return tx.drop(key32s(tableAccountProj, p.Account, p.Name))
}

// DeleteProject deletes the record, its targets and its table of the old design, what was uploaded to it and is claimed or wanted, and frees the name. What else
// belongs to the project is the caller's to delete first.
func (tx *Tx) DeleteProject(no ProjectNo) error {
	p, err := tx.Project(no)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := tx.dropProjectNames(p); err != nil {
		return err
	}
	for _, table := range []byte{tableClaim, tableWanted, tableTarget, tableLegacy, tableLegacyHost, tablePipelineOf} {
		if err := tx.dropAll(key32(table, no)); err != nil {
			return err
		}
	}
	tx.touchProject(no)
	tx.tables = append(tx.tables, no)
	return tx.drop(key32(tableProject, no))
}

// PutDeployment stores a deployment under a number of NextDeployment, with the first lines of its log. ErrConflict:
// its UUID, or the label that begins it, is taken.
func (tx *Tx) PutDeployment(x Deployment, log []LogLine) error {
	if err := checkDeployment(x); err != nil {
		return err
	}
	noKey, idKey := key64(tableDeploymentNo, x.No), append([]byte{tableUUID}, x.UUID[:]...)
	labelKey := key32(tableLabel, x.Project, x.UUID[:4]...)
	if err := free(tx, idKey, x.No, "deployment ID %s", x.UUID); err != nil {
		return err
	}
	if err := free(tx, labelKey, x.No, "deployment label %x", x.UUID[:4]); err != nil {
		return err
	}
	old, err := tx.Deployment(x.No)
	if err != nil && !isNotFound(err) {
		return err
	}
	if err == nil && (old.UUID != x.UUID || old.Project != x.Project) {
		return fmt.Errorf("%w: deployment %d is %s", ErrConflict, x.No, old.UUID)
	}
	for key, no := range map[string][]byte{
		string(noKey): encodeNumber(x.Project), string(idKey): encodeNumber(x.No), string(labelKey): encodeNumber(x.No),
	} {
		if err := tx.set([]byte(key), no); err != nil {
			return err
		}
	}
	tx.deployments = append(tx.deployments, x.No)
	tx.touchProject(x.Project)
	if err := tx.set(deploymentKey(x.Project, x.No), encodeDeployment(x)); err != nil {
		return err
	}
	return tx.AppendLog(x.No, log)
}

func checkDeployment(x Deployment) error {
	switch {
	case x.No == 0 || x.Project == 0:
		return invalid("deployment %s without a number or a project", x.UUID)
	case x.Environment != Production && x.Environment != Preview:
		return invalid("deployment %s of unknown environment %d", x.UUID, x.Environment)
	case x.Status != StatusSuccess && x.Status != StatusFailure:
		return invalid("deployment %s of unknown status %d", x.UUID, x.Status)
	}
	files := x.files()
	for _, f := range append(files[:], &x.Hints) {
		if f.Size < 0 {
			return invalid("deployment %s names a file of %d bytes", x.UUID, f.Size)
		}
	}
	return nil
}

// AppendLog adds lines to a deployment's log; each call is one chunk of it.
func (tx *Tx) AppendLog(no DeploymentNo, lines []LogLine) error {
	if len(lines) == 0 {
		return nil
	}
	chunk, err := tx.nextLogChunk(no)
	if err != nil {
		return err
	}
	return tx.set(logKey(no, chunk), encodeLog(lines))
}

func (tx *Tx) nextLogChunk(no DeploymentNo) (uint32, error) {
	prefix := key64(tableLog, no)
	it, done, err := tx.src.iter(prefix, prefixEnd(prefix))
	if err != nil {
		return 0, readError(prefix, err)
	}
	defer done()
	defer it.Close()
	if !it.Last() {
		return 0, it.Error()
	}
	if len(it.Key()) != len(prefix)+4 {
		return 0, corrupt(it.Key(), errTruncated)
	}
	return chunkOf(it.Key()) + 1, nil
}

// DeleteDeployment deletes the record, its indexes, the listing of its encoded forms and its log. The hosts that lead to it are the
// caller's to free first.
func (tx *Tx) DeleteDeployment(no DeploymentNo) error {
	x, err := tx.Deployment(no)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, key := range [][]byte{
		key64(tableDeploymentNo, no), append([]byte{tableUUID}, x.UUID[:]...),
		key32(tableLabel, x.Project, x.UUID[:4]...), deploymentKey(x.Project, no),
	} {
		if err := tx.drop(key); err != nil {
			return err
		}
	}
	for _, key := range [][]byte{key64(tableVariants, no), key64(tableVariantsTodo, no)} {
		if _, err := tx.dropIfThere(key); err != nil {
			return err
		}
	}
	if err := tx.dropImported(no); err != nil {
		return err
	}
	tx.deployments = append(tx.deployments, no)
	tx.touchProject(x.Project)
	chunks, err := tx.nextLogChunk(no)
	for chunk := uint32(0); err == nil && chunk < chunks; chunk++ {
		err = tx.drop(logKey(no, chunk))
	}
	return err
}
