package store

import "math"

const (
	deploymentDirty     = 1 << 0
	deploymentFunctions = 1 << 1
)

func (e *encoder) deploymentFiles(x *Deployment) {
	for _, f := range x.files() {
		e.file(*f)
	}
}

// files lists the blobs that a deployment names beside its manifest's entries, in their order on disk; the hints come
// at the end of the record.
func (x *Deployment) files() [6]*FileRef {
	return [6]*FileRef{&x.Manifest, &x.Headers, &x.Redirects, &x.Routes, &x.WorkerBundle, &x.RoutingConfig}
}

func encodeDeployment(x Deployment) []byte {
	var e encoder
	long := x.Hints != FileRef{} || x.Site != SiteSettings{}
	e.oneOf(long, deploymentSite, deploymentVersion)
	e.fixed(x.UUID[:])
	e.u8(uint8(x.Environment))
	e.u8(uint8(x.Status))
	var flags uint8
	if x.CommitDirty {
		flags |= deploymentDirty
	}
	if x.UsesFunctions {
		flags |= deploymentFunctions
	}
	e.u8(flags)
	e.time(x.Created)
	e.string(x.Branch)
	e.string(x.CommitHash)
	e.string(x.CommitMessage)
	e.uint(uint64(x.Files))
	e.uint(x.Bytes)
	e.deploymentFiles(&x)
	e.string(x.WranglerConfigHash)
	e.string(x.BuildOutputDir)
	if long {
		e.file(x.Hints)
		e.site(x.Site)
	}
	return e.b
}

func decodeDeployment(b []byte) (Deployment, error) {
	d := decoder{b: b}
	long := d.oneOf(deploymentSite, deploymentVersion)
	var x Deployment
	d.fixed(x.UUID[:])
	x.Environment = Environment(d.enum(uint8(Preview)))
	x.Status = DeploymentStatus(d.enum(uint8(StatusFailure)))
	flags := d.u8()
	if flags&^(deploymentDirty|deploymentFunctions) != 0 {
		d.fail(errRange)
	}
	x.CommitDirty, x.UsesFunctions = flags&deploymentDirty != 0, flags&deploymentFunctions != 0
	x.Created = d.time()
	x.Branch, x.CommitHash, x.CommitMessage = d.string(), d.string(), d.string()
	x.Files, x.Bytes = d.uint32(), d.uint()
	for _, f := range x.files() {
		*f = d.file()
	}
	x.WranglerConfigHash, x.BuildOutputDir = d.string(), d.string()
	if long {
		if x.Hints, x.Site = d.file(), d.site(); x.Hints == (FileRef{}) && x.Site == (SiteSettings{}) {
			d.fail(errOverlong)
		}
	}
	return x, d.finish()
}

// decodeDeploymentUUID reads no further than to the UUID.
func decodeDeploymentUUID(b []byte) (id UUID, err error) {
	d := decoder{b: b}
	d.oneOf(deploymentSite, deploymentVersion)
	d.fixed(id[:])
	return id, d.err
}

func encodeLog(lines []LogLine) []byte {
	var e encoder
	e.u8(logVersion)
	e.uint(uint64(len(lines)))
	for _, l := range lines {
		e.time(l.Time)
		e.string(l.Text)
	}
	return e.b
}

func decodeLog(b []byte) ([]LogLine, error) {
	d := decoder{b: b}
	d.version(logVersion)
	n := d.uint()
	if n > uint64(len(d.b)) { // a line takes three bytes or more: no room is made for a number that is a lie
		d.fail(errTruncated)
	}
	var lines []LogLine
	for i := uint64(0); i < n && d.err == nil; i++ {
		lines = append(lines, LogLine{Time: d.time(), Text: d.string()})
	}
	return lines, d.finish()
}

func encodeToken(t Token) []byte {
	var e encoder
	e.u8(tokenVersion)
	e.fixed(t.Hash[:])
	e.uint(uint64(t.Account))
	e.u8(uint8(t.Scope))
	e.string(t.Name)
	e.uint(uint64(len(t.Projects)))
	for _, p := range t.Projects {
		e.string(p)
	}
	e.time(t.Created)
	e.time(t.Expires)
	e.time(t.LastUsed)
	return e.b
}

func decodeToken(b []byte) (Token, error) {
	d := decoder{b: b}
	d.version(tokenVersion)
	var t Token
	d.fixed(t.Hash[:])
	t.Account = AccountNo(d.uint32())
	t.Scope = Scope(d.enum(uint8(ScopeRead)))
	t.Name = d.string()
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail(errTruncated)
	}
	for i := uint64(0); i < n && d.err == nil; i++ {
		t.Projects = append(t.Projects, d.string())
	}
	t.Created, t.Expires, t.LastUsed = d.time(), d.time(), d.time()
	return t, d.finish()
}

// head is the state of the whole store, rewritten by every group.
type head struct {
	rev            Revision
	logOldest      Revision // first revision that the commit log still holds; rev+1 if none
	wildcards      uint64
	wildcardGen    uint64
	lastAccount    AccountNo
	lastProject    ProjectNo
	lastDeployment DeploymentNo
	epoch          Epoch
}

func encodeHead(h head) []byte {
	var e encoder
	e.oneOf(h.epoch != 0, headEpoch, headVersion)
	e.uint(uint64(h.rev))
	e.uint(uint64(h.logOldest))
	e.uint(h.wildcards)
	e.uint(h.wildcardGen)
	e.uint(uint64(h.lastAccount))
	e.uint(uint64(h.lastProject))
	e.uint(uint64(h.lastDeployment))
	if h.epoch != 0 {
		e.uint(uint64(h.epoch))
	}
	return e.b
}

func decodeHead(b []byte) (head, error) {
	d := decoder{b: b}
	withEpoch := d.oneOf(headEpoch, headVersion)
	h := head{rev: Revision(d.uint()), logOldest: Revision(d.uint()), wildcards: d.uint(), wildcardGen: d.uint()}
	h.lastAccount, h.lastProject, h.lastDeployment = AccountNo(d.uint32()), ProjectNo(d.uint32()), DeploymentNo(d.uint())
	if withEpoch {
		if h.epoch = Epoch(d.uint32()); h.epoch == 0 {
			d.fail(errOverlong)
		}
	}
	if h.wildcards > math.MaxInt {
		d.fail(errRange)
	}
	return h, d.finish()
}
