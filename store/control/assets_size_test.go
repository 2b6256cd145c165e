package control

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"berth/assets/manifest"
	"berth/store"
)

func zeros(files, size int) (io.Reader, int64) {
	var parts []io.Reader
	var length int64
	add := func(r io.Reader, n int) {
		parts = append(parts, io.LimitReader(r, int64(n)))
		length += int64(n)
	}
	text := func(s string) { add(strings.NewReader(s), len(s)) }
	for i := range files {
		text(string("[,"[min(i, 1)]) + `{"key":"` + fmt.Sprintf("%032x", i) + `","value":"`)
		add(endless{'A'}, size/3*4)
		text(`","metadata":{"contentType":"application/octet-stream"},"base64":true}`)
	}
	text("]")
	return io.MultiReader(parts...), length
}

func TestUploadMemoryIsBounded(t *testing.T) {
	const uploads, bound = 9, 48 << 20
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	up := a.uploader("docs")
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)

	var running sync.WaitGroup
	var left atomic.Int32
	left.Store(uploads)
	for range uploads {
		running.Go(func() {
			defer left.Add(-1)
			body, length := zeros(2, 23<<20)
			req := up.request("POST", apiPrefix+"/pages/assets/upload", body)
			req.ContentLength = length
			req.Header.Set("Authorization", "Bearer "+up.token)
			if ans := up.send(req); !ans.Success {
				t.Errorf("%d %s", ans.Status, ans.Raw)
			}
		})
	}
	peak := uint64(0)
	sample := time.NewTicker(2 * time.Millisecond)
	defer sample.Stop()
	for left.Load() > 0 {
		<-sample.C
		runtime.ReadMemStats(&now)
		peak = max(peak, now.HeapInuse)
	}
	running.Wait()
	if grown := int64(peak) - int64(before.HeapInuse); grown > bound {
		t.Errorf("%d uploads of 61 MiB grew the heap by %d MiB, want at most %d", uploads, grown>>20, bound>>20)
	} else {
		t.Logf("the heap grew by %d MiB", grown>>20)
	}
}

func keysFor(tb testing.TB, s *testService, n, proved int) []manifest.AssetKey {
	tb.Helper()
	account, err := s.deps.Store.AccountByID("default")
	if err != nil {
		tb.Fatal(err)
	}
	keys := make([]manifest.AssetKey, n)
	batch := s.deps.Blobs.NewBatch()
	defer batch.Abort()
	var proofs []store.Proof
	for i := range keys {
		content := fmt.Append(nil, "file ", i)
		keys[i] = manifest.AssetKeyOf(content, "html")
		if i >= proved {
			continue
		}
		w, err := batch.Create()
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			tb.Fatal(err)
		}
		d, size, err := w.Finish()
		if err != nil {
			tb.Fatal(err)
		}
		proofs = append(proofs, store.Proof{Account: account.No, Key: keys[i], Extension: "html", Blob: store.FileRef{Digest: d, Size: size}})
	}
	if err := batch.Commit(); err != nil {
		tb.Fatal(err)
	}
	_, err = s.deps.Store.Update(tb.Context(), func(tx *store.Tx) error {
		for _, p := range proofs {
			if err := tx.PutProof(p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

func TestManyHashes(t *testing.T) {
	const files, distinct, proved = 100000, 20000, 300
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	up := a.uploader("docs")
	keys := keysFor(t, s, distinct, proved)
	texts := make([]string, files)
	for i := range texts {
		texts[i] = keys[i%distinct].String()
	}
	if got := up.missing(texts...); len(got) != distinct-proved {
		t.Errorf("%d are missing, want %d", len(got), distinct-proved)
	}
}

func BenchmarkCheckMissing(b *testing.B) {
	for _, proved := range []int{0, 20000} {
		b.Run(fmt.Sprintf("files=20000/proved=%d", proved), func(b *testing.B) {
			s := newTestService(b, func(p *testParts) {
				db, err := store.Open(filepath.Join(b.TempDir(), "db"), store.Options{})
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { _ = db.Close() })
				p.deps.Store = db
			})
			s.api(b).project("docs")
			keys := keysFor(b, s, 20000, proved)
			p, err := s.deps.Store.ProjectByName("docs")
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := s.touchAssets(b.Context(), p, keys); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
