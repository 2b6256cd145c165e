package blob

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"slices"
)

// publish gives the synced files their names, durably, and lets them be seen.
//
// Every blob is claimed first, so that of two batches with the same bytes the second waits for what becomes of the
// first: then it finds them durable and drops its own, or stores its own. Claims are held to the end: they come and go
// together, so nobody sees a part.
func (b *Batch) publish() error {
	d := b.dir
	slices.SortFunc(b.fresh, func(x, y item) int { return bytes.Compare(x.digest[:], y.digest[:]) })
	done := make(chan struct{})
	defer close(done) // after the release
	for _, it := range b.fresh {
		d.claim(it.digest, done)
	}
	defer func() {
		for _, it := range b.fresh {
			d.release(it.digest)
		}
	}()
	if err := b.settle(); err != nil {
		return err
	}
	if err := b.refreshFound(); err != nil {
		return err
	}
	for i := range b.fresh {
		d.veilFor(&b.fresh[i])
	}
	err := b.sendParcel()
	if err == nil {
		err = b.name()
	}
	if err != nil {
		b.rollBack()
		return err
	}
	b.reveal()
	return nil
}

// sendParcel gives the finished parcel its name, durably: from then on the blobs in it are durable.
func (b *Batch) sendParcel() error {
	d := b.dir
	if b.parcel == nil {
		return nil
	}
	if !slices.ContainsFunc(b.fresh, func(it item) bool { return it.parcel && it.temp != "" }) {
		d.dropTemp(b.parcel.name) // somebody else has stored them all
		b.parcel = nil
		return nil
	}
	name := parcelDir + "/" + path.Base(b.parcel.name)
	d.parcels.naming.Lock()
	defer d.parcels.naming.Unlock()
	if err := d.fs.rename(b.parcel.name, name); err != nil {
		d.dropTemp(name) // it may have been done in spite of the error
		return err
	}
	b.parcel.name = name
	return d.fs.syncDir(parcelDir)
}

// settle finds out which of the claimed blobs somebody else has stored meanwhile, and drops those.
func (b *Batch) settle() error {
	d := b.dir
	for i := range b.fresh {
		it := &b.fresh[i]
		stored, spoilt, err := d.stored(it.digest, it.size)
		if err != nil {
			return err
		}
		it.heals = spoilt
		if stored {
			d.dropTemp(it.temp)
			it.temp = ""
			d.stats.deduplicated.add(it.size)
		}
	}
	return nil
}

// refreshFound touches once more what was found long ago: its grace is counted from the commit.
func (b *Batch) refreshFound() error {
	for _, it := range b.found {
		if err := b.dir.refresh(it.digest, it.at); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dir) veilFor(it *item) {
	if it.temp != "" {
		d.veiled.add(it.digest)
	}
}

// name renames the files into place and syncs the directories they are in now, but for blobs in a parcel. The entries that go from the directory of
// temporaries need no sync: what comes back there is removed at open.
func (b *Batch) name() error {
	d := b.dir
	var firsts []byte
	for i := range b.fresh {
		it := &b.fresh[i]
		if it.temp == "" {
			continue
		}
		if age := d.opts.Now().Sub(it.at); age < 0 || age >= TouchSlack {
			if err := d.fs.setTime(it.temp, d.opts.Now()); err != nil {
				return err
			}
		}
		if err := d.fs.rename(it.temp, fileName(it.digest)); err != nil {
			return err
		}
		if n := len(firsts); !it.parcel && (n == 0 || firsts[n-1] != it.digest[0]) {
			firsts = append(firsts, it.digest[0])
		}
	}
	return d.syncShards(firsts)
}

// reveal makes the blobs visible, after all of them are durable.
func (b *Batch) reveal() {
	d := b.dir
	if b.parcel != nil {
		d.await(b.parcel.parcelFile)
	}
	for _, it := range b.fresh {
		if it.temp == "" {
			continue
		}
		d.damaged.remove(it.digest)
		d.veiled.remove(it.digest)
		d.stats.stored.add(it.size)
		if it.heals {
			d.stats.healed.add(it.size)
		}
	}
}

// rollBack removes the names that were given. A failed sync leaves open whether a name is durable, and a later sync that
// succeeds proves nothing about it; so no name is kept. One that cannot be removed stays veiled, and the next upload of
// its bytes is stored over it. An operation that failed may have happened: all names are tried.
func (b *Batch) rollBack() {
	d := b.dir
	all := true
	for _, it := range b.fresh {
		if it.temp == "" {
			continue
		}
		err := d.fs.remove(fileName(it.digest))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			all = false
			continue
		}
		// Counted before each veil is lifted: see.
		d.rollbacks.Add(1)
		d.veiled.remove(it.digest)
	}
	if b.parcel != nil {
		b.rollBackParcel(all)
	}
}

// rollBackParcel leaves a parcel to the next start unless the names of its blobs are durably gone: after a loss of power one might be
// back, and its bytes were never synced but in the parcel.
func (b *Batch) rollBackParcel(gone bool) {
	var firsts []byte
	for _, it := range b.fresh {
		if n := len(firsts); it.parcel && it.temp != "" && (n == 0 || firsts[n-1] != it.digest[0]) {
			firsts = append(firsts, it.digest[0])
		}
	}
	if !gone || b.dir.syncShards(firsts) != nil {
		b.parcel = nil // discard would remove it
	}
}
