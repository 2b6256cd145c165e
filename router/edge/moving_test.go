package edge

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/assets/catalog"
	"berth/router"
	"berth/store"
)

func TestKeptFiles(t *testing.T) {
	const week = 7 * 24 * 3600
	old := files{"/index.html": "old", "/chunk.1.js": "old chunk", "/about.html": "about", "/go.js": "covered", "/app.js.map": "map"}
	current := files{"/index.html": "new", "/chunk.2.js": "new chunk", "/404.html": "lost"}
	for name, tt := range map[string]struct {
		settings     store.SiteSettings
		own          store.SiteSettings
		opts         Options
		after        func(l *live)
		host, target string
		want         string // status and body
	}{
		"production":                    {want: "200 old chunk"},
		"custom domain":                 {host: customHost, want: "200 old chunk"},
		"branch":                        {host: branchHost, want: "200 old chunk"},
		"one for ever":                  {host: "abcd0002.docs.example", want: "404 lost"},
		"its own file":                  {target: "/chunk.2.js", want: "200 new chunk"},
		"with a query":                  {target: "/chunk.1.js?v=1", want: "200 old chunk"},
		"encoded":                       {target: "/chunk%2E1.js", want: "200 old chunk"},
		"a page":                        {target: "/about", want: "404 lost"},
		"a source map":                  {target: "/app.js.map", want: "404 lost"},
		"never there":                   {target: "/chunk.3.js", want: "404 lost"},
		"its time is over":              {after: func(l *live) { l.clock.Add(week) }, want: "404 lost"},
		"nearly":                        {after: func(l *live) { l.clock.Add(week - 1) }, want: "200 old chunk"},
		"the project wants it":          {settings: store.SiteSettings{KeepAssets: time.Hour}, want: "200 old chunk"},
		"the project shortened it":      {settings: store.SiteSettings{KeepAssets: time.Hour}, after: func(l *live) { l.clock.Add(3600) }, want: "404 lost"},
		"the server shortened it":       {opts: Options{KeepAssets: time.Hour}, after: func(l *live) { l.clock.Add(3600) }, want: "404 lost"},
		"the server's time is not over": {opts: Options{KeepAssets: time.Hour}, after: func(l *live) { l.clock.Add(3600 - 1) }, want: "200 old chunk"},
		"the project does not":          {settings: store.SiteSettings{KeepAssets: -1}, want: "404 lost"},
		"the site does not":             {own: store.SiteSettings{KeepAssets: -1}, want: "404 lost"},
		"the server does not":           {settings: store.SiteSettings{KeepAssets: time.Hour}, opts: Options{KeepAssets: -1}, want: "404 lost"},
		"deleted":                       {after: func(l *live) { l.update(func(tx *store.Tx) error { return tx.DeleteDeployment(1) }) }, want: "404 lost"},
		"target gone":                   {after: func(l *live) { l.update(func(tx *store.Tx) error { return tx.DeleteTarget(l.project, "") }) }, want: "404 lost"},
		"moved on again":                {after: func(l *live) { l.deploy(current, store.SiteSettings{}) }, want: "200 old chunk"},
		"moved back":                    {after: func(l *live) { l.move(1) }, target: "/chunk.2.js", want: "200 new chunk"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLive(t, tt.settings, tt.opts)
			l.deploy(old, store.SiteSettings{})
			l.deploy(current, tt.own)
			host, target := tt.host, tt.target
			if host == "" {
				host = productionHost
			}
			if target == "" {
				target = "/chunk.1.js"
			}
			l.ask(host, target) // so that a change has caches to reach
			kept := l.Stats().Kept
			if tt.after != nil {
				tt.after(l)
			}
			got := l.ask(host, target)
			if diff := cmp.Diff(tt.want, got.status[:3]+" "+got.body); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			isKept := strings.Contains(tt.want, "old chunk") || name == "moved back"
			if (got.all("X-Robots-Tag") == "noindex") != isKept {
				t.Errorf("X-Robots-Tag: %q", got.all("X-Robots-Tag"))
			}
			if isKept {
				eventually(t, "counted", func() bool { return l.Stats().Kept > kept })
			}
		})
	}
}

// A tab that was opened before the one which moved the pin finds its chunks all the same.
func TestKeptFilesBesideAPin(t *testing.T) {
	l := newLive(t, store.SiteSettings{Skew: store.On}, Options{})
	l.deploy(page(1), store.SiteSettings{})
	l.deploy(page(2), store.SiteSettings{})
	pin := l.navigate(productionHost, "/").pin()
	l.deploy(page(3), store.SiteSettings{})
	for target, want := range map[string]string{"/app.js": "app 2", "/only2.js": "only", "/only1.js": "only"} {
		if got := l.ask(productionHost, target, destScript, pin); got.body != want {
			t.Errorf("%s: %s %q", target, got.status, got.body)
		}
	}
}

