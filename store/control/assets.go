package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/store"
)

func (s *Service) assetEndpoints() []endpoint {
	return []endpoint{
		{"GET " + projectPath + "/upload-token", needDeploy, s.uploadToken},
		{"POST /pages/assets/check-missing", needUploadToken, s.checkMissing},
		{"POST /pages/assets/upload", needUploadToken, s.uploadAssets},
		{"POST /pages/assets/upsert-hashes", needUploadToken, s.upsertHashes},
	}
}

const (
	maxHashes     = 1 << 20 // in one request; a deployment has Options.MaxFiles
	maxCandidates = 16      // uploads kept for one key of one project while none is proved
)

func (s *Service) uploadToken(c *call) (any, error) {
	token, err := s.signUploadToken(c.account, c.project)
	if err != nil {
		return nil, err
	}
	return map[string]string{"jwt": token}, nil
}

// checkMissing answers which of the hashes to upload. It never says more than the caller's own account has proved or the
// caller's own project has uploaded. What it finds is touched, so that no sweep takes it before the deployment names it.
func (s *Service) checkMissing(c *call) (any, error) {
	keys, err := readHashes(c)
	if err != nil {
		return nil, err
	}
	found, err := s.touchAssets(c.ctx, c.project, keys)
	if err != nil {
		return nil, err
	}
	s.kept.note(c.project.No, keys, s.now())
	missing := []string{} // never null: wrangler would crash
	for i, key := range keys {
		if !found[i] {
			missing = append(missing, key.String())
		}
	}
	return missing, nil
}

// upsertHashes says that the hashes are in use: their grace starts again. It changes nothing else and never fails for a
// hash that is not here, because creating the deployment will say so with the file's name.
func (s *Service) upsertHashes(c *call) (any, error) {
	keys, err := readHashes(c)
	if err != nil {
		return nil, err
	}
	if s.kept.has(c.project.No, keys, s.now()) {
		return nil, nil
	}
	_, err = s.touchAssets(c.ctx, c.project, keys)
	return nil, err
}

// keptAssets remembers which hashes each project asked about last. Every deploy sends its hashes twice: to ask what is
// missing, and to say that they are in use. What was found the first time is touched and what was not was uploaded since,
// so the second time there is nothing to do.
type keptAssets struct {
	mu   sync.Mutex // guards last
	last map[store.ProjectNo]keptSet
}

type keptSet struct {
	sum manifest.Digest // of the sorted keys
	at  time.Time
}

const maxKeptSets = 1024

func digestOfKeys(keys []manifest.AssetKey) manifest.Digest {
	text := make([]byte, 0, len(keys)*len(manifest.AssetKey{}))
	for _, k := range keys {
		text = append(text, k[:]...)
	}
	return manifest.DigestOf(text)
}

func (k *keptAssets) note(p store.ProjectNo, keys []manifest.AssetKey, now time.Time) {
	set := keptSet{digestOfKeys(keys), now}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.last) >= maxKeptSets {
		clear(k.last)
	}
	k.last[p] = set
}

// has says that the blobs were touched so recently that another touch would do nothing.
func (k *keptAssets) has(p store.ProjectNo, keys []manifest.AssetKey, now time.Time) bool {
	sum := digestOfKeys(keys)
	k.mu.Lock()
	defer k.mu.Unlock()
	set, ok := k.last[p]
	return ok && set.sum == sum && now.Sub(set.at) < blob.TouchSlack
}

// readHashes reads {"hashes":[…]}, in the order of the keys (which is that of the store) and each once.
func readHashes(c *call) ([]manifest.AssetKey, error) {
	var in struct {
		Hashes *[]string `json:"hashes"`
	}
	if _, err := c.readLooseJSON(&in); err != nil {
		return nil, err
	}
	if in.Hashes == nil {
		return nil, refuse(http.StatusBadRequest, codeBadRequest, "the request has no hashes: want {\"hashes\": [\"32 hex digits\", …]}")
	}
	if n := len(*in.Hashes); n > maxHashes {
		return nil, refuse(http.StatusRequestEntityTooLarge, codeTooLarge, "%d hashes are more than %d, the limit of one request", n, maxHashes)
	}
	keys := make([]manifest.AssetKey, len(*in.Hashes))
	for i, text := range *in.Hashes {
		key, err := manifest.ParseAssetKey(text)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, codeBadRequest, "hash %d, %q: want 32 lower-case hex digits", i+1, clip(text))
		}
		keys[i] = key
	}
	slices.SortFunc(keys, func(a, b manifest.AssetKey) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(keys), nil
}

// touchAssets says for each key whether its bytes are here, as far as the project may know, and keeps them. The keys are
// sorted; the work is split in runs of neighbours, over the processors.
func (s *Service) touchAssets(ctx context.Context, p store.Project, keys []manifest.AssetKey) ([]bool, error) {
	found := make([]bool, len(keys))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	const run = 512
	for start := 0; start < len(keys); start += run {
		end := min(start+run, len(keys))
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := s.touchRun(p, keys[start:end], found[start:end]); err != nil {
				return fmt.Errorf("look for assets %s to %s: %w", keys[start], keys[end-1], err)
			}
			return nil
		})
	}
	return found, g.Wait()
}

