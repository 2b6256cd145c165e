package control

import (
	"context"
	"fmt"

	"berth/assets/manifest"
	"berth/store"
)

// FsckOptions of one check.
type FsckOptions struct {
	SkipContent bool // compare sizes only, read no blob
}

// Problem classes.
const (
	ProblemUnreadable = "unreadable" // a record cannot be decoded or read
	ProblemIndex      = "index"      // a record and what leads to it disagree
	ProblemMissing    = "missing"    // a route record that should be there is not
	ProblemDifferent  = "different"  // a route record says something else
	ProblemExtra      = "extra"      // a route record that nothing explains
	ProblemManifest   = "manifest"   // a manifest is damaged, or not what its deployment says
	ProblemHints      = "hints"      // early hints are damaged, or not of their deployment's manifest
	ProblemBlob       = "blob"       // bytes that a record names are missing or not those
	ProblemProof      = "proof"      // what an account believes of an asset is not true
	ProblemKept       = "kept"       // what a host still answers of earlier deployments is damaged
	ProblemEncoding   = "encoding"   // an encoded form is not of its file, or a listing of them is damaged
)

// Problem is something that the store or the blobs have wrong.
type Problem struct {
	Class   string `json:"class"`
	Object  string `json:"object"` // what it is about: a host, a deployment, a blob
	Message string `json:"message"`
}

func (p Problem) String() string { return p.Class + ": " + p.Object + ": " + p.Message }

// FsckReport counts what was checked.
type FsckReport struct {
	Revision    store.Revision `json:"revision"`
	Accounts    int            `json:"accounts"`
	Projects    int            `json:"projects"`
	Branches    int            `json:"branches"`
	Domains     int            `json:"domains"`
	Deployments int            `json:"deployments"`
	Targets     int            `json:"targets"` // production and branches that have served earlier deployments
	Routes      int            `json:"routes"`  // wildcards included
	Manifests   int            `json:"manifests"`
	Blobs       int            `json:"blobs"` // read and compared with their names
	BlobBytes   int64          `json:"blob_bytes"`
	Claims      int            `json:"claims"`
	Proofs      int            `json:"proofs"`
	Listings    int            `json:"listings"`                  // of encoded forms
	Variants    int            `json:"variants"`                  // forms that they name
	Encoded     int            `json:"encoded"`                   // blobs of which it is known what forms they have
	Stale       int            `json:"stale"`                     // claims, proofs and forms whose blob a sweep took: harmless
	Old         int            `json:"old_routes"`                // route records of another epoch, or that are not written now; they count as absent: harmless
	Imported    int            `json:"imported_routes,omitempty"` // route records that say what the tables of a migration said
	RoutesUnset bool           `json:"routes_unset,omitempty"`    // a migration has not written all route records yet, so they were not compared
	Problems    int            `json:"problems"`
}

// Fsck recomputes what the store should hold and compares: each host of each deployment, branch, project and domain has
// its route record and no other record exists; indexes lead where they should; manifests and blobs are whole. It works on
// a frozen view, holds off the sweep, and needs little memory however much there is. Each problem goes to report; the
// error says that the check could not be finished.
func (s *Service) Fsck(ctx context.Context, o FsckOptions, report func(Problem)) (FsckReport, error) {
	release, err := s.upkeep.busy.acquire(ctx)
	if err != nil {
		return FsckReport{}, err
	}
	defer release()
	snap := s.deps.Store.Snapshot()
	defer snap.Close()
	f := &fsck{svc: s, rd: &snap.Reader, opts: o, tell: report, sizes: newSizeSet(), hinted: newSizeSet()}
	f.sum.Revision, f.epoch = snap.Revision(), s.deps.Store.Epoch()
	if s.deps.RoutesSet != nil {
		f.state = s.deps.RoutesSet(f.rd)
	}
	f.sum.RoutesUnset = f.state != RoutesWhole
	if f.indexed, err = f.rd.ImportedHostsKnown(); err != nil {
		return f.sum, fmt.Errorf("fsck: %w", err)
	}
	for _, step := range []func(context.Context) error{
		f.accounts, f.projects, f.owners, f.deployments, f.targets, f.indexFaults, f.importedHosts, f.routes, f.claims, f.proofs, f.encodings, f.encoded, f.blobs,
	} {
		if err := step(ctx); err != nil {
			return f.sum, fmt.Errorf("fsck: %w", err)
		}
	}
	return f.sum, nil
}

// fsck is one check under way.
type fsck struct {
	svc   *Service
	rd    *store.Reader
	opts  FsckOptions
	tell  func(Problem)
	sum   FsckReport
	sizes *sizeSet
	epoch store.Epoch // of the store
	state RouteState

	indexed bool // the index of imported hosts is whole

	domains    map[store.ProjectNo]map[domainKey]bool // see domainKeys
	remembered int                                    // keys in it

	hinted *sizeSet // early hints that were opened for a manifest of so many files
}

func (f *fsck) problem(class, object, format string, args ...any) {
	f.sum.Problems++
	f.tell(Problem{Class: class, Object: object, Message: fmt.Sprintf(format, args...)})
}

// walk hands each record to check; one that cannot be read is a problem and does not end the walk.
func walk[T any](ctx context.Context, f *fsck, what string, all func(func(T, error) bool), check func(T)) error {
	for v, err := range all {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			f.problem(ProblemUnreadable, what, "%v", err)
			continue
		}
		check(v)
	}
	return nil
}

func (f *fsck) accounts(ctx context.Context) error {
	return walk(ctx, f, "account", f.rd.Accounts(), func(a store.Account) {
		f.sum.Accounts++
		if got, err := f.rd.AccountByID(a.ID); err != nil || got.No != a.No {
			f.problem(ProblemIndex, "account "+a.ID, "its ID leads to account number %d, not %d (%v)", got.No, a.No, err)
		}
	})
}

// sizeSet remembers some of the blobs that were found whole, as seenSet does: a file that a thousand manifests share is
// looked up a few times instead of a thousand.
type sizeSet struct {
	seen  *seenSet
	sizes []int64 // of the digest in the same slot
}

func newSizeSet() *sizeSet { return &sizeSet{seen: newSeenSet(), sizes: make([]int64, seenSlots)} }

func (s *sizeSet) has(d manifest.Digest, size int64) bool {
	i := s.seen.index(d)
	return s.seen.slots[i] == d && s.sizes[i] == size
}

func (s *sizeSet) add(d manifest.Digest, size int64) {
	i := s.seen.index(d)
	s.seen.slots[i], s.sizes[i] = d, size
}
