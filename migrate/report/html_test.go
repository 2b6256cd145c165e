package report_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"berth/migrate/report"
)

func render(t *testing.T, d report.Data) string {
	t.Helper()
	var b strings.Builder
	if err := report.HTML(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// node is an element of a page with its attributes.
type node struct {
	name  string
	attrs map[string]string
}

// elements checks that tags are balanced, and returns all elements of a page and its visible text.
func elements(t *testing.T, page string) (out []node, text string) {
	t.Helper()
	var open []string
	var all strings.Builder
	z := html.NewTokenizer(strings.NewReader(page))
	void := map[string]bool{"meta": true, "br": true, "img": true, "link": true}
	for {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("still open at the end: %v", open)
			}
			return out, all.String()
		case html.StartTagToken, html.SelfClosingTagToken:
			tok := z.Token()
			n := node{tok.Data, map[string]string{}}
			for _, a := range tok.Attr {
				n.attrs[a.Key] = a.Val
			}
			out = append(out, n)
			if tok.Type == html.StartTagToken && !void[tok.Data] {
				open = append(open, tok.Data)
			}
		case html.EndTagToken:
			name := z.Token().Data
			if len(open) == 0 || open[len(open)-1] != name {
				t.Fatalf("</%s> closes %v", name, open)
			}
			open = open[:len(open)-1]
		case html.TextToken:
			all.WriteString(z.Token().Data + "\n")
		}
	}
}

func TestPageIsSelfContained(t *testing.T) {
	for name, d := range map[string]report.Data{"sample": sample(), "empty": {}, "hostile": hostileData()} {
		t.Run(name, func(t *testing.T) {
			page := render(t, d)
			if n := len(page); n > 2<<20 {
				t.Errorf("the page has %d bytes", n)
			}
			ids := map[string]bool{}
			nodes, _ := elements(t, page)
			for _, n := range nodes {
				if n.name == "script" || n.name == "link" || n.name == "img" || n.name == "iframe" {
					t.Errorf("the page has a %s", n.name)
				}
				for k, v := range n.attrs {
					if strings.HasPrefix(k, "on") || k == "src" || k == "href" || strings.Contains(v, "url(") {
						t.Errorf("%s has %s=%q", n.name, k, v)
					}
				}
				if id := n.attrs["id"]; id != "" {
					if ids[id] {
						t.Errorf("id %q twice", id)
					}
					ids[id] = true
				}
			}
			for _, n := range nodes {
				for id := range strings.FieldsSeq(n.attrs["aria-labelledby"]) {
					if !ids[id] {
						t.Errorf("aria-labelledby names %q, which is not there", id)
					}
				}
			}
		})
	}
}

func TestHostileTextStaysText(t *testing.T) {
	_, text := elements(t, render(t, hostileData()))
	if !strings.Contains(text, hostile) {
		t.Error("what a stranger wrote is not shown as it is")
	}
	if strings.ContainsAny(text, "\x00\u202e") {
		t.Error("a NUL, or what turns the text around, is on the page")
	}
}

func TestEachPlotHasWords(t *testing.T) {
	nodes, text := elements(t, render(t, sample()))
	svgs, figures, tables := 0, 0, 0
	for _, n := range nodes {
		switch {
		case n.name == "svg" && n.attrs["role"] == "img":
			svgs++
		case n.name == "figure":
			figures++
		case n.name == "details":
			tables++
		}
	}
	if figures != 10 || svgs != 2*figures || tables != figures {
		t.Errorf("%d figures with %d drawings and %d tables, want 10 with 20 and 10", figures, svgs, tables)
	}
	for _, want := range []string{"Copied", "Rate", "Latency of both sides", "Where the sides disagree", "What could not be copied", "Storage for routing",
		"75.6 % less than before.", "22,301,233 answers were compared, 22,301,196 agree.", "Hit rates of the caches", "cannot-convert: 341.", "Phase. legacy from 2 Mar 2026 08:15:00 to 2 Mar 2026 10:15:00 UTC, 2 h."} {
		if !strings.Contains(text, want) {
			t.Errorf("nowhere does it say %q", want)
		}
	}
}

// The page says how many sites are kept on their tables, and names the first hundred.
func TestKeptSites(t *testing.T) {
	d := sample()
	d.Remaining = nil
	for i := range 123 {
		d.Remaining = append(d.Remaining, fmt.Sprintf("site-%03d", i))
	}
	_, text := elements(t, render(t, d))
	for _, want := range []string{"Kept on legacy\n123\nsites, by name", "Sites that stay on the tables: 123", "site-000", "site-099", "and 23 more"} {
		if !strings.Contains(text, want) {
			t.Errorf("nowhere does it say %q", want)
		}
	}
	if strings.Contains(text, "site-100") {
		t.Error("more than a hundred are named")
	}
	d.Remaining = nil
	if _, text = elements(t, render(t, d)); !strings.Contains(text, "Kept on legacy\n0\n") || strings.Contains(text, "Sites that stay") {
		t.Error("without such a site it does not say 0, or lists none")
	}
}

func TestNothingYet(t *testing.T) {
	nodes, text := elements(t, render(t, report.Data{}))
	for _, n := range nodes {
		if n.name == "svg" {
			t.Error("a plot of nothing was drawn")
		}
	}
	for _, want := range []string{"No migration has begun.", "Nothing has been copied yet.", "Nothing has been compared yet.", "No entry has failed."} {
		if !strings.Contains(text, want) {
			t.Errorf("nowhere does it say %q", want)
		}
	}
}

func TestUnfinishedIsNeverAHundredPercent(t *testing.T) {
	d := sample()
	d.Progress.Done, d.Progress.Finished = d.Progress.Total-1, time.Time{}
	if _, text := elements(t, render(t, d)); strings.Contains(text, "\n100 %\n99.9 %") || !strings.Contains(text, "99.9 %") {
		t.Error("one entry before the end it does not say 99.9 %")
	}
}

func TestWhatIsNoNumberIsNotDrawn(t *testing.T) {
	d := sample()
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1} {
		d.Progress.RateOver.Add(begin.Add(1000*time.Hour), v)
		d.Latency[0].MedianOver.Add(begin.Add(1000*time.Hour), v)
		page := render(t, d)
		elements(t, page)
		if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") {
			t.Errorf("%v is on the page", v)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("full")

func TestWriteError(t *testing.T) {
	if err := report.HTML(full{}, sample()); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}
