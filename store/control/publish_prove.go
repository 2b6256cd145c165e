package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"berth/assets/blob"
	"berth/assets/hints"
	"berth/assets/manifest"
	"berth/store"
)

// An asset key says nothing about which bytes it is for: the client hashed them with the extension of a file whose name
// it does not upload. What was uploaded under a key is a claim, and only here, where a manifest names the path, can it be
// recomputed. What is found true is remembered for the account as a proof, so that the next deployment need not read it.

// asset is one distinct pair of key and extension in a manifest: what a proof is about.
type asset struct {
	key  manifest.AssetKey
	ext  string
	path string // the first file that is it, for messages

	blob  store.FileRef // what it is; zero while unproved
	fresh *store.Claim  // the claim that proved it now, nil if a proof was there
	wrong []store.Claim // claims found false for it

	document   bool // a file that is it is served as HTML
	hints      hints.Found
	hintsKnown bool
	hintsRead  bool // now, so that the proof has to be told
}

func (a *asset) proved() bool { return a.blob != store.FileRef{} }

// prover turns a manifest of keys into one of blobs.
type prover struct {
	svc     *Service
	project store.Project
	hold    *reservation
	assets  []asset
	of      []int32 // file → its asset

	mu    sync.Mutex
	unpin []func()
}

func (s *Service) newProver(p store.Project, hold *reservation, files []manifestFile) *prover {
	type id struct {
		key manifest.AssetKey
		ext string
	}
	pr := &prover{svc: s, project: p, hold: hold, of: make([]int32, len(files))}
	at := make(map[id]int32, len(files))
	for i, f := range files {
		k := id{f.Key, manifest.Extension(f.Path)}
		n, ok := at[k]
		if !ok {
			n = int32(len(pr.assets))
			at[k] = n
			pr.assets = append(pr.assets, asset{key: k.key, ext: k.ext, path: f.Path})
		}
		pr.of[i] = n
		if !pr.assets[n].document {
			pr.assets[n].document = isDocument(f.Path)
		}
	}
	return pr
}

// release unpins. Every prover must be released, after the commit or instead of it.
func (pr *prover) release() {
	for _, unpin := range pr.unpin {
		unpin()
	}
	pr.unpin = nil
}

// run proves what can be proved; what cannot is left unproved. An error means that we could not find out.
func (pr *prover) run(ctx context.Context) error {
	if err := pr.parallel(ctx, pr.lookUp); err != nil {
		return err
	}
	return pr.proveLeft(ctx)
}

// proveLeft proves what no proof was found for, and then looks for proofs once more. Another deployment of the same new
// files may have committed after the first look: it turned their uploads into proofs in one batch, so the uploads are
// gone, and whoever finds them gone finds the proofs.
func (pr *prover) proveLeft(ctx context.Context) error {
	if err := pr.parallel(ctx, pr.prove); err != nil {
		return err
	}
	return pr.parallel(ctx, pr.lookUp)
}

// proveBatch is how many assets a core takes at a time: enough to be worth an iterator, few enough to spread the reading.
const proveBatch = 128

// parallel runs f for all unproved assets.
func (pr *prover) parallel(ctx context.Context, f func([]*asset) error) error {
	return pr.parallelOver(ctx, pr.unproved(), f)
}

