package edge

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/store"
)

// Fields of a browser's requests.
const (
	destDocument = "Sec-Fetch-Dest: document"
	modeNavigate = "Sec-Fetch-Mode: navigate"
	destScript   = "Sec-Fetch-Dest: script"
	destFetch    = "Sec-Fetch-Dest: empty"
)

var skewOn = store.SiteSettings{Skew: store.On, KeepAssets: -1}

// page is a deployment whose files, header rule and redirect tell which it is.
func page(n int) files {
	return files{
		"/index.html": fmt.Sprintf("<h1>%d</h1>", n), "/app.js": fmt.Sprintf("app %d", n), fmt.Sprintf("/only%d.js", n): "only",
		"/hashed.js": fmt.Sprintf("hashed %d", n), "/doc.pdf": fmt.Sprintf("pdf %d", n),
		"_headers": fmt.Sprintf("/*\n  X-Deployed: %d\n/hashed.js\n  Cache-Control: public, max-age=31536000, immutable\n"+
			"  CDN-Cache-Control: max-age=60\n", n),
		"_redirects": fmt.Sprintf("/go /to/%d 302\n", n),
	}
}

func (l *live) navigate(host, target string, fields ...string) reply {
	l.t.Helper()
	return l.ask(host, target, append([]string{destDocument, modeNavigate}, fields...)...)
}

// pin is the Cookie field that a browser sends after a response.
func (r reply) pin() string {
	v, _ := r.field("Set-Cookie")
	pair, _, _ := strings.Cut(v, ";")
	return "Cookie: theme=dark; " + pair + "; a=b"
}

// skewed is a host that went from deployment 1 over 2 to 3, and the pin of a browser that came at the time of 1.
func skewed(t testing.TB, opts Options) (l *live, pin string) {
	l = newLive(t, skewOn, opts)
	l.deploy(page(1), store.SiteSettings{})
	pin = l.navigate(productionHost, "/").pin()
	l.deploy(page(2), store.SiteSettings{})
	l.deploy(page(3), store.SiteSettings{})
	return l, pin
}

func TestNavigationPins(t *testing.T) {
	l, first := skewed(t, Options{})
	got := l.navigate(productionHost, "/", first)
	cookie, _ := got.field("Set-Cookie")
	name, rest, _ := strings.Cut(cookie, "; ")
	if !strings.HasPrefix(name, "berth_pin=") || len(name) != len("berth_pin=")+pinChars || got.body != "<h1>3</h1>" {
		t.Errorf("%q, %q", got.body, cookie)
	}
	// 1,700,000,000 and a day, down to the hour.
	if diff := cmp.Diff("Max-Age=85600; Path=/; HttpOnly; SameSite=Lax", rest); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if got.pin() == first {
		t.Error("the pin did not move")
	}
	if v := got.all("Cache-Control"); v != "private, max-age=0, must-revalidate" {
		t.Errorf("Cache-Control: %s", v)
	}
	l.clock.Add(60)
	if again := l.navigate(productionHost, "/"); again.pin() != got.pin() {
		t.Error("the pin of one deployment changes from minute to minute")
	}
	etag, _ := got.field("ETag")
	if again := l.navigate(productionHost, "/", "If-None-Match: "+etag); again.status[:3] != "304" || again.pin() != got.pin() {
		t.Errorf("304: %+v", again)
	}
	if shell := l.navigate(productionHost, "/a/route/of/the/application"); shell.pin() != got.pin() {
		t.Errorf("the shell of an application: %+v", shell)
	}
	for name, r := range map[string]reply{
		"no Sec-Fetch":  l.ask(productionHost, "/"),
		"not a page":    l.navigate(productionHost, "/doc.pdf"),
		"redirect":      l.navigate(productionHost, "/go"),
		"frame":         l.ask(productionHost, "/", "Sec-Fetch-Dest: iframe", modeNavigate),
		"fetch":         l.ask(productionHost, "/", destFetch),
		"no navigation": l.ask(productionHost, "/", destDocument),
		"prerendering":  l.navigate(productionHost, "/", "Sec-Purpose: prefetch;prerender"),
		"one for ever":  l.navigate("abcd0003.docs.example", "/"),
	} {
		if v := r.all("Set-Cookie"); v != "" {
			t.Errorf("%s: Set-Cookie: %s", name, v)
		}
	}
}

