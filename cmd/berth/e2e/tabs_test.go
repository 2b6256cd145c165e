//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// write makes a directory with files in it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// release is a site as bundlers build it: file names carry the release, and one chunk is loaded only when it is wanted.
func release(t *testing.T, n int) string {
	return write(t, map[string]string{
		"index.html": fmt.Sprintf(`<!doctype html><title>release %d</title><p id="said">nothing</p><button>more</button>
<script type="module" src="/assets/app-%[1]d.js"></script>`, n),
		fmt.Sprintf("assets/app-%d.js", n): fmt.Sprintf(`document.querySelector("button").onclick = async () => {
  const said = document.querySelector("#said");
  try { said.textContent = (await import("/assets/more-%d.js")).text; } catch (e) { said.textContent = "failed: " + e.name; }
};
document.documentElement.dataset.ready = "yes";`, n),
		fmt.Sprintf("assets/more-%d.js", n): fmt.Sprintf(`export const text = "more of release %d";`, n),
	})
}

func (s *server) site(host string) string {
	s.t.Helper()
	_, port, err := net.SplitHostPort(s.http)
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("http://%s:%s", host, port)
}

func click(ctx context.Context, said *string) error {
	return chromedp.Run(ctx, chromedp.Click("button", chromedp.ByQuery),
		chromedp.WaitVisible(`//p[@id="said"][text()!="nothing"]`), chromedp.Text("#said", said, chromedp.ByQuery))
}

func open(ctx context.Context, url string) error {
	return chromedp.Run(ctx, network.Enable(), chromedp.Navigate(url), chromedp.WaitReady(`html[data-ready="yes"]`, chromedp.ByQuery))
}

