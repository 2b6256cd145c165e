package backfill

import (
	"bytes"
	"fmt"
	"iter"
	"slices"

	"berth/migrate/dualwrite"
	"berth/migrate/tables"
	"berth/store"
)

// walker prepares chunks, from a position on. It is for one goroutine.
type walker struct {
	job   *Job
	epoch store.Epoch
	at    position
	until store.ProjectNo // the first project that is not wanted; 0: all are
	table *tables.Table
	seen  position // the piece that table read last
}

// chunk is what one Update writes.
type chunk struct {
	epoch      store.Epoch
	from, next position
	last       bool // nothing is behind it
	pieces     []piece
	routes     []store.KeyedRoute // by key
	origins    []origin           // of routes
	wildcards  []origin
	imported   []origin // those that are no deployment's own host
	differs    []origin // those that have a record which says something else
	faults     []tables.Fault
	lines      int
}

type piece struct {
	chunk store.TableChunk
	tables.Piece
}

// origin is where a route comes from, as indexes into pieces and their routes.
type origin struct{ piece, route int }

func (c *chunk) route(o origin) *tables.Route { return &c.pieces[o.piece].Routes[o.route] }

// next prepares a chunk of about so many lines. It reads one state of the store, and holds it no longer.
func (w *walker) next(lines int) (*chunk, error) {
	snap := w.job.deps.Store.Snapshot()
	defer snap.Close()
	return w.from(&snap.Reader, lines)
}

func (w *walker) from(r *store.Reader, lines int) (*chunk, error) {
	s, err := readSituation(r)
	if err != nil {
		return nil, err
	}
	// Only what was in the tables after the epoch began is sure to be copied by dual-write when it changes.
	if err := s.goesOn(w.epoch); err != nil {
		return nil, err
	}
	c := &chunk{epoch: w.epoch, from: w.at, next: w.at, last: true}
	for t, err := range inOrder(r, w.at) {
		if err != nil {
			return nil, fmt.Errorf("read tables: %w", err)
		}
		if w.until != 0 && t.Project >= w.until {
			break
		}
		if c.lines >= lines {
			c.last = false
			break
		}
		if err := w.piece(r, c, t); err != nil {
			return nil, err
		}
	}
	c.sort()
	w.at = c.next
	return c, nil
}

// start is where the job begins with a project.
func start(p store.ProjectNo) position { return position{p, dualwrite.Imported} }

// after is the position behind a piece: the front comes after the pieces with the largest numbers.
func after(t store.TableChunk) position {
	if t.No == dualwrite.Imported-1 {
		return start(t.Project + 1)
	}
	return position{t.Project, t.No + 1} // 0 after the largest
}

// inOrder yields the pieces in the order in which the job goes through them, from a position on: by project, and of each the
// imported part and the tail before the front.
func inOrder(r *store.Reader, at position) iter.Seq2[store.TableChunk, error] {
	return func(yield func(store.TableChunk, error) bool) {
		for at.Project != 0 {
			if at.Piece >= dualwrite.Imported {
				if !pieces(r, at, ^uint32(0), yield) {
					return
				}
				at.Piece = 0
			}
			if !pieces(r, at, dualwrite.Imported-1, yield) {
				return
			}
			next, err := following(r, at.Project)
			if err != nil {
				yield(store.TableChunk{}, err)
				return
			}
			at = start(next)
		}
	}
}

// pieces yields those of one project up to a number, and reports whether more is wanted.
func pieces(r *store.Reader, from position, to uint32, yield func(store.TableChunk, error) bool) bool {
	for t, err := range r.AllTableChunks(from.Project, from.Piece) {
		if err == nil && (t.Project != from.Project || t.No > to) {
			return true
		}
		if !yield(t, err) || err != nil {
			return false
		}
	}
	return true
}

// following is the next project that has a table, 0 if none has.
func following(r *store.Reader, p store.ProjectNo) (store.ProjectNo, error) {
	if p == ^store.ProjectNo(0) {
		return 0, nil
	}
	for t, err := range r.AllTableChunks(p+1, 0) {
		return t.Project, err
	}
	return 0, nil
}

func (w *walker) piece(r *store.Reader, c *chunk, t store.TableChunk) error {
	if err := w.turnTo(r, t); err != nil {
		return err
	}
	p, err := w.table.Piece(r, t)
	if err != nil {
		return err
	}
	w.seen = position{t.Project, t.No}
	c.next = after(t)
	c.pieces = append(c.pieces, piece{t, p})
	c.lines += max(1, len(p.Lines))
	c.faults = append(c.faults, p.Faults...)
	return nil
}

// turnTo makes w.table the table of t, with everything before t read.
func (w *walker) turnTo(r *store.Reader, t store.TableChunk) (err error) {
	if w.table != nil && w.seen.Project == t.Project && w.seen.Piece < t.No {
		return nil
	}
	if w.table, err = w.job.deps.Tables.Table(r, t.Project); err != nil {
		return err
	}
	for earlier, err := range r.TableChunks(t.Project) {
		if err != nil {
			return fmt.Errorf("read tables: %w", err)
		}
		if earlier.No >= t.No {
			break
		}
		// One that cannot be read is reported when it is its turn.
		if err := w.table.Skip(earlier); err != nil {
			w.job.deps.Log.Debug("skipped a piece", "err", err)
		}
	}
	return nil
}

// sort collects the routes of all pieces by key. Two of them with one key are a fault of the reading, and the later one is refused.
func (c *chunk) sort() {
	for i := range c.pieces {
		for k := range c.pieces[i].Routes {
			o := origin{i, k}
			if c.route(o).Wildcard {
				c.wildcards = append(c.wildcards, o)
			} else {
				c.origins = append(c.origins, o)
			}
		}
	}
	slices.SortStableFunc(c.origins, func(a, b origin) int { return bytes.Compare(c.route(a).Key[:], c.route(b).Key[:]) })
	kept := c.origins[:0]
	c.routes = make([]store.KeyedRoute, 0, len(c.origins))
	for _, o := range c.origins {
		r := c.route(o)
		if n := len(c.routes); n > 0 && c.routes[n-1].Key == r.Key {
			c.faults = append(c.faults, c.conflict(o, c.routes[n-1].Route))
			continue
		}
		kept = append(kept, o)
		c.routes = append(c.routes, store.KeyedRoute{Key: r.Key, Route: r.Record})
	}
	c.origins = kept
	for _, o := range slices.Concat(c.origins, c.wildcards) {
		if !c.route(o).Own {
			c.imported = append(c.imported, o)
		}
	}
}

func (c *chunk) conflict(o origin, with store.Route) tables.Fault {
	p, r := &c.pieces[o.piece], c.route(o)
	l := p.Lines[r.Line]
	return tables.Fault{Class: Conflict, Project: p.chunk.Project, Piece: p.No, Line: r.Line, Entry: p.First + r.Line, Pattern: l.Pattern, ScriptHash: l.ScriptHash, Host: r.Name(),
		Why: fmt.Sprintf("the table says deployment %d of project %d, the host's record says deployment %d of project %d: publish again to the one that is right",
			r.Record.Deployment, r.Record.Project, with.Deployment, with.Project)}
}
