package tables

import (
	"encoding/hex"

	"berth/router/legacy"
	"berth/store"
)

// Reading the deployments of a project in their order costs a tenth of a point read for each, and takes 32 bytes for each of them.
const (
	fewLines       = 32        // pieces of fewer lines are not worth it
	mostDeployment = 4_000_000 // nor are projects of more than this, of which the rest is read one by one
)

// deployments finds those that a project's table names.
type deployments struct {
	project store.ProjectNo
	scanned bool
	byUUID  map[store.UUID]store.DeploymentNo
	byNo    map[store.DeploymentNo]store.UUID
}

func newDeployments(p store.ProjectNo) *deployments { return &deployments{project: p} }

// named returns what legacy.Target does, of which No, Project and UUID are sure to be set.
//
// What was scanned may be older than rd. A deployment that was deleted since is found all the same; its entries went from the
// table in the same batch, and who writes a route looks at the table again.
func (d *deployments) named(rd *store.Reader, hash string, lines int) (store.Deployment, error) {
	if !d.scanned && lines >= fewLines {
		if err := d.scan(rd); err != nil {
			return store.Deployment{}, err
		}
	}
	id, isUUID := parseUUID(hash)
	if no, ok := d.byUUID[id]; isUUID && ok {
		return store.Deployment{No: no, Project: d.project, UUID: id}, nil
	}
	if len(d.byNo) > 0 && !isUUID {
		no, err := rd.Pipeline(hash)
		if err != nil {
			return store.Deployment{}, err
		}
		if id, ok := d.byNo[no]; ok {
			return store.Deployment{No: no, Project: d.project, UUID: id}, nil
		}
		return rd.Deployment(no)
	}
	return legacy.Target(rd, hash)
}

func (d *deployments) scan(rd *store.Reader) error {
	d.scanned = true
	d.byUUID, d.byNo = map[store.UUID]store.DeploymentNo{}, map[store.DeploymentNo]store.UUID{}
	for x, err := range rd.DeploymentsOf(d.project, 0) {
		if err != nil {
			return err
		}
		if len(d.byNo) == mostDeployment {
			return nil
		}
		d.byUUID[x.UUID], d.byNo[x.No] = x.No, x.UUID
	}
	return nil
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
