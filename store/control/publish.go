package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/store"
)

// publication is a deployment on its way: everything it needs is proved and durable, and nobody can see it yet.
type publication struct {
	svc       *Service
	project   store.Project // as it was when the call came in
	form      deploymentForm
	prover    *prover
	manifest  store.FileRef
	listing   *manifest.Manifest // what it says
	hints     store.FileRef      // none if no document has a link
	hintNotes []string           // on links left out
	bytes     uint64
	site      store.SiteSettings // of its berth.toml
	notes     []string           // on its rule files
	forms     encodedForms
	waits     queued // for its encoded forms
}

// createDeployment does all of its work in the one call: when it is answered the site is live, or nothing has happened.
func (s *Service) createDeployment(c *call) (any, error) {
	limit := s.opts.MaxManifestBytes + s.opts.MaxBundleBytes + 4*s.opts.MaxRuleFileBytes + int64(s.opts.MaxParts)*maxUnknownPart
	if err := c.allowBody(limit, "a deployment"); err != nil {
		return nil, err
	}
	if err := s.mayStore(c.ctx); err != nil {
		return nil, err
	}
	batch := s.deps.Blobs.NewBatch()
	defer batch.Abort()
	form, err := s.readForm(c.r, batch)
	if err != nil {
		return nil, err
	}
	return s.publish(c.ctx, c.project, form, batch)
}

// publish turns a form into a deployment that everybody sees. batch holds the form's files.
func (s *Service) publish(ctx context.Context, p store.Project, form deploymentForm, batch *blob.Batch) (deploymentObject, error) {
	hold := s.upkeep.reserve()
	defer hold.release()
	pr := s.newProver(p, hold, form.Files)
	defer pr.release()
	if err := pr.run(ctx); err != nil {
		return deploymentObject{}, err
	}
	if left := pr.unproved(); len(left) > 0 {
		return deploymentObject{}, pr.refuse(ctx, left)
	}
	pub := &publication{svc: s, project: p, form: form, prover: pr}
	if err := pub.takeSiteFile(); err != nil {
		return deploymentObject{}, err
	}
	if err := pr.findHints(ctx); err != nil {
		return deploymentObject{}, err
	}
	if err := pub.findForms(ctx, batch); err != nil {
		return deploymentObject{}, err
	}
	if err := pub.store(batch); err != nil {
		return deploymentObject{}, err
	}
	notes, err := s.ruleNotes(pub.deployment())
	if err != nil {
		return deploymentObject{}, err
	}
	pub.notes = append(append(pub.form.Notes, notes...), pub.forms.notes...)
	done, err := pub.goLive(ctx)
	if err == nil {
		pub.wakeEncoding()
	}
	return done, err
}

// store makes the manifest and the form's files durable, with one fsync of their directory: blobs come before the record
// that names them.
func (pub *publication) store(batch *blob.Batch) error {
	entries := pub.prover.entries(pub.form.Files)
	for _, e := range entries {
		pub.bytes += uint64(e.Size)
	}
	encoded, err := manifest.Encode(entries)
	if err != nil {
		return fmt.Errorf("encode the manifest: %w", err)
	}
	if pub.listing, err = manifest.Open(encoded); err != nil {
		return fmt.Errorf("open the manifest: %w", err)
	}
	if pub.manifest, err = addBlob(batch, encoded); err != nil {
		return fmt.Errorf("store the manifest: %w", err)
	}
	if err := pub.storeHints(batch, encoded); err != nil {
		return err
	}
	d := pub.deployment()
	pub.prover.hold.add(fileRefs(d)...)
	if err := batch.Commit(); err != nil {
		return fmt.Errorf("make the deployment's files durable: %w", err)
	}
	var refs []store.FileRef
	for _, f := range namedFileRefs(d) {
		refs = append(refs, f.Ref)
	}
	if missing := pub.prover.pin(refs...); len(missing) > 0 {
		return fmt.Errorf("blob %s is gone right after it was stored", missing[0])
	}
	return nil
}

// deployment is the record, but for what only the commit can know.
func (pub *publication) deployment() store.Deployment {
	f := &pub.form
	return store.Deployment{
		Project:            pub.project.No,
		Status:             store.StatusSuccess,
		CommitHash:         f.CommitHash,
		CommitMessage:      f.CommitMessage,
		CommitDirty:        f.CommitDirty,
		Manifest:           pub.manifest,
		Files:              uint32(len(f.Files)),
		Bytes:              pub.bytes,
		Headers:            f.Headers,
		Redirects:          f.Redirects,
		Routes:             f.Routes,
		WorkerBundle:       f.WorkerBundle,
		RoutingConfig:      f.RoutingConfig,
		UsesFunctions:      f.WorkerBundle != store.FileRef{},
		WranglerConfigHash: f.WranglerConfigHash,
		BuildOutputDir:     f.BuildOutputDir,
		Hints:              pub.hints,
		Site:               pub.site,
	}
}

// fileRefs lists the blobs that a deployment's record names; those of its manifest's entries come on top.
func fileRefs(d store.Deployment) []manifest.Digest {
	var ds []manifest.Digest
	for _, f := range namedFileRefs(d) {
		ds = append(ds, f.Ref.Digest)
	}
	return ds
}

