package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// BERTH_CRASH=long makes the sweeps try every point with every share of unsynced data that survives.
var longCrash = os.Getenv("BERTH_CRASH") == "long"

// powerCut takes an image of the disk right before its k-th change.
type powerCut struct {
	disk     *vfs.MemFS
	at       int64
	percent  int // of unsynced data that happens to be on disk already
	ops      atomic.Int64
	happened atomic.Bool
	image    *vfs.MemFS
}

func (p *powerCut) fs() vfs.FS { return errorfs.Wrap(p.disk, errorfs.InjectorFunc(p.before)) }

func (p *powerCut) before(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && p.ops.Add(1) == p.at {
		p.happened.Store(true)
		p.image = p.disk.CrashClone(vfs.CrashCloneCfg{
			UnsyncedDataPercent: p.percent, RNG: rand.New(rand.NewPCG(uint64(p.at), uint64(p.percent)))})
	}
	return nil
}

// written is what one Update of the workload did; it is there as a whole or not at all.
type written struct {
	i   int
	rev Revision
	no  DeploymentNo
	ack bool // Update returned nil before the power went
}

// workload runs Updates from four writers until they are done, the power goes or the disk fails.
type workload struct {
	mu   sync.Mutex
	done []*written
}

const crashUpdates = 20

func crashOptions() Options {
	// Small enough that the workload rotates the log, flushes, compacts and trims the commit log.
	return Options{MemTableBytes: 64 << 10, CommitLogMax: 10, MinFreeBytes: -1}
}

