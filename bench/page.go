package bench

import (
	"fmt"
	"html"
	"io"
	"strings"
	"time"

	"berth/migrate/report/plot"
)

const pageStyle = `*{box-sizing:border-box}html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/22px system-ui,"Segoe UI",Roboto,Helvetica,Arial,sans-serif;overflow-wrap:anywhere}
main{max-width:1280px;margin:0 auto;padding:28px 20px 40px}h1{margin:0;font-size:24px;line-height:30px}
h2{margin:36px 0 0;font-size:19px;line-height:26px}
main p{margin:4px 0 0;color:var(--soft);font-size:13px;line-height:19px;max-width:90ch}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,480px),1fr));gap:16px;margin:20px 0}
pre{overflow:auto;background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:14px;font:12px/18px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;overflow-wrap:normal}
.goals{overflow:auto;margin:16px 0 0}.goals table{border-collapse:collapse;font-size:13px;line-height:18px;font-variant-numeric:tabular-nums}
.goals th,.goals td{padding:6px 18px 6px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule);font-weight:400;overflow-wrap:normal}
.goals th{color:var(--soft)}.goals td:not(:first-child){white-space:nowrap}.goals td:first-child{min-width:240px}
.goals .missed td:last-child{color:var(--c3);font-weight:600}.goals .open td:last-child{color:var(--soft)}
@media (max-width:640px){.goals thead{display:none}.goals tr{display:block;padding:8px 0;border-bottom:1px solid var(--rule)}
.goals td{display:inline-block;border:0;padding:1px 14px 1px 0}.goals td:first-child{display:block;min-width:0;padding:0 0 2px}
.goals td:nth-child(2)::before{content:"must "}.goals td:nth-child(3)::before{content:"stretch "}.goals td:nth-child(4)::before{content:"measured "}
.goals td::before{color:var(--soft)}}
@media (max-width:480px){main{padding:20px 14px}.plot{padding:12px 10px}}`

// WritePage writes the reports of one run as a page.
func WritePage(w io.Writer, title, command string, at time.Time, reports []Report) error {
	var results []Result
	for _, rep := range reports {
		r, err := NewResult("", "", command, at, rep)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	return WriteResults(w, title, results)
}

// WriteResults writes results as one self-contained page: what was promised, then the plots and tables of each workload.
func WriteResults(w io.Writer, title string, results []Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">`+
		`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`+
		`<title>%s</title><style>%s%s</style></head><body><main><h1>%[1]s</h1>`, html.EscapeString(title), plot.CSS, pageStyle)
	writeGoals(&b, results)
	for _, r := range results {
		if r.Title != "" {
			fmt.Fprintf(&b, `<h2>%s</h2>`, html.EscapeString(r.Title))
		}
		fmt.Fprintf(&b, `<p>%s · %s UTC · <code>%s</code></p>`, html.EscapeString(r.Machine), r.At.UTC().Format("2006-01-02 15:04"), html.EscapeString(plot.Plain(r.Command, 300)))
		for _, n := range r.Notes {
			fmt.Fprintf(&b, `<p>%s</p>`, withCode(n))
		}
		// A figure was made by plot.Write, which escapes what it is given.
		fmt.Fprintf(&b, `<div class="plots">%s</div><pre tabindex="0">%s</pre>`, strings.Join(r.Figures, ""), html.EscapeString(r.Table))
	}
	b.WriteString("</main></body></html>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// withCode is a sentence of which what is between backquotes is code.
func withCode(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 {
			part = "<code>" + html.EscapeString(part) + "</code>"
		} else {
			part = html.EscapeString(part)
		}
		b.WriteString(part)
	}
	return b.String()
}

// goalHead names the columns of what was promised.
func goalHead() []string { return []string{"what", "must", "stretch", "measured", "verdict"} }

func writeGoals(b *strings.Builder, results []Result) {
	var rows strings.Builder
	for _, r := range results {
		for _, g := range r.Goals {
			class := ""
			if verdict := g.Verdict(); strings.HasPrefix(verdict, missed) {
				class = ` class="missed"`
			} else if len(g.Found) == 0 {
				class = ` class="open"`
			}
			fmt.Fprintf(&rows, "<tr%s>", class)
			for _, c := range g.cells() {
				fmt.Fprintf(&rows, "<td>%s</td>", html.EscapeString(c))
			}
			rows.WriteString("</tr>")
		}
	}
	if rows.Len() == 0 {
		return
	}
	fmt.Fprintf(b, `<div class="goals" tabindex="0"><table><thead><tr><th>%s</th></tr></thead><tbody>%s</tbody></table></div>`,
		strings.Join(goalHead(), "</th><th>"), rows.String())
}
