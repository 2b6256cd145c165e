package control

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/assets/variants"
	"berth/store"
)

// One file that no encoder survives: the others are encoded, and it is tried a few times, also by later deployments.
func TestOneFileFails(t *testing.T) {
	for name, break_ := range map[string]func(*testEncoder){
		"error": func(f *testEncoder) {
			f.fault = func(content []byte, e httpsem.Encoding) error {
				if string(content) == text("bad") && e == httpsem.Zstd {
					return errors.New("boom")
				}
				return nil
			}
		},
		"panic": func(f *testEncoder) {
			f.fault = func(content []byte, e httpsem.Encoding) error {
				if string(content) == text("bad") && e == httpsem.Zstd {
					panic("boom")
				}
				return nil
			}
		},
		"wrong bytes": func(f *testEncoder) {
			bad := encoded(t, text("bad"), httpsem.Zstd)
			f.spoil = func(coded []byte, _ httpsem.Encoding) []byte {
				if string(coded) == bad {
					return []byte("this is not what was asked for")
				}
				return coded
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ts, enc := newEncodingService(t, nil)
			enc.set(break_)
			a := ts.api(t)
			a.project("docs")
			d := a.deploy("docs", "", site{"/bad.html": text("bad"), "/good.html": text("good")})
			want := map[string]string{"/bad.html": "gzip br", "/good.html": all}
			for try := range 5 {
				ts.drain(t)
				ts.wantForms(t, d, want)
				if done := ts.wanted(t) == 0; done != (try >= maxEncodeTries-1) {
					t.Errorf("after try %d: done is %v", try, done)
				}
				ts.clock.advance(time.Hour)
			}
			again := a.deploy("docs", "", site{"/bad.html": text("bad"), "/new.html": text("new")})
			ts.drain(t)
			ts.wantForms(t, again, map[string]string{"/bad.html": "gzip br", "/new.html": all})
			if n := enc.count(text("bad")); n != 2+maxEncodeTries {
				t.Errorf("encoded %d times, want %d", n, 2+maxEncodeTries)
			}
			if x := ts.EncodeStats(); x.Failures != maxEncodeTries || x.Pauses != 0 {
				t.Errorf("%+v", x)
			}
			if n := strings.Count(ts.log.String(), "cannot be encoded"); n != 1 {
				t.Errorf("told %d times", n)
			}
			ts.clean(t)
		})
	}
}

// An encoder that makes nothing at all is not the files' fault: the job waits, tells it once, and goes on.
func TestEncoderBroken(t *testing.T) {
	ts, enc := newEncodingService(t, nil)
	enc.set(func(f *testEncoder) {
		f.fault = func([]byte, httpsem.Encoding) error { return errors.New("no such program") }
	})
	var waits []time.Duration
	ts.encodings.pause = func(_ context.Context, d time.Duration, _ <-chan struct{}) {
		if waits = append(waits, d); len(waits) == 12 {
			enc.set(func(f *testEncoder) { f.fault = nil })
		}
	}
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/a.html": text("a")})
	ts.drain(t)
	ts.wantForms(t, d, map[string]string{"/a.html": all})
	if waits[0] != minEncodeWait || !slices.IsSorted(waits) || waits[11] != maxEncodeWait {
		t.Errorf("waits %v", waits)
	}
	if x := ts.EncodeStats(); x.Pauses != 1 || x.Failures != 0 || x.Deployments != 1 {
		t.Errorf("%+v", x)
	}
	if log := ts.log.String(); strings.Count(log, "encoding of deployed files pauses") != 1 || strings.Count(log, "encoding goes on") != 1 {
		t.Error(log)
	}
}

