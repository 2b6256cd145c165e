package router

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/bench"
)

// shows checks that a report has rows that benchstat reads, a table with each word, and plots.
func shows(t *testing.T, rep bench.Report, words ...string) {
	t.Helper()
	var rows, page bytes.Buffer
	if err := bench.WriteRows(&rows, rep.Rows()); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(rows.String()) {
		if !strings.HasPrefix(line, "Benchmark") || strings.Contains(line, "NaN") || strings.Contains(line, "Inf") {
			t.Errorf("row %q", line)
		}
	}
	text := fmt.Sprint(rep)
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in\n%s", w, text)
		}
	}
	if strings.Contains(text, "NaN") {
		t.Error(text)
	}
	if judged, ok := rep.(bench.Judged); ok {
		for _, g := range judged.Goals() {
			if v := g.Found.Median(); len(g.Found) == 0 || v != v {
				t.Errorf("%s: %v", g.What, g.Found)
			}
		}
	}
	if err := bench.WritePage(&page, "x", "x", time.Now(), []bench.Report{rep}); err != nil || rows.Len() == 0 {
		t.Errorf("%d bytes of rows, page: %v", rows.Len(), err)
	}
}

func TestLookup(t *testing.T) {
	rep, err := Lookup(t.Context(), LookupConfig{Deployments: []int{300, 3000}, Rounds: 1, leastDropped: 3000})
	if err != nil {
		t.Fatal(err)
	}
	few, many := rep.Sizes[0], rep.Sizes[1]
	if len(few.Dropped) != 0 || len(many.Dropped) != dropReads || len(many.Hit) != 5 || many.Hosts != 3004 || many.RouteBytes <= 0 {
		t.Errorf("%+v", many)
	}
	shows(t, rep, "read, no pages", "disk for a route")
}

func TestUnknown(t *testing.T) {
	rep, err := Unknown(t.Context(), UnknownConfig{Deployments: 3000, Rounds: 1, asked: 3000})
	if err != nil {
		t.Fatal(err)
	}
	memory, tables := rep.Sides[0], rep.Sides[1]
	if memory.FilterSize == 0 || tables.FilterSize != 0 || memory.Blocks > 0.01 || tables.Blocks < 0.5 {
		t.Errorf("in memory %d bytes and %v blocks; in tables %d and %v", memory.FilterSize, memory.Blocks, tables.FilterSize, tables.Blocks)
	}
	if memory.HitRate[0] <= 0 || memory.HitRate[0] != memory.HitRate[1] {
		t.Errorf("hit rates %v", memory.HitRate)
	}
	shows(t, rep, "busy neighbour", "Pebble's tables only")
}

func TestBusy(t *testing.T) {
	dir := t.TempDir()
	rep, err := Busy(t.Context(), BusyConfig{Deployments: 3000, Dir: dir, Rounds: 1, Phase: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Loaded == 0 || rep.Large == 0 || rep.Kinds[0].Asked[1] == 0 || rep.Kinds[1].Asked[0] == 0 {
		t.Errorf("%+v", rep)
	}
	shows(t, rep, "busy / idle")
	// It worked on a clone, which is gone.
	if _, err := os.Stat(filepath.Join(dir, "busy")); !os.IsNotExist(err) {
		t.Errorf("clone: %v", err)
	}
	if again, err := Lookup(t.Context(), LookupConfig{Deployments: []int{3000}, Dir: dir, Rounds: 1}); err != nil || again.Sizes[0].Hosts != 3004 {
		t.Errorf("the corpus afterwards: %+v, %v", again, err)
	}
}

func TestGrowth(t *testing.T) {
	rep, err := Growth(t.Context(), GrowthConfig{Deployments: []int{300, 3000}, One: []int{300}, Rounds: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range append(rep.Many, rep.One...) {
		for _, op := range operations {
			if len(size.Took[op]) == 0 || len(size.Spent[op]) != len(size.Took[op]) {
				t.Errorf("%d deployments of %d projects: %q was not done", size.Deployments, size.Projects, op)
			}
		}
	}
	shows(t, rep, "all in one project", opDrop)
}

func TestServer(t *testing.T) {
	berth := filepath.Join(t.TempDir(), "berth")
	if out, err := exec.Command("go", "build", "-o", berth, "berth/cmd/berth").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c := ServerConfig{Berth: berth, Deployments: []int{300}, Rounds: 1, Requests: 100, Args: []string{"--log-level", "error"}}
	rep, err := Server(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	s := rep.Sizes[0]
	if len(s.Warm) != 1 || len(s.Cold) != 1 || s.Asked[memorySteps] != 100 || s.Peak == 0 || s.First[1] == 0 {
		t.Errorf("%+v", s)
	}
	shows(t, rep, "first answer of a host")
	c.Args = []string{"--site-cache", "1"}
	if _, err := Server(t.Context(), c); err == nil || !strings.Contains(err.Error(), "--site-cache: want 1MiB or more") {
		t.Errorf("a server that does not start: %v", err)
	}
}
