package tables

import (
	"cmp"
	"encoding/hex"
	"slices"

	"berth/router/legacy"
	"berth/store"
)

// Reading the deployments of a project and their names in their order costs a tenth of a point read for each, and takes some 100 bytes for each
// of them.
const (
	fewLines        = 32        // pieces of fewer lines are not worth it
	mostDeployments = 4_000_000 // nor are projects of more than this, of which the rest is read one by one
)

// deployments finds those that a project's table names.
type deployments struct {
	project store.ProjectNo
	scanned bool
	ids     []store.DeploymentID // newest first
	byUUID  map[store.UUID]store.DeploymentNo
	names   *store.PipelinesOf // of when ids were read; nil: not read, or one has changed since
}

func newDeployments(p store.ProjectNo) *deployments { return &deployments{project: p} }

// prepare reads what will be asked for of a piece, if that is worth it.
func (d *deployments) prepare(rd *store.Reader, lines []Line) error {
	if d.names != nil {
		if same, err := d.names.Current(rd); err != nil {
			return err
		} else if !same {
			d.names = nil // that of a deployment which is gone may be another's now
		}
	}
	if d.scanned || len(lines) < fewLines {
		return nil
	}
	d.scanned = true
	return d.scan(rd)
}

func (d *deployments) scan(rd *store.Reader) error {
	for x, err := range rd.DeploymentIDs(d.project) {
		if err != nil {
			return err
		}
		if len(d.ids) == mostDeployments {
			break
		}
		d.ids = append(d.ids, x)
	}
	d.byUUID = make(map[store.UUID]store.DeploymentNo, len(d.ids))
	for _, x := range d.ids {
		d.byUUID[x.UUID] = x.No
	}
	if len(d.ids) == 0 {
		return nil
	}
	var err error
	d.names, err = rd.PipelinesOf(d.project, mostDeployments)
	return err
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
	if isUUID || len(d.ids) == 0 {
		return legacy.Target(rd, hash)
	}
	if d.names != nil {
		if no, ok := d.names.Find(hash); ok {
			if x, ok := d.own(no); ok {
				return x, nil
			}
		}
	}
	no, err := rd.Pipeline(hash)
	if err != nil {
		return store.Deployment{}, err
	}
	if x, ok := d.own(no); ok {
		return x, nil
	}
	return rd.Deployment(no)
}

// own finds a deployment of the project itself.
func (d *deployments) own(no store.DeploymentNo) (store.Deployment, bool) {
	at, ok := slices.BinarySearchFunc(d.ids, no, func(x store.DeploymentID, no store.DeploymentNo) int { return cmp.Compare(no, x.No) })
	if !ok {
		return store.Deployment{}, false
	}
	return store.Deployment{No: no, Project: d.project, UUID: d.ids[at].UUID}, true
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
