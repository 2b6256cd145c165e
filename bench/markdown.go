package bench

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteMarkdown writes results as BENCHMARKS.md: what was promised, then the tables of each workload.
func WriteMarkdown(w io.Writer, intro string, results []Result) error {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\n" + strings.TrimSpace(intro) + "\n")
	if missed, open, all := count(results); all > 0 {
		fmt.Fprintf(&b, "\n## What was promised\n\nReached: %d of %d; missed: %d; not measured in this run: %d. Of several rounds it is the median, and the least and the most.\n\n",
			all-missed-open, all, missed, open)
		fmt.Fprintf(&b, "| %s |\n|---|---|---|---|---|\n", strings.Join(goalHead(), " | "))
		for _, r := range results {
			for _, g := range r.Goals {
				fmt.Fprintf(&b, "| %s |\n", escapeCells(g.cells()))
			}
		}
	}
	for _, r := range results {
		fmt.Fprintf(&b, "\n## %s\n\n`%s`, %s UTC, %v, on %s.\n", r.Title, r.Command, r.At.UTC().Format("2006-01-02 15:04"), r.Took.Round(time.Second), r.Machine)
		for _, n := range r.Notes {
			b.WriteString("\n" + n + "\n")
		}
		fmt.Fprintf(&b, "\n```text\n%s\n```\n", strings.Trim(r.Table, "\n"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// missed begins the verdict on a goal that was not reached.
const missed = "MISSED"

func count(results []Result) (missing, open, all int) {
	for _, r := range results {
		for _, g := range r.Goals {
			all++
			switch {
			case len(g.Found) == 0:
				open++
			case strings.HasPrefix(g.Verdict(), missed):
				missing++
			}
		}
	}
	return missing, open, all
}

func escapeCells(cells []string) string {
	escaped := make([]string, len(cells))
	for i, c := range cells {
		escaped[i] = strings.ReplaceAll(c, "|", `\|`)
		if strings.HasPrefix(c, missed) {
			escaped[i] = "**" + c + "**"
		}
	}
	return strings.Join(escaped, " | ")
}
