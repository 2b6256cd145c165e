package control

import (
	"encoding/base64"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/assets/manifest"
	"berth/store"
)

// BenchmarkSecondDeploy is a site of which one file changed since it was deployed last: all that the server does, over
// loopback, the client's own work left out. first-ms is what the create call of the first deployment took.
func BenchmarkSecondDeploy(b *testing.B) {
	for _, n := range []int{1000, 20000} {
		b.Run(fmt.Sprintf("files=%d", n), func(b *testing.B) {
			ts := newTestService(b, nil)
			a := ts.api(b)
			a.project("docs")
			p, err := ts.deps.Store.ProjectByName("docs")
			if err != nil {
				b.Fatal(err)
			}
			files := make(site, n)
			for i := range n {
				files[fmt.Sprintf("/assets/section-%d/page-%d.html", i%100, i)] = fmt.Sprintf("%08d%s", i, strings.Repeat("x", 4088))
			}
			ts.claimAll(b, p, files)
			contentType, body := form(field{"manifest", files.manifest()})
			start := time.Now()
			if ans := a.post("docs", contentType, body); !ans.Success {
				b.Fatal(ans.Raw)
			}
			first := time.Since(start)
			benchKeys := keyCache{}
			var post, cpu time.Duration
			round := 0
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				round++
				files["/assets/section-0/page-0.html"] = fmt.Sprint("changed ", round)
				k := keyOf("/assets/section-0/page-0.html", files["/assets/section-0/page-0.html"])
				hashes := make([]string, 0, n)
				for path, content := range files {
					if path != "/assets/section-0/page-0.html" {
						hashes = append(hashes, benchKeys.of(path, content))
					}
				}
				hashes = append(hashes, k.String())
				contentType, body := form(field{"manifest", benchKeys.manifest(files, k)})
				up := a.uploader("docs")
				item := []uploadItem{{k.String(), base64.StdEncoding.EncodeToString([]byte(files["/assets/section-0/page-0.html"])), nil, true}}
				b.StartTimer()
				var missing []string
				up.must("POST", "/pages/assets/check-missing", map[string]any{"hashes": hashes}).into(b, &missing)
				if len(missing) != 1 {
					b.Fatalf("%d missing", len(missing))
				}
				up.must("POST", "/pages/assets/upload", item)
				up.must("POST", "/pages/assets/upsert-hashes", map[string]any{"hashes": hashes})
				start, used := time.Now(), cpuTime(b)
				if ans := a.post("docs", contentType, body); !ans.Success {
					b.Fatal(ans.Raw)
				}
				post += time.Since(start)
				cpu += cpuTime(b) - used
			}
			b.ReportMetric(float64(post.Microseconds())/1000/float64(b.N), "create-ms/op")
			b.ReportMetric(float64(cpu.Microseconds())/1000/float64(b.N), "create-cpu-ms/op")
			b.ReportMetric(float64(first.Microseconds())/1000, "first-ms")
		})
	}
}

// cpuTime is what the process has used so far, on all cores: unlike the clock it does not depend on who else is busy.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// keyCache spares the benchmark the client's hashing.
type keyCache map[string]string

func (c keyCache) of(path, content string) string {
	k, ok := c[path]
	if !ok {
		k = keyOf(path, content).String()
		c[path] = k
	}
	return k
}

func (c keyCache) manifest(files site, changed manifest.AssetKey) string {
	var b strings.Builder
	b.WriteString(`{"/assets/section-0/page-0.html":"` + changed.String() + `"`)
	for path, content := range files {
		if path != "/assets/section-0/page-0.html" {
			fmt.Fprintf(&b, `,%q:%q`, path, c.of(path, content))
		}
	}
	b.WriteString("}")
	return b.String()
}

// claimAll stores a site's files as uploads would.
func (s *testService) claimAll(t testing.TB, p store.Project, files site) {
	t.Helper()
	batch := s.deps.Blobs.NewBatch()
	defer batch.Abort()
	var claims []store.Claim
	for path, content := range files {
		w, err := batch.Create()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
		digest, size, err := w.Finish()
		if err != nil {
			t.Fatal(err)
		}
		claims = append(claims, store.Claim{Project: p.No, Key: keyOf(path, content), Blob: store.FileRef{Digest: digest, Size: size}, Time: s.now()})
	}
	if err := batch.Commit(); err != nil {
		t.Fatal(err)
	}
	_, err := s.deps.Store.Update(t.Context(), func(tx *store.Tx) error {
		for _, c := range claims {
			if err := tx.PutClaim(c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
