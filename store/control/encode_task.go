package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"berth/assets/blob"
	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/assets/variants"
	"berth/store"
)

// encodeTask is one deployment that is worked on.
type encodeTask struct {
	job   *encodings
	q     queued
	hold  *reservation
	began time.Time

	deployment store.Deployment
	manifest   *manifest.Manifest
	siblings   []sibling     // those that hold
	notes      []string      // on those that do not
	files      []*encodeFile // every blob that is to be served encoded
	lacking    []*encodeFile // those of files that lacked a coding

	pass  encodePass    // the one under way; it changes when no worker runs
	todo  []*encodeFile // those of lacking that it is to go through
	next  atomic.Int64  // index in todo
	seen  atomic.Uint64 // queue's news when it was last asked
	leave atomic.Bool   // a better deployment waits

	mu          sync.Mutex // guards what follows, and the records of files
	listed      store.FileRef
	publishing  bool
	nextListing time.Time
	pace        time.Duration
	tries       int // most of any file that failed; 0: none did
	before      int64
	after       int64
}

// encodeFile is one blob of a deployment.
type encodeFile struct {
	blob    store.FileRef
	entries []int32             // where it is, and of a type that is worth encoding
	wanted  httpsem.EncodingSet // codings that a sibling does not give every entry
	record  store.Encoded
	missing httpsem.EncodingSet // of wanted, those to be made and not tried yet
}

// Listings are published as the work goes on, so that the first files are soon of use. Each makes every cache load the
// site again, so they come at growing intervals.
const (
	firstListing   = 2 * time.Second
	slowestListing = time.Minute
)

// encode works on a deployment until it is done, gone, or another goes first. It returns nil when nothing is left to do.
func (j *encodings) encode(ctx context.Context, q queued) error {
	t := &encodeTask{job: j, q: q, hold: j.svc.upkeep.reserve(), began: j.svc.now(), pace: firstListing}
	defer t.hold.release()
	t.nextListing = t.began.Add(t.pace)
	t.seen.Store(j.queue.news.Load())
	if err := t.open(ctx); err != nil {
		return err
	}
	err := t.makeAll(ctx)
	if err != nil && !errors.Is(err, errGiveWay) {
		return err
	}
	if err := t.publish(ctx, err == nil && t.tries == 0 && j.on()); err != nil {
		return err
	}
	switch {
	case err != nil:
		return err
	case t.tries > 0:
		return &laterError{tries: t.tries}
	}
	t.report()
	return nil
}

func (t *encodeTask) report() {
	level := slog.LevelDebug
	if t.before > 0 {
		level = slog.LevelInfo
	}
	t.job.svc.deps.Log.Log(context.Background(), level, "encoded a deployment", slog.String("deployment", t.deployment.UUID.String()),
		slog.Int("files", len(t.files)), slog.Int("made", len(t.lacking)), slog.Int64("bytes_before", t.before), slog.Int64("bytes_after", t.after),
		slog.Float64("seconds", t.job.svc.now().Sub(t.began).Seconds()))
}

// open finds out what is there and what is to be made.
func (t *encodeTask) open(ctx context.Context) error {
	s := t.job.svc
	var err error
	if t.deployment, err = s.deps.Store.Deployment(t.q.no); errors.Is(err, store.ErrNotFound) {
		return errGone
	} else if err != nil {
		return fmt.Errorf("deployment %d: %w", t.q.no, err)
	}
	t.manifest, err = openManifest(s.deps.Blobs, t.deployment.Manifest)
	switch {
	case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrCorrupt), errors.Is(err, manifest.ErrCorrupt):
		if _, err := s.deps.Store.Deployment(t.q.no); errors.Is(err, store.ErrNotFound) {
			return errGone
		}
		s.deps.Log.Error("a deployment is not encoded: its manifest is damaged", slog.String("deployment", t.deployment.UUID.String()), slog.Any("error", err))
		return errDamaged
	case err != nil:
		return fmt.Errorf("manifest of deployment %s: %w", t.deployment.UUID.String(), err)
	}
	old, err := t.openListing()
	if err != nil {
		return err
	}
	if err := t.checkSiblings(ctx, old); err != nil {
		return err
	}
	t.gather()
	return t.lookUp(ctx)
}

