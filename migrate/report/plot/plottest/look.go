//go:build e2e

package plottest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

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

// Browser starts a headless Chromium, with more options if the caller wants them, and opens a tab in it.
func Browser(t *testing.T, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true))
	alloc, cancelAlloc := chromedp.NewExecAllocator(context.Background(), append(append(opts, profile(t)...), more...)...)
	t.Cleanup(cancelAlloc)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, cancelTime := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancelTime)
	return ctx
}

// profile gives the browser a directory for all that it writes. Helper processes outlive a browser that was stopped and write on for a
// moment, so the directory of a test would now and then not be empty when the test removes it: here the whole process group is killed
// first, and what is created during the removal is removed again.
func profile(t *testing.T) []chromedp.ExecAllocatorOption {
	t.Helper()
	dir, err := os.MkdirTemp("", "berth-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	var started *exec.Cmd
	t.Cleanup(func() {
		if started != nil && started.Process != nil {
			_ = syscall.Kill(-started.Process.Pid, syscall.SIGKILL)
		}
		for deadline := time.Now().Add(10 * time.Second); os.RemoveAll(dir) != nil; {
			if time.Now().After(deadline) {
				t.Logf("the browser's profile %s could not be removed", dir)
				return
			}
		}
	})
	return []chromedp.ExecAllocatorOption{
		chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.Env("TMPDIR=" + dir),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			started = cmd
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		}),
	}
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

// Widths are those of a desktop, a tablet and a phone.
func Widths() []int64 { return []int64{1400, 768, 360} }

// Page looks at a page, given as its text, at all widths, in light and dark. Pictures are kept in shots, under the page's name. drawings is
// how many there must be.
func Page(ctx context.Context, t *testing.T, name, text, shots string, drawings int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), name+".html")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if shots == "" {
		shots = t.TempDir()
	}
	if err := os.MkdirAll(shots, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, width := range Widths() {
		for _, scheme := range []string{"light", "dark"} {
			look(ctx, t, "file://"+file, width, scheme, filepath.Join(shots, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), drawings)
		}
	}
}

func look(ctx context.Context, t *testing.T, url string, width int64, scheme, shot string, drawings int) {
	t.Helper()
	var found struct {
		Bad             []string
		Drawings, Texts int
	}
	var picture []byte
	err := chromedp.Run(ctx, network.Enable(),
		emulation.SetDeviceMetricsOverride(width, 900, 1, width < 500),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
		chromedp.Navigate(url), chromedp.WaitReady("main", chromedp.ByQuery),
		chromedp.Evaluate(faults, &found), chromedp.FullScreenshot(&picture, 100))
	if err != nil {
		t.Fatalf("%s at %d: %v", url, width, err)
	}
	for _, b := range found.Bad {
		t.Errorf("%s at %d, %s: %s", filepath.Base(url), width, scheme, b)
	}
	if found.Drawings != drawings || found.Texts < 3*drawings {
		t.Errorf("%s at %d: %d drawings with %d texts", filepath.Base(url), width, found.Drawings, found.Texts)
	}
	if err := os.WriteFile(shot, picture, 0o644); err != nil {
		t.Fatal(err)
	}
}
