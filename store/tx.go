package store

import (
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"berth/router/hostkey"
)

// Tx is one Update: reads see the group's earlier successful updates and its own writes. It is for the goroutine of the
// Update function alone, and dead when that returns.
//
// Put replaces a record and keeps its indexes in step. Delete of what is not there does nothing, and is no write.
type Tx struct {
	Reader
	g    *group
	done atomic.Bool
	err  error // first failed write of the batch itself: the Update must not succeed

	wrote bool
	touches
	projects    []ProjectNo
	deployments []DeploymentNo
	tables      []ProjectNo
	migration   bool
	wildcards   bool // some wildcard route was set or deleted
}

// routeID is a route or wildcard record.
type routeID struct {
	table byte
	key   hostkey.Key
}

// touch is a record that the Update set or deleted, as it was before; empty if it was not there.
type touch struct {
	routeID
	before []byte
	gone   bool // the Update deleted it, and did not set it again
}

const (
	// maxNameBytes bounds names and hosts that stand in keys.
	maxNameBytes = 4096
	// maxRecordBytes bounds one encoded record.
	maxRecordBytes = 16 << 20
)

// Revision is the one that this Update will get if it succeeds and writes anything.
func (tx *Tx) Revision() Revision { return tx.g.head.rev + 1 }

// usable guards against a Tx that outlived its Update.
func (tx *Tx) usable() error {
	if tx.done.Load() {
		return fmt.Errorf("store: Tx used after its Update: %w", ErrClosed)
	}
	return tx.err
}

func (tx *Tx) set(key, value []byte) error {
	if err := tx.usable(); err != nil {
		return err
	}
	if len(value) > maxRecordBytes {
		return invalid("record %s takes %d bytes, at most %d", keyName(key[:1]), len(value), maxRecordBytes)
	}
	return tx.written(tx.g.batch.Set(key, value, nil))
}

// drop deletes a key that is known to exist, or whose existence does not matter.
func (tx *Tx) drop(key []byte) error {
	if err := tx.usable(); err != nil {
		return err
	}
	return tx.written(tx.g.batch.Delete(key, nil))
}

// dropAll deletes everything under a prefix, however much it is, in one operation.
func (tx *Tx) dropAll(prefix []byte) error {
	if err := tx.usable(); err != nil {
		return err
	}
	it, done, err := tx.src.iter(prefix, prefixEnd(prefix))
	if err != nil {
		return readError(prefix, err)
	}
	defer done()
	there := it.First()
	if err := it.Close(); err != nil {
		return readError(prefix, err)
	}
	if !there { // a deleted range costs every later scan across it
		return nil
	}
	return tx.written(tx.g.batch.DeleteRange(prefix, prefixEnd(prefix), nil))
}

func (tx *Tx) written(err error) error {
	if most := tx.g.room.batch; err == nil && tx.g.batch.Len() > most {
		err = fmt.Errorf("%w: more than %d bytes in one batch", ErrTooLarge, most)
	}
	if err != nil && tx.err == nil {
		tx.err = err
	}
	tx.wrote = true
	return err
}

// dropIfThere reports whether there was something to delete.
func (tx *Tx) dropIfThere(key []byte) (bool, error) {
	there, err := tx.has(key)
	if err != nil || !there {
		return false, err
	}
	return true, tx.drop(key)
}

func (tx *Tx) touchProject(p ProjectNo) { tx.projects = append(tx.projects, p) }

// SetRoute sets the route record of a host key, in the epoch of the store.
func (tx *Tx) SetRoute(k hostkey.Key, r Route) error {
	return tx.setRoute(routeID{tableRoute, k}, r)
}

// DeleteRoute deletes it.
func (tx *Tx) DeleteRoute(k hostkey.Key) error {
	_, err := tx.deleteRoute(routeID{tableRoute, k})
	return err
}

// SetWildcard sets the wildcard record of a parent host's key.
func (tx *Tx) SetWildcard(k hostkey.Key, r Route) error {
	id := routeID{tableWildcard, k}
	there, err := tx.has(routeKey(id.table, id.key))
	if err != nil {
		return err
	}
	if err := tx.setRoute(id, r); err != nil {
		return err
	}
	if !there {
		tx.g.head.wildcards++
	}
	tx.wildcards = true
	return nil
}

