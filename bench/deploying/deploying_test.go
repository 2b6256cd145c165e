package deploying

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/bench"
)

// Calls that overlap count once, pauses between them not at all, and nothing after the deployment is made.
func TestUntilLive(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	call := func(path string, from, to int) Call {
		return Call{http.MethodPost, path, began.Add(time.Duration(from) * time.Second), began.Add(time.Duration(to) * time.Second)}
	}
	const deployments = "/accounts/default/pages/projects/bench/deployments"
	for _, c := range []struct {
		name       string
		calls      []Call
		live, busy int
	}{
		{"one after the other", []Call{call("/a", 1, 2), call("/b", 4, 7), call(deployments, 8, 10)}, 10, 6},
		{"side by side", []Call{call("/a", 1, 5), call("/b", 2, 4), call("/c", 3, 6), call(deployments, 7, 8)}, 8, 6},
		{"still under way", []Call{call("/a", 1, 4), call(deployments, 3, 8)}, 8, 7},
		{"more after it", []Call{call(deployments, 1, 2), call("/a", 3, 9)}, 2, 1},
	} {
		live, busy := untilLive(c.calls)
		if want := began.Add(time.Duration(c.live) * time.Second); !live.Equal(want) || busy != time.Duration(c.busy)*time.Second {
			t.Errorf("%s: live at %v after %v, want %v after %d s", c.name, live, busy, want, c.busy)
		}
	}
	if live, _ := untilLive([]Call{call("/a", 1, 2)}); !live.IsZero() {
		t.Errorf("live at %v without a deployment", live)
	}
}

// A seed is a site, no two files are the same, and a change is of one file.
func TestSite(t *testing.T) {
	contents := func(seed uint64) map[string]string {
		s := site{dir: t.TempDir(), files: 250, size: 300, seed: seed}
		if err := s.write(); err != nil {
			t.Fatal(err)
		}
		files := make(map[string]string)
		before, err := os.ReadFile(s.path(0))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.change(); err != nil {
				t.Fatal(err)
			}
			after, err := os.ReadFile(s.path(0))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(before, after) {
				t.Error("a change changes nothing")
			}
			before = after
		}
		for i := range s.files {
			b, err := os.ReadFile(s.path(i))
			if err != nil {
				t.Fatal(err)
			}
			if i > 0 && len(b) != s.size {
				t.Errorf("a file of %d bytes, want %d", len(b), s.size)
			}
			files[strings.TrimPrefix(s.path(i), s.dir)] = string(b)
		}
		return files
	}
	one := contents(1)
	if diff := cmp.Diff(one, contents(1)); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(one, contents(2)) {
		t.Error("another seed makes the same site")
	}
	distinct := make(map[string]bool)
	for _, content := range one {
		distinct[content] = true
	}
	if len(distinct) != 250 {
		t.Errorf("%d of 250 files are different", len(distinct))
	}
}

// The server that discards tells when not everything was sent.
func TestDiscardCounts(t *testing.T) {
	d := newDiscard()
	defer d.Close()
	if err := d.complete(1); err == nil {
		t.Error("nothing was sent, and that is complete")
	}
	resp, err := http.Post(d.URL+"/client/v4/pages/assets/upload", "application/json", strings.NewReader(strings.Repeat("x", 400)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := d.complete(300); err != nil {
		t.Error(err)
	}
	if err := d.complete(301); err == nil {
		t.Error("a part was sent, and that is complete")
	}
}

func TestConfigTellsAllFaults(t *testing.T) {
	_, err := Run(t.Context(), Config{Files: maxFiles + 1, Size: -1, Rounds: -1})
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("got %v, want four faults", err)
	}
}

// Ratios are taken round by round: what the machine did in one falls on both sides.
func TestRatios(t *testing.T) {
	r := Report{First: []First{
		{Side: sideLimit, Live: bench.Sample{1, 10}, Took: bench.Sample{2, 20}},
		{Side: sideBerth, Live: bench.Sample{2, 5}, Took: bench.Sample{3, 10}},
	}}
	live, command := r.Ratios(r.First[1])
	if diff := cmp.Diff([]bench.Sample{{2, 0.5}, {1.5, 0.5}}, []bench.Sample{live, command}); diff != "" {
		t.Error(diff)
	}
	if live, _ := (&Report{First: r.First[1:]}).Ratios(r.First[1]); live != nil {
		t.Errorf("%v without a limit", live)
	}
}
