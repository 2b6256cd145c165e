package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/assets/blob"
	"berth/router/hostkey"
	"berth/store"
)

// inMemory takes the disk out of a test that is about order.
func inMemory(t testing.TB) func(*testParts) {
	return func(p *testParts) {
		db, err := store.OpenFS(vfs.NewMem(), "db", store.Options{MinFreeBytes: -1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		p.deps.Store, p.deps.Blobs = db, &blob.NewMem(blob.Options{}).Dir
	}
}

// watch checks after every commit that what readers see is whole: each route leads to a deployment that exists, and the
// hosts that move together have moved together.
func (s *testService) watch(t testing.TB, project string) {
	t.Helper()
	p, err := s.deps.Store.ProjectByName(project)
	if err != nil {
		t.Fatal(err)
	}
	together := []hostkey.Host{s.productionHost(p), "www.example.com"}
	cancel := s.deps.Store.OnCommit(func(c store.Commit) {
		snap := s.deps.Store.Snapshot()
		defer snap.Close()
		for k, r := range snap.AllRoutes() {
			if r.Err != nil {
				t.Errorf("revision %d: %v", c.Revision, r.Err)
			} else if _, err := snap.Deployment(r.Route.Deployment); err != nil {
				t.Errorf("revision %d: route %s leads nowhere: %v", c.Revision, k, err)
			}
		}
		var live [2]store.DeploymentNo
		for i, h := range together {
			if r, err := snap.Route(s.deps.Hasher.Key(h)); err == nil {
				live[i] = r.Deployment
			} else if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("revision %d: %v", c.Revision, err)
			}
		}
		if live[0] != live[1] {
			t.Errorf("revision %d: production is at %d, its domain at %d", c.Revision, live[0], live[1])
		}
	})
	t.Cleanup(cancel)
}

func TestRacingDeploysOfOneBranch(t *testing.T) {
	ts := newTestService(t, inMemory(t))
	a := ts.api(t)
	a.project("docs")
	a.must("POST", projectsPath+"/docs/domains", map[string]string{"name": "www.example.com"})
	ts.watch(t, "docs")
	p, _ := ts.deps.Store.ProjectByName("docs")
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 25 {
				d, err := ts.publishDirectly(t, p, "", site{"/a.txt": fmt.Sprint(worker, i)})
				if err != nil {
					t.Error(err)
					return
				}
				if i%5 == 4 {
					if ans := a.do("POST", projectsPath+"/docs/deployments/"+d.ID+"/rollback", nil); !ans.Success {
						t.Error(ans.Raw)
					}
				}
			}
		})
	}
	wg.Wait()
	now, err := ts.deps.Store.Project(p.No)
	if err != nil {
		t.Fatal(err)
	}
	newest := store.DeploymentNo(0)
	for d, err := range ts.deps.Store.DeploymentsOf(p.No, 0) {
		if err != nil {
			t.Fatal(err)
		}
		newest = max(newest, d.No)
	}
	b, err := ts.deps.Store.Branch(p.No, "main")
	if err != nil || b.Latest != newest || now.Latest != newest || ts.count(t, "docs") != 100 {
		t.Errorf("branch at %d, project at %d, newest is %d (%v)", b.Latest, now.Latest, newest, err)
	}
	ts.clean(t)
}

