package control

import (
	"context"
	"errors"
	"io"

	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/router/hostkey"
	"berth/store"
)

// routes checks the other direction: that every route record is that of a host which the store knows. What a known host's
// record says was checked where the host was found. A key cannot be turned back into its host, but a record
// says whose it is, and that gives the few hosts it can be.
func (f *fsck) routes(ctx context.Context) error {
	check := func(wildcard bool) func(hostkey.Key, store.RouteOrErr) {
		return func(k hostkey.Key, r store.RouteOrErr) {
			if r.Err != nil {
				f.problem(ProblemUnreadable, "route record "+k.String(), "%v", r.Err)
				return
			}
			f.sum.Routes++
			if r.Route.Epoch != f.epoch || f.state == RoutesStale {
				f.sum.Old++
				return
			}
			known, err := f.explained(k, r.Route, wildcard)
			switch {
			case err != nil && !errors.Is(err, store.ErrNotFound):
				f.problem(ProblemUnreadable, "route record "+k.String(), "%v", err)
			case !known && f.imported(k, r.Route, wildcard):
				f.sum.Imported++
			case !known:
				f.problem(ProblemExtra, "route record "+k.String(), "nothing has its host; it says %s", routeText(r.Route))
			}
		}
	}
	exact, wild := check(false), check(true)
	for k, r := range f.rd.AllRoutes() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		exact(k, r)
	}
	for k, r := range f.rd.AllWildcards() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wild(k, r)
	}
	return nil
}

func (f *fsck) explained(k hostkey.Key, r store.Route, wildcard bool) (bool, error) {
	p, err := f.rd.Project(r.Project)
	if err != nil {
		return false, err
	}
	if wildcard && r.Class != store.ClassCustom {
		return false, nil
	}
	is := func(h hostkey.Host) bool { return f.svc.deps.Hasher.Key(h) == k }
	switch r.Class {
	case store.ClassProduction:
		return is(f.svc.productionHost(p)), nil
	case store.ClassDeployment:
		d, err := f.rd.Deployment(r.Deployment)
		return err == nil && d.Project == p.No && is(f.svc.deploymentHost(p, d)), err
	case store.ClassBranch:
		return f.isAlias(p, r.Deployment, is)
	case store.ClassCustom:
		keys, err := f.domainKeys(p.No)
		return keys[domainKey{k, wildcard}], err
	}
	return false, nil
}

// imported reports whether a record says what a table of the old design said: tables named hosts that no deployment, branch or domain has,
// and are deleted in the end. Such a record leads to a deployment of its own project, and the index has it, once that is
// whole.
func (f *fsck) imported(k hostkey.Key, r store.Route, wildcard bool) bool {
	if f.epoch == 0 {
		return false
	}
	if d, err := f.rd.Deployment(r.Deployment); err != nil || d.Project != r.Project {
		return false
	}
	there, err := f.rd.IsImportedHost(r.Deployment, k, wildcard)
	return !f.indexed || err == nil && there
}

// importedHosts checks that the index names hosts by their keys. That their deployments are there is checked with the other indexes, and
// where they lead now is not for it to say.
func (f *fsck) importedHosts(ctx context.Context) error {
	return walk(ctx, f, "index of imported hosts", f.rd.AllImportedHosts(), func(h store.ImportedHost) {
		if key := f.svc.deps.Hasher.Key(hostkey.Host(h.Host)); h.Host != "" && key != h.Key {
			f.problem(ProblemIndex, "imported host "+hostText(h), "has the key %s, not %s", key, h.Key)
		}
	})
}

func (f *fsck) isAlias(p store.Project, no store.DeploymentNo, is func(hostkey.Host) bool) (bool, error) {
	d, err := f.rd.Deployment(no)
	if err != nil {
		return false, err
	}
	b, err := f.rd.Branch(p.No, d.Branch)
	if err != nil {
		return false, err
	}
	for _, label := range labels(b) {
		if is(f.svc.labelHost(p, label)) {
			return true, nil
		}
	}
	return false, nil
}

// domainKey is what the record of a domain is found by.
type domainKey struct {
	key      hostkey.Key
	wildcard bool
}

const (
	// fewDomains of a project are looked at for each record that one of them may explain. Of projects with more the keys are remembered, or
	// a project with ten thousand domains would have a hundred million steps.
	fewDomains = 16
	// rememberedDomains bounds the keys of all those projects, but for the last one's.
	rememberedDomains = 200_000
)

// domainKeys are those of a project's active domains.
func (f *fsck) domainKeys(p store.ProjectNo) (map[domainKey]bool, error) {
	if keys, ok := f.domains[p]; ok {
		return keys, nil
	}
	keys := make(map[domainKey]bool)
	for d, err := range f.rd.Domains(p) {
		if err != nil {
			return nil, err
		}
		if h, wild := splitWildcard(d.Host); d.Status == store.DomainActive {
			keys[domainKey{f.svc.deps.Hasher.Key(h), wild}] = true
		}
	}
	if len(keys) <= fewDomains {
		return keys, nil
	}
	if f.remembered += len(keys); f.domains == nil || f.remembered > rememberedDomains {
		f.domains, f.remembered = make(map[store.ProjectNo]map[domainKey]bool), len(keys)
	}
	f.domains[p] = keys
	return keys, nil
}

// claims may be false, that is what they are for; only their blob must be whole if it is there.
func (f *fsck) claims(ctx context.Context) error {
	return walk(ctx, f, "claim", f.rd.AllClaims(), func(c store.Claim) {
		f.sum.Claims++
		f.held("claim of "+c.Key.String(), c.Blob)
	})
}

func (f *fsck) proofs(ctx context.Context) error {
	return walk(ctx, f, "proof", f.rd.AllProofs(), func(p store.Proof) {
		f.sum.Proofs++
		name := "proof of " + p.Key.String() + " ." + clip(p.Extension)
		if _, err := f.rd.Account(p.Account); err != nil {
			f.problem(ProblemProof, name, "its account, number %d: %v", p.Account, err)
		}
		if !f.held(name, p.Blob) || f.opts.SkipContent {
			return
		}
		key, err := f.recompute(p)
		if err == nil && key != p.Key {
			f.problem(ProblemProof, name, "blob %s gives the key %s", p.Blob.Digest, key)
		} else if err != nil {
			f.problem(ProblemBlob, name, "%v", err)
		}
	})
}

// held says whether the blob of a claim or proof is there. A missing one is no problem: a sweep takes the blob first.
func (f *fsck) held(name string, ref store.FileRef) bool {
	if _, err := f.svc.deps.Blobs.Stat(ref.Digest); errors.Is(err, blob.ErrNotFound) {
		f.sum.Stale++
		return false
	}
	f.blob(name, ref.Digest, ref.Size)
	return true
}

func (f *fsck) recompute(p store.Proof) (manifest.AssetKey, error) {
	b, err := f.svc.deps.Blobs.Open(p.Blob.Digest, p.Blob.Size)
	if err != nil {
		return manifest.AssetKey{}, err
	}
	defer b.Close() // read only: nothing to lose
	return manifest.ComputeAssetKey(io.NewSectionReader(b, 0, p.Blob.Size), p.Extension)
}
