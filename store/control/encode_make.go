package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"berth/assets/blob"
	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/store"
)

// A chunk is what one worker makes durable and records together: large enough for a few flushes of the disk per thousand
// files, small enough to lose little at a kill.
const (
	chunkFiles = 256
	chunkBytes = 8 << 20 // before encoding
	chunkTime  = 5 * time.Second
)

// encodePass is one way through the files of a deployment.
type encodePass struct {
	makes   []httpsem.Encoding
	compare func(a, b *encodeFile) int // which comes first
}

// encodePasses are the ways through, in order. gzip and zstd take a millisecond for a page and brotli ten: so every file first gets
// what is to be had soon, small ones first, since a site's thousand pages should not wait for one large bundle. Then comes what
// brotli saves over that, where it saves most first.
func encodePasses() []encodePass {
	return []encodePass{
		{[]httpsem.Encoding{httpsem.Gzip, httpsem.Zstd}, func(a, b *encodeFile) int {
			return cmp.Or(cmp.Compare(a.blob.Size, b.blob.Size), a.compare(b))
		}},
		{[]httpsem.Encoding{httpsem.Brotli}, func(a, b *encodeFile) int {
			return cmp.Or(cmp.Compare(b.sent(), a.sent()), a.compare(b))
		}},
	}
}

// sent is what has to be sent of the file as it is stored now.
func (f *encodeFile) sent() int64 {
	best := f.blob.Size
	for _, e := range codings {
		if r := formIn(&f.record, e); stored(*r) {
			best = min(best, r.Size)
		}
	}
	return best
}

func (f *encodeFile) compare(o *encodeFile) int {
	return slices.Compare(f.blob.Digest[:], o.blob.Digest[:])
}

// lacks says whether a pass has something to make of the file.
func (f *encodeFile) lacks(p encodePass) bool {
	return slices.ContainsFunc(p.makes, f.missing.Has)
}

// makeAll makes what is missing, pass by pass. What one has made can be served before the next begins, unless the whole is done in
// no time.
func (t *encodeTask) makeAll(ctx context.Context) error {
	for i, p := range encodePasses() {
		t.pass, t.todo = p, nil
		for _, f := range t.lacking {
			if f.lacks(p) {
				t.todo = append(t.todo, f)
			}
		}
		if len(t.todo) == 0 {
			continue
		}
		if i > 0 && t.job.svc.now().Sub(t.began) >= firstListing {
			if err := t.publish(ctx, false); err != nil {
				return err
			}
		}
		slices.SortFunc(t.todo, p.compare)
		if err := t.makePass(ctx); err != nil {
			return err
		}
	}
	return nil
}