// parallelOver runs f for the assets on all cores: neighbours in one batch, in the order of the keys in the store.
func (pr *prover) parallelOver(ctx context.Context, order []*asset, f func([]*asset) error) error {
	slices.SortFunc(order, func(a, b *asset) int {
		return cmp.Or(slices.Compare(a.key[:], b.key[:]), cmp.Compare(a.ext, b.ext))
	})
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), len(order)/proveBatch+1) {
		g.Go(func() error {
			for {
				start := int(next.Add(proveBatch)) - proveBatch
				if start >= len(order) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := f(order[start:min(start+proveBatch, len(order))]); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// lookUp takes what the account has proved before, unless a sweep took the blob of it. The assets come sorted by key.
func (pr *prover) lookUp(as []*asset) error {
	keys := make([]manifest.AssetKey, 0, len(as))
	first := make([]int, 0, len(as)) // key → the first asset with it; those with other extensions follow
	for i, a := range as {
		if i == 0 || as[i-1].key != a.key {
			keys, first = append(keys, a.key), append(first, i)
		}
	}
	refs := make([]store.FileRef, 0, len(as))
	err := pr.svc.deps.Store.ProofsOf(pr.project.Account, keys, func(k int, p store.Proof) {
		for i := first[k]; i < len(as) && as[i].key == p.Key; i++ {
			if as[i].ext == p.Extension {
				as[i].blob = p.Blob
				as[i].recallHints(p)
				refs = append(refs, p.Blob)
			}
		}
	})
	if err != nil {
		return fmt.Errorf("proofs of %s and what follows it: %w", as[0].path, err)
	}
	missing := pr.pin(refs...)
	for _, a := range as {
		if slices.Contains(missing, a.blob.Digest) {
			a.blob = store.FileRef{}
		}
	}
	return nil
}

// pin reserves blobs and then looks which of them are missing; see upkeep for why in this order. One that was cut short
// on the disk is missing too: nobody could be served it.
func (pr *prover) pin(refs ...store.FileRef) (missing []manifest.Digest) {
	if len(refs) == 0 {
		return nil
	}
	ds, sized := make([]manifest.Digest, len(refs)), make([]blob.Ref, len(refs))
	for i, r := range refs {
		ds[i], sized[i] = r.Digest, blob.Ref(r)
	}
	pr.hold.add(ds...)
	unpin, missing := pr.svc.deps.Blobs.PinRefs(sized...)
	pr.mu.Lock()
	defer pr.mu.Unlock()
	pr.unpin = append(pr.unpin, unpin)
	return missing
}

func (pr *prover) prove(as []*asset) error {
	for _, a := range as {
		if err := pr.proveOne(a); err != nil {
			return err
		}
	}
	return nil
}

// proveOne recomputes the asset's key over everything that was uploaded to the project under it, until one is true.
func (pr *prover) proveOne(a *asset) error {
	claims, err := pr.svc.deps.Store.Claims(pr.project.No, a.key)
	if err != nil {
		return fmt.Errorf("uploads for %s: %w", a.path, err)
	}
	for _, c := range claims {
		if len(pr.pin(c.Blob)) > 0 {
			continue // swept: as if it had never been uploaded
		}
		ok, err := pr.holds(c.Blob, a)
		switch {
		case err != nil:
			return fmt.Errorf("check the upload for %s: %w", a.path, err)
		case ok:
			a.blob, a.fresh = c.Blob, &c
			return nil
		}
		a.wrong = append(a.wrong, c)
	}
	return nil
}

// holds says whether a blob is what the asset's key says. A damaged blob is not; it will be uploaded again.
func (pr *prover) holds(ref store.FileRef, a *asset) (bool, error) {
	f, err := pr.svc.deps.Blobs.Open(ref.Digest, ref.Size)
	if errors.Is(err, blob.ErrCorrupt) || errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close() // read only: nothing to lose
	key, err := manifest.ComputeAssetKey(io.NewSectionReader(f, 0, ref.Size), a.ext)
	if err != nil {
		return false, err
	}
	if key == a.key {
		if a.document {
			err = a.readHints(f, ref.Size)
		}
		return err == nil, err
	}
	// Either the client claimed what is not so, or the disk lost what it had. Verify tells a rotten blob from now on
	// from a good one: otherwise the next upload of the right bytes would be taken for stored already, and refused again.
	err = pr.svc.deps.Blobs.Verify(ref.Digest)
	if errors.Is(err, blob.ErrCorrupt) || errors.Is(err, blob.ErrNotFound) {
		err = nil
	}
	return false, err
}

// entries is the manifest with blobs, once every asset is proved.
func (pr *prover) entries(files []manifestFile) []manifest.Entry {
	es := make([]manifest.Entry, len(files))
	for i, f := range files {
		a := &pr.assets[pr.of[i]]
		es[i] = manifest.Entry{Path: f.Path, Digest: a.blob.Digest, Key: a.key, Size: a.blob.Size}
	}
	return es
}

// unproved lists what is left.
func (pr *prover) unproved() []*asset {
	var left []*asset
	for i := range pr.assets {
		if !pr.assets[i].proved() {
			left = append(left, &pr.assets[i])
		}
	}
	return left
}

// fresh lists what was proved now and is not yet stored as a proof.
func (pr *prover) fresh() []*asset {
	var now []*asset
	for i := range pr.assets {
		if pr.assets[i].fresh != nil {
			now = append(now, &pr.assets[i])
		}
	}
	return now
}

// record stores what was proved or read now. The claims are used up: as proofs they serve the whole account.
func (pr *prover) record(tx *store.Tx) error {
	for i := range pr.assets {
		a := &pr.assets[i]
		if a.fresh == nil && !a.hintsRead {
			continue
		}
		err := tx.PutProof(pr.proof(a))
		if err == nil && a.fresh != nil {
			err = tx.DeleteClaim(*a.fresh)
		}
		if err != nil {
			return fmt.Errorf("record the proof of %s: %w", a.path, err)
		}
	}
	return nil
}