type namedFileRef struct {
	Name string
	Ref  store.FileRef
}

func namedFileRefs(d store.Deployment) []namedFileRef {
	var refs []namedFileRef
	for _, f := range []namedFileRef{
		{"manifest", d.Manifest}, {"_headers", d.Headers}, {"_redirects", d.Redirects}, {"_routes.json", d.Routes},
		{"_worker.bundle", d.WorkerBundle}, {"functions-filepath-routing-config.json", d.RoutingConfig},
		{"early hints", d.Hints},
	} {
		if f.Ref != (store.FileRef{}) {
			refs = append(refs, f)
		}
	}
	return refs
}

// commit is the one batch that makes the deployment visible: its record, the route of each of its hosts, its branch and
// project, and what was proved on the way. Updates run one after the other, so of two deployments to one branch the
// one committed later has the higher number and keeps the hosts.
func (pub *publication) commit(ctx context.Context, tx *store.Tx, m *move) (deploymentObject, error) {
	s, none := pub.svc, deploymentObject{}
	p, err := sameProject(tx, pub.project)
	if err != nil {
		return none, err
	}
	d := pub.deployment()
	if d.No, err = tx.NextDeployment(); err != nil {
		return none, fmt.Errorf("number the deployment: %w", err)
	}
	if d.UUID, err = s.drawUUID(tx, p); err != nil {
		return none, err
	}
	d.Created = s.now()
	d.Branch, d.Environment = placeOf(p, pub.form.Branch)
	if err := m.apply(tx, p, d); err != nil {
		return none, err
	}
	p.Latest = d.No
	if d.Environment == store.Production {
		p.Live = d.No
	}
	rs, notes, err := s.moveBranch(tx, p, d.Branch, d.No)
	if err != nil {
		return none, err
	}
	if d.Environment == store.Production {
		more, err := s.productionRoutes(tx, p)
		if err != nil {
			return none, err
		}
		rs = append(rs, more...)
	}
	rs = append(rs, hostRoute(s.deploymentHost(p, d), store.ClassDeployment, p.No, d.No))
	if err := errors.Join(tx.PutDeployment(d, pub.log(p, d, append(notes, m.notes()...))), tx.PutProject(p), pub.prover.record(tx), pub.recordForms(tx, d)); err != nil {
		return none, fmt.Errorf("write the deployment: %w", err)
	}
	if err := s.applyRoutes(ctx, tx, p.No, rs); err != nil {
		return none, fmt.Errorf("write the deployment's routes: %w", err)
	}
	return s.describeDeployment(&tx.Reader, p, d)
}

// placeOf decides where a deployment belongs. The client decides too, for its own configuration, by the same rule.
func placeOf(p store.Project, branch string) (string, store.Environment) {
	if branch == "" || branch == p.ProductionBranch {
		return p.ProductionBranch, store.Production
	}
	return branch, store.Preview
}

// log is what history/logs shows: what came, what became of it, and what the server does not do with it yet.
func (pub *publication) log(p store.Project, d store.Deployment, notes []string) []store.LogLine {
	s, f := pub.svc, &pub.form
	lines := []string{fmt.Sprintf("Received %d files, %d bytes in all.", d.Files, d.Bytes)}
	lines = append(lines, pub.notes...)
	lines = append(lines, pub.hintNotes...)
	if d.UsesFunctions {
		lines = append(lines, s.functionLines(f.Bundle, f.WorkerBundle.Size)...)
	}
	lines = append(lines, notes...)
	if d.Environment == store.Production {
		lines = append(lines, fmt.Sprintf("%s now serves this deployment.", s.hostURL(s.productionHost(p))))
	}
	lines = append(lines, fmt.Sprintf("Deployed branch %q to %s", d.Branch, s.hostURL(s.deploymentHost(p, d))))
	return logLines(d.Created, lines...)
}

func logLines(at time.Time, texts ...string) []store.LogLine {
	lines := make([]store.LogLine, len(texts))
	for i, t := range texts {
		lines[i] = store.LogLine{Time: at, Text: t}
	}
	return lines
}

const labelDraws = 64 // of 2^32 labels: even with a million deployments a second draw is rare

// drawUUID makes the ID of a new deployment. Its first 8 digits become a host, so they must be free in the project.
func (s *Service) drawUUID(tx *store.Tx, p store.Project) (store.UUID, error) {
	for range labelDraws {
		id, err := s.newUUID()
		if err != nil {
			return id, err
		}
		_, taken := tx.DeploymentByLabel(p.No, shortID(id))
		_, alias := tx.BranchByLabel(p.No, shortID(id))
		if errors.Is(taken, store.ErrNotFound) && errors.Is(alias, store.ErrNotFound) {
			return id, nil
		}
		for _, err := range []error{taken, alias} {
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return id, fmt.Errorf("look for a free deployment label: %w", err)
			}
		}
	}
	return store.UUID{}, fmt.Errorf("no free deployment label in %d draws", labelDraws)
}
