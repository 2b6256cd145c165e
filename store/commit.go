package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// call is one Update on its way through the committer.
type call struct {
	ctx   context.Context // asked once more before fn runs
	fn    func(*Tx) error
	frees bool       // it may use the reserve
	reply chan reply // has room for one
}

type reply struct {
	rev Revision
	err error
}

// Update runs fn and makes what it wrote durable and visible, all of it or, if fn fails or panics, nothing. Functions run
// one at a time, in one goroutine of the store's; those that wait while a batch is being synced share the next one. When
// Update returns nil, the commit is on disk, every read sees it and every OnCommit hook has run.
//
// The Revision is that of the commit. A function that wrote nothing makes no commit: it gets the newest revision that it
// saw, once that is durable.
//
// If ctx ends before fn has begun, fn does not run. Once it has begun, Update waits for the outcome. fn must not call
// Update, nor keep its Tx. For the errors of a failing disk see ErrDiskFull, ErrBroken and ErrUncertain.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) (Revision, error) {
	return s.update(&call{ctx: ctx, fn: fn})
}

// UpdateFreeing is Update for functions that delete, or make way for deleting: they go on when the disk has less than
// Options.MinFreeBytes left, down to an eighth of it, so that an operator can make room with Berth itself. Even a
// deletion is written first, and takes room until tables are merged. Below MinFreeBytes an update that writes more than a
// sixteenth of it fails with ErrTooLarge.
func (s *Store) UpdateFreeing(ctx context.Context, fn func(*Tx) error) (Revision, error) {
	return s.update(&call{ctx: ctx, fn: fn, frees: true})
}

func (s *Store) update(c *call) (Revision, error) {
	ctx := c.ctx
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	c.reply = make(chan reply, 1)
	select {
	case s.calls <- c: // taken: it will be answered
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-s.stop:
		return 0, ErrClosed
	}
	r := <-c.reply
	return r.rev, r.err
}

// commitLoop is the one writer of the database.
func (s *Store) commitLoop() {
	for {
		select {
		case c := <-s.calls:
			s.commitGroup(c)
		case <-s.stop:
			return
		}
	}
}

// group is what shares one batch and one fsync.
type group struct {
	s       *Store
	batch   *pebble.Batch
	head    head // with the successful functions so far
	commits []Commit
	touched []touch // by them all
	calls   []*call
	replies []reply // what each call is told if the group becomes durable

	// filter knows of every record that came before the group, and of the group's own: only the committer writes. nil: there is none.
	filter *keyFilter

	room room
}

// commitGroup runs first and whatever else waits, makes it durable, tells the hooks, and answers.
func (s *Store) commitGroup(first *call) {
	room, err := s.room()
	if err != nil {
		first.reply <- reply{err: err}
		return
	}
	g := &group{s: s, batch: s.db.NewIndexedBatch(), head: s.current.Load().head, room: room, filter: s.filters.live.Load()}
	g.touched = s.spare.group
	g.take(first)
	runtime.Gosched() // those who were just answered are about to ask again: let them in
	for more := true; more && !g.full(); {
		select {
		case c := <-s.calls:
			g.take(c)
		default:
			more = false
		}
	}
	err = g.commit()
	s.spare.keep(g.touched)
	for i, c := range g.calls {
		if r := g.replies[i]; err != nil && r.err == nil {
			c.reply <- reply{err: err}
		} else {
			c.reply <- r
		}
	}
}

// known has the group's functions look for a record that it writes.
func (g *group) known(id routeID) {
	if g.filter != nil {
		g.filter.add(id.table, &id.key)
	}
}

// isNew is true of a record that is not there for certain. Nearly all that are set are new, and to look for each in the tables takes
// most of the time of a commit, and the locks of Pebble's cache, which those who look hosts up wait for. False means nothing.
func (g *group) isNew(id routeID) bool { return g.filter != nil && !g.filter.has(id.table, &id.key) }

func (g *group) full() bool {
	return len(g.calls) >= g.s.opts.MaxGroup || g.batch.Len() >= g.room.group
}

// take runs a call, unless it is one that there is no room for.
func (g *group) take(c *call) {
	if err := g.room.refuses(c); err != nil {
		// Answered with the rest: who asks again at once must not come into this group, which knows the old room.
		g.calls, g.replies = append(g.calls, c), append(g.replies, reply{err: err})
		return
	}
	g.run(c)
}

