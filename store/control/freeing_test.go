package control

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/store"
)

// lowDisk has less room than the store keeps in reserve, when told to, and more than nothing.
type lowDisk struct {
	vfs.FS
	low atomic.Bool
}

func (d *lowDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	avail := uint64(1 << 40)
	if d.low.Load() {
		avail = 300 << 20
	}
	return vfs.DiskUsage{AvailBytes: avail, TotalBytes: 1 << 41, UsedBytes: 1<<41 - avail}, nil
}

// A disk that takes no deployments still takes their deletion: that is how room is made.
func TestDeletionOnALowDisk(t *testing.T) {
	disk := &lowDisk{FS: vfs.NewMem()}
	ts := newTestService(t, func(p *testParts) {
		db, err := store.OpenFS(disk, "db", store.Options{MinFreeBytes: 1 << 30, Now: p.deps.Now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		p.deps.Store = db
	})
	a := ts.api(t)
	a.project("docs")
	a.project("old")
	a.domain(docsDomains, "www.example.com")
	token := a.mint("account")
	first, bulk := a.deploy("docs", "", site{"/a.txt": "first"}), a.deploy("docs", "", site{"/a.txt": "bulk"})
	a.deploy("docs", "", site{"/a.txt": "live"})
	a.upload("docs", site{"/b.txt": "never deployed"})
	ts.clock.advance(time.Hour)
	disk.low.Store(true)
	for {
		ans := a.do("POST", projectsPath, map[string]any{"name": "more"})
		if ans.Status == http.StatusInsufficientStorage {
			break
		}
		a.do("DELETE", projectsPath+"/more", nil)
		if t.Context().Err() != nil {
			t.Fatal(ans.Raw)
		}
	}
	a.must("DELETE", projectsPath+"/docs/deployments/"+first.ID, nil)
	a.must("DELETE", projectsPath+"/docs/deployments?keep=1", nil)
	a.must("DELETE", docsDomains+"/www.example.com", nil)
	a.must("DELETE", projectsPath+"/old", nil)
	a.must("DELETE", "/accounts/default/berth/tokens/"+token[len(tokenPrefix):][:16], nil)
	if _, err := findDeployment(&ts.deps.Store.Reader, 0, bulk.ID); err == nil || ts.count(t, "docs") != 1 {
		t.Errorf("%d deployments are left", ts.count(t, "docs"))
	}
	if r := ts.swept(t, SweepOptions{}); r.Claims != 1 || r.Proofs != 2 || ts.has("first") {
		t.Errorf("%+v", r)
	}
	if sum := ts.clean(t); sum.Stale != 0 || sum.Domains != 0 || sum.Projects != 1 {
		t.Errorf("%+v", sum)
	}
}
