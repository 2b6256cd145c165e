package blob

import (
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"berth/assets/manifest"
)

// Parcels wait here until the files of their blobs are durable. That takes one sync of the whole file system, after a pause in
// which other deployments may add theirs: it waits for everybody's writes, and nobody for it.
const (
	settleAfter = 2 * time.Second
	settleAgain = 30 * time.Second // after a failure
)

// parcels are those that are named and whose blobs can be seen.
type parcels struct {
	// naming is held while one gets its name and the directory is synced: a failed sync forgets what others did to the directory, so
	// that theirs would seem to succeed.
	naming sync.Mutex
	one    sync.Mutex // held while the blobs of some are being made durable

	// failures counts the syncs of everything that failed. What such a one could not write is forgotten by the next, which succeeds:
	// the blobs of a parcel that was begun before have to be written again.
	failures atomic.Int64

	mu      sync.Mutex // guards what follows
	waiting []parcelFile
	bytes   int64
	timer   *time.Timer // nil: none is set
	closed  bool
	running sync.WaitGroup // what the timer starts
}

type parcelFile struct {
	name  string
	size  int64
	since int64 // parcels.failures when it was begun
}

// parcelsWanted says whether a batch may start one.
func (d *Dir) parcelsWanted() bool {
	p := &d.parcels
	p.mu.Lock()
	defer p.mu.Unlock()
	return d.parcelFrom >= 0 && !p.closed && p.bytes < maxParcels
}

// await takes on a parcel.
func (d *Dir) await(f parcelFile) {
	p := &d.parcels
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, f)
	p.bytes += f.size
	d.settleIn(settleAfter)
}

// settleIn sets the timer unless it is set; mu is held.
func (d *Dir) settleIn(pause time.Duration) {
	p := &d.parcels
	if p.timer != nil || p.closed || d.settlesByHand {
		return
	}
	p.running.Add(1)
	p.timer = time.AfterFunc(pause, func() {
		defer p.running.Done()
		p.mu.Lock()
		p.timer = nil
		p.mu.Unlock()
		_ = d.settle() // it is tried again, and until then the parcels stay
	})
}

// settle makes the blobs of all parcels durable that wait now, and removes those.
func (d *Dir) settle() error {
	p := &d.parcels
	p.one.Lock()
	defer p.one.Unlock()
	p.mu.Lock()
	files := p.waiting[:len(p.waiting):len(p.waiting)]
	p.mu.Unlock()
	if len(files) == 0 {
		return nil
	}
	if d.fs.syncAll() != nil {
		p.failures.Add(1)
	}
	gone := 0
	var failed error
	for ; gone < len(files); gone++ {
		if failed = d.retire(files[gone]); failed != nil {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.waiting[:gone] {
		p.bytes -= f.size
	}
	p.waiting = p.waiting[gone:]
	if failed != nil {
		d.settleIn(settleAgain)
	} else if len(p.waiting) > 0 {
		d.settleIn(settleAfter)
	}
	return failed
}

// retire removes a parcel after the last sync of everything, or, if one failed since it was begun, after writing its blobs again. One
// that is not there any more was removed by a call that seemed to fail.
func (d *Dir) retire(f parcelFile) error {
	if f.since != d.parcels.failures.Load() {
		if err := d.unpack([]parcelFile{f}, d.store); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := d.fs.remove(f.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// endParcels settles for the last time. What then still waits is for the next start.
func (d *Dir) endParcels() {
	p := &d.parcels
	p.mu.Lock()
	p.closed = true
	if p.timer != nil && p.timer.Stop() {
		p.running.Done()
	}
	p.mu.Unlock()
	p.running.Wait()
	_ = d.settle()
}

// restore makes the blobs of all parcels that a process has left behind, where their own files are missing or not what they should
// be, and removes the parcels.
func (d *Dir) restore() error {
	var files []parcelFile
	for e, err := range d.fs.list(parcelDir) {
		if err != nil {
			return err
		}
		files = append(files, parcelFile{name: parcelDir + "/" + e.name})
	}
	if len(files) == 0 {
		return nil
	}
	if err := d.unpack(files, d.mend); err != nil {
		return err
	}
	// Files that are as they should be may be so in memory only: the process may have ended without the machine.
	if d.fs.syncAll() != nil {
		if err := d.unpack(files, d.store); err != nil {
			return err
		}
	}
	for _, f := range files {
		if err := d.fs.remove(f.name); err != nil {
			return err
		}
	}
	return nil
}

// unpack hands each blob of the parcels to f. A parcel that is damaged has given what it could.
func (d *Dir) unpack(files []parcelFile, f func(manifest.Digest, []byte) error) error {
	for _, file := range files {
		if err := d.readParcel(file.name, f); err != nil && !errors.Is(err, errParcel) {
			return err
		}
	}
	return nil
}

// mend stores a blob whose file is missing or not what it should be.
func (d *Dir) mend(g manifest.Digest, b []byte) error {
	err := d.rehash(g)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrCorrupt) {
		return d.store(g, b)
	}
	return err
}

// store makes a blob durable in a file of its own, whatever is there. It is for blobs that are durable in a parcel: whoever removes
// one meanwhile finds it again, whole, as after a loss of power.
func (d *Dir) store(g manifest.Digest, b []byte) error {
	name := d.tempName()
	f, err := d.fs.create(name)
	if err == nil {
		_, err = f.Write(b)
		if err == nil {
			err = f.Sync()
		}
		err = errors.Join(err, f.Close())
	}
	if err == nil {
		err = d.fs.setTime(name, d.opts.Now())
	}
	if err == nil {
		err = d.fs.rename(name, fileName(g))
	}
	if err != nil {
		d.dropTemp(name)
		return err
	}
	return d.fs.syncDir(shardName(g[0]))
}
