package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// label is a text of a drawing with its estimated box.
type label struct {
	text                  string
	left, right, baseline float64
}

// drawing draws a chart and reads its texts back; it must be well-formed.
func drawing(t rapid.TB, ch Chart, width float64) (c *canvas, labels []label) {
	t.Helper()
	c = &canvas{width: width}
	ch.draw(c)
	d := xml.NewDecoder(strings.NewReader("<svg>" + c.b.String() + "</svg>"))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return c, labels
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, c.b.String())
		}
		el, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		attrs := numbers(t, el)
		if el.Name.Local != "text" {
			continue
		}
		inner, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		data, _ := inner.(xml.CharData)
		l := label{text: string(data), baseline: attrs["y"]}
		w := textWidth(l.text, textSize)
		switch attribute(el, "text-anchor") {
		case "start":
			l.left = attrs["x"]
		case "middle":
			l.left = attrs["x"] - w/2
		case "end":
			l.left = attrs["x"] - w
		}
		l.right = l.left + w
		labels = append(labels, l)
	}
}

func attribute(el xml.StartElement, name string) string {
	for _, a := range el.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func numbers(t rapid.TB, el xml.StartElement) map[string]float64 {
	out := map[string]float64{}
	for _, a := range el.Attr {
		switch a.Name.Local {
		case "x", "y", "width", "height", "cx", "cy":
			v, err := strconv.ParseFloat(a.Value, 64)
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				t.Fatalf("%s has %s=%q", el.Name.Local, a.Name.Local, a.Value)
			}
			out[a.Name.Local] = v
		}
	}
	return out
}

// checkLabels wants every text inside the drawing, and none over another.
func checkLabels(t rapid.TB, c *canvas, labels []label) {
	t.Helper()
	for i, a := range labels {
		if a.left < -1.1 || a.right > c.width+1.1 || a.baseline > c.height || a.baseline < textSize-4 {
			t.Fatalf("%q from %.1f to %.1f at %.1f leaves the drawing of %.0f × %.0f", a.text, a.left, a.right, a.baseline, c.width, c.height)
		}
		for _, b := range labels[:i] {
			if math.Abs(a.baseline-b.baseline) < lineHeight-1 && a.left < b.right-0.5 && b.left < a.right-0.5 {
				t.Fatalf("%q is over %q", a.text, b.text)
			}
		}
	}
}

// Whatever the values are, in whichever unit, texts keep their distance.
func TestLinesLabels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		axis := func(name string, units ...Unit) (Axis, func(string) float64) {
			a := Axis{Label: name, Unit: rapid.SampledFrom(units).Draw(t, name), Log: rapid.Bool().Draw(t, name+" log")}
			if a.Unit == Time || a.Unit == Quantile {
				a.Log = false
			}
			base := math.Pow(10, rapid.Float64Range(-9, 13).Draw(t, name+" size"))
			return a, func(what string) float64 {
				switch a.Unit {
				case Quantile, Share:
					return rapid.Float64Range(0, 1).Draw(t, what)
				case Time:
					return 1.77e9 + min(base, 1e9)*rapid.Float64Range(0, 1).Draw(t, what)
				}
				return base * math.Pow(10, rapid.Float64Range(-3, 0).Draw(t, what))
			}
		}
		x, drawX := axis("along", Count, Bytes, Seconds, Time, Quantile)
		y, drawY := axis("up", Count, Bytes, Seconds, Share)
		l := Lines{X: x, Y: y, Stacked: rapid.Bool().Draw(t, "stacked")}
		for range rapid.IntRange(1, 4).Draw(t, "series") {
			s := Series{Name: "s", Dots: true}
			for range rapid.IntRange(0, 12).Draw(t, "points") {
				s.Points = append(s.Points, Point{drawX("x"), drawY("y")})
			}
			l.Series = append(l.Series, s)
		}
		for range rapid.IntRange(0, 5).Draw(t, "marks") {
			l.Marks = append(l.Marks, Mark{drawX("mark"), "dual-write"})
		}
		if l.empty() {
			return
		}
		for _, width := range []float64{wide, narrow} {
			c, labels := drawing(t, l, width)
			checkLabels(t, c, labels)
			if len(labels) < 3 {
				t.Fatalf("only %v", labels)
			}
		}
	})
}