// touchRun finds assets among the account's proofs, then among the project's own uploads. One that a refused deployment
// wants again counts as missing, whatever is there.
func (s *Service) touchRun(p store.Project, keys []manifest.AssetKey, found []bool) error {
	wanted := make([]bool, len(keys))
	if err := s.deps.Store.WantedOf(p.No, keys, func(i int) { wanted[i] = true }); err != nil {
		return err
	}
	var failed error
	touch := func(i int, b store.FileRef) {
		if wanted[i] || failed != nil {
			return
		}
		ok, err := s.touch(b)
		found[i], failed = found[i] || ok, err
	}
	err := s.deps.Store.ProofsOf(p.Account, keys, func(i int, proof store.Proof) { touch(i, proof.Blob) })
	if err = cmp.Or(err, failed); err != nil || !slices.Contains(found, false) {
		return err
	}
	err = s.deps.Store.ClaimsOf(p.No, keys, func(i int, claim store.Claim) {
		touch(i, claim.Blob)
	})
	return cmp.Or(err, failed)
}

// touch keeps a blob and says whether it is here, whole as far as its size tells: one that was cut short on the disk is
// asked for again, and the upload of it puts it right.
func (s *Service) touch(b store.FileRef) (bool, error) {
	err := s.deps.Blobs.TouchRef(blob.Ref(b))
	if errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// uploadAssets stores files. All of their bytes are durable before any claim or proof names one, and all of those are of one
// batch; whatever fails before leaves nothing that counts.
func (s *Service) uploadAssets(c *call) (any, error) {
	if err := c.allowBody(s.opts.MaxUploadBytes, "one upload of assets (--max-upload-bytes)"); err != nil {
		return nil, err
	}
	if err := s.mayStore(c.ctx); err != nil {
		return nil, err
	}
	batch := s.deps.Blobs.NewBatch()
	defer batch.Abort()
	limits := uploadLimits{fileBytes: s.opts.MaxFileBytes, files: s.opts.MaxUploadFiles}
	files, err := readUpload(c.r.Body, limits, newUploadProver(s.extensions), func() (valueWriter, error) { return batch.Create() })
	if err != nil {
		return nil, err
	}
	if err := batch.Commit(); err != nil {
		return nil, fmt.Errorf("store uploaded files: %w", err)
	}
	if len(files) == 0 {
		return nil, nil
	}
	_, err = s.deps.Store.Update(c.ctx, func(tx *store.Tx) error { return s.putUploads(tx, c.project, files) })
	return nil, err
}

// mayStore asks the store, before any file is taken, whether it would take the record of it. Otherwise each try of a
// client that does not give up would leave its files on a disk that is nearly full, and use up what is kept in reserve.
func (s *Service) mayStore(ctx context.Context) error {
	_, err := s.deps.Store.Update(ctx, func(*store.Tx) error { return nil })
	return err
}

// putUploads remembers what came: what was proved as a proof, for the whole account, all else as a claim of the project.
func (s *Service) putUploads(tx *store.Tx, p store.Project, files []uploadedFile) error {
	if _, err := sameProject(tx, p); err != nil {
		return err
	}
	for _, f := range files {
		var err error
		if f.Proved {
			err = tx.PutProof(f.proof(p.Account))
		} else {
			err = s.putClaim(tx, store.Claim{Project: p.No, Key: f.Key, Blob: f.Blob, Time: s.now()})
		}
		if err != nil {
			return fmt.Errorf("remember %s: %w", f.Key, err)
		}
		wanted, err := tx.Wanted(p.No, f.Key)
		if err != nil {
			return err
		}
		if wanted {
			if err := tx.SetWanted(p.No, f.Key, false); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *uploadedFile) proof(a store.AccountNo) store.Proof {
	p := store.Proof{Account: a, Key: f.Key, Extension: f.Ext, Blob: f.Blob, LinkKnown: f.hintsKnown}
	if f.hintsKnown {
		p.Link = f.hints.Remember()
	}
	return p
}

// putClaim adds one upload to those of its key. The same bytes again are one claim, made anew; beyond the bound the
// oldest others go: they were not proved by any deployment since.
func (s *Service) putClaim(tx *store.Tx, c store.Claim) error {
	old, err := tx.Claims(c.Project, c.Key)
	if err != nil {
		return err
	}
	old = slices.DeleteFunc(old, func(o store.Claim) bool { return o.Blob.Digest == c.Blob.Digest })
	slices.SortStableFunc(old, func(a, b store.Claim) int { return a.Time.Compare(b.Time) })
	for len(old) >= maxCandidates {
		if err := tx.DeleteClaim(old[0]); err != nil {
			return err
		}
		old = old[1:]
	}
	return tx.PutClaim(c)
}
