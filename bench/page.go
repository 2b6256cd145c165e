package bench

import (
	"fmt"
	"html"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"berth/migrate/report/plot"
)

// Machine says on what was measured.
func Machine() string {
	model := runtime.GOARCH
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s", model, runtime.NumCPU(), runtime.Version())
}

const pageStyle = `*{box-sizing:border-box}html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/22px system-ui,"Segoe UI",Roboto,Helvetica,Arial,sans-serif;overflow-wrap:anywhere}
main{max-width:1280px;margin:0 auto;padding:28px 20px 40px}h1{margin:0;font-size:24px;line-height:30px}
main>p{margin:4px 0 0;color:var(--soft);font-size:13px}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:16px;margin:20px 0}
pre{overflow:auto;background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:14px;font:12px/18px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace}
@media (max-width:480px){main{padding:20px 14px}.plot{padding:12px 10px}}`

// WritePage writes the figures of all reports, and their tables, as one self-contained page.
func WritePage(w io.Writer, title, command string, at time.Time, reports []Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">`+
		`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`+
		`<title>%s</title><style>%s%s</style></head><body><main><h1>%s</h1><p>%s · %s UTC · <code>%s</code></p><div class="plots">`,
		html.EscapeString(title), plot.CSS, pageStyle, html.EscapeString(title), html.EscapeString(Machine()), at.UTC().Format("2006-01-02 15:04"), html.EscapeString(plot.Plain(command, 300)))
	for _, r := range reports {
		for _, f := range r.Figures() {
			if err := plot.Write(&b, f); err != nil {
				return err
			}
		}
	}
	b.WriteString("</div>")
	for _, r := range reports {
		fmt.Fprintf(&b, `<pre tabindex="0">%s</pre>`, html.EscapeString(r.String()))
	}
	b.WriteString("</main></body></html>\n")
	_, err := io.WriteString(w, b.String())
	return err
}
