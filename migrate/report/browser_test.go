//go:build e2e

package report_test

import (
	"flag"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"berth/migrate/report"
	"berth/migrate/report/plot/plottest"
)

var shotDir = flag.String("shots", "", "keep the pictures that the test takes in this directory")

func TestInBrowser(t *testing.T) {
	ctx := plottest.Browser(t)
	var requests []string
	chromedp.ListenTarget(ctx, func(ev any) {
		if e, ok := ev.(*network.EventRequestWillBeSent); ok {
			requests = append(requests, e.Request.URL)
		}
	})
	for _, p := range []struct {
		name     string
		data     report.Data
		drawings int
	}{{"sample", sample(), 10}, {"empty", report.Data{Server: "pages.example.com", Phases: phases()}, 0}, {"hostile", hostileData(), 10}} {
		plottest.Page(ctx, t, p.name, render(t, p.data), *shotDir, p.drawings)
	}
	if len(requests) == 0 {
		t.Error("not even the page was fetched")
	}
	for _, url := range requests {
		if filepath.Ext(url) != ".html" {
			t.Errorf("the page fetches %s", url)
		}
	}
}
