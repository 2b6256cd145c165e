package plot

import (
	"fmt"
	"strings"
)

// Bars are quantities side by side, each a bar of one or more parts.
type Bars struct {
	Unit  Unit
	Label string // what is counted
	Bars  []Bar
	Parts []Key // what the parts are, if bars have several
}

// Bar is one quantity.
type Bar struct {
	Name  string
	Parts []float64 // in the order of Bars.Parts, none negative
	Note  string    // behind the value; optional
	// Colour is for a bar of one part.
	Colour int
}

func (b Bar) sum() (s float64) {
	for _, p := range b.Parts {
		s += p
	}
	return s
}

func (b Bars) empty() bool { return len(b.Bars) == 0 }

func (b Bars) legend() []Key {
	for i := range b.Parts {
		b.Parts[i].Area = true
	}
	return b.Parts
}

func (b Bars) about() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s.", b.Label)
	for _, bar := range b.Bars {
		fmt.Fprintf(&s, " %s: %s", bar.Name, b.Unit.Format(bar.sum()))
		if bar.Note != "" {
			fmt.Fprintf(&s, " (%s)", bar.Note)
		}
		s.WriteString(".")
	}
	return s.String()
}

func (b Bars) table() Table {
	t := Table{Head: []string{""}}
	for i := range b.Parts {
		t.Head = append(t.Head, b.Parts[i].Name)
	}
	t.Head = append(t.Head, b.Label)
	for _, bar := range b.Bars {
		row := []string{bar.Name}
		for i := range b.Parts {
			v := 0.0
			if i < len(bar.Parts) {
				v = bar.Parts[i]
			}
			row = append(row, b.Unit.Format(v))
		}
		t.Rows = append(t.Rows, append(row, b.Unit.Format(bar.sum())))
	}
	return t
}

const barHeight = 14

// draw writes each bar below a line of its own for name and value, so that neither can be in the way of the other.
func (b Bars) draw(c *canvas) {
	longest := 0.0
	for _, bar := range b.Bars {
		longest = max(longest, bar.sum())
	}
	c.text(0, lineHeight-4, start, "axis", b.Label, c.width)
	y := float64(lineHeight + gap)
	for _, bar := range b.Bars {
		value := b.Unit.Format(bar.sum())
		if bar.Note != "" {
			value += " · " + bar.Note
		}
		// The name may have what the value leaves, but at least a third.
		most := c.width - min(textWidth(bar.Name, textSize), c.width/3) - tickRoom
		value = clip(value, most, textSize)
		c.text(0, y+textSize, start, "name", bar.Name, c.width-textWidth(value, textSize)-tickRoom)
		c.text(c.width, y+textSize, end, "value", value, most)
		y += lineHeight + 2
		b.drawBar(c, bar, y, longest)
		y += barHeight + gap + 2
	}
	c.height = y
}

func (b Bars) drawBar(c *canvas, bar Bar, y, longest float64) {
	c.rect("rail", 0, y, c.width, barHeight, bar.Name)
	if longest <= 0 {
		return
	}
	x := 0.0
	for i, v := range bar.Parts {
		w := c.width * max(v, 0) / longest
		if v > 0 {
			w = max(w, 1.5) // what is there can be seen
		}
		w = min(w, c.width-x)
		class, title := fmt.Sprintf("area c%d", colour(bar.Colour)), bar.Name
		if i < len(b.Parts) {
			class, title = fmt.Sprintf("area c%d", colour(b.Parts[i].Colour)), bar.Name+", "+b.Parts[i].Name
		}
		c.rect(class, x, y, w, barHeight, title+": "+b.Unit.Format(v))
		x += w
	}
}
