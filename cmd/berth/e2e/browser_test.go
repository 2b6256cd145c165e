//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"berth/migrate/report/plot/plottest"
)

// browser starts a headless Chromium for which every host is this machine, and a tab in it.
func browser(t *testing.T) context.Context {
	t.Helper()
	return plottest.Browser(t, chromedp.WindowSize(900, 900), chromedp.Flag("disable-quic", true),
		chromedp.Flag("host-resolver-rules", "MAP * 127.0.0.1"))
}

// loads records what the tab fetched.
type loads struct {
	mu     sync.Mutex
	status map[string]int64
	failed []string
}

func watch(ctx context.Context) *loads {
	l := &loads{status: map[string]int64{}}
	chromedp.ListenTarget(ctx, func(ev any) {
		l.mu.Lock()
		defer l.mu.Unlock()
		switch e := ev.(type) {
		case *network.EventResponseReceived:
			l.status[e.Response.URL] = e.Response.Status
		case *network.EventLoadingFailed:
			l.failed = append(l.failed, e.ErrorText)
		}
	})
	return l
}

func TestBrowserSeesTheSiteAtEachOfItsHosts(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	_, port, err := net.SplitHostPort(s.http)
	if err != nil {
		t.Fatal(err)
	}
	const site = "../../../testdata/sites/hello"
	production := s.deploy(site, "hello", "main")
	s.deploy(site, "hello", "try-something")
	s.berth("domain", "add", "www.example.com", "--project", "hello")

	ctx := browser(t)
	seen := watch(ctx)
	for i, host := range []string{hostOf(production.URL), "hello." + domain, "try-something.hello." + domain, "www.example.com"} {
		base := fmt.Sprintf("http://%s:%s", host, port)
		visit(t, ctx, base, filepath.Join(shots(t), fmt.Sprintf("host%d.png", i)))
		seen.want(t, base, "/", "/css/site.css", "/js/app.js", "/js/greeting.js", "/js/counter.js", "/images/harbour.svg", "/images/sea.png", "/wasm/add.wasm")
	}
	if len(seen.failed) > 0 {
		t.Errorf("loads that failed: %v", seen.failed)
	}
}

// visit opens the page, waits for its module, follows its links by clicking, and keeps a picture of it.
func visit(t *testing.T, ctx context.Context, base, shot string) {
	t.Helper()
	var said, counted, about, docs, guide, lost string
	var picture []byte
	err := chromedp.Run(ctx,
		network.Enable(),
		chromedp.Navigate(base+"/"),
		chromedp.WaitReady(`html[data-ready="yes"]`, chromedp.ByQuery),
		chromedp.Text("#host", &said, chromedp.ByQuery),
		chromedp.Text("#wasm", &counted, chromedp.ByQuery),
		chromedp.FullScreenshot(&picture, 100),
		chromedp.Click(`a[href="/about"]`, chromedp.ByQuery),
		chromedp.WaitVisible(`//h1[text()="About this site"]`),
		chromedp.Location(&about),
		chromedp.Click(`a[href="/docs/"]`, chromedp.ByQuery),
		chromedp.WaitVisible(`//h1[text()="Docs"]`),
		chromedp.Location(&docs),
		chromedp.Click(`a[href="guide"]`, chromedp.ByQuery),
		chromedp.WaitVisible(`//h1[text()="Guide"]`),
		chromedp.Location(&guide),
		chromedp.Navigate(base+"/nowhere"),
		chromedp.Text("h1", &lost, chromedp.ByQuery),
	)
	if err != nil {
		t.Fatalf("%s: %v", base, err)
	}
	if !strings.Contains(base, said) || counted != "42" || about != base+"/about" || docs != base+"/docs/" || guide != base+"/docs/guide" || lost != "Nothing moored here" {
		t.Errorf("%s: host %q, wasm %q, about %q, docs %q, guide %q, 404 page %q", base, said, counted, about, docs, guide, lost)
	}
	if err := os.WriteFile(shot, picture, 0o644); err != nil {
		t.Fatal(err)
	}
	if len(picture) < 10_000 {
		t.Errorf("%s: the screenshot has %d bytes: the page is empty", base, len(picture))
	}
}

func (l *loads) want(t *testing.T, base string, paths ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range paths {
		if got := l.status[base+p]; got != 200 && got != 304 {
			t.Errorf("%s%s was answered with %d", base, p, got)
		}
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