func TestBarsAndTimelineLabels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, tl := Bars{Label: "things"}, Timeline{Label: "Phase"}
		for i := range rapid.IntRange(1, 6).Draw(t, "bars") {
			name, note := rapid.String().Draw(t, "name"), rapid.String().Draw(t, "note")
			b.Bars = append(b.Bars, Bar{Name: name, Note: note, Parts: []float64{rapid.Float64Range(0, 1e12).Draw(t, "value")}})
			tl.Rows = append(tl.Rows, name)
			from := 1.7e9 + rapid.Float64Range(0, 1e8).Draw(t, "from")
			tl.Spans = append(tl.Spans, Span{Row: i, From: from, To: from + rapid.Float64Range(0, 1e7).Draw(t, "for")})
		}
		for _, width := range []float64{wide, narrow} {
			c, labels := drawing(t, b, width)
			checkLabels(t, c, labels)
			c, labels = drawing(t, tl, width)
			checkLabels(t, c, labels)
		}
	})
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		name string
		s    scale
		n    int
		want []string
	}{
		{"round", scale{lo: 0, hi: 97}, 5, []string{"0", "20", "40", "60", "80"}},
		{"small", scale{lo: 0, hi: 0.003, unit: Seconds}, 4, []string{"0", "1 ms", "2 ms", "3 ms"}},
		{"bytes", scale{lo: 0, hi: 4 << 20, unit: Bytes}, 4, []string{"0 B", "1 MiB", "2 MiB", "3 MiB", "4 MiB"}},
		{"share", scale{lo: 0, hi: 1, unit: Share}, 5, []string{"0 %", "20 %", "40 %", "60 %", "80 %", "100 %"}},
		{"log", scale{lo: 1e-7, hi: 1, unit: Seconds, log: true}, 4, []string{"1 µs", "100 µs", "10 ms", "1 s"}},
		{"log, one decade", scale{lo: 100, hi: 1000, log: true}, 5, []string{"100", "200", "500", "1,000"}},
		{"rare", scale{lo: 0, hi: 0.999, unit: Quantile}, 9, []string{"p50", "p90", "p99", "p99.9"}},
		{"hours", scale{lo: 1772438400, hi: 1772438400 + 12*3600, unit: Time}, 4, []string{"09:00", "12:00", "15:00", "18:00"}},
		{"midnight", scale{lo: 1772488800, hi: 1772488800 + 6*3600, unit: Time}, 4, []string{"22:00", "3 Mar", "02:00", "04:00"}},
		{"years", scale{lo: 1.6e9, hi: 1.7e9, unit: Time}, 4, []string{"Oct 2020", "Oct 2021", "Oct 2022", "Oct 2023"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, tick := range c.s.ticks(c.n) {
				got = append(got, tick.text)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		unit Unit
		v    float64
		want string
	}{
		{Count, 0, "0"}, {Count, 999.4, "999"}, {Count, 12345.6, "12,346"}, {Count, 123456, "123 k"}, {Count, 14e6, "14 M"}, {Count, 2.5e9, "2.5 G"}, {Count, 0.00123, "0.00123"},
		{Bytes, 1023, "1023 B"}, {Bytes, 1536, "1.5 KiB"}, {Bytes, 12 << 30, "12 GiB"},
		{Seconds, 0, "0"}, {Seconds, 2.4e-7, "240 ns"}, {Seconds, 0.0071, "7.1 ms"}, {Seconds, 90, "90 s"}, {Seconds, 5400, "90 min"}, {Seconds, 86400 * 3, "3 d"},
		{Share, 0.9234, "92.3 %"}, {Quantile, 0.999, "p99.9"}, {Time, 1772438400, "2 Mar 2026 08:00:00"}, {Count, math.NaN(), "–"}, {Seconds, math.Inf(1), "–"},
	} {
		if got := c.unit.Format(c.v); got != c.want {
			t.Errorf("unit %d of %v: %q, want %q", c.unit, c.v, got, c.want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", 100000: "100,000", -100: "-100"} {
		if got := Whole(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestThinRows(t *testing.T) {
	rows := make([][]string, 1000)
	for i := range rows {
		rows[i] = []string{strconv.Itoa(i)}
	}
	got := thinRows(rows)
	if len(got) != maxRows || got[0][0] != "0" || got[maxRows-1][0] != "999" {
		t.Errorf("%d rows from %s to %s", len(got), got[0], got[len(got)-1])
	}
}

func FuzzPlain(f *testing.F) {
	for _, s := range []string{"", "docs.example.com", "<script>&\"'", "\x00\xff\u202e\u2066", strings.Repeat("…", 5000)} {
		f.Add(s, 12)
	}
	f.Add("A AA  A% A0A0%%A%A0%%A A% %00A%A %0 AA% 0AA0 0A % AA %0    A", 100) // its beginning and the dots are 300 pixels wide, by fractions 300.00000000000006

	f.Fuzz(func(t *testing.T, s string, most int) {
		most = max(0, min(most, 10_000))
		if n := len([]rune(Plain(s, most))); n > most+1 {
			t.Errorf("%d characters of %d", n, most)
		}
		if got := escape(s); strings.ContainsAny(got, "<>\"'\x00\u202e\u2066") {
			t.Errorf("%q became %q", s, got)
		}
		for _, room := range []float64{0, 5, 40, 300} {
			if c := clip(Plain(s, most), room, textSize); textWidth(c, textSize) > room {
				t.Errorf("%q is wider than %v", c, room)
			}
		}
	})
}