// What a request is answered from, and what caches are told.
func TestPinnedRequests(t *testing.T) {
	l, pin := skewed(t, Options{})
	secret := l.upload(page(4), store.SiteSettings{}) // never released
	const (
		looked  = "X-Deployment-Id, Sec-Fetch-Dest, Cookie"
		private = "private, max-age=0, must-revalidate"
		public  = "public, max-age=0, must-revalidate"
	)
	id := func(no store.DeploymentNo) string { return liveUUID(no).String() }
	for name, tt := range map[string]struct {
		host, target string
		fields       []string
		want         string // deployment
		cache, vary  string
	}{
		"script":            {fields: []string{destScript, pin}, want: "1", cache: private, vary: looked},
		"fetch":             {fields: []string{destFetch, pin}, want: "1", cache: private, vary: looked},
		"frame":             {fields: []string{"Sec-Fetch-Dest: iframe", modeNavigate, pin}, want: "1", cache: private, vary: looked},
		"prerendering":      {fields: []string{destDocument, modeNavigate, "Sec-Purpose: prefetch;prerender", pin}, want: "1", cache: private, vary: looked},
		"no pin":            {fields: []string{destScript}, want: "3", cache: public, vary: looked},
		"no Sec-Fetch-Dest": {fields: []string{pin}, want: "3", cache: public, vary: "X-Deployment-Id, Sec-Fetch-Dest"},
		"on another host":   {host: customHost, fields: []string{destScript, pin}, want: "3", cache: public, vary: looked},
		"on an alias":       {host: branchHost, fields: []string{destScript, pin}, want: "3", cache: public, vary: looked},
		"one for ever":      {host: "abcd0003.docs.example", fields: []string{destScript, pin}, want: "3", cache: public},
		"one for ever, dpl": {host: "abcd0003.docs.example", target: "/app.js?dpl=abcd0001", want: "3", cache: public},
		"forged":            {fields: []string{destScript, pin[:60] + "x" + pin[61:]}, want: "3", cache: public, vary: looked},
		"after a foreign one": {
			fields: []string{destScript, "Cookie: berth_pin=" + strings.Repeat("A", pinChars), pin}, want: "1", cache: private, vary: looked,
		},
		"by header":             {fields: []string{"X-Deployment-Id: " + id(2)}, want: "2", cache: public, vary: "X-Deployment-Id"},
		"by label":              {fields: []string{"X-Deployment-Id: abcd0002"}, want: "2", cache: public, vary: "X-Deployment-Id"},
		"the current by header": {fields: []string{"X-Deployment-Id: " + id(3)}, want: "3", cache: public, vary: "X-Deployment-Id"},
		"by query":              {target: "/app.js?a=b&dpl=abcd0001", want: "1", cache: public, vary: "X-Deployment-Id"},
		"by query, in capitals": {target: "/app.js?dpl=" + strings.ToUpper(id(1)), want: "1", cache: public, vary: "X-Deployment-Id"},
		"by query on an alias":  {host: branchHost, target: "/app.js?dpl=abcd0001", want: "1", cache: public, vary: "X-Deployment-Id"},
		"header before query":   {target: "/app.js?dpl=abcd0001", fields: []string{"X-Deployment-Id: " + id(2)}, want: "2", cache: public, vary: "X-Deployment-Id"},
		"query before cookie":   {target: "/app.js?dpl=abcd0002", fields: []string{destScript, pin}, want: "2", cache: public, vary: "X-Deployment-Id"},
		"header means nothing":  {fields: []string{"X-Deployment-Id: latest", destScript, pin}, want: "1", cache: private, vary: looked},
		"header of no release":  {fields: []string{"X-Deployment-Id: " + id(secret)}, want: "3", cache: "no-store", vary: "X-Deployment-Id, Sec-Fetch-Dest"},
		"query of no release":   {target: "/app.js?dpl=abcd0004", want: "3", cache: "no-store", vary: "X-Deployment-Id, Sec-Fetch-Dest"},
		"not kept by its name":  {target: "/hashed.js?dpl=abcd0004", want: "3", cache: "no-store", vary: "X-Deployment-Id, Sec-Fetch-Dest"},
		"nor with a pin":        {target: "/hashed.js?dpl=abcd0004", fields: []string{destScript, pin}, want: "1", cache: "no-store", vary: looked},
		"no release, but header": {
			target: "/app.js?dpl=abcd0002", fields: []string{"X-Deployment-Id: " + id(secret)}, want: "2", cache: "no-store", vary: "X-Deployment-Id",
		},
		"navigation by query": {target: "/?dpl=abcd0002", fields: []string{destDocument, modeNavigate, pin}, want: "2", cache: private, vary: "X-Deployment-Id"},
		"its own header rules": {
			target: "/hashed.js", fields: []string{destScript, pin}, want: "1", cache: "private, max-age=31536000, immutable", vary: looked,
		},
		"its own redirects": {target: "/go", fields: []string{destFetch, pin}, want: "1", cache: "private", vary: looked},
		"what only it has":  {target: "/only1.js", fields: []string{destScript, pin}, want: "1", cache: private, vary: looked},
	} {
		t.Run(name, func(t *testing.T) {
			host, target := tt.host, tt.target
			if host == "" {
				host = productionHost
			}
			if target == "" {
				target = "/app.js"
			}
			got := l.ask(host, target, tt.fields...)
			have := []string{got.all("X-Deployed"), got.all("Cache-Control"), got.all("Vary")}
			if diff := cmp.Diff([]string{tt.want, tt.cache, tt.vary}, have); diff != "" {
				t.Errorf("%s (-want +got):\n%s", got.status, diff)
			}
			if target == "/app.js" && got.body != "app "+tt.want {
				t.Errorf("header rules of one deployment and body of another: %q", got.body)
			}
			if cdn := got.all("CDN-Cache-Control"); !strings.HasPrefix(tt.cache, "public") && cdn != "" {
				t.Errorf("CDNs are told %q", cdn)
			}
		})
	}
	if s := l.log.String(); s != "" {
		t.Errorf("logged:\n%s", s)
	}
	if s := l.Stats(); s.Pinned == 0 || s.Faults != 0 {
		t.Errorf("stats %+v", s)
	}
}