func TestDeploysRaceProjectDeletion(t *testing.T) {
	ts := newTestService(t, inMemory(t))
	a := ts.api(t)
	for round := range 20 {
		a.project("docs")
		a.must("POST", projectsPath+"/docs/domains", map[string]string{"name": "www.example.com"})
		p, err := ts.deps.Store.ProjectByName("docs")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var published atomic.Int32
		for worker := range 3 {
			wg.Go(func() {
				for {
					_, err := ts.publishDirectly(t, p, fmt.Sprint("b", worker), site{"/a": fmt.Sprint(round)})
					var e *Error
					if errors.As(err, &e) && e.Status == http.StatusConflict {
						return
					}
					if err != nil && !errors.As(err, &e) {
						t.Error(err)
						return
					}
					if e != nil {
						return // its claims went with the project
					}
					published.Add(1)
				}
			})
		}
		for published.Load() < 5 && !t.Failed() {
			_, _ = ts.publishDirectly(t, p, "main", site{})
			published.Add(1)
		}
		if err := ts.deleteProject(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if sum := ts.clean(t); sum.Deployments+sum.Routes+sum.Branches+sum.Domains > 0 || t.Failed() {
			t.Fatalf("round %d left %+v", round, sum)
		}
	}
}

// failingRoutes writes all routes and then fails: the worst moment of a commit.
type failingRoutes struct {
	RouteWriter
	fail atomic.Bool
}

func (f *failingRoutes) Apply(ctx context.Context, tx *store.Tx, c Change) error {
	if err := f.RouteWriter.Apply(ctx, tx, c); err != nil || !f.fail.Load() {
		return err
	}
	return errors.New("failed on purpose")
}

func TestFaultInTheCommitPublishesNothing(t *testing.T) {
	writer := &failingRoutes{}
	ts := newTestService(t, func(p *testParts) {
		writer.RouteWriter = RecordWriter(p.deps.Hasher)
		p.deps.Routes = writer
	})
	a := ts.api(t)
	a.project("docs")
	files := site{"/a.txt": "a"}
	a.upload("docs", files)
	rev := ts.deps.Store.Revision()
	writer.fail.Store(true)
	ans := a.postForm("docs", field{"manifest", files.manifest()})
	if ans.Status != 500 || ans.code() != codeInternal || ts.deps.Store.Revision() != rev || ts.count(t, "docs") != 0 {
		t.Errorf("%d %s at revision %d", ans.Status, ans.Raw, ts.deps.Store.Revision())
	}
	if ts.serves(t, "docs.pages.localhost") != "" {
		t.Error("something is served")
	}
	ts.clean(t)
	writer.fail.Store(false)
	a.deploy("docs", "", files)
	ts.clean(t)
}

func TestBlobFaultPublishesNothing(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	files := site{"/a.txt": "a"}
	a.upload("docs", files)
	rev := ts.deps.Store.Revision()
	tmp := filepath.Join(ts.opts.DataDir, "blobs", "tmp")
	if err := os.Rename(tmp, tmp+".away"); err != nil {
		t.Fatal(err)
	}
	ans := a.postForm("docs", field{"_headers", "x"}, field{"manifest", files.manifest()})
	if ans.Status != 500 || ans.code() != codeInternal || ts.deps.Store.Revision() != rev {
		t.Errorf("%d %s", ans.Status, ans.Raw)
	}
	ans = a.postForm("docs", field{"manifest", files.manifest()})
	if ans.Status != 500 || ts.count(t, "docs") != 0 {
		t.Errorf("%d %s", ans.Status, ans.Raw)
	}
	if err := os.Rename(tmp+".away", tmp); err != nil {
		t.Fatal(err)
	}
	a.deploy("docs", "", files)
	ts.clean(t)
}

// fullDisk says that there is no room when told to.
type fullDisk struct {
	vfs.FS
	full atomic.Bool
}

func (f *fullDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	if f.full.Load() {
		return vfs.DiskUsage{AvailBytes: 1, TotalBytes: 1 << 40, UsedBytes: 1 << 40}, nil
	}
	return vfs.DiskUsage{AvailBytes: 1 << 40, TotalBytes: 1 << 41}, nil
}

func TestFullDiskIs507(t *testing.T) {
	disk := &fullDisk{FS: vfs.NewMem()}
	ts := newTestService(t, func(p *testParts) {
		db, err := store.OpenFS(disk, "db", store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		p.deps.Store = db
	})
	a := ts.api(t)
	a.project("docs")
	files := site{"/a.txt": "a"}
	a.upload("docs", files)
	disk.full.Store(true)
	wait := func(want bool) answer {
		for {
			ans := a.postForm("docs", field{"manifest", files.manifest()})
			if ans.Success == want || t.Context().Err() != nil {
				return ans
			}
		}
	}
	ans := wait(false)
	if ans.Status != http.StatusInsufficientStorage || !strings.Contains(ans.message(), "disk is full") {
		t.Errorf("%d %s", ans.Status, ans.Raw)
	}
	// A client that tries again and again leaves nothing, and a sweep makes room although the store takes no records.
	before := ts.swept(t, SweepOptions{DryRun: true}).Blobs
	a.uploader("docs").refused("POST", "/pages/assets/upload", []uploadItem{{Key: keyOf("/b", "b").String(), Value: "Yg=="}}, 507, codeDiskFull)
	if after := ts.swept(t, SweepOptions{DryRun: true}).Blobs; after != before {
		t.Errorf("%d blobs became %d", before, after)
	}
	ts.clock.advance(time.Hour)
	if r := ts.swept(t, SweepOptions{}); r.Removed != 1 || ts.has("a") {
		t.Errorf("%+v", r)
	}
	disk.full.Store(false)
	a.upload("docs", files)
	wait(true)
	ts.clean(t)
	if e := asError(fmt.Errorf("write: %w", syscall.ENOSPC)); e.Status != http.StatusInsufficientStorage {
		t.Errorf("%+v", e)
	}
}
