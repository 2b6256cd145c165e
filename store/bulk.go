package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"berth/router/hostkey"
)

// BulkDeployment is a deployment and the host key of its own host.
type BulkDeployment struct {
	Deployment Deployment
	Host       hostkey.Key // zero: it has no route
	Route      Route       // its Epoch is the store's
}

// Bulk fills a new store with millions of deployments in a minute or two, where Updates would take an hour: their records are written
// as sorted tables and handed to Pebble whole. It is for benchmarks and tests of large servers. A server that runs does not use it: no
// commit log tells of what comes this way.
//
// The deployments are given project by project, the newest first; a later project's numbers are higher than those of all before it.
// Each has a UUID and a label of its own. About 90 bytes of memory are needed for each.
//
// finish is the Update that makes them visible. It writes what belongs to them: projects, branches, the routes of other hosts. Nothing
// else may be written to the store meanwhile. A crash before the end leaves a store that is of no use.
func (s *Store) Bulk(ctx context.Context, deployments iter.Seq2[BulkDeployment, error], finish func(*Tx) error) (Revision, error) {
	b := &bulk{store: s, routes: &bulkSort{}, ids: &bulkSort{}}
	s.filters.pause() // until the host keys that come without the committer can be read
	err := b.check()
	if err == nil {
		err = b.load(ctx, deployments)
	}
	if err != nil {
		s.filters.resume()
		return 0, fmt.Errorf("store: bulk: %w", errors.Join(err, b.clear()))
	}
	rev, err := s.Update(ctx, func(tx *Tx) error {
		h := &tx.g.head
		h.lastDeployment, tx.wrote = max(h.lastDeployment, b.last), true
		return finish(tx)
	})
	if err == nil {
		s.filters.resume() // else what came without the committer may be read any time, and no filter has it
	}
	return rev, errors.Join(err, b.clear())
}

// bulk is one Bulk under way. Tables whose keys come in order go straight to their file.
type bulk struct {
	store   *Store
	tables  bulkTables
	routes  *bulkSort
	ids     *bulkSort // by UUID
	project ProjectNo
	last    DeploymentNo     // the highest number
	some    []DeploymentNo   // of the project
	labels  []bulkLabel      // of the project
	value   []byte           // scratch
	of      *bulkTableWriter // deployments
	numbers *bulkTableWriter
	labeled *bulkTableWriter
}

type bulkLabel struct {
	label [4]byte
	no    DeploymentNo
}

func (b *bulk) check() error {
	v, err := b.store.acquire()
	if err != nil {
		return err
	}
	defer v.unref()
	if v.head.lastDeployment != 0 {
		return invalid("the store has had %d deployments already", v.head.lastDeployment)
	}
	return nil
}

func (b *bulk) load(ctx context.Context, deployments iter.Seq2[BulkDeployment, error]) error {
	b.tables = bulkTables{fs: b.store.guard, dir: b.store.guard.PathJoin(b.store.dir, "bulk"), options: b.store.pebbleOptions()}
	b.tables.options.EnsureDefaults()
	if err := b.tables.fs.MkdirAll(b.tables.dir, 0o700); err != nil {
		return err
	}
	b.of, b.numbers, b.labeled = b.tables.writer("deployments"), b.tables.writer("numbers"), b.tables.writer("labels")
	for d, err := range deployments {
		if err == nil {
			err = b.add(d)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	if err := b.endProject(); err != nil {
		return err
	}
	if err := errors.Join(b.sorted(b.ids, "ids"), b.sorted(b.routes, "routes"), b.tables.close()); err != nil {
		return err
	}
	if len(b.tables.paths) == 0 {
		return nil
	}
	_, err := beside(b.store, func() (struct{}, error) { return struct{}{}, b.store.db.Ingest(ctx, b.tables.paths) })
	return err
}

func (b *bulk) add(d BulkDeployment) error {
	x := d.Deployment
	routed := d.Host != hostkey.Key{}
	err := checkDeployment(x)
	if routed {
		err = errors.Join(err, checkRoute(d.Route))
	}
	if err != nil {
		return err
	}
	if x.Project != b.project {
		if err := b.endProject(); err != nil {
			return err
		}
		b.project = x.Project
	}
	b.last = max(b.last, x.No)
	b.some = append(b.some, x.No)
	l := bulkLabel{no: x.No}
	copy(l.label[:], x.UUID[:])
	b.labels = append(b.labels, l)
	if err := b.of.set(deploymentKey(x.Project, x.No), encodeDeployment(x)); err != nil {
		return err
	}
	b.ids.add(append([]byte{tableUUID}, x.UUID[:]...), encodeNumber(x.No))
	if !routed {
		return nil
	}
	d.Route.Epoch = b.store.Epoch()
	b.value = appendRoute(b.value[:0], d.Route)
	b.routes.add(routeKey(tableRoute, d.Host), b.value)
	return nil
}

// endProject writes what is in the order of numbers or labels within a project.
func (b *bulk) endProject() error {
	slices.Sort(b.some)
	for _, no := range b.some {
		if err := b.numbers.set(key64(tableDeploymentNo, no), encodeNumber(b.project)); err != nil {
			return err
		}
	}
	slices.SortFunc(b.labels, func(x, y bulkLabel) int { return bytes.Compare(x.label[:], y.label[:]) })
	for _, l := range b.labels {
		if err := b.labeled.set(key32(tableLabel, b.project, l.label[:]...), encodeNumber(l.no)); err != nil {
			return err
		}
	}
	b.some, b.labels = b.some[:0], b.labels[:0]
	return nil
}

func (b *bulk) sorted(s *bulkSort, name string) error {
	w := b.tables.writer(name)
	for key, value := range s.all() {
		if err := w.set(key, value); err != nil {
			return err
		}
	}
	*s = bulkSort{} // half of the memory is free before the other half is sorted
	return nil
}

// clear removes what Pebble did not take.
func (b *bulk) clear() error {
	if b.tables.dir == "" {
		return nil
	}
	return errors.Join(b.tables.close(), b.tables.fs.RemoveAll(b.tables.dir))
}
