package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"berth/migrate"
	"berth/migrate/dualwrite"
	"berth/migrate/pace"
	"berth/migrate/tables"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// Indexer notes which hosts the tables point to which deployment, on a server whose tables were loaded before that was noted as they
// came. It is needed once; see store.ImportedHostsKnown.
type Indexer struct {
	Store  *store.Store
	Tables *tables.Reader
	Rules  dualwrite.Rules
	P99    func() time.Duration // of the edge; nil: not known
}

// indexBatch is how many hosts go into one Update.
const indexBatch = 1024

// Run does it, if it was not done, and says how many hosts it noted. It may be interrupted, and begins again then; it gives way to a server
// that is busy. What changes meanwhile notes itself.
func (x *Indexer) Run(ctx context.Context) (noted int, err error) {
	known, err := x.Store.ImportedHostsKnown()
	if known || err != nil {
		return 0, err
	}
	w := &indexing{Indexer: x, ctx: ctx, yield: pace.NewYielder(pace.Signal{Name: "the edge's p99", Most: 100 * time.Millisecond, Value: x.P99})}
	for _, step := range []func() error{w.tables, w.records, w.flush} {
		if err := step(); err != nil {
			return w.noted, fmt.Errorf("load: note the hosts of imported tables: %w", err)
		}
	}
	_, err = x.Store.Update(ctx, func(tx *store.Tx) error { return tx.SetImportedHostsKnown(true) })
	return w.noted, err
}

type indexing struct {
	*Indexer
	ctx     context.Context // of Run
	yield   *pace.Yielder
	pending []store.ImportedHost
	noted   int
}

func (w *indexing) add(h store.ImportedHost) error {
	if w.pending = append(w.pending, h); len(w.pending) < indexBatch {
		return nil
	}
	return w.flush()
}

func (w *indexing) flush() error {
	if len(w.pending) == 0 {
		return w.ctx.Err()
	}
	if err := pace.Sleep(w.ctx, pace.System{}, w.yield.Next(), nil); err != nil {
		return err
	}
	_, err := w.Store.Update(w.ctx, func(tx *store.Tx) error {
		for _, h := range w.pending {
			// Who was deleted meanwhile has no hosts any more.
			if err := tx.PutImportedHost(h); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	w.noted += len(w.pending)
	w.pending = w.pending[:0]
	return err
}

// tables reads every table, each at one revision.
func (w *indexing) tables() error {
	for next := store.ProjectNo(1); next != 0; {
		var p store.ProjectNo
		for c, err := range w.Store.AllTableChunks(next, 0) {
			if err != nil {
				return err
			}
			p = c.Project
			break
		}
		if p == 0 {
			return nil
		}
		if err := w.table(p); err != nil {
			return err
		}
		next = p + 1
	}
	return nil
}

func (w *indexing) table(p store.ProjectNo) error {
	snap := w.Store.Snapshot()
	defer snap.Close()
	t, err := w.Tables.Table(&snap.Reader, p)
	if err != nil {
		return err
	}
	buried := false
	for c, err := range snap.TableChunks(p) {
		if err != nil {
			return err
		}
		piece, err := t.Piece(&snap.Reader, c)
		if err != nil {
			return err
		}
		for _, r := range piece.Routes {
			if r.Own {
				continue
			}
			h := store.ImportedHost{Deployment: r.Record.Deployment, Key: r.Key, Wildcard: r.Wildcard, Class: r.Record.Class, Host: string(r.Host)}
			if err := w.add(h); err != nil {
				return err
			}
		}
		for _, f := range piece.Faults {
			buried = buried || f.Class == tables.CannotConvert
		}
	}
	if !buried {
		return nil
	}
	return w.buried(snap, t.Project())
}

// buried notes the hosts of entries that are named by entries which cannot be converted.
func (w *indexing) buried(snap *store.Snapshot, p store.Project) error {
	for name, err := range snap.TableHosts(p.No) {
		if err != nil {
			return err
		}
		host, is := strings.CutPrefix(name, "!")
		if !is {
			continue
		}
		host, wildcard := strings.CutPrefix(host, "*.")
		h := hostkey.Host(host)
		if _, err := w.Store.Update(w.ctx, func(tx *store.Tx) error { return w.buriedHost(tx, p, h, wildcard) }); err != nil {
			return err
		}
	}
	return nil
}

func (w *indexing) buriedHost(tx *store.Tx, p store.Project, h hostkey.Host, wildcard bool) error {
	hash, ok, err := dualwrite.NewEditor(tx, w.Rules, p.No).Buried(h, wildcard)
	if err != nil || !ok {
		return err
	}
	d, err := legacy.Target(&tx.Reader, hash)
	if errors.Is(err, store.ErrNotFound) || err == nil && d.Project != p.No {
		return nil
	}
	if err != nil {
		return err
	}
	return pointed(tx, &w.Rules, p, h, wildcard, target{d.No, [4]byte(d.UUID[:4])})
}

// records reads the records of a server that has deleted its tables. Of their hosts the keys alone are left.
func (w *indexing) records() error {
	state, err := migrate.Load(&w.Store.Reader)
	if err != nil || state.Phase != migrate.Retired {
		return err
	}
	snap := w.Store.Snapshot()
	defer snap.Close()
	for k, r := range snap.AllRoutes() {
		if err := w.record(snap, k, r, false); err != nil {
			return err
		}
	}
	for k, r := range snap.AllWildcards() {
		if err := w.record(snap, k, r, true); err != nil {
			return err
		}
	}
	return nil
}

// record notes a host unless it is the deployment's own. What the control plane knows besides is noted, too, and does no harm.
func (w *indexing) record(snap *store.Snapshot, k hostkey.Key, r store.RouteOrErr, wildcard bool) error {
	if r.Err != nil {
		return w.ctx.Err() // for fsck to tell
	}
	d, err := snap.Deployment(r.Route.Deployment)
	if errors.Is(err, store.ErrNotFound) {
		return w.ctx.Err()
	}
	if err != nil {
		return err
	}
	p, err := snap.Project(d.Project)
	if err != nil {
		return err
	}
	own := hostkey.Host(fmt.Sprintf("%x.%s.%s", d.UUID[:4], p.Name, w.Rules.Domain))
	if !wildcard && w.Rules.Hasher.Key(own) == k {
		return nil
	}
	return w.add(store.ImportedHost{Deployment: d.No, Key: k, Wildcard: wildcard, Class: r.Route.Class})
}