// A tab that was opened before a deploy goes on working after it; when the operator ends that, the tab is told so, by an
// error that it can catch and not by a page in the place of a module.
func TestBrowserTabSurvivesADeploy(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.deploy(release(t, 1), "shop", "main")
	base := s.site("shop." + domain)
	ctx := browser(t)
	seen := watch(ctx)
	if err := open(ctx, base+"/"); err != nil {
		t.Fatal(err)
	}
	s.deploy(release(t, 2), "shop", "main")
	var said, after, title string
	if err := click(ctx, &said); err != nil {
		t.Fatal(err)
	}
	if said != "more of release 1" {
		t.Errorf("the old tab says %q", said)
	}
	seen.want(t, base, "/assets/more-1.js")

	if err := open(ctx, base+"/?again"); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Run(ctx, chromedp.Title(&title)); err != nil || title != "release 2" {
		t.Errorf("a new visit has %q, %v", title, err)
	}
	s.deploy(release(t, 3), "shop", "main")
	s.berth("purge", "--project", "shop")
	if err := click(ctx, &after); err != nil {
		t.Fatal(err)
	}
	if after != "failed: TypeError" {
		t.Errorf("after the purge the tab says %q", after)
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if got := seen.status[base+"/assets/more-2.js"]; got != 404 {
		t.Errorf("a chunk that is gone was answered with %d", got)
	}
}

// oldAndYoung is what a tab says that was opened before the next release of shop, and one that was opened after it.
func (s *server) oldAndYoung(t *testing.T, publish func()) (old, young string) {
	t.Helper()
	base := s.site("shop." + domain)
	ctx := browser(t)
	if err := open(ctx, base+"/"); err != nil {
		t.Fatal(err)
	}
	publish()
	if err := errors.Join(click(ctx, &old), open(ctx, base+"/?again")); err != nil {
		t.Fatal(err)
	}
	if err := click(ctx, &young); err != nil {
		t.Fatal(err)
	}
	return old, young
}

// With skew protection a tab keeps to its deployment even for files that every release has under the same name.
func TestBrowserTabKeepsToItsDeployment(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	page := func(n int) string {
		return write(t, map[string]string{
			"index.html": `<!doctype html><p id="said">nothing</p><button>more</button><script src="/app.js"></script>`,
			"app.js": `document.querySelector("button").onclick = async () => {
  document.querySelector("#said").textContent = await (await fetch("/data.txt", {cache: "no-store"})).text();
};
document.documentElement.dataset.ready = "yes";`,
			"data.txt": fmt.Sprintf("data of release %d", n),
		})
	}
	s.deploy(page(1), "shop", "main")
	s.berth("project", "set", "shop", "--skew-protection", "on")
	old, young := s.oldAndYoung(t, func() { s.deploy(page(2), "shop", "main") })
	if old != "data of release 1" || young != "data of release 2" {
		t.Errorf("the old tab has %q, the new visit %q", old, young)
	}
}

// And what code answers is the code of the tab's deployment.
func TestBrowserTabKeepsToItsCode(t *testing.T) {
	t.Parallel()
	s := startServer(t, functionFlags(t)...)
	w := newWrangler(t, s, "")
	s.berth("project", "create", "shop", "--production-branch", "main")
	s.berth("project", "set", "shop", "--skew-protection", "on")
	publish := func(n int) {
		w.site(map[string]string{
			"site/index.html": `<!doctype html><p id="said">nothing</p><button>more</button><script>
document.querySelector("button").onclick = async () => {
  document.querySelector("#said").textContent = await (await fetch("/api", {method: "POST", body: "what"})).text();
};
document.documentElement.dataset.ready = "yes";
</script>`,
			"site/_worker.js": fmt.Sprintf(`export default { async fetch(request, env) {
  if (new URL(request.url).pathname !== "/api") return env.ASSETS.fetch(request);
  return new Response(await request.text() + " says the code of release %d");
} };`, n),
		})
		w.run("pages", "deploy", "site", "--project-name", "shop", "--branch", "main")
	}
	publish(1)
	old, young := s.oldAndYoung(t, func() { publish(2) })
	if old != "what says the code of release 1" || young != "what says the code of release 2" {
		t.Errorf("the old tab has %q, the new visit %q", old, young)
	}
}

// The browser uses what the Link field announces: the style sheet is fetched once, for the hint.
func TestBrowserPreloads(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.deploy(write(t, map[string]string{
		"index.html": `<!doctype html><link rel="preload" href="/site.css" as="style"><link rel="stylesheet" href="/site.css">
<script>document.documentElement.dataset.ready = "yes"</script><h1>styled</h1>`,
		"site.css": "h1 { color: rgb(1, 2, 3) }",
	}), "hints", "main")
	ctx := browser(t)
	var mu sync.Mutex
	var link string
	fetched := 0
	chromedp.ListenTarget(ctx, func(ev any) {
		e, ok := ev.(*network.EventResponseReceived)
		if !ok {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case strings.HasSuffix(e.Response.URL, "/site.css"):
			fetched++
		case strings.HasSuffix(e.Response.URL, "/"):
			link, _ = e.Response.Headers["Link"].(string)
		}
	})
	var colour string
	if err := open(ctx, s.site("hints."+domain)+"/"); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Run(ctx, chromedp.Evaluate(`getComputedStyle(document.querySelector("h1")).color`, &colour)); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if link != `</site.css>; rel="preload"; as=style` || fetched != 1 || colour != "rgb(1, 2, 3)" {
		t.Errorf("Link %q, %d fetches, colour %s", link, fetched, colour)
	}
}

// Seeking needs ranges: the player asks for the end of the file before it has the middle.
func TestBrowserSeeksInAVideo(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	ctx := browser(t)
	const frames, step = 60, 1000
	video := webm(640, 480, step, noise(t, ctx, frames))
	if len(video) < 4<<20 {
		t.Fatalf("the video has %d bytes: a player would fetch all of it at once", len(video))
	}
	s.deploy(write(t, map[string]string{
		"index.html": `<!doctype html><video src="/v.webm" preload="metadata" muted></video><script>document.documentElement.dataset.ready = "yes"</script>`,
		"v.webm":     string(video),
	}), "films", "main")
	var mu sync.Mutex
	var offsets []string
	chromedp.ListenTarget(ctx, func(ev any) {
		if e, ok := ev.(*network.EventResponseReceived); ok && strings.HasSuffix(e.Response.URL, "/v.webm") {
			mu.Lock()
			defer mu.Unlock()
			at, _ := e.Response.Headers["Content-Range"].(string)
			offsets = append(offsets, fmt.Sprintf("%d %s", e.Response.Status, at))
		}
	})
	if err := open(ctx, s.site("films."+domain)+"/"); err != nil {
		t.Fatal(err)
	}
	const seek = `new Promise((done, fail) => {
  const v = document.querySelector("video");
  const go = () => {
    v.onseeked = () => done({time: v.currentTime, duration: v.duration, width: v.videoWidth});
    v.currentTime = 50;
  };
  v.onerror = () => fail(new Error("the video cannot be played: " + v.error.message));
  if (v.readyState >= 1) go(); else v.onloadedmetadata = go;
})`
	var got struct{ Time, Duration, Width float64 }
	if err := chromedp.Run(ctx, chromedp.Evaluate(seek, &got, awaitPromise)); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	later := 0
	for _, o := range offsets {
		if strings.HasPrefix(o, "206 bytes ") && !strings.HasPrefix(o, "206 bytes 0-") {
			later++
		}
	}
	if got.Time != 50 || got.Duration != frames*step/1000 || got.Width != 640 || later == 0 {
		t.Errorf("%+v after answers %q", got, offsets)
	}
}

func awaitPromise(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// noise lets the browser paint frames that do not compress, and encode them.
func noise(t *testing.T, ctx context.Context, n int) [][]byte {
	t.Helper()
	const paint = `(() => {
  const c = document.createElement("canvas"); c.width = 640; c.height = 480;
  const g = c.getContext("2d", {alpha: false}), p = g.createImageData(640, 480);
  let x = 12345;
  for (let i = 0; i < p.data.length; i++) { x = (x * 1103515245 + 12345) & 0x7fffffff; p.data[i] = i % 4 == 3 ? 255 : x >> 15 & 255; }
  g.putImageData(p, 0, 0);
  return c.toDataURL("image/webp", 0.99);
})()`
	var url string
	if err := chromedp.Run(ctx, chromedp.Navigate("about:blank"), chromedp.Evaluate(paint, &url)); err != nil {
		t.Fatal(err)
	}
	_, data, ok := strings.Cut(url, "image/webp;base64,")
	raw, err := base64.StdEncoding.DecodeString(data)
	if !ok || err != nil {
		t.Fatalf("no WebP picture: %.40q, %v", url, err)
	}
	frames := make([][]byte, n)
	for i := range frames {
		frames[i] = vp8(t, raw)
	}
	return frames
}
