package blob

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"berth/assets/manifest"
)

// Batch makes many blobs durable together: nothing is visible or promised before Commit returns nil, everything after.
// Its methods and those of its Writers may be called from one goroutine at a time; several of its Writers may be open at
// once. It ends with Commit or Abort, and holds in memory a few words for each blob, not their bytes.
//
// Each file is synced in the background as soon as it is finished, through the descriptor that wrote it: that one is
// told of every failure to write it back, which a descriptor opened later need not be. Many at a time share the flushes
// of the disk. Of many small files all but the first are synced together, see parcel.
type Batch struct {
	dir     *Dir
	done    bool
	writers map[*Writer]struct{} // open
	known   map[manifest.Digest]struct{}
	fresh   []item // to be given their names
	found   []item // stored already
	small   int    // blobs that could have gone into a parcel
	parcel  *parcel
	syncs   sync.WaitGroup

	mu  sync.Mutex // guards err, which background syncs set
	err error
}

// item is a finished blob of a batch. The batch has it pinned.
type item struct {
	digest manifest.Digest
	size   int64
	temp   string    // "": it was stored already
	at     time.Time // when it was finished, and its file's time
	heals  bool      // it takes the place of a damaged file
	parcel bool      // it is in the batch's parcel, and its file is not synced
}

// NewBatch starts a batch.
func (d *Dir) NewBatch() *Batch {
	return &Batch{dir: d, writers: map[*Writer]struct{}{}, known: map[manifest.Digest]struct{}{}}
}

// Create starts a blob.
func (b *Batch) Create() (*Writer, error) {
	if b.done {
		return nil, fmt.Errorf("store blob: %w", ErrDone)
	}
	if b.dir.closed.Load() {
		return nil, fmt.Errorf("store blob: %w", ErrClosed)
	}
	w := &Writer{batch: b}
	b.writers[w] = struct{}{}
	return w, nil
}

// admit pins a finished blob for the batch and tells whether its bytes can be dropped.
func (b *Batch) admit(g manifest.Digest, size int64) (drop bool, err error) {
	if _, ok := b.known[g]; ok {
		b.dir.stats.deduplicated.add(size)
		return true, nil
	}
	s := b.dir.stripe(g)
	s.mu.Lock()
	s.pin(g)
	s.mu.Unlock()
	stored, _, err := b.dir.stored(g, size)
	if err != nil {
		b.dir.unpin(g)
		return false, err
	}
	if stored {
		b.dir.stats.deduplicated.add(size)
		b.known[g] = struct{}{}
		b.found = append(b.found, item{digest: g, size: size, at: b.dir.opts.Now()})
	}
	return stored, nil
}

// inParcel says whether the next small blob goes into a parcel.
func (b *Batch) inParcel() bool {
	if b.parcel != nil {
		return true
	}
	if b.small++; b.small <= b.dir.parcelFrom || !b.dir.parcelsWanted() {
		return false
	}
	p, err := b.dir.newParcel()
	if err != nil {
		return false // whatever is wrong will show without it
	}
	b.parcel = p
	return true
}

// takeUnsynced adds a pinned blob that the parcel has, too.
func (b *Batch) takeUnsynced(it item) {
	b.known[it.digest] = struct{}{}
	b.fresh = append(b.fresh, it)
}

// take adds a pinned blob whose bytes are written, and syncs its file in the background. It uses up a slot.
func (b *Batch) take(it item, f tempFile) {
	b.known[it.digest] = struct{}{}
	b.fresh = append(b.fresh, it)
	b.syncs.Go(func() {
		err := errors.Join(f.Sync(), f.Close())
		<-b.dir.syncing
		if err != nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.err == nil {
				b.err = err
			}
		}
	})
}

// Commit makes the finished blobs durable and visible. Writers that are still open are aborted. If it fails nothing
// becomes visible and all is cleared away; the bytes must be sent again.
func (b *Batch) Commit() error {
	unpin, err := b.CommitPinned()
	if err == nil {
		unpin()
	}
	return err
}

// CommitPinned is Commit for those who cannot rely on the blobs' grace to see their own record committed: the blobs stay
// pinned until unpin is called, which may be done more than once. If it fails nothing is pinned.
func (b *Batch) CommitPinned() (unpin func(), err error) {
	if b.done {
		return nil, fmt.Errorf("commit blobs: %w", ErrDone)
	}
	b.end()
	b.dir.life.RLock()
	defer b.dir.life.RUnlock()
	err = b.err // its writers are done
	if b.dir.closed.Load() {
		err = ErrClosed
	}
	if err == nil && b.parcel != nil {
		err = b.parcel.finish()
	}
	if err == nil {
		err = b.publish()
	}
	if err != nil {
		b.discard()
		return nil, fmt.Errorf("commit blobs: %w", err)
	}
	return sync.OnceFunc(b.unpin), nil
}

// Abort drops everything. After Commit it does nothing.
func (b *Batch) Abort() {
	if !b.done {
		b.end()
		b.discard()
	}
}

// end stops the Writers and waits for the background.
func (b *Batch) end() {
	b.done = true
	for w := range b.writers {
		w.Abort()
	}
	b.syncs.Wait()
}

// discard removes the temporary files, those that are left of them, and lets go of the pins.
func (b *Batch) discard() {
	for _, it := range b.fresh {
		b.dir.dropTemp(it.temp)
	}
	if b.parcel != nil {
		_ = b.parcel.close() // the file goes: what its closing says does not matter
		b.dir.dropTemp(b.parcel.name)
	}
	b.unpin()
}

func (b *Batch) unpin() {
	for g := range b.known {
		b.dir.unpin(g)
	}
}

// Put stores all that r has: a batch of one.
func (d *Dir) Put(r io.Reader) (manifest.Digest, int64, error) {
	b := d.NewBatch()
	defer b.Abort()
	w, err := b.Create()
	if err != nil {
		return manifest.Digest{}, 0, err
	}
	if _, err := w.ReadFrom(r); err != nil {
		if w.err == nil {
			err = fmt.Errorf("store blob: read its source: %w", err)
		}
		return manifest.Digest{}, 0, err
	}
	g, n, err := w.Finish()
	if err != nil {
		return manifest.Digest{}, 0, err
	}
	if err := b.Commit(); err != nil {
		return manifest.Digest{}, 0, err
	}
	return g, n, nil
}
