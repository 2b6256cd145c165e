//go:build e2e

package report_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"berth/migrate/report"
)

var shotDir = flag.String("shots", "", "keep the pictures that the test takes in this directory")

// chromium finds the browser that `.ci/need chromium` installs, or another one that is there.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	t.Fatal("no Chromium on PATH; `.ci/need chromium` installs it")
	return ""
}

func tab(t *testing.T) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))
	alloc, cancelAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancelAlloc)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, cancelTime := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancelTime)
	return ctx
}

// faults looks at the page as it is laid out: whether it can be scrolled sideways, and for each drawing that is displayed whether a
// text leaves it, touches another text, or is smaller than can be read.
const faults = `(() => {
  const bad = [], root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) bad.push('the page is ' + root.scrollWidth + ' wide, the window ' + root.clientWidth);
  let drawings = 0, texts = 0;
  for (const svg of document.querySelectorAll('svg[role=img]')) {
    const frame = svg.getBoundingClientRect();
    if (frame.width === 0) continue;
    drawings++;
    const scale = frame.width / svg.viewBox.baseVal.width, id = svg.closest('figure').id;
    if (12 * scale < 10.5) bad.push(id + ': text of ' + (12 * scale).toFixed(1) + ' px');
    const boxes = [...svg.querySelectorAll('text')].map(t => ({ t: t.textContent, b: t.getBBox(), r: t.getBoundingClientRect() }));
    texts += boxes.length;
    for (const x of boxes) {
      const v = svg.viewBox.baseVal;
      if (x.b.x < -0.5 || x.b.y < -0.5 || x.b.x + x.b.width > v.width + 0.5 || x.b.y + x.b.height > v.height + 0.5) bad.push(id + ': "' + x.t + '" leaves the drawing');
      for (const y of boxes) {
        if (x === y) break;
        const w = Math.min(x.b.x + x.b.width, y.b.x + y.b.width) - Math.max(x.b.x, y.b.x);
        const h = Math.min(x.b.y + x.b.height, y.b.y + y.b.height) - Math.max(x.b.y, y.b.y);
        if (w > -1 && h > 1.5) bad.push(id + ': "' + x.t + '" touches "' + y.t + '"');
      }
    }
  }
  for (const e of document.querySelectorAll('h1,h2,h3,dd,dt,.legend li,.plot p'))
    if (e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0) bad.push('"' + e.textContent.slice(0, 40) + '" overflows');
  return { bad, drawings, texts };
})()`

func TestInBrowser(t *testing.T) {
	ctx := tab(t)
	var requests []string
	chromedp.ListenTarget(ctx, func(ev any) {
		if e, ok := ev.(*network.EventRequestWillBeSent); ok {
			requests = append(requests, e.Request.URL)
		}
	})
	for name, d := range map[string]report.Data{"sample": sample(), "empty": {Server: "pages.example.com", Phases: phases()}, "hostile": hostileData()} {
		file := filepath.Join(t.TempDir(), name+".html")
		if err := os.WriteFile(file, []byte(render(t, d)), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, width := range []int64{1400, 768, 360} {
			for _, scheme := range []string{"light", "dark"} {
				look(t, ctx, "file://"+file, width, scheme, filepath.Join(shots(t), fmt.Sprintf("report-%s-%d-%s.png", name, width, scheme)), name != "empty")
			}
		}
	}
	for _, url := range requests {
		if filepath.Ext(url) != ".html" {
			t.Errorf("the page fetches %s", url)
		}
	}
}

func look(t *testing.T, ctx context.Context, url string, width int64, scheme, shot string, drawn bool) {
	t.Helper()
	var found struct {
		Bad             []string
		Drawings, Texts int
	}
	var picture []byte
	err := chromedp.Run(ctx, network.Enable(),
		emulation.SetDeviceMetricsOverride(width, 900, 1, width < 500),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
		chromedp.Navigate(url), chromedp.WaitReady("footer", chromedp.ByQuery),
		chromedp.Evaluate(faults, &found), chromedp.FullScreenshot(&picture, 100))
	if err != nil {
		t.Fatalf("%s at %d: %v", url, width, err)
	}
	for _, b := range found.Bad {
		t.Errorf("%s at %d, %s: %s", filepath.Base(url), width, scheme, b)
	}
	if drawn && (found.Drawings != 10 || found.Texts < 60) {
		t.Errorf("%s at %d: %d drawings with %d texts", filepath.Base(url), width, found.Drawings, found.Texts)
	}
	if err := os.WriteFile(shot, picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

func shots(t *testing.T) string {
	t.Helper()
	if *shotDir == "" {
		return t.TempDir()
	}
	if err := os.MkdirAll(*shotDir, 0o755); err != nil {
		t.Fatal(err)
	}
	return *shotDir
}
