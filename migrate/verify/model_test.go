package verify

import (
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/internal/world"
	"berth/store"
)

// TestModel lets deploys, deletions and moves, pieces of a backfill, kills and phases come in any order; deployments and projects are
// deleted by the control plane itself. The tables answer as the authority says all the time; in the end so do the records, verify
// says so, and nothing leads to what was deleted.
func TestModel(t *testing.T) {
	dir := fastDir(t)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		m := &model{disk: vfs.NewCrashableMem(), dir: filepath.Join(dir, strconv.Itoa(n)), rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))}
		m.open(t)
		defer func() { m.close(t) }()
		must(t, m.update(func(tx *store.Tx) error { return m.w.Random(tx, m.rng, 2, 12, 3) }))
		must(t, m.w.Enter(migrate.Legacy))
		actions := map[string]func(*rapid.T){
			"change": func(t *rapid.T) {
				must(t, m.update(func(tx *store.Tx) error { return m.w.Change(tx, m.rng, 2) }))
			},
			"delete":   func(t *rapid.T) { m.delete(t) },
			"backfill": func(t *rapid.T) { m.backfill(t, rapid.IntRange(1, 4).Draw(t, "chunks")) },
			"kill": func(t *rapid.T) {
				image := m.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rapid.SampledFrom([]int{0, 50, 100}).Draw(t, "kept"), RNG: m.rng})
				m.close(t)
				m.disk = image
				m.open(t)
			},
			"forward": func(t *rapid.T) {
				if p := m.w.Machine.State().Phase; p != migrate.Cutover {
					must(t, m.w.Enter(p.Next()))
				}
			},
			"back": func(t *rapid.T) {
				phases := migrate.Phases()
				to := rapid.SampledFrom(phases[:len(phases)-2]).Draw(t, "to")
				if to.Before(m.w.Machine.State().Phase) {
					must(t, m.w.Enter(to))
				}
			},
			"tables": func(t *rapid.T) { must(t, m.w.Check(false)) },
		}
		for _, a := range rapid.SliceOfN(rapid.SampledFrom(slices.Sorted(maps.Keys(actions))), 0, 15).Draw(t, "actions") {
			actions[a](t)
		}
		if m.w.Machine.State().Phase.Before(migrate.Backfill) {
			must(t, m.w.Enter(migrate.Backfill))
		}
		m.backfill(t, 1<<30)
		must(t, m.w.Check(true))
		m.verify(t)
		if extra, err := m.plane.Extra(); err != nil || len(extra) > 0 {
			t.Fatalf("%v, %v", extra, err)
		}
	})
}

// fastDir is a directory in memory, if there is one: what matters of a crash is in the store, which has a disk of its own.
func fastDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "berth-model-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

type model struct {
	disk  *vfs.MemFS
	dir   string // of the control plane
	w     *world.World
	plane *world.Plane
	rng   *rand.Rand
}

func must(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (m *model) open(t *rapid.T) {
	w, err := world.Open(m.disk, "/db", store.Options{MinFreeBytes: -1, MemTableBytes: 64 << 10, CacheBytes: 1 << 20})
	must(t, err)
	m.w = w
	m.plane, err = w.Control(m.dir)
	must(t, err)
}

func (m *model) close(t *rapid.T) {
	must(t, m.plane.Close())
	must(t, m.w.Close())
}

func (m *model) delete(t *rapid.T) {
	p := store.ProjectNo(1 + m.rng.IntN(2))
	what, err := m.w.Deletion(&m.w.Store.Reader, m.rng, p)
	must(t, err)
	_, err = m.plane.Delete(p, what)
	must(t, err)
}

func (m *model) update(fn func(*store.Tx) error) error {
	_, err := m.w.Store.Update(context.Background(), fn)
	return err
}

// backfill runs a job until it has made so many commits, is done, or has nothing to do in this phase. In between, others write.
func (m *model) backfill(t *rapid.T, chunks int) {
	j, err := backfill.New(backfill.Deps{Store: m.w.Store, Tables: m.w.Tables}, backfill.Options{ChunkEntries: 8})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	commits := 0
	defer m.w.Store.OnCommit(func(store.Commit) {
		if commits++; commits == chunks {
			cancel()
		}
	})()
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	for ctx.Err() == nil {
		st, err := j.Status()
		must(t, err)
		if st.Activity == backfill.Done || st.Activity == backfill.Waiting {
			cancel()
		}
		switch m.rng.IntN(8) {
		case 0, 1:
			must(t, m.update(func(tx *store.Tx) error { return m.w.Change(tx, m.rng, 2) }))
		case 2:
			m.delete(t)
		}
	}
	cancel()
	must(t, <-done)
}

func (m *model) verify(t *rapid.T) {
	j, err := New(Deps{Store: m.w.Store, Tables: m.w.Tables}, Options{MaxKeys: 10})
	must(t, err)
	must(t, j.Start(context.Background(), "anna", "model"))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer m.w.Store.OnCommit(func(store.Commit) {
		if r, _, _ := Load(&m.w.Store.Reader); !r.Finished.IsZero() {
			cancel()
		}
	})()
	must(t, j.Run(ctx))
	if r, _, err := Load(&m.w.Store.Reader); err != nil || !r.Clean() {
		t.Fatalf("%+v, %v", r, err)
	}
}
