package backfill

import (
	"bytes"
	"errors"
	"slices"

	"berth/store"
)

// errMoved says that what was prepared no longer holds: an operator paused or moved the migration, or another epoch began.
var errMoved = errors.New("backfill: the migration has moved on")

// errChanged says that a piece is not what it was when the chunk was prepared.
var errChanged = errors.New("backfill: a piece has changed")

// outcome is what an Update did.
type outcome struct{ written, present int }

// write copies a chunk. It runs inside the Update.
func (c *chunk) write(tx *store.Tx) (o outcome, err error) {
	if err := c.unchanged(tx); err != nil {
		return o, err
	}
	c.differs = nil
	if err := c.exact(tx, &o); err != nil {
		return o, err
	}
	if err := c.wild(tx, &o); err != nil {
		return o, err
	}
	return o, c.index(tx)
}

func (c *chunk) wild(tx *store.Tx, o *outcome) error {
	for _, w := range c.wildcards {
		r := c.route(w)
		there, err := tx.CurrentWildcard(r.Key)
		switch {
		case errors.Is(err, store.ErrNotFound):
			if err := tx.SetWildcard(r.Key, r.Record); err != nil {
				return err
			}
			o.written++
		case err != nil:
			return err
		default:
			o.present++
			if err := c.compare(tx, w, there); err != nil {
				return err
			}
		}
	}
	return nil
}

// index notes the hosts that lead to their deployments now, of which the control plane may not know, for whoever deletes those.
func (c *chunk) index(tx *store.Tx) error {
	for _, o := range c.imported {
		if slices.Contains(c.differs, o) {
			continue
		}
		r := c.route(o)
		err := tx.PutImportedHost(store.ImportedHost{
			Deployment: r.Record.Deployment, Key: r.Key, Wildcard: r.Wildcard, Class: r.Record.Class, Host: string(r.Host),
		})
		if errors.Is(err, store.ErrNotFound) {
			return errChanged // it was deleted since, and its record must not be made
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *chunk) exact(tx *store.Tx, o *outcome) error {
	kept, err := tx.FillRoutes(c.routes)
	if err != nil {
		return err
	}
	o.written, o.present = o.written+len(c.routes)-len(kept), o.present+len(kept)
	for _, k := range kept {
		i, _ := slices.BinarySearchFunc(c.routes, k, func(a, b store.KeyedRoute) int { return bytes.Compare(a.Key[:], b.Key[:]) })
		if err := c.compare(tx, c.origins[i], k.Route); err != nil {
			return err
		}
	}
	return nil
}

// compare notes a conflict if a record of the epoch says something else than the entry, and no entry in front is the reason.
func (c *chunk) compare(tx *store.Tx, at origin, there store.Route) error {
	r, p := c.route(at), &c.pieces[at.piece]
	want := r.Record
	want.Epoch = there.Epoch
	if want == there {
		return nil
	}
	c.differs = append(c.differs, at)
	first, err := tx.TableHost(p.chunk.Project, r.Name())
	if err == nil && first != p.No {
		return nil
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	c.faults = append(c.faults, c.conflict(at, there))
	return nil
}

// unchanged returns errChanged unless all pieces are what they were read as.
func (c *chunk) unchanged(tx *store.Tx) error {
	for i := range c.pieces {
		was := &c.pieces[i].chunk
		now, err := tx.TableChunk(was.Project, was.No)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err != nil || !bytes.Equal(now.JSON, was.JSON) {
			return errChanged
		}
	}
	return nil
}
