package tables

import (
	"cmp"
	"encoding/hex"
	"slices"

	"berth/router/legacy"
	"berth/store"
)

// Reading the deployments of a project in their order costs a tenth of a point read for each, and takes some 70 bytes for each of them.
const (
	fewLines       = 32        // pieces of fewer lines are not worth it
	mostDeployment = 4_000_000 // nor are projects of more than this, of which the rest is read one by one
)

// deployments finds those that a project's table names.
type deployments struct {
	project store.ProjectNo
	scanned bool
	ids     []store.DeploymentID // newest first
	byUUID  map[store.UUID]store.DeploymentNo
	byName  map[string]store.DeploymentNo // of the names in the piece that was prepared
}

func newDeployments(p store.ProjectNo) *deployments { return &deployments{project: p} }

// prepare reads what will be asked for of a piece, if that is worth it.
func (d *deployments) prepare(rd *store.Reader, lines []Line) error {
	d.byName = nil
	if len(lines) < fewLines {
		return nil
	}
	if !d.scanned {
		d.scanned = true
		if err := d.scan(rd); err != nil {
			return err
		}
	}
	if len(d.ids) == 0 {
		return nil
	}
	var names []string
	for i := range lines {
		if _, isUUID := parseUUID(lines[i].ScriptHash); !isUUID {
			names = append(names, lines[i].ScriptHash)
		}
	}
	var err error
	d.byName, err = rd.PipelinesNamed(names)
	return err
}

func (d *deployments) scan(rd *store.Reader) error {
	for x, err := range rd.DeploymentIDs(d.project) {
		if err != nil {
			return err
		}
		if len(d.ids) == mostDeployment {
			break
		}
		d.ids = append(d.ids, x)
	}
	d.byUUID = make(map[store.UUID]store.DeploymentNo, len(d.ids))
	for _, x := range d.ids {
		d.byUUID[x.UUID] = x.No
	}
	return nil
}

// named returns what legacy.Target does, of which No, Project and UUID are sure to be set.
//
// What was scanned may be older than rd. A deployment that was deleted since is found all the same; its entries went from the
// table in the same batch, and who writes a route looks at the table again.
func (d *deployments) named(rd *store.Reader, hash string) (store.Deployment, error) {
	id, isUUID := parseUUID(hash)
	if no, ok := d.byUUID[id]; isUUID && ok {
		return store.Deployment{No: no, Project: d.project, UUID: id}, nil
	}
	if len(d.ids) > 0 && !isUUID {
		no, err := d.pipeline(rd, hash)
		if err != nil {
			return store.Deployment{}, err
		}
		at, ok := slices.BinarySearchFunc(d.ids, no, func(x store.DeploymentID, no store.DeploymentNo) int { return cmp.Compare(no, x.No) })
		if ok {
			return store.Deployment{No: no, Project: d.project, UUID: d.ids[at].UUID}, nil
		}
		return rd.Deployment(no)
	}
	return legacy.Target(rd, hash)
}

func (d *deployments) pipeline(rd *store.Reader, name string) (store.DeploymentNo, error) {
	if no, ok := d.byName[name]; ok {
		return no, nil
	}
	return rd.Pipeline(name) // which says what is wrong
}

// parseUUID reads the name that Berth itself gives: the UUID in 32 lower-case hex digits.
func parseUUID(s string) (id store.UUID, ok bool) {
	if len(s) != hex.EncodedLen(len(id)) {
		return id, false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return id, false
		}
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err == nil
}