// A navigation that names a deployment pins to it.
func TestNavigationByQueryPins(t *testing.T) {
	l, _ := skewed(t, Options{})
	pin := l.navigate(productionHost, "/?dpl=abcd0002").pin()
	if got := l.ask(productionHost, "/app.js", destScript, pin); got.body != "app 2" {
		t.Errorf("%q", got.body)
	}
}

func TestPinsEnd(t *testing.T) {
	const day = 24 * 3600
	for name, tt := range map[string]struct {
		end  func(l *live)
		want string
	}{
		"a pin's time is over":      {func(l *live) { l.clock.Add(day) }, "app 3"},
		"nearly":                    {func(l *live) { l.clock.Add(day - 3600) }, "app 1"},
		"the deployment is deleted": {func(l *live) { l.update(func(tx *store.Tx) error { return tx.DeleteDeployment(1) }) }, "app 3"},
		"it is withdrawn": {func(l *live) {
			l.update(func(tx *store.Tx) error { return tx.PutTarget(store.Target{Project: l.project}) })
		}, "app 3"},
		"the project turns it off": {func(l *live) {
			l.update(func(tx *store.Tx) error {
				p, err := tx.Project(l.project)
				p.Site.Skew = store.Off
				if err != nil {
					return err
				}
				return tx.PutProject(p)
			})
		}, "app 3"},
		"a deployment turns it off":     {func(l *live) { l.deploy(page(4), store.SiteSettings{Skew: store.Off}) }, "app 4"},
		"the host comes back to it":     {func(l *live) { l.move(1); l.clock.Add(3600) }, "app 1"},
		"its files cannot be had":       {func(l *live) { l.forget(1) }, "app 3"},
		"its target cannot be answered": {func(l *live) { l.update(func(tx *store.Tx) error { return tx.DeleteTarget(l.project, "") }) }, "app 3"},
	} {
		t.Run(name, func(t *testing.T) {
			l, pin := skewed(t, Options{})
			tt.end(l)
			if got := l.ask(productionHost, "/app.js", destScript, pin); got.body != tt.want || got.status != "200 OK" {
				t.Errorf("%s: %q, want %q", got.status, got.body, tt.want)
			}
			want := tt.want
			if name == "nearly" {
				return
			}
			if got := l.ask(productionHost, "/app.js?dpl=abcd0001"); got.body != want && name != "a pin's time is over" {
				t.Errorf("by query: %q, want %q", got.body, want)
			}
		})
	}
}

// forget takes the listing of a deployment away.
func (l *live) forget(no store.DeploymentNo) {
	l.t.Helper()
	d, err := l.store.Deployment(no)
	if err != nil {
		l.t.Fatal(err)
	}
	l.update(func(tx *store.Tx) error { // so that it is read again
		d.Manifest.Digest[0] ^= 1
		return tx.PutDeployment(d, nil)
	})
}

// A tab that stays open does not prolong for how long a deployment can be chosen.
func TestLeftLongAgo(t *testing.T) {
	l, _ := skewed(t, Options{})
	l.clock.Add(23 * 3600)
	pin := l.navigate(productionHost, "/?dpl=abcd0001").pin()
	if got := l.ask(productionHost, "/app.js", destScript, pin); got.body != "app 1" {
		t.Errorf("23 hours after it was left: %q", got.body)
	}
	l.clock.Add(2 * 3600)
	for _, target := range []string{"/app.js", "/app.js?dpl=abcd0001"} {
		if got := l.ask(productionHost, target, destScript, pin); got.body != "app 3" {
			t.Errorf("25 hours after it was left: %s: %q", target, got.body)
		}
	}
}

func TestPinIsSecureOverTLS(t *testing.T) {
	l := newLive(t, skewOn, Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	l.deploy(page(1), store.SiteSettings{})
	for proto, want := range map[string]bool{"https": true, "http": false} {
		got := l.navigate(productionHost, "/", "X-Forwarded-Proto: "+proto)
		if v, _ := got.field("Set-Cookie"); strings.HasSuffix(v, "; Secure") != want {
			t.Errorf("%s: %q", proto, v)
		}
	}
}

func TestWithoutSkewProtection(t *testing.T) {
	l := newLive(t, store.SiteSettings{}, Options{})
	l.deploy(page(1), store.SiteSettings{Skew: store.On})
	pin := l.navigate(productionHost, "/").pin()
	l.deploy(page(2), store.SiteSettings{})
	for _, got := range []reply{
		l.navigate(productionHost, "/", pin), l.ask(productionHost, "/app.js?dpl=abcd0001", destScript, pin, "X-Deployment-Id: abcd0001"),
	} {
		if got.all("X-Deployed") != "2" || got.all("Vary") != "" || got.all("Set-Cookie") != "" {
			t.Errorf("%+v", got)
		}
	}
}
