package control

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/assets/httpsem"
	"berth/store"
)

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

// Before anything is made slowly, all that was made fast can be served, due or not.
func TestListingBetweenPasses(t *testing.T) {
	ts, enc := newEncodingService(t, func(p *testParts) { p.opts.CompressWorkers = 1 })
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/1.html": text("1"), "/2.html": text("2"), "/3.html": text("3"), "/4.html": text("4")})
	calls, fast := 0, map[string]string{"/1.html": "gzip zstd", "/2.html": "gzip zstd", "/3.html": "gzip zstd", "/4.html": "gzip zstd"}
	enc.set(func(f *testEncoder) {
		f.before = func([]byte) {
			if calls++; calls == 2*len(fast)+1 {
				ts.wantForms(t, d, fast)
			}
			ts.clock.advance(chunkTime)
		}
	})
	ts.drain(t)
	if calls != 3*len(fast) {
		t.Errorf("%d encoded", calls)
	}
}

// Every file has what is made fast before the first has what is made slowly, and listings are published as the work goes on.
func TestListingOnTheWay(t *testing.T) {
	ts, enc := newEncodingService(t, func(p *testParts) { p.opts.CompressWorkers = 1 })
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/1.html": text("1"), "/2.html": text("two"), "/3.html": text("three.")})
	var seen []string
	enc.set(func(f *testEncoder) {
		f.before = func(content []byte) {
			forms := ts.forms(t, d)
			seen = append(seen, strings.Join([]string{string(content[:3]), forms["/1.html"], forms["/2.html"], forms["/3.html"]}, "|"))
			ts.clock.advance(slowestListing)
		}
	})
	ts.drain(t)
	const fast = "gzip zstd"
	want := []string{
		"1: |||", "1: |||", "two|" + fast + "||", "two|" + fast + "||", "thr|" + fast + "|" + fast + "|", "thr|" + fast + "|" + fast + "|",
		"thr|" + fast + "|" + fast + "|" + fast, "two|" + fast + "|" + fast + "|" + all, "1: |" + fast + "|" + all + "|" + all,
	}
	if diff := cmp.Diff(want, seen); diff != "" {
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
