package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"berth/migrate/report/plot"
)

// Judged is a report of which something was promised.
type Judged interface{ Goals() []Goal }

// Noted is a report with sentences that its reader must know: what is compared with what, and what is not.
type Noted interface{ Notes() []string }

// Result is what remains of a report, to be shown beside those of other workloads.
type Result struct {
	Workload string // its name: letters and digits
	Title    string
	Command  string
	Machine  string
	At       time.Time
	Took     time.Duration
	Notes    []string
	Goals    []Goal
	Table    string
	Figures  []string // HTML
	Rows     []Row
}

// NewResult makes a Result of a report.
func NewResult(workload, title, command string, began time.Time, rep Report) (Result, error) {
	r := Result{Workload: workload, Title: title, Command: command, Machine: Machine(), At: began.UTC(), Took: time.Since(began), Table: rep.String(), Rows: rep.Rows()}
	if j, ok := rep.(Judged); ok {
		r.Goals = j.Goals()
	}
	if n, ok := rep.(Noted); ok {
		r.Notes = n.Notes()
	}
	for _, f := range rep.Figures() {
		var b strings.Builder
		if err := plot.Write(&b, f); err != nil {
			return r, fmt.Errorf("draw %s: %w", f.Title, err)
		}
		r.Figures = append(r.Figures, b.String())
	}
	return r, nil
}

// Save writes the result to DIR/WORKLOAD.json, and its rows, for benchstat, to DIR/WORKLOAD.txt.
func (r Result) Save(dir string) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	var rows strings.Builder
	fmt.Fprintf(&rows, "goos: linux\npkg: berth/bench/%s\ncpu: %s\n", r.Workload, r.Machine)
	if err := errors.Join(WriteRows(&rows, r.Rows), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	return errors.Join(replace(filepath.Join(dir, r.Workload+".txt"), []byte(rows.String())), replace(filepath.Join(dir, r.Workload+".json"), b))
}

// replace writes a file whole or not at all: a run of an hour is not lost to a full disk in the next one.
func replace(file string, content []byte) error {
	if err := os.WriteFile(file+".new", content, 0o644); err != nil {
		return errors.Join(err, os.Remove(file+".new"))
	}
	return os.Rename(file+".new", file)
}

// Load reads the results in dir, those of the named workloads in their order first, then others by name.
func Load(dir string, order []string) ([]Result, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var results []Result
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var r Result
		if err := json.Unmarshal(b, &r); err != nil {
			return nil, fmt.Errorf("%s is no result: %w", file, err)
		}
		results = append(results, r)
	}
	if len(results) == 0 {
		return nil, fmt.Errorf("there are no results in %s", dir)
	}
	rank := func(r Result) int {
		if i := slices.Index(order, r.Workload); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(results, func(a, b Result) int { return rank(a) - rank(b) })
	return results, nil
}