func (w *workload) run(s *Store, over func() bool) error {
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for writer := range 4 {
		wg.Go(func() {
			for i := writer; i < crashUpdates && !over() && errs[writer] == nil; i += 4 {
				errs[writer] = w.update(s, i, over)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (w *workload) update(s *Store, i int, over func() bool) error {
	x := &written{i: i}
	_, err := s.Update(context.Background(), func(tx *Tx) error {
		no, err := tx.NextDeployment()
		if err != nil {
			return err
		}
		x.rev, x.no = tx.Revision(), no
		w.mu.Lock()
		w.done = append(w.done, x)
		w.mu.Unlock()
		return x.write(tx)
	})
	if err == nil && !over() {
		x.ack = true
	}
	// In between, one that must leave nothing.
	_, _ = s.Update(context.Background(), func(tx *Tx) error {
		return errors.Join(tx.SetRoute(testKey(1000), testRoute(1)), errMeant)
	})
	return err
}

// write touches several tables, deletes something of its predecessor's, and is large.
func (x *written) write(tx *Tx) error {
	settings := []byte(strings.Repeat(fmt.Sprint(x.i), 12<<10))
	p := Project{No: ProjectNo(x.i + 1), Account: 1, Name: fmt.Sprint("p", x.i), State: ProjectActive, Settings: settings}
	var id UUID
	id[0], id[1] = byte(x.i), 1
	errs := []error{
		tx.PutProject(p),
		tx.PutDeployment(Deployment{No: x.no, Project: p.No, UUID: id, Environment: Production, Status: StatusSuccess}, nil),
		tx.SetWildcard(testKey(x.i), testRoute(x.i)),
		tx.SetRoute(testKey(500), testRoute(x.i)), // all write this one
	}
	for j := range 3 {
		errs = append(errs, tx.SetRoute(testKey(x.i*10+j+2000), testRoute(x.i)))
	}
	return errors.Join(errs...)
}

// check reads the store as it came back, and fails unless every acknowledged Update is there and none by half.
func (w *workload) check(s *Store) error {
	rev := s.Revision()
	var errs []error
	visible, last := 0, DeploymentNo(0)
	newest := -1
	for _, x := range w.done {
		there := x.rev <= rev
		if x.ack && !there {
			errs = append(errs, fmt.Errorf("update %d was acknowledged as revision %d, the store is at %d", x.i, x.rev, rev))
		}
		if there {
			visible++
			last = max(last, x.no)
		}
		if x.rev == rev {
			newest = x.i
		}
		errs = append(errs, x.check(s, there))
	}
	if n, gen := s.Wildcards(); n != visible || gen != uint64(visible) {
		errs = append(errs, fmt.Errorf("%d wildcards of generation %d, %d updates", n, gen, visible))
	}
	if Revision(visible) != rev {
		errs = append(errs, fmt.Errorf("revision %d, %d updates are there", rev, visible))
	}
	if r, err := s.LookupRoute(testKey(500)); newest >= 0 && (err != nil || r != testRoute(newest)) {
		errs = append(errs, fmt.Errorf("route that all write: %+v, %v; last by update %d", r, err, newest))
	}
	if _, err := s.LookupRoute(testKey(1000)); !errors.Is(err, ErrNotFound) {
		errs = append(errs, fmt.Errorf("route of a failed update: %v", err))
	}
	errs = append(errs, checkLogGapFree(s, rev))
	next, err := s.Update(context.Background(), func(tx *Tx) error {
		no, err := tx.NextDeployment()
		if err == nil && no != last+1 {
			err = fmt.Errorf("next deployment is %d, last was %d", no, last)
		}
		return err
	})
	if err != nil || next != rev+1 {
		errs = append(errs, fmt.Errorf("update after reopening: revision %d, %v", next, err))
	}
	return errors.Join(errs...)
}

func checkLogGapFree(s *Store, rev Revision) error {
	oldest := Revision(max(1, int64(rev)-crashOptions().normal().commitLog()+1))
	for r := oldest; r <= rev; r++ {
		if there, err := s.has(key64(tableCommit, r)); err != nil || !there {
			return fmt.Errorf("commit log has no revision %d of %d: %v", r, rev, err)
		}
	}
	return nil
}

func (o Options) normal() Options  { o, _ = o.check(); return o }
func (o Options) commitLog() int64 { return int64(o.CommitLogMax) }

func (x *written) check(s *Store, there bool) error {
	var parts, want int
	count := func(err error) {
		want++
		if err == nil {
			parts++
		} else if !errors.Is(err, ErrNotFound) {
			parts = -100
		}
	}
	for j := range 3 {
		_, err := s.LookupRoute(testKey(x.i*10 + j + 2000))
		count(err)
	}
	_, err := s.LookupWildcard(testKey(x.i))
	count(err)
	_, err = s.Deployment(x.no)
	count(err)
	_, err = s.ProjectByName(fmt.Sprint("p", x.i))
	count(err)
	if there && parts != want || !there && parts != 0 {
		return fmt.Errorf("update %d (revision %d): %d of %d parts, want all: %v", x.i, x.rev, parts, want, there)
	}
	return nil
}

// TestPowerCut crashes before every change of the disk that the workload makes.
func TestPowerCut(t *testing.T) {
	total := cutAt(t, 0, 0) // never
	percents := []int{0, 40, 100}
	for k := int64(1); k <= total; k += sweepStride {
		for i, percent := range percents {
			if longCrash || int(k)%len(percents) == i {
				cutAt(t, k, percent)
			}
		}
	}
	t.Logf("%d points", total)
}

// cutAt returns how often the disk changed.
func cutAt(t *testing.T, k int64, percent int) int64 {
	p := &powerCut{disk: vfs.NewCrashableMem(), at: k, percent: percent}
	w := &workload{}
	s, err := OpenFS(p.fs(), "/db", crashOptions())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.run(s, p.happened.Load); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if p.happened.Load() {
		again, err := OpenFS(p.image, "/db", crashOptions())
		if err != nil {
			t.Fatalf("crash before change %d, %d%%: open: %v", k, percent, err)
		}
		if err := errors.Join(w.check(again), again.Close()); err != nil {
			t.Fatalf("crash before change %d, %d%%: %v", k, percent, err)
		}
	}
	return p.ops.Load()
}

// TestPowerCutAtFirstStart crashes while the data directory is being made; the next start must succeed, and keep the
// secrets of a start that was over.
func TestPowerCutAtFirstStart(t *testing.T) {
	for k, total := int64(1), int64(1); k <= total; k++ {
		for _, percent := range []int{0, 40, 100} {
			p := &powerCut{disk: vfs.NewCrashableMem(), at: k, percent: percent}
			if err := p.disk.MkdirAll("/data", 0o700); err != nil {
				t.Fatal(err)
			}
			if err := syncDir(p.disk, "/"); err != nil {
				t.Fatal(err)
			}
			d, err := openDataDir(context.Background(), p.fs(), memPrivate, "/data", crashOptions())
			if err != nil {
				t.Fatal(err)
			}
			started, secrets := !p.happened.Load(), d.Secrets
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			total = max(total, p.ops.Load())
			if !p.happened.Load() {
				continue
			}
			again, err := openDataDir(context.Background(), p.image, memPrivate, "/data", crashOptions())
			if err != nil {
				t.Fatalf("crash before change %d, %d%%: %v", k, percent, err)
			}
			if started && again.Secrets != secrets {
				t.Errorf("crash before change %d, %d%%: other secrets after a start that was over", k, percent)
			}
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func memPrivate(fs vfs.FS, name string) (vfs.File, error) {
	return fs.Create(name, vfs.WriteCategoryUnspecified)
}