// makePass goes through the files of a pass with all workers.
func (t *encodeTask) makePass(ctx context.Context) error {
	t.next.Store(0)
	g, ctx := errgroup.WithContext(ctx)
	for range min(t.job.workers(), len(t.todo)) {
		g.Go(func() error { return t.work(ctx) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if t.leave.Load() && int(t.next.Load()) < len(t.todo) {
		return errGiveWay
	}
	return nil
}

func (t *encodeTask) work(ctx context.Context) error {
	for {
		if err := t.job.svc.mayStore(ctx); err != nil {
			return err
		}
		c := &encodeChunk{task: t, batch: t.job.svc.deps.Blobs.NewBatch()}
		more, err := c.fill(ctx)
		if err == nil {
			err = c.commit(ctx)
		}
		c.batch.Abort()
		if err != nil || !more {
			return err
		}
		if err := t.publishDue(ctx); err != nil {
			return err
		}
	}
}

// take is the next file, nil if there is none or another deployment goes first.
func (t *encodeTask) take() *encodeFile {
	if news := t.job.queue.news.Load(); t.seen.Swap(news) != news && t.job.queue.better(t.q, t.job.svc.now()) {
		t.leave.Store(true)
	}
	if t.leave.Load() {
		return nil
	}
	i := t.next.Add(1) - 1
	if i >= int64(len(t.todo)) {
		return nil
	}
	return t.todo[i]
}

// encodeChunk is what one worker has in hand.
type encodeChunk struct {
	task  *encodeTask
	batch *blob.Batch
	made  []madeFile
	bytes int64
}

// madeFile is a file with the forms that were made now.
type madeFile struct {
	file   *encodeFile
	record store.Encoded
	fresh  httpsem.EncodingSet
}

func (c *encodeChunk) fill(ctx context.Context) (more bool, err error) {
	began := c.task.job.svc.now()
	for len(c.made) < chunkFiles && c.bytes < chunkBytes && c.task.job.svc.now().Sub(began) < chunkTime {
		f := c.task.take()
		if f == nil {
			return false, nil
		}
		if err := c.encode(ctx, f); err != nil {
			return false, err
		}
	}
	return true, nil
}

// encode makes the missing forms of a file that are for the pass. An error is one of the disk, or of an encoder that does not work at all.
func (c *encodeChunk) encode(ctx context.Context, f *encodeFile) error {
	src, err := c.task.job.svc.deps.Blobs.Open(f.blob.Digest, f.blob.Size)
	if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrCorrupt) {
		return nil // nobody can be served it; when it is uploaded again, its next deployment has it encoded
	}
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	defer src.Close() // read only: nothing to lose
	m := madeFile{file: f, record: f.record}
	for _, e := range c.task.pass.makes {
		if !f.missing.Has(e) {
			continue
		}
		ref, err := c.make(ctx, src, e)
		switch bad := (*fileError)(nil); {
		case errors.As(err, &bad):
			ref = c.task.failed(f, e, bad.err)
		case err != nil:
			return err
		case stored(ref):
			m.fresh = m.fresh.With(e)
		default:
			c.task.job.stats.refused.Add(1)
		}
		*formIn(&m.record, e) = ref
	}
	c.made = append(c.made, m)
	c.bytes += f.blob.Size
	return nil
}

// commit makes the chunk durable, looks whether each form decodes to its file, and records it.
func (c *encodeChunk) commit(ctx context.Context) error {
	if len(c.made) == 0 {
		return nil
	}
	t := c.task
	var ds []manifest.Digest
	for _, m := range c.made {
		for _, e := range codings {
			if m.fresh.Has(e) {
				ds = append(ds, formIn(&m.record, e).Digest)
			}
		}
	}
	t.hold.add(ds...)
	if err := c.batch.Commit(); err != nil {
		return fmt.Errorf("make encoded forms durable: %w", err)
	}
	for i := range c.made {
		if err := c.prove(ctx, &c.made[i]); err != nil {
			return err
		}
	}
	_, err := t.job.svc.deps.Store.Update(ctx, func(tx *store.Tx) error {
		if err := t.stillThere(tx); err != nil {
			return err
		}
		for i := range c.made {
			c.made[i].record.Made = t.job.svc.now()
			if err := tx.PutEncoded(c.made[i].record); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record encoded forms: %w", err)
	}
	t.took(c.made)
	return nil
}

// prove decodes each new form and compares: what is served must be the file, whatever bug an encoder has.
func (c *encodeChunk) prove(ctx context.Context, m *madeFile) error {
	for _, e := range codings {
		if !m.fresh.Has(e) {
			continue
		}
		r := formIn(&m.record, e)
		same, err := decodes(ctx, c.task.job.svc.deps.Blobs, *r, e, m.file.blob)
		if err != nil {
			return fmt.Errorf("check an encoded form: %w", err)
		}
		if !same {
			*r = c.task.failed(m.file, e, errors.New("what the encoder made does not decode to the file"))
		}
	}
	return nil
}

// took puts what was recorded into the files, for the listing.
func (t *encodeTask) took(made []madeFile) {
	n := &t.job.stats
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range made {
		f := m.file
		f.record = m.record
		for _, e := range codings {
			if r := formIn(&m.record, e); m.fresh.Has(e) && stored(*r) {
				n.variants.Add(1)
				n.bytesOut.Add(uint64(r.Size))
				t.job.failures.forget(formID{f.blob.Digest, e})
			}
		}
		for _, e := range t.pass.makes {
			f.missing = f.missing.Without(e)
		}
		if f.missing == 0 {
			n.blobs.Add(1)
			n.bytesIn.Add(uint64(f.blob.Size))
			t.before += f.blob.Size
			t.after += f.sent()
		}
	}
}

// failed counts a failure and says what to record: to be tried again, or no form at all after too many tries.
func (t *encodeTask) failed(f *encodeFile, e httpsem.Encoding, cause error) store.FileRef {
	t.job.stats.failures.Add(1)
	tries := t.job.failures.add(formID{f.blob.Digest, e})
	if tries >= maxEncodeTries {
		t.job.svc.deps.Log.Warn("a file cannot be encoded and is served as it is", slog.String("blob", f.blob.Digest.String()),
			slog.String("coding", e.String()), slog.Any("error", cause))
		return store.FileRef{}
	}
	t.mu.Lock()
	t.tries = max(t.tries, tries)
	t.mu.Unlock()
	t.job.svc.deps.Log.Debug("a file could not be encoded and will be tried again", slog.String("blob", f.blob.Digest.String()),
		slog.String("coding", e.String()), slog.Any("error", cause))
	return notMade(f.blob.Digest)
}