func TestCORSCanBeTurnedOff(t *testing.T) {
	off, on := store.SiteSettings{CORS: store.Off}, store.SiteSettings{CORS: store.On}
	for name, tt := range map[string]struct {
		project, own store.SiteSettings
		want         string
	}{
		"unset": {want: "*"}, "project off": {project: off}, "site off": {own: off}, "site on again": {project: off, own: on, want: "*"},
	} {
		l := newLive(t, tt.project, Options{})
		l.deploy(page(1), tt.own)
		for _, host := range []string{productionHost, "abcd0001.docs.example"} {
			if got := l.ask(host, "/app.js").all("Access-Control-Allow-Origin"); got != tt.want {
				t.Errorf("%s: %s: %q", name, host, got)
			}
		}
	}
}

// faulty cannot have what is not needed for the host's own files.
type faulty struct {
	*world
	settingsErr, targetErr error
}

func (f *faulty) settings(_ context.Context, _ store.ProjectNo) (*store.SiteSettings, error) {
	return &store.SiteSettings{Skew: store.On}, f.settingsErr
}

func (f *faulty) target(_ context.Context, _ store.DeploymentNo, _ bool) (*catalog.Target, error) {
	return nil, f.targetErr
}

func TestFaultsOfWhatAHostServedBefore(t *testing.T) {
	for name, tt := range map[string]struct {
		f      faulty
		status string
		faults uint64
	}{
		"no target":    {faulty{targetErr: errTest}, "404", 2}, // of the query, and of a file that is not there
		"just deleted": {faulty{targetErr: fmt.Errorf("load: %w", store.ErrNotFound)}, "404", 0},
		"no settings":  {faulty{settingsErr: errTest}, "503", 1},
	} {
		w := benchWorld(t)
		tt.f.world = w
		log := new(logBuffer)
		s, err := newServer(w.deps(slog.New(slog.NewTextHandler(log, nil))), &tt.f, Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := listen(t, s, log)
		got := r.dial(t).ask("docs.pages.example", "/nowhere.js?dpl=abcdabcd")
		if got.status[:3] != tt.status || r.Stats().Faults != tt.faults {
			t.Errorf("%s: %d faults, %+v", name, r.Stats().Faults, got)
		}
	}
}

// A host that moves between the look-ups of one request is asked for again, but not for ever.
func TestHostMovesDuringARequest(t *testing.T) {
	for name, tt := range map[string]struct {
		moves bool
		want  string
	}{"moves": {true, "200"}, "says so and does not": {false, "404"}} {
		w := newWorld()
		from := w.add("a.example", w.compile(t, map[string]string{"/index.txt": "one"}, ""))
		to := w.add("b.example", w.compile(t, map[string]string{"/chunk.js": "two"}, ""))
		w.targets = map[store.DeploymentNo]*catalog.Target{from: {MovedOn: true}}
		var asked atomic.Int32
		w.resolve = func(*router.Query) (router.Decision, error) {
			d := w.hosts["a.example"]
			if asked.Add(1) > 2 && tt.moves {
				d.Deployment = to
			}
			return d, nil
		}
		r := start(t, w, Options{})
		if got := r.dial(t).ask("a.example", "/chunk.js"); got.status[:3] != tt.want || asked.Load() > maxFollows+1 {
			t.Errorf("%s: %s after %d questions", name, got.status, asked.Load())
		}
		if s := r.Stats(); s.Faults != 0 {
			t.Errorf("%s: %d faults", name, s.Faults)
		}
	}
}

// A custom domain moves with production, or with the branch that it follows.
func TestTargetOfACustomDomain(t *testing.T) {
	for flags, branch := range map[store.RouteFlags]string{0: "", store.FlagFollowsBranch: "main"} {
		l := newLive(t, store.SiteSettings{}, Options{})
		l.deploy(page(1), store.SiteSettings{})
		l.deploy(page(2), store.SiteSettings{})
		l.update(func(tx *store.Tx) error {
			route := l.route(2, store.ClassCustom)
			route.Flags = flags
			return tx.SetRoute(l.hasher.Key(customHost), route)
		})
		for _, gone := range []string{"nothing", map[string]string{"": "main", "main": ""}[branch], branch} {
			l.update(func(tx *store.Tx) error { return tx.DeleteTarget(l.project, gone) })
			want := "200"
			if gone == branch {
				want = "404"
			}
			if got := l.ask(customHost, "/only1.js", destScript); got.status[:3] != want {
				t.Errorf("follows %q, without target %q: %s", branch, gone, got.status)
			}
		}
	}
}

func TestPinnedDeploymentHasItsOwnSettings(t *testing.T) {
	l := newLive(t, store.SiteSettings{Skew: store.On}, Options{})
	l.deploy(page(1), store.SiteSettings{CORS: store.Off})
	pin := l.navigate(productionHost, "/").pin()
	l.deploy(page(2), store.SiteSettings{})
	for want, got := range map[string]reply{"": l.ask(productionHost, "/app.js", destScript, pin), "*": l.ask(productionHost, "/app.js")} {
		if v := got.all("Access-Control-Allow-Origin"); v != want {
			t.Errorf("%s: %q, want %q", got.body, v, want)
		}
	}
}
