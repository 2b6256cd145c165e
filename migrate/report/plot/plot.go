// Package plot draws charts as inline SVG: no script, no external resource, light and dark by the page's style sheet (CSS). Each chart
// is drawn twice, for a wide and for a narrow column, so that its text has the same size on both; the page shows the one that
// fits. Texts are placed by an estimate of their width that is on the safe side, and clipped where they could touch.
//
// What a chart shows can also be read: a sentence that says it, and a table of its figures.
package plot

import (
	"fmt"
	"io"
	"strings"
)

// Chart is Lines, Bars or Timeline.
type Chart interface {
	// about is the sentence that stands for the picture.
	about() string
	// empty says that there is nothing to draw.
	empty() bool
	legend() []Key
	table() Table
	draw(c *canvas)
}

// Key explains a colour.
type Key struct {
	Name   string
	Colour int
	Dashed bool
	Area   bool // a filled swatch, not a line
}

// Table is the figures of a chart as text.
type Table struct {
	Head []string
	Rows [][]string
}

// Figure is a chart with its heading. The ID must be unique on the page, letters and digits only.
type Figure struct {
	ID, Title string
	Note      string // a sentence under the title; optional
	Empty     string // what to say while there is nothing to draw
	Chart     Chart
}

// The widths of the two drawings, in CSS pixels.
const (
	wide   = 640
	narrow = 330
)

// Write writes the figure as HTML.
func Write(w io.Writer, f Figure) error {
	var b strings.Builder
	fmt.Fprintf(&b, `<figure class="plot" id="%s"><figcaption><h3>%s</h3>`, escape(f.ID), escape(f.Title))
	if f.Note != "" {
		fmt.Fprintf(&b, `<p>%s</p>`, escape(f.Note))
	}
	b.WriteString("</figcaption>")
	if f.Chart.empty() {
		text := f.Empty
		if text == "" {
			text = "Nothing has been measured yet."
		}
		fmt.Fprintf(&b, `<p class="empty">%s</p></figure>`, escape(text))
	} else {
		writeLegend(&b, f.Chart.legend())
		f.draw(&b, "wide", wide)
		f.draw(&b, "narrow", narrow)
		writeTable(&b, f.Title, f.Chart.table())
		b.WriteString("</figure>")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// draw writes one drawing. Only one of the two is displayed, and what is not displayed is not read out either.
func (f Figure) draw(b *strings.Builder, class string, width float64) {
	c := &canvas{width: width}
	f.Chart.draw(c)
	fmt.Fprintf(b, `<svg class="%s" role="img" aria-labelledby="%s-%s-t %s-%s-d" viewBox="0 0 %s %s">`, class, f.ID, class, f.ID, class, num(width), num(c.height))
	fmt.Fprintf(b, `<title id="%s-%s-t">%s</title><desc id="%s-%s-d">%s</desc>`, f.ID, class, escape(f.Title), f.ID, class, escape(f.Chart.about()))
	b.WriteString(c.b.String())
	b.WriteString("</svg>")
}

func writeLegend(b *strings.Builder, keys []Key) {
	if len(keys) < 2 {
		return
	}
	b.WriteString(`<ul class="legend">`)
	for _, k := range keys {
		swatch := `<path class="%s" d="M1 6H21"/>`
		class := fmt.Sprintf("line c%d", colour(k.Colour))
		switch {
		case k.Area:
			swatch, class = `<rect class="%s" x="5" y="1" width="12" height="10" rx="2"/>`, fmt.Sprintf("area c%d", colour(k.Colour))
		case k.Dashed:
			class += " dashed"
		}
		fmt.Fprintf(b, `<li><svg viewBox="0 0 22 12" width="22" height="12" aria-hidden="true">`+swatch+`</svg>%s</li>`, class, escape(clip(k.Name, 300, textSize)))
	}
	b.WriteString("</ul>")
}

// maxRows bounds a table under a chart: it is there to be read.
const maxRows = 60

func writeTable(b *strings.Builder, title string, t Table) {
	t.Rows = thinRows(t.Rows)
	fmt.Fprintf(b, `<details><summary>Figures</summary><div class="scroll" tabindex="0" role="region" aria-label="%s: figures"><table><thead><tr>`, escape(title))
	for _, h := range t.Head {
		fmt.Fprintf(b, `<th scope="col">%s</th>`, escape(h))
	}
	b.WriteString("</tr></thead><tbody>")
	for _, r := range t.Rows {
		b.WriteString("<tr>")
		for i, cell := range r {
			if i == 0 {
				fmt.Fprintf(b, `<th scope="row">%s</th>`, escape(cell))
				continue
			}
			fmt.Fprintf(b, `<td>%s</td>`, escape(cell))
		}
		b.WriteString("</tr>")
	}
	b.WriteString("</tbody></table></div></details>")
}

// thinRows keeps the first and the last row and an even choice of those between.
func thinRows(rows [][]string) [][]string {
	if len(rows) <= maxRows {
		return rows
	}
	out := make([][]string, maxRows)
	for i := range out {
		out[i] = rows[i*(len(rows)-1)/(maxRows-1)]
	}
	return out
}