// On a full disk nothing is encoded, and nothing forgotten.
func TestDiskFullWhileEncoding(t *testing.T) {
	disk := &lowDisk{FS: vfs.NewMem()}
	ts, enc := newEncodingService(t, func(p *testParts) {
		db, err := store.OpenFS(disk, "db", store.Options{MinFreeBytes: 1 << 30, Now: p.deps.Now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		p.deps.Store = db
	})
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/a.html": text("a"), "/b.html": text("b")})
	fill := sync.OnceFunc(func() { disk.low.Store(true) })
	enc.set(func(f *testEncoder) { f.before = func([]byte) { fill() } })
	pauses := 0
	ts.encodings.pause = func(context.Context, time.Duration, <-chan struct{}) {
		if pauses++; pauses == 4 {
			disk.low.Store(false)
		}
	}
	ts.drain(t)
	ts.wantForms(t, d, map[string]string{"/a.html": all, "/b.html": all})
	if x := ts.EncodeStats(); pauses < 4 || x.Pauses != 1 || x.Failures != 0 {
		t.Errorf("%d pauses, %+v", pauses, x)
	}
	if log := ts.log.String(); strings.Count(log, "the disk is full") != 1 {
		t.Error(log)
	}
	ts.clean(t)
}

// The files in hand are finished when a better deployment comes, no more.
func TestNewDeploymentGoesFirst(t *testing.T) {
	ts, enc := newEncodingService(t, func(p *testParts) { p.opts.CompressWorkers = 1 })
	a := ts.api(t)
	a.project("docs")
	a.project("blog")
	old := a.deploy("docs", "", site{"/1.html": text("1"), "/2.html": text("two"), "/3.html": text("three.")})
	var urgent deploymentObject
	deploy := sync.OnceFunc(func() { urgent = a.deploy("blog", "", site{"/u.html": text("urgent and last by size")}) })
	enc.set(func(f *testEncoder) { f.before = func([]byte) { deploy() } })
	ts.drain(t)
	want := []string{text("1"), text("urgent and last by size"), text("two"), text("three.")}
	if diff := cmp.Diff(want, enc.order); diff != "" {
		t.Error(diff)
	}
	ts.wantForms(t, old, map[string]string{"/1.html": all, "/2.html": all, "/3.html": all})
	ts.wantForms(t, urgent, map[string]string{"/u.html": all})
}

func TestOrderOfDeployments(t *testing.T) {
	ts, enc := newEncodingService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a.project("blog")
	for _, d := range []struct{ project, branch, content string }{
		{"docs", "", "superseded"}, {"docs", "dev", "old preview"}, {"docs", "", "production"},
		{"docs", "fix", "preview"}, {"blog", "", "newest production"},
	} {
		a.deploy(d.project, d.branch, site{"/index.html": text(d.content)})
	}
	order := []string{text("newest production"), text("production"), text("preview"), text("old preview"), text("superseded")}
	ts.drain(t)
	if diff := cmp.Diff(order, enc.order); diff != "" {
		t.Error(diff)
	}
}

func TestEncodeQueueIsBounded(t *testing.T) {
	q := encodeQueue{wake: make(chan struct{}, 1)}
	for i := range maxQueued + 10 {
		q.push(queued{no: store.DeploymentNo(i + 1), rank: rankPreview})
		q.push(queued{no: store.DeploymentNo(i + 1), rank: rankProduction}) // there already
	}
	if q.len() != maxQueued || !q.takeSpilled() || q.takeSpilled() {
		t.Errorf("%d queued", q.len())
	}
	now := time.Unix(1e9, 0)
	q.push(queued{no: 1 << 30, due: now.Add(time.Minute)})
	if d, _, ok := q.pop(now); !ok || d.no != maxQueued+10 {
		t.Errorf("got %+v, %v", d, ok)
	}
	if q.better(queued{no: maxQueued + 9, rank: rankPreview}, now) || !q.better(queued{no: 1, rank: rankSuperseded}, now) {
		t.Error("better is wrong")
	}
	for q.len() > 1 {
		q.pop(now)
	}
	if _, wait, ok := q.pop(now); ok || wait != time.Minute {
		t.Errorf("%v, %v", wait, ok)
	}
}

// Listings are published as the work goes on.
func TestListingOnTheWay(t *testing.T) {
	ts, enc := newEncodingService(t, func(p *testParts) { p.opts.CompressWorkers = 1 })
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/1.html": text("1"), "/2.html": text("two"), "/3.html": text("three.")})
	var seen []int
	enc.set(func(f *testEncoder) {
		f.before = func([]byte) {
			seen = append(seen, len(ts.forms(t, d)))
			ts.clock.advance(chunkTime)
		}
	})
	ts.drain(t)
	if diff := cmp.Diff([]int{0, 0, 0, 1, 1, 1, 2, 2, 2}, seen); diff != "" {
		t.Error(diff)
	}
	ts.wantForms(t, d, map[string]string{"/1.html": all, "/2.html": all, "/3.html": all})
}

// The whole of it: a deployment is encoded without anybody asking, and the end of the context ends a call of the encoder.
func TestRunEncodes(t *testing.T) {
	ts, enc := newEncodingService(t, nil)
	ts.encodings.pause = pause
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- ts.Run(ctx) }()
	news := make(chan struct{}, 100)
	defer ts.deps.Store.OnCommit(func(store.Commit) { news <- struct{}{} })()
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/a.html": text("a")})
	for ts.wanted(t) > 0 {
		<-news
	}
	ts.wantForms(t, d, map[string]string{"/a.html": all})
	calls := make(chan struct{}, 1)
	enc.set(func(f *testEncoder) {
		f.fault = func([]byte, httpsem.Encoding) error {
			calls <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}
	})
	a.deploy("docs", "", site{"/b.html": text("b")})
	<-calls
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if ts.wanted(t) != 1 || strings.Contains(ts.log.String(), "pauses") {
		t.Errorf("%d wanted; %s", ts.wanted(t), ts.log)
	}
}

// Without workers nothing is made, and what is to be made is made once there are some.
func TestEncodingOff(t *testing.T) {
	ts, enc := newEncodingService(t, func(p *testParts) { p.opts.CompressWorkers = -1 })
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/a.html": text("a")})
	ts.drain(t)
	if enc.total() != 0 || ts.wanted(t) != 1 || ts.EncodeStats().Waiting != 0 {
		t.Errorf("%d encoded, %d wanted", enc.total(), ts.wanted(t))
	}
	ts.opts.CompressWorkers = 1
	ts.again(t)
	ts.drain(t)
	ts.wantForms(t, d, map[string]string{"/a.html": all})
}

func TestFsckFindsBadForms(t *testing.T) {
	put := func(t *testing.T, ts *testService, content string) store.FileRef {
		d, n, err := ts.deps.Blobs.Put(strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		return store.FileRef{Digest: d, Size: n}
	}
	list := func(t *testing.T, ts *testService, d store.Deployment, ref store.FileRef) {
		if _, err := ts.deps.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.SetVariants(d.No, ref) }); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		damage func(*testing.T, *testService, store.Deployment)
		want   []string
	}{
		"none": {func(*testing.T, *testService, store.Deployment) {}, nil},
		"listing is none": {func(t *testing.T, ts *testService, d store.Deployment) { list(t, ts, d, put(t, ts, "no listing")) },
			[]string{"encoding: deployment"}},
		"listing is gone": {func(t *testing.T, ts *testService, d store.Deployment) {
			list(t, ts, d, store.FileRef{Digest: manifest.Digest{1}, Size: 10})
		}, []string{"blob: deployment"}},
		"listing of another manifest": {func(t *testing.T, ts *testService, d store.Deployment) {
			raw, _ := variants.Encode(7, nil)
			list(t, ts, d, put(t, ts, string(raw)))
		}, []string{"encoding: deployment"}},
		"form of another file": {func(t *testing.T, ts *testService, d store.Deployment) {
			r := put(t, ts, encoded(t, text("other"), httpsem.Gzip))
			raw, _ := variants.Encode(1, []variants.Variant{{Entry: 0, Encoding: httpsem.Gzip, Blob: r.Digest, Size: r.Size}})
			list(t, ts, d, put(t, ts, string(raw)))
		}, []string{"encoding: deployment"}},
		"form gone": {func(t *testing.T, ts *testService, _ store.Deployment) {
			d := manifest.DigestOf([]byte(encoded(t, text("a"), httpsem.Gzip))).String()
			if err := os.Remove(filepath.Join(ts.opts.DataDir, "blobs", d[:2], d[2:])); err != nil {
				t.Fatal(err)
			}
		}, []string{"blob: deployment"}},
	} {
		t.Run(name, func(t *testing.T) {
			ts, _ := newEncodingService(t, nil)
			a := ts.api(t)
			a.project("docs")
			d := a.deploy("docs", "", site{"/a.html": text("a")})
			ts.drain(t)
			tc.damage(t, ts, ts.record(t, d))
			_, problems := ts.fsck(t)
			var got []string
			for _, p := range problems {
				got = append(got, strings.Join(strings.Fields(p.String())[:2], " "))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n%v", diff, problems)
			}
		})
	}
}

// A listing that cannot be read is made again, and keeps no sweep from its work.
func TestSweepMendsListings(t *testing.T) {
	ts, enc := newEncodingService(t, nil)
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/a.html": text("a")})
	ts.drain(t)
	ref, err := ts.deps.Store.Variants(ts.record(t, d).No)
	if err != nil {
		t.Fatal(err)
	}
	name := ref.Digest.String()
	if err := os.WriteFile(filepath.Join(ts.opts.DataDir, "blobs", name[:2], name[2:]), []byte("cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	ts.swept(t, SweepOptions{Grace: time.Hour})
	if ts.wanted(t) != 1 {
		t.Error("it is not made again")
	}
	ts.drain(t)
	ts.wantForms(t, d, map[string]string{"/a.html": all})
	if n := enc.total(); n != 3 {
		t.Errorf("%d encoded", n)
	}
	ts.clean(t)
}
