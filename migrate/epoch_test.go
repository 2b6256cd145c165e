package migrate_test

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"berth/migrate"
	"berth/router"
	"berth/router/hashed"
	"berth/store"
)

// TestStaleRecordIsNeverServed goes forward, back, changes the tables alone, and goes forward again: the record of the first time
// is not what the hashed side answers, not even out of its cache.
func TestStaleRecordIsNeverServed(t *testing.T) {
	s := openStore(t, vfs.NewMem())
	h := hasher()
	r, err := hashed.New(s, h, hashed.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ask := func() (store.DeploymentNo, error) {
		d, err := r.Resolve(t.Context(), &router.Query{Host: "docs.example"})
		return d.Deployment, err
	}
	write := func(d store.DeploymentNo) {
		update(t, s, func(tx *store.Tx) error {
			return errors.Join(tx.SetRoute(h.Key("docs.example"), siteRoute(d)), tx.SetWildcard(h.Key("example"), siteRoute(d)))
		})
	}
	m := begun(t, s)
	goTo(t, m, migrate.Cutover)
	write(1)
	if d, err := ask(); err != nil || d != 1 {
		t.Fatalf("in cutover: %d, %v", d, err)
	}
	goTo(t, m, migrate.DualWrite) // both sides are written all the time: nothing can be stale
	if d, err := ask(); err != nil || d != 1 {
		t.Fatalf("back in dual-write: %d, %v", d, err)
	}
	goTo(t, m, migrate.Legacy) // here the host may move to deployment 2, or be deleted: the record does not hear of it
	for _, p := range []migrate.Phase{migrate.DualWrite, migrate.Backfill, migrate.Verify, migrate.Ramp, migrate.Cutover} {
		goTo(t, m, p)
		if d, err := ask(); !errors.Is(err, router.ErrNoRoute) {
			t.Errorf("in phase %s the host is answered by deployment %d, %v", p, d, err)
		}
	}
	write(2)
	if d, err := ask(); err != nil || d != 2 {
		t.Errorf("written again: %d, %v", d, err)
	}
}

// TestKillAtEveryTransition takes the disk as it is before each of its changes while a migration goes forward and back, with some of
// what was not synced, and starts again from it: state, epoch and log are those of one and the same point, and no
// acknowledged move is lost.
func TestKillAtEveryTransition(t *testing.T) {
	total := walkAndKill(t, 0, 0)
	for k := int64(1); k <= total; k++ {
		walkAndKill(t, k, []int{0, 50, 100}[k%3])
	}
	t.Logf("%d points", total)
}

func walkAndKill(t *testing.T, at int64, percent int) (changes int64) {
	disk := vfs.NewCrashableMem()
	var n atomic.Int64
	var killed atomic.Bool
	var image *vfs.MemFS
	fs := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && n.Add(1) == at {
			killed.Store(true)
			image = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(uint64(at), 1))})
		}
		return nil
	}))
	s, err := store.OpenFS(fs, "/db", store.Options{MinFreeBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	states := []migrate.State{{Version: 1, Phase: migrate.Retired}}
	acked := 0
	step := func(do func(*migrate.Machine)) {
		m := newMachine(t, s)
		do(m)
		m.Close()
		states = append(states, m.State())
		if !killed.Load() {
			acked = len(states) - 1
		}
	}
	step(func(m *migrate.Machine) {
		update(t, s, func(tx *store.Tx) error { return m.Begin(tx, "anna", "import") })
	})
	forward := migrate.Phases()[1:]
	path := append(append([]migrate.Phase{}, forward[:5]...), migrate.Legacy, migrate.DualWrite, migrate.Backfill, migrate.DualWrite)
	for _, p := range append(path, forward[1:]...) {
		step(func(m *migrate.Machine) { goTo(t, m, p) })
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !killed.Load() {
		return n.Load()
	}
	again := openStore(t, image)
	rev := int(again.Revision())
	if rev < acked {
		t.Fatalf("killed before change %d: at move %d, %d were acknowledged", at, rev, acked)
	}
	state, err := migrate.Load(&again.Reader)
	if err != nil || state != states[rev] || again.Epoch() != state.Epoch {
		t.Errorf("killed before change %d: %+v, %v, epoch %d; want %+v", at, state, err, again.Epoch(), states[rev])
	}
	lines := 0
	for _, err := range migrate.Log(&again.Reader) {
		if err != nil {
			t.Error(err)
		}
		lines++
	}
	if lines != rev {
		t.Errorf("killed before change %d: %d lines in the log, %d moves", at, lines, rev)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	return n.Load()
}
