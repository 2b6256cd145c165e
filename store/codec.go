package store

import (
	"encoding/binary"

	"berth/assets/manifest"
)

// Versions of the record values. Where there are two, the first is still what is written of a record that it can hold. A change of layout takes the next number and keeps a reader for the old one; it also
// takes a new FormatVersion, unless older programs may meet it unharmed.
const (
	routeVersion      = 1 // in the high nibble of the first byte, RouteKind in the low one
	accountVersion    = 1
	projectVersion    = 1
	projectSite       = 2 // ends in site settings
	deploymentVersion = 1
	deploymentSite    = 2 // ends in hints and site settings
	logVersion        = 1
	branchVersion     = 1
	domainVersion     = 1
	hostVersion       = 1
	tokenVersion      = 1
	proofVersion      = 1
	proofLink         = 2 // ends in a link
	claimVersion      = 1
	commitVersion     = 1
	headVersion       = 1
	headEpoch         = 2 // ends in an epoch
	targetVersion     = 1
	encodedVersion    = 1
	variantsVersion   = 1
)

// maxRouteBytes bounds an encoded route: 3 fixed bytes, then at most 5, 10 and 5.
const maxRouteBytes = 24

// appendRoute writes a route: version and kind, class, flags, project, deployment, and the epoch unless it is zero,
// which it is on a server that never migrated.
func appendRoute(b []byte, r Route) []byte {
	b = append(b, routeVersion<<4|byte(r.Kind), byte(r.Class), byte(r.Flags))
	b = binary.AppendUvarint(b, uint64(r.Project))
	b = binary.AppendUvarint(b, uint64(r.Deployment))
	if r.Epoch != 0 {
		b = binary.AppendUvarint(b, uint64(r.Epoch))
	}
	return b
}

func checkRoute(r Route) error {
	switch {
	case r.Kind != RouteSite:
		return invalid("route of unknown kind %d", r.Kind)
	case r.Class < ClassDeployment || r.Class > ClassCustom:
		return invalid("route of unknown class %d", r.Class)
	}
	return nil
}

// decodeRoute is on the request path: no allocation unless the value is corrupt.
func decodeRoute(b []byte) (Route, error) {
	d := decoder{b: b}
	vk := d.u8()
	r := Route{Kind: RouteKind(vk & 15), Class: Class(d.u8()), Flags: RouteFlags(d.u8())}
	r.Project = ProjectNo(d.uint32())
	r.Deployment = DeploymentNo(d.uint())
	if len(d.b) > 0 {
		if r.Epoch = Epoch(d.uint32()); r.Epoch == 0 {
			d.fail(errOverlong)
		}
	}
	if err := d.finish(); err != nil {
		return Route{}, err
	}
	if vk>>4 != routeVersion {
		return Route{}, errRange
	}
	return r, checkRoute(r)
}

func (e *encoder) file(f FileRef) {
	if f == (FileRef{}) {
		e.u8(0)
		return
	}
	e.u8(1)
	e.fixed(f.Digest[:])
	e.uint(uint64(f.Size))
}

func (d *decoder) file() FileRef {
	var f FileRef
	if !d.bool() {
		return f
	}
	d.fixed(f.Digest[:])
	f.Size = d.int64()
	if f == (FileRef{}) {
		d.fail(errOverlong) // "none" has a shorter form
	}
	return f
}

func encodeAccount(a Account) []byte {
	var e encoder
	e.u8(accountVersion)
	e.string(a.ID)
	e.string(a.Name)
	e.time(a.Created)
	return e.b
}

// decodeAccount leaves No, which is the key, to the caller; so do the other decoders with what their key says.
func decodeAccount(b []byte) (Account, error) {
	d := decoder{b: b}
	d.version(accountVersion)
	a := Account{ID: d.string(), Name: d.string(), Created: d.time()}
	return a, d.finish()
}