// DeleteWildcard deletes it.
func (tx *Tx) DeleteWildcard(k hostkey.Key) error {
	there, err := tx.deleteRoute(routeID{tableWildcard, k})
	if there && err == nil {
		tx.g.head.wildcards--
		tx.wildcards = true
	}
	return err
}

func (tx *Tx) setRoute(id routeID, r Route) error {
	if err := checkRoute(r); err != nil {
		return err
	}
	t, err := tx.remember(id)
	if err != nil {
		return err
	}
	return tx.putRoute(t, r)
}

// putRoute writes the record of a touch into the batch, without a detour.
func (tx *Tx) putRoute(t *touch, r Route) error {
	t.gone = false
	tx.g.known(t.routeID)
	r.Epoch = tx.g.head.epoch
	var room [maxRouteBytes]byte
	value := appendRoute(room[:0], r)
	op := tx.g.batch.SetDeferred(1+len(t.key), len(value))
	op.Key[0] = t.table
	copy(op.Key[1:], t.key[:])
	copy(op.Value, value)
	return tx.written(op.Finish())
}

func (tx *Tx) deleteRoute(id routeID) (bool, error) {
	if err := tx.usable(); err != nil || tx.g.isNew(id) {
		return false, err
	}
	key := routeKey(id.table, id.key)
	there, err := tx.has(key)
	if err != nil || !there {
		return false, err
	}
	t, err := tx.remember(id)
	if err != nil {
		return false, err
	}
	t.gone = true
	return true, tx.drop(key)
}

// remember notes a record's value before this Update, for the commit log, the first time that it is touched.
func (tx *Tx) remember(id routeID) (*touch, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	if t := tx.find(id); t != nil {
		return t, nil
	}
	if tx.g.isNew(id) {
		return tx.add(id, nil), nil
	}
	key := routeKey(id.table, id.key)
	b, c, err := tx.src.get(key)
	if isAbsent(err) {
		return tx.add(id, nil), nil
	}
	if err != nil {
		return nil, readError(key, err)
	}
	before := slices.Clone(b)
	if err := c.Close(); err != nil {
		return nil, readError(key, err)
	}
	return tx.add(id, before), nil
}

func isAbsent(err error) bool { return err == pebble.ErrNotFound }

// finish writes the commit log and moves the head on; it makes the Commit that hooks will be told.
func (tx *Tx) finish() (Commit, error) {
	g := tx.g
	g.head.rev++
	if tx.wildcards {
		g.head.wildcardGen++
	}
	now := g.s.opts.Now()
	if err := tx.set(key64(tableCommit, g.head.rev), g.s.spare.commit(now, tx.list)); err != nil {
		return Commit{}, err
	}
	if err := tx.trimCommitLog(now); err != nil {
		return Commit{}, err
	}
	c := Commit{Revision: g.head.rev, Time: now, WildcardGeneration: g.head.wildcardGen, Epoch: g.head.epoch, Migration: tx.migration}
	if len(tx.list) > 0 {
		c.Keys = make([]hostkey.Key, 0, len(tx.list))
	}
	for i := range tx.list {
		if t := &tx.list[i]; t.table == tableRoute {
			c.Keys = append(c.Keys, t.key)
		}
	}
	c.Projects, c.Deployments, c.Tables = unique(tx.projects), unique(tx.deployments), unique(tx.tables)
	return c, nil
}

// unique sorts and removes repetitions; nil stays nil.
func unique[N ProjectNo | DeploymentNo](s []N) []N {
	slices.Sort(s)
	return slices.Compact(s)
}

// txSource reads the batch of the group over the newest state: the committer alone writes, so that is the state which
// the group builds on.
type txSource struct{ tx *Tx }

func (x txSource) get(key []byte) ([]byte, io.Closer, error) {
	if err := x.tx.usable(); err != nil {
		return nil, nil, err
	}
	return x.tx.g.batch.Get(key)
}

func (x txSource) iter(lo, hi []byte) (*pebble.Iterator, func(), error) {
	if err := x.tx.usable(); err != nil {
		return nil, nil, err
	}
	it, err := x.tx.g.batch.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	return it, func() {}, err
}

func (x txSource) pin() (source, func(), error) { return x, func() {}, nil }
func (x txSource) noteCorrupt()                 { x.tx.g.s.corrupt.Add(1) }
