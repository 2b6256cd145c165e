package control

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/assets/httpsem"
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
