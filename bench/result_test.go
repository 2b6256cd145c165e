package bench_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/bench"
	"berth/migrate/report/plot"
)

func TestVerdict(t *testing.T) {
	for name, tt := range map[string]struct {
		goal bench.Goal
		want string
	}{
		"more is better":     {bench.Reaching("", bench.AsRatio, 1.25, 1.6, bench.Sample{1.3, 1.2, 1.4}), "reached"},
		"stretch":            {bench.Reaching("", bench.AsRatio, 1.25, 1.6, bench.Sample{1.7}), "stretch"},
		"missed":             {bench.Reaching("", bench.AsRatio, 1.25, 1.6, bench.Sample{1}), "MISSED by 20 %"},
		"less is better":     {bench.Reaching("", bench.AsTime, 500, 250, bench.Sample{300}), "reached"},
		"less, stretch":      {bench.Reaching("", bench.AsTime, 500, 250, bench.Sample{250}), "stretch"},
		"less, missed":       {bench.Reaching("", bench.AsSize, 12<<10, 0, bench.Sample{24 << 10}), "MISSED by 100 %"},
		"no stretch":         {bench.Reaching("", bench.AsRatio, 8, 0, bench.Sample{100}), "reached"},
		"nothing is allowed": {bench.Reaching("", bench.AsNumber, 0, 0, bench.Sample{0}), "reached"},
		"and it is not":      {bench.Reaching("", bench.AsNumber, 0, 0, bench.Sample{1}), "MISSED"},
		"not measured":       {bench.Reaching("", bench.AsNumber, 0, 0, nil), "not measured"},
	} {
		if got := tt.goal.Verdict(); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// found is a report with everything that one may have, and text that must not be taken for HTML or Markdown.
type found struct{}

func (found) String() string { return "a <table>\n" }
func (found) Rows() []bench.Row {
	return []bench.Row{bench.Measured("X/side=<a>", 10, bench.In(1.5, "ns/op"))}
}
func (found) Figures() []plot.Figure {
	return []plot.Figure{{ID: "x", Title: "Fig<ure>", Chart: plot.Bars{Unit: plot.Seconds, Label: "time", Bars: []plot.Bar{{Name: "a", Parts: []float64{1}}}}}}
}
func (found) Goals() []bench.Goal {
	return []bench.Goal{
		bench.Reaching("cheap <|>", bench.AsRatio, 1.25, 1.6, bench.Sample{1, 1.1}),
		bench.Reaching("small", bench.AsSize, 100, 50, bench.Sample{70}),
		bench.Reaching("later", bench.AsTime, 1e9, 0, nil).Because("not <yet>"),
	}
}
func (found) Notes() []string { return []string{"of <note>"} }

func saved(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		r, err := bench.NewResult(name, "Title of "+name, "berth bench "+name+" <x>", time.Unix(1e9, 0), found{})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Save(dir); err != nil {
			t.Fatal(err)
		}
	}
}

func TestResultsAreKeptInTheirOrder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	saved(t, dir, "alpha", "beta", "gamma")
	results, err := bench.Load(dir, []string{"gamma", "alpha"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range results {
		names = append(names, r.Workload)
	}
	if d := cmp.Diff([]string{"gamma", "alpha", "beta"}, names); d != "" {
		t.Error(d)
	}
	r := results[0]
	if d := cmp.Diff(found{}.Goals(), r.Goals); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(found{}.Rows(), r.Rows); d != "" {
		t.Error(d)
	}
	rows, err := os.ReadFile(filepath.Join(dir, "gamma.txt"))
	if err != nil || !bytes.Contains(rows, []byte("\nBenchmarkX/side=<a>\t10\t1.5000 ns/op\n")) {
		t.Errorf("%s, %v", rows, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := bench.Load(dir, nil); err == nil || !strings.Contains(err.Error(), "bad.json") {
		t.Errorf("a broken result: %v", err)
	}
	if _, err := bench.Load(t.TempDir(), nil); err == nil {
		t.Error("no results are no error")
	}
}

func TestMarkdown(t *testing.T) {
	dir := t.TempDir()
	saved(t, dir, "alpha", "beta")
	results, err := bench.Load(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := bench.WriteMarkdown(&b, "An intro.", results); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Benchmarks\n\nAn intro.\n", "Reached: 2 of 6; missed: 2; not measured in this run: 2.",
		`| cheap <\|> | ≥ 1.25× | ≥ 1.6× | 1.1× (1×–1.1×) | **MISSED by 12 %** |`, "| small | ≤ 100 B | ≤ 50 B | 70 B | reached |",
		"| later (not <yet>) | ≤ 1 s | – | – | not measured |", "## Title of alpha\n\n`berth bench alpha <x>`, 2001-09-09 01:46 UTC", "\nof <note>\n", "```text\na <table>\n```",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}

func TestPageEscapes(t *testing.T) {
	dir := t.TempDir()
	saved(t, dir, "alpha")
	results, err := bench.Load(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := bench.WriteResults(&b, "All <of> it", results); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<of>", "<|>", "<yet>", "<note>", "<x>", "a <table>", "Fig<ure>"} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if n := strings.Count(b.String(), `<tr class="missed">`); n != 1 {
		t.Errorf("%d goals are shown as missed", n)
	}
}