// run runs one function and settles what it is told.
func (g *group) run(c *call) {
	before, undo := g.head, g.mark()
	tx := &Tx{g: g, touches: g.s.spare.update}
	tx.Reader = Reader{txSource{tx}}
	commit, err := Commit{}, c.ctx.Err()
	if err == nil {
		err = callSafely(c.fn, tx)
	}
	if err == nil {
		err = tx.err // a write failed, and the function took no notice
	}
	if err == nil && tx.wrote {
		commit, err = tx.finish()
	}
	tx.done.Store(true)
	if err != nil {
		g.head = before
		err = errors.Join(err, undo())
	} else if tx.wrote {
		g.commits = append(g.commits, commit)
		g.touched = append(g.touched, tx.list...)
	}
	g.s.spare.update = tx.touches
	g.s.spare.update.reset(&g.s.spare.most)
	if err != nil {
		g.s.stats.failed.Add(1)
	}
	g.calls = append(g.calls, c)
	g.replies = append(g.replies, reply{rev: g.head.rev, err: err})
	if err != nil {
		g.replies[len(g.replies)-1].rev = 0
	}
}

// callSafely runs fn in a goroutine of its own, so that one which panics or calls runtime.Goexit (as t.FailNow does)
// costs its caller an error and not the server its committer.
func callSafely(fn func(*Tx) error, tx *Tx) (err error) {
	done := make(chan struct{})
	go func() {
		returned := false
		defer close(done)
		defer func() {
			if returned {
				return
			}
			if p := recover(); p != nil {
				err = fmt.Errorf("store: update panicked: %v\n%s", p, debug.Stack())
			} else {
				err = errors.New("store: update called runtime.Goexit")
			}
		}()
		err = fn(tx)
		returned = true
	}()
	<-done
	return err
}

// mark returns what puts the batch back to what it holds now. Pebble cannot cut a batch short, so a new one is made from
// the operations that stay; only a failed function that wrote something pays for it.
func (g *group) mark() (undo func() error) {
	n, count := g.batch.Len(), g.batch.Count()
	return func() error {
		if g.batch.Count() == count {
			return nil
		}
		kept := slices.Clone(g.batch.Repr()[:n])
		g.batch = g.s.db.NewIndexedBatch() // the old one is left to the collector: an iterator may still read it
		if count == 0 {
			return nil
		}
		part := g.s.db.NewBatch()
		if err := part.SetRepr(withCount(kept, count)); err != nil {
			return fmt.Errorf("store: undo a failed update: %w", err)
		}
		if err := g.batch.Apply(part, nil); err != nil {
			return fmt.Errorf("store: undo a failed update: %w", err)
		}
		return nil
	}
}

// commit makes the group durable, then visible, then known to the hooks.
func (g *group) commit() error {
	if len(g.commits) == 0 {
		return nil
	}
	s := g.s
	if err := g.batch.Set(keyHead, encodeHead(g.head), nil); err != nil {
		return fmt.Errorf("store: commit: %w", err)
	}
	start := time.Now()
	if err := s.apply(g.batch); err != nil {
		return err // Pebble may have the batch still
	}
	if g.batch.Count() <= keptTouches {
		_ = g.batch.Close() // for the next group, with all the memory that its index has taken
	}
	if took := time.Since(start); took > slowCommit {
		s.opts.Log.Warn("slow commit: the disk takes long to sync", "took", took, "updates", len(g.commits))
	}
	s.filters.committed(g.touched, func() { s.publish(g.head) })
	s.stats.groups.Add(1)
	s.stats.commits.Add(uint64(len(g.commits)))
	for _, c := range g.commits {
		for _, h := range *s.hooks.Load() {
			h.fn(c)
		}
	}
	return nil
}

// publish makes the state after the newest durable batch the one that everybody reads.
func (s *Store) publish(h head) {
	v := s.newView(h)
	made := s.renew(v)
	s.wildcards.Store(&wildcardState{int(h.wildcards), h.wildcardGen})
	if old := s.current.Swap(v); old != nil {
		old.unref()
	}
	s.lookups.sweep(func(l *lookup) bool { return l.v != v })
	for i, l := range made {
		s.put(l, i*len(s.lookups.slots)/len(made))
	}
}

// apply hands the batch to Pebble and waits for the fsync, or for the disk to fail. In that case the goroutine that
// called Pebble stays where it is (see guard).
func (s *Store) apply(b *pebble.Batch) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				err := panicked(p)
				s.guard.seal(err)
				s.opts.Log.Error("database failed", "err", err, "stack", string(debug.Stack()))
				done <- err
			}
		}()
		done <- s.db.Apply(b, pebble.Sync)
	}()
	var err error
	select {
	case err = <-done:
	case <-s.guard.frozen:
		select {
		case err = <-done: // it was durable before something else failed
		default:
			err = s.guard.broken()
		}
	}
	if err == nil {
		return nil
	}
	s.guard.seal(err)
	s.logBroken.Do(func() {
		s.opts.Log.Error("no more writes until restart: the disk failed", "err", err)
	})
	return fmt.Errorf("%w (%w): %w", ErrUncertain, ErrBroken, err)
}
