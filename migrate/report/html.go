package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"berth/migrate/report/plot"
)

//go:embed page.html
var pageText string

// page is what the template sees.
type page struct {
	*Data
	Style    template.CSS
	Tiles    []tile
	Figures  []template.HTML
	Examples []Diff
	Entries  []Entry
	Sites    []string
	Hidden   int // sites that are not listed
}

// tile is one figure that is worth a glance.
type tile struct{ Name, Value, Note string }

// HTML writes the page.
func HTML(w io.Writer, d Data) error {
	t, err := template.New("report").Funcs(template.FuncMap{"stamp": stamp, "text": text}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("write the migration's report: %w", err)
	}
	if d.Generated.IsZero() {
		d.Generated = time.Now()
	}
	p := page{Data: &d, Style: template.CSS(plot.CSS), Tiles: d.tiles(), Examples: newest(d.Diffs.Examples, maxExamples),
		Entries: slices.Clone(newest(d.Log, maxLog)), Sites: first(d.Remaining, maxNames)}
	d.Failures = first(d.Failures, maxClasses)
	p.Hidden = len(d.Remaining) - len(p.Sites)
	slices.Reverse(p.Entries) // the newest line is the one that is looked for
	for _, f := range d.figures() {
		var b strings.Builder
		if err := plot.Write(&b, f); err != nil {
			return fmt.Errorf("write the migration's report: %w", err)
		}
		p.Figures = append(p.Figures, template.HTML(b.String()))
	}
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("write the migration's report: %w", err)
	}
	return nil
}

// text is what a stranger wrote: shown as it is, but no longer than is of use, and unable to turn the text around it.
func text(s string) string { return plot.Plain(s, 600) }

func (d *Data) tiles() []tile {
	p := d.Progress
	tiles := []tile{{"Phase", orDash(plot.Plain(d.Phase, 20)), since(d)}, {"Copied", share(p.Done, p.Total), eta(p)}}
	tiles = append(tiles, tile{"Rate", plot.Count.Format(p.PerSecond) + " /s", plot.Plain(strings.TrimSpace(d.Activity+" "+d.Why), 120)})
	diffs := uint64(0)
	for _, c := range d.Diffs.Classes {
		diffs += c.Count
	}
	compared := plot.Whole(int64(d.Diffs.Compared)) + " compared"
	failed := int64(0)
	for _, f := range d.Failures {
		failed += f.Count
	}
	tiles = append(tiles, tile{"Diffs", plot.Whole(int64(diffs)), compared}, tile{"Failures", plot.Whole(failed), ""})
	if d.Phase == "" || d.Phase == "retired" && len(d.Remaining) == 0 {
		return tiles
	}
	return append(tiles, tile{"Kept on legacy", plot.Whole(int64(len(d.Remaining))), "sites, by name"})
}

func since(d *Data) string {
	if len(d.Spans) == 0 {
		return ""
	}
	return "since " + stamp(d.Spans[len(d.Spans)-1].From)
}

func eta(p Progress) string {
	switch {
	case !p.Finished.IsZero():
		return "finished " + stamp(p.Finished)
	case p.ETA > 0:
		return plot.Seconds.Format(p.ETA.Seconds()) + " to go"
	}
	return ""
}

func share(part, whole int64) string {
	if whole <= 0 {
		return "–"
	}
	// Never 100 % before the last one: rounding must not say that it is done.
	v := float64(part) / float64(whole)
	if part < whole && v > 0.999 {
		return "99.9 %"
	}
	return plot.Share.Format(v)
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
