package edge

import (
	"fmt"
	"sync"
	"testing"

	"berth/store"
)

// While a host moves to and fro, every response is of one deployment, and what a page loads is of the page's.
func TestMovesDuringReads(t *testing.T) {
	l := newLive(t, store.SiteSettings{Skew: store.On}, Options{})
	const deployments, moves, readers = 4, 60, 4
	for n := range deployments {
		l.deploy(page(n+1), store.SiteSettings{})
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for i := range readers {
		wg.Go(func() {
			c := l.dial(t)
			for n := 0; ; n++ {
				select {
				case <-done:
					if n > 10 {
						return
					}
				default:
				}
				if err := readPage(c, fmt.Sprintf("abcd000%d", i+1)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range moves {
		l.move(store.DeploymentNo(i*7%deployments + 1))
	}
	close(done)
	wg.Wait()
	if s := l.Stats(); s.Faults != 0 || s.Requests[5] != 0 || s.Pinned == 0 {
		t.Errorf("%+v\n%s", s, l.log.String())
	}
}

// readPage loads a page and what it wants, and says what does not belong together.
func readPage(c *client, label string) error {
	c.t.Helper()
	doc := c.ask(productionHost, "/", destDocument, modeNavigate)
	no := doc.all("X-Deployed")
	if doc.body != "<h1>"+no+"</h1>" {
		return fmt.Errorf("page %q with the header rules of %s", doc.body, no)
	}
	for target, want := range map[string]string{"/app.js": "app " + no, "/hashed.js": "hashed " + no, "/only" + no + ".js": "only"} {
		if got := c.ask(productionHost, target, destScript, doc.pin()); got.body != want || got.all("X-Deployed") != no {
			return fmt.Errorf("page of %s loads %q: %s %q of %s", no, target, got.status, got.body, got.all("X-Deployed"))
		}
	}
	if got := c.ask(productionHost, "/app.js?dpl="+label); got.body != "app "+label[7:] {
		return fmt.Errorf("%s gives %q", label, got.body)
	}
	if got := c.ask(productionHost, "/app.js"); got.body != "app "+got.all("X-Deployed") {
		return fmt.Errorf("%q with the header rules of %s", got.body, got.all("X-Deployed"))
	}
	return nil
}
