package backfill

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"berth/migrate"
	"berth/migrate/internal/world"
	"berth/migrate/tables"
	"berth/store"
)

// TestKilledWhileOthersWrite takes the disk as it is before a random one of its changes, with some of what was not synced, while
// the job copies and others deploy; a job that starts from there ends with both sides equal to the authority. BERTH_KILLS says how many
// rounds; 500 take about a minute.
func TestKilledWhileOthersWrite(t *testing.T) {
	rounds := 12
	if n, err := strconv.Atoi(os.Getenv("BERTH_KILLS")); err == nil {
		rounds = n
	}
	during := 0
	for round := range rounds {
		if killed(t, uint64(round)) {
			during++
		}
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	if during < rounds/2 {
		t.Errorf("only %d of %d kills came before the job was done", during, rounds)
	}
	t.Logf("%d rounds, %d of them killed before the job was done", rounds, during)
}

const killProjects = 4

func killed(t *testing.T, seed uint64) (during bool) {
	rng := rand.New(rand.NewPCG(seed, 7))
	disk := vfs.NewCrashableMem()
	var n, at atomic.Int64
	var image *vfs.MemFS
	gone := make(chan struct{})
	fs := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && n.Add(1) == at.Load() {
			image = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(seed, 8))})
			close(gone)
		}
		return nil
	}))
	w, err := world.Open(fs, "/db", killOptions())
	if err != nil {
		t.Fatal(err)
	}
	w.Update(t, func(tx *store.Tx) error { return w.Random(tx, rng, killProjects, 60, 16) })
	if err := w.Enter(migrate.Backfill); err != nil {
		t.Fatal(err)
	}
	at.Store(n.Load() + 2 + rng.Int64N(160))
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for writer := range 2 {
		wg.Go(func() { keepChanging(t, ctx, w, rand.New(rand.NewPCG(seed, uint64(writer)))) })
	}
	wg.Go(func() { work(t, ctx, w) })
	<-gone
	cancel()
	wg.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := world.Open(image, "/db", killOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	done, _, err := Finished(&again.Store.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	wg.Go(func() { work(t, ctx, again) })
	await(t, again.Store, "the end", finished(t, again.Store))
	cancel()
	wg.Wait()
	if err := again.Check(true); err != nil {
		t.Error(err)
	}
	checkCounts(t, again.Store)
	return !done
}

func killOptions() store.Options {
	return store.Options{MinFreeBytes: -1, MemTableBytes: 64 << 10, CacheBytes: 1 << 20, CommitLogMax: 50}
}

func keepChanging(t *testing.T, ctx context.Context, w *world.World, rng *rand.Rand) {
	for ctx.Err() == nil {
		_, err := w.Store.Update(ctx, func(tx *store.Tx) error { return w.Change(tx, rng, killProjects) })
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
			return
		}
	}
}

func work(t *testing.T, ctx context.Context, w *world.World) {
	j, err := New(Deps{Store: w.Store, Tables: w.Tables}, Options{ChunkEntries: 16})
	if err != nil {
		t.Error(err)
		return
	}
	if err := j.Run(ctx); err != nil {
		t.Error(err)
	}
}

// checkCounts: no entry was counted twice, and none left out that was there from the beginning. Those that moved to the front
// meanwhile are met there.
func checkCounts(t *testing.T, s *store.Store) {
	t.Helper()
	p, _, err := readCheckpoint(&s.Reader)
	if err != nil {
		t.Fatal(err)
	}
	failures := 0
	for f, err := range Failures(&s.Reader) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Class != tables.NoDeployment { // what stood behind a host that was freed comes to light, and leads nowhere
			t.Errorf("failed: %+v", f)
		}
		failures++
	}
	if p.Queued != failures || p.Overflow != 0 || p.Written == 0 {
		t.Errorf("%+v, %d failures", p, failures)
	}
}
