package backfill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"berth/migrate"
	"berth/migrate/internal/world"
	"berth/store"
)

// TestDiskFillsUp lets the disk refuse every write from a random one on, which nothing foretold. The job ends with an error that says so,
// and one that starts when there is room again goes on from the checkpoint: nothing is redone wrongly and nothing skipped.
func TestDiskFillsUp(t *testing.T) {
	during := 0
	for seed := range uint64(6) {
		if filledUp(t, seed) {
			during++
		}
	}
	if during < 3 {
		t.Errorf("only %d of 6 disks were full before the job was done", during)
	}
}

func filledUp(t *testing.T, seed uint64) (during bool) {
	rng := rand.New(rand.NewPCG(seed, 9))
	disk := vfs.NewMem()
	var n, from atomic.Int64
	from.Store(1 << 40)
	fs := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && n.Add(1) >= from.Load() {
			return fmt.Errorf("%s: %w", op.Path, syscall.ENOSPC)
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
	j := newJob(t, w, Deps{}, Options{ChunkEntries: 16})
	from.Store(n.Load() + 2 + rng.Int64N(40))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- j.Run(ctx) }()
	await(t, w.Store, "the end, or a full disk", func() bool {
		select {
		case err = <-ended:
			return true
		default:
			return status(t, j).Activity == Done
		}
	})
	if err != nil && (!errors.Is(err, store.ErrBroken) || !errors.Is(err, syscall.ENOSPC)) {
		t.Errorf("on a full disk the job says: %v", err)
	}
	during = err != nil
	cancel()
	_ = w.Close() // the disk is still full
	again, err := world.Open(disk, "/db", killOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	stop := running(t, newJob(t, again, Deps{}, Options{ChunkEntries: 16}))
	await(t, again.Store, "the end", finished(t, again.Store))
	stop()
	if err := again.Check(true); err != nil {
		t.Error(err)
	}
	checkCounts(t, again.Store)
	return during
}