// openListing reads the listing as it stands. A damaged one is as good as none.
func (t *encodeTask) openListing() (*variants.Listing, error) {
	s := t.job.svc
	ref, err := s.deps.Store.Variants(t.q.no)
	if errors.Is(err, store.ErrNotFound) || err == nil && ref == (store.FileRef{}) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("encoded forms of deployment %d: %w", t.q.no, err)
	}
	raw, err := s.deps.Blobs.ReadAll(ref.Digest, ref.Size)
	if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrCorrupt) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing of deployment %d: %w", t.q.no, err)
	}
	old, err := variants.Open(raw, t.manifest.Len())
	if err != nil {
		return nil, nil
	}
	t.listed = ref
	return old, nil
}

// encodable says whether codings of a file are worth making.
func (s *Service) encodable(path string, size int64) bool {
	return size >= minEncoded && size <= s.opts.CompressMaxBytes && httpsem.Compressible(httpsem.MediaTypeOf(path))
}

// gather collects the distinct blobs, and for each the codings that CI did not upload.
func (t *encodeTask) gather() {
	given := make(map[int]httpsem.EncodingSet, len(t.siblings))
	for _, x := range t.siblings {
		given[x.entry] = given[x.entry].With(x.e)
	}
	at := make(map[manifest.Digest]*encodeFile)
	for i, e := range t.manifest.All() {
		if !t.job.svc.encodable(e.Path, e.Size) {
			continue
		}
		f, ok := at[e.Digest]
		if !ok {
			f = &encodeFile{blob: store.FileRef{Digest: e.Digest, Size: e.Size}}
			at[e.Digest] = f
			t.files = append(t.files, f)
		}
		f.entries = append(f.entries, int32(i))
		for _, c := range codings {
			if !given[i].Has(c) {
				f.wanted = f.wanted.With(c)
			}
		}
	}
}

// lookUp takes what was made before, and lists what is left to do.
func (t *encodeTask) lookUp(ctx context.Context) error {
	for _, f := range t.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.known(f); err != nil {
			return err
		}
		if f.missing != 0 && t.job.on() {
			t.lacking = append(t.lacking, f)
		}
	}
	return nil
}

// known reads the record of a file. Each form is reserved before it is looked for; see upkeep for why in this order.
func (t *encodeTask) known(f *encodeFile) error {
	d := f.blob.Digest
	t.hold.add(d) // its deployment may be deleted meanwhile
	x, err := t.job.svc.deps.Store.Encoded(d)
	if errors.Is(err, store.ErrNotFound) {
		x = store.Encoded{Blob: d, Gzip: notMade(d), Zstd: notMade(d), Brotli: notMade(d)}
	} else if err != nil {
		return fmt.Errorf("encoded forms of blob %s: %w", d, err)
	}
	for _, e := range codings {
		r := formIn(&x, e)
		if stored(*r) {
			there, err := t.there(*r)
			if err != nil {
				return err
			}
			if !there {
				*r = notMade(d)
			}
		}
		if *r == notMade(d) && f.wanted.Has(e) {
			f.missing = f.missing.With(e)
		}
	}
	f.record = x
	return nil
}

// there reserves a blob and says whether it can be used.
func (t *encodeTask) there(r store.FileRef) (bool, error) {
	t.hold.add(r.Digest)
	info, err := t.job.svc.deps.Blobs.Stat(r.Digest)
	if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrCorrupt) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("encoded form %s: %w", r.Digest, err)
	}
	return info.Size == r.Size, nil
}