func encodeProject(p Project) []byte {
	var e encoder
	withSite := p.Site != SiteSettings{}
	e.oneOf(withSite, projectSite, projectVersion)
	e.uint(uint64(p.Account))
	e.fixed(p.UUID[:])
	e.string(p.Name)
	e.string(p.ProductionBranch)
	e.u8(uint8(p.State))
	e.time(p.Created)
	e.time(p.Modified)
	e.uint(uint64(p.Live))
	e.uint(uint64(p.Latest))
	e.bytes(p.Settings)
	if withSite {
		e.site(p.Site)
	}
	return e.b
}

func decodeProject(b []byte) (Project, error) {
	d := decoder{b: b}
	withSite := d.oneOf(projectSite, projectVersion)
	p := Project{Account: AccountNo(d.uint32())}
	d.fixed(p.UUID[:])
	p.Name, p.ProductionBranch = d.string(), d.string()
	p.State = ProjectState(d.enum(uint8(ProjectDeleting)))
	p.Created, p.Modified = d.time(), d.time()
	p.Live, p.Latest = DeploymentNo(d.uint()), DeploymentNo(d.uint())
	p.Settings = d.bytes()
	if withSite {
		if p.Site = d.site(); p.Site == (SiteSettings{}) {
			d.fail(errOverlong)
		}
	}
	return p, d.finish()
}

func encodeBranch(b Branch) []byte {
	var e encoder
	e.u8(branchVersion)
	e.uint(uint64(b.Latest))
	e.string(b.Exact)
	e.string(b.Plain)
	return e.b
}

func decodeBranch(b []byte) (Branch, error) {
	d := decoder{b: b}
	d.version(branchVersion)
	r := Branch{Latest: DeploymentNo(d.uint()), Exact: d.string(), Plain: d.string()}
	return r, d.finish()
}

func encodeDomain(m Domain) []byte {
	var e encoder
	e.u8(domainVersion)
	e.fixed(m.UUID[:])
	e.string(m.Branch)
	e.u8(uint8(m.Status))
	e.string(m.Proof)
	e.string(m.Error)
	e.time(m.Created)
	e.time(m.Checked)
	return e.b
}

func decodeDomain(b []byte) (Domain, error) {
	d := decoder{b: b}
	d.version(domainVersion)
	var m Domain
	d.fixed(m.UUID[:])
	m.Branch = d.string()
	m.Status = DomainStatus(d.enum(uint8(DomainActive)))
	m.Proof, m.Error = d.string(), d.string()
	m.Created, m.Checked = d.time(), d.time()
	return m, d.finish()
}

func encodeHostOwner(o HostOwner) []byte {
	var e encoder
	e.u8(hostVersion)
	e.uint(uint64(o.Account))
	e.uint(uint64(o.Project))
	return e.b
}

func decodeHostOwner(b []byte) (HostOwner, error) {
	d := decoder{b: b}
	d.version(hostVersion)
	o := HostOwner{Account: AccountNo(d.uint32()), Project: ProjectNo(d.uint32())}
	return o, d.finish()
}

func encodeProof(p Proof) []byte {
	e := encoder{b: make([]byte, 0, 44)}
	e.oneOf(p.LinkKnown, proofLink, proofVersion)
	e.fixed(p.Blob.Digest[:])
	e.uint(uint64(p.Blob.Size))
	if p.LinkKnown {
		e.string(p.Link)
	}
	return e.b
}

func decodeProof(b []byte) (Proof, error) {
	d := decoder{b: b}
	p := Proof{LinkKnown: d.oneOf(proofLink, proofVersion)}
	d.fixed(p.Blob.Digest[:])
	p.Blob.Size = d.int64()
	if p.LinkKnown {
		p.Link = d.string()
	}
	return p, d.finish()
}

// encodeClaim writes what the key of a claim, which ends in the digest, does not say.
func encodeClaim(c Claim) []byte {
	e := encoder{b: make([]byte, 0, 24)}
	e.u8(claimVersion)
	e.uint(uint64(c.Blob.Size))
	e.time(c.Time)
	return e.b
}

func decodeClaim(b []byte, digest manifest.Digest) (Claim, error) {
	d := decoder{b: b}
	d.version(claimVersion)
	c := Claim{Blob: FileRef{Digest: digest, Size: d.int64()}, Time: d.time()}
	return c, d.finish()
}
