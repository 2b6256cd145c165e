package plot

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// canvas collects the elements of one drawing.
type canvas struct {
	b             strings.Builder
	width, height float64
}

// The size of all text, in CSS pixels, and the height of its line.
const (
	textSize   = 12
	lineHeight = 16
)

// anchor is where a text begins, ends or has its middle.
type anchor string

const (
	start  anchor = "start"
	middle anchor = "middle"
	end    anchor = "end"
)

// text writes a text whose base line is at y. It is clipped to the room that there is, and never leaves the drawing.
func (c *canvas) text(x, y float64, a anchor, class, s string, room float64) {
	s = clip(s, room, textSize)
	if s == "" {
		return
	}
	w := textWidth(s, textSize)
	switch a {
	case start:
		x = max(min(x, c.width-w), 1) // a letter may hang over to the left of where it begins
	case end:
		x = min(max(x, w), c.width-1)
	case middle:
		x = max(min(x, c.width-w/2), w/2)
	}
	fmt.Fprintf(&c.b, `<text class="%s" x="%s" y="%s" text-anchor="%s">%s</text>`, class, num(x), num(y), a, escape(s))
}

func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(&c.b, `<path class="%s" d="M%s %sL%s %s"/>`, class, num(x1), num(y1), num(x2), num(y2))
}

// rect draws a bar; title is what a pointer over it says.
func (c *canvas) rect(class string, x, y, w, h float64, title string) {
	fmt.Fprintf(&c.b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s" rx="2"><title>%s</title></rect>`, class, num(x), num(y), num(max(w, 0)), num(max(h, 0)), escape(title))
}

func (c *canvas) path(class, d string) { fmt.Fprintf(&c.b, `<path class="%s" d="%s"/>`, class, d) }

func (c *canvas) dot(class string, x, y float64, title string) {
	fmt.Fprintf(&c.b, `<circle class="%s" cx="%s" cy="%s" r="3.5"><title>%s</title></circle>`, class, num(x), num(y), escape(title))
}

// num writes a coordinate: a tenth of a pixel is enough, and what is no number must not break the drawing.
func num(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		v = 0
	}
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

// Plain makes text of anything that a stranger may have written: what is not UTF-8, and characters that a page may not contain or
// that change the order of those around them, are replaced. At most so many characters are kept.
func Plain(s string, most int) string {
	s = strings.Map(plain, strings.ToValidUTF8(s, "�"))
	n := 0
	for i := range s {
		if n++; n > most {
			return s[:i] + "…"
		}
	}
	return s
}

// maxText bounds a text that is told by pointing at something, or read out.
const maxText = 4000

func escape(s string) string { return html.EscapeString(Plain(s, maxText)) }

func plain(r rune) rune {
	switch {
	case r < ' ', r >= 0x7f && r < 0xa0, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0xfeff:
		return '�'
	}
	return r
}

// textWidth estimates the width of a text in a sans-serif font, in pixels. It is an upper bound for the usual ones, DejaVu Sans, the
// widest of them, included.
func textWidth(s string, size float64) float64 {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return pixels(n, size)
}

// pixels turns hundredths of an em into pixels. Widths are added as whole numbers, since a sum of fractions depends on how it was rounded
// on the way.
func pixels(hundredths int, size float64) float64 { return float64(hundredths) * size / 100 }

// runeWidth is in hundredths of an em.
func runeWidth(r rune) int {
	r = plain(r)
	switch {
	case strings.ContainsRune("iljI.,:;'|! /-()[]tfr", r):
		return 43
	case strings.ContainsRune("mwMW%@�", r):
		return 103
	case r >= 'A' && r <= 'Z':
		return 80
	case r < 0x250:
		return 65
	}
	return 110
}

// clip shortens a text to the room that it has. Of one that has no room for its first character and the dots, nothing is left.
func clip(s string, room, size float64) string {
	if textWidth(s, size) <= room {
		return s
	}
	n := runeWidth('…')
	for i, r := range s {
		if n += runeWidth(r); pixels(n, size) > room {
			if i == 0 {
				return ""
			}
			return s[:i] + "…"
		}
	}
	return ""
}
