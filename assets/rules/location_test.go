package rules

import (
	"net/url"
	"strings"
	"testing"
)

// answerTo is what the one rule "from to" makes of a request for https://own.example.
func answerTo(t *testing.T, rule, path, query string) string {
	t.Helper()
	r, report := ParseRedirects(rule, Options{})
	if r.Len() != 1 {
		t.Fatalf("%q: %v", rule, report.Problems)
	}
	n, ok := r.Find(path)
	if !ok {
		t.Fatalf("%q does not match %q", rule, path)
	}
	out, ok := r.Answer([]byte("kept"), n, &Request{Scheme: "https", Host: "own.example", Path: path, Query: query})
	if !ok {
		if string(out) != "kept" {
			t.Fatalf("%q on %q: no answer, but %q", rule, path, out)
		}
		return "no answer"
	}
	return strings.TrimPrefix(string(out), "kept")
}

func TestLocation(t *testing.T) {
	for _, c := range []struct{ rule, path, query, want string }{
		// Query and fragment.
		{"/a /b", "/a", "", "/b"},
		{"/a /b", "/a", "x=1", "/b?x=1"},
		{"/a /b?y=2", "/a", "x=1", "/b?y=2"},
		{"/a /b?#f", "/a", "x=1", "/b?x=1#f"},
		{"/a /b#f", "/a", "x='\"é", "/b?x=%27%22%C3%A9#f"},
		{"/a /b", "/a", "x\r\n=1#f", "/b?x=1"},
		{"/a /b?q='x'", "/a", "", "/b?q=%27x%27"},
		{"/a /?x#", "/a", "", "/?x"},
		{"/a /b#a`b<c>", "/a", "", "/b#a%60b%3Cc%3E"},
		{"/a/* /b?:splat", "/a/", "x", "/b?x"},
		{"/a/* /b?q=:splat#:splat", "/a/c'd", "x", "/b?q=c%27d#c'd"},

		// Hosts.
		{"/a https://ext.example", "/a", "x", "https://ext.example/?x"},
		{"/a https://EXT.Example:443/P", "/a", "", "https://ext.example/P"},
		{"/a https://ext.example:0080/", "/a", "", "https://ext.example:80/"},
		{"/a https://bücher.example/x", "/a", "", "https://xn--bcher-kva.example/x"},
		{"/a https://b%C3%BCcher.example/x", "/a", "", "https://xn--bcher-kva.example/x"},
		{"/a https://ext.example:65536/", "/a", "", ""},
		{"/a https://1.2.3/", "/a", "", ""},
		{"/a https://[::1/", "/a", "", ""},
		{"/a https://a%2Fb/", "/a", "", ""},
		{"/a //", "/a", "", ""},
		{"/a https:evil.example", "/a", "", ""},
		{"/a %2F%2Fevil.example", "/a", "", ""},
		{"/a \\evil.example", "/a", "", ""},
		{"/a https://u:p@ext.example/p", "/a", "", "https://u:p@ext.example/p"},
		{"/a https://u@v@ext.example/p", "/a", "", "https://u%40v@ext.example/p"},
		{"/a https://[::0:1]/x", "/a", "", "https://[::1]/x"},
		{"/a https:///nohost", "/a", "", "https://nohost/"},
		{"/a https://ext.example?x=1", "/a", "", "https://ext.example/?x=1"},
		{"/a https://ext.example\\x", "/a", "", "https://ext.example/x"},
		{"/a https://ext.example///x", "/a", "", "https://ext.example//x"},
		{"/a //ext.example/x", "/a", "", "https://ext.example/x"},
		{"/a ///ext.example/x/../y", "/a", "", "https://ext.example/y"},
		{"/a //ext.example:443", "/a", "q", "https://ext.example/?q"},
		{"/a https://own.example/b", "/a", "q", "/b?q"},
		{"/a //own.example/b", "/a", "q", "/b?q"},
		{"/a //../b", "/a", "q", "/b?q"},
		{"/a //%2E/b?y#f", "/a", "", "/b?y#f"},
		{"/a //..", "/a", "", "/"},
		{"/a/* //../:splat", "/a//evil.example", "", "/evil.example"},
		{"/a/* //:splat", "/a/ext.example/b", "q", "https://ext.example/b?q"},
		{"/a/* //:splat", "/a/ext.example", "", "https://ext.example/"},
		{"/a/* //:splat/", "/a/ext.example/b", "", "https://ext.example/b/"},
		{"/a/* //:splat?y", "/a/own.example/b", "", "/b?y"},
		{"/a/* https://:splat", "/a/ext.example/b", "", "https://ext.example/b/"},
		{"/a https://own.example:8443/b", "/a", "", "https://own.example:8443/b"},
		{"/a https://own.example///evil.example", "/a", "", "https://own.example//evil.example"},
		{"/a/* https://own.example/:splat", "/a//evil.example", "", "https://own.example//evil.example"},

		// Dot segments and backslashes.
		{"/a /a/../b/./c", "/a", "", "/b/c"},
		{"/a /b\\c\\..\\d", "/a", "", "/b/d"},
		{"/a /%2e%2E/b/.", "/a", "", "/b/"},
		{"/a/:x-:y /b/:x:y/c", "/a/.-.", "", "/c"},
		{"/a/:x-:y /b/:x:y", "/a/.-%2e", "", "/"},

		// What is written as a path stays on the site.
		{"/go/* /:splat", "/go//evil.example/x", "", "/evil.example/x"},
		{"/go/* /:splat", "/go///\\evil.example", "", "/evil.example"},
		{"/go/* /./:splat", "/go//evil.example", "", "/evil.example"},
		{"/go/* /x/../:splat", "/go//evil.example", "", "/evil.example"},
		{"/go/:a/* /:a/:splat", "/go/.//evil.example", "", "/evil.example"},
		{"/go/* /x/:splat", "/go/..//evil.example", "", "/evil.example"},
		{"/go/* /:splat", "/go/%2F%2Fevil.example", "", "/%2F%2Fevil.example"},
		{"/go/* /:splat", "/go/https:evil.example", "", "/https:evil.example"},
		{"/a /\\evil.example", "/a", "", "/evil.example"},
		{"/a /.//evil.example", "/a", "", "/evil.example"},
		{"/a /%2F%2Fevil.example", "/a", "", "/%2F%2Fevil.example"},
		{"/go/* /x/:splat", "/go/a\\..\\b", "", "/x/b"},
		{"/go/* /:splat", "/go/a\r\nX-Injected:1", "", "/a%0D%0AX-Injected:1"},

		// Placeholders in hosts.
		{"/h/:s https://:s.ext.example/x", "/h/a.b", "", "https://a.b.ext.example/x"},
		{"/h/:s https://:s.ext.example/x", "/h/ABC", "", "https://abc.ext.example/x"},
		{"/h/:s https://:s.ext.example/x", "/h/%C3%BC", "", "https://xn--tda.ext.example/x"},
		{"/h/:s https://:s.ext.example/x", "/h/evil.example%2F", "", "no answer"},
		{"/h/:s https://:s.ext.example/x", "/h/evil.example%23", "", "no answer"},
		{"/h/:s https://:s.ext.example/x", "/h/evil.example:80", "", "no answer"},
		{"/h/:s https://:s.ext.example/x", "/h/u@evil", "", "no answer"},
		{"/h/:s https://ext.example:s/x", "/h/@evil.example", "", "no answer"},
		{"/h/* https://:splat.ext.example/x", "/h/evil.example/", "", "no answer"},
		{"/h/* https://:splat.ext.example/x", "/h/evil.example\\", "", "no answer"},
		{"/h/* https://:splat", "/h/ext.example/p", "q", "https://ext.example/p/?q"},
		{"/h/* //:splat", "/h/ext.example:81/p\\q", "", "https://ext.example:81/p/q"},
		{"/h/* https://:splat", "/h/", "", "no answer"},
		{"/h/* https://:splat", "/h/u@ext.example", "", "no answer"},

		// Names.
		{"/p/:id/:kind /r/:kind/:idx", "/p/1/k", "", "/r/k/1x"},
		{"/p/:id/:idx /r/:idx/:id", "/p/1/2", "", "/r/2/1"},
		{"/p/:a/:b /:b/:a/:c", "/p/:b/2", "", "/2/:b/:c"},
		{"/p/* /x/:splat", "/p/$$a$&b", "", "/x/$$a$&b"},

		// 200 answers with a path.
		{"/w /b?x=1#f 200", "/w", "q", "/b"},
		{"/w //../b 200", "/w", "", "/b"},
		{"/w/* //:splat 200", "/w/ext.example/b", "", "/b"},
		{"/w/* //:splat 200", "/w/ext.example", "", "/"},
		{"/w/* /b/:splat 200", "/w/../c", "", "/c"},
		{"/w/* /:splat 200", "/w//b", "", "/b"},
		{"/w //assets/x.css 200", "/w", "", "/x.css"},
		{"/w/* /b?x=:splat 200", "/w/z", "", "/b"},
	} {
		if c.want == "" {
			if r, _ := ParseRedirects(c.rule, Options{}); r.Len() != 0 {
				t.Errorf("%q is accepted", c.rule)
			}
			continue
		}
		if got := answerTo(t, c.rule, c.path, c.query); got != c.want {
			t.Errorf("%q on %q ? %q: %q, want %q", c.rule, c.path, c.query, got, c.want)
		}
	}
}

func TestLocationTakesTheSchemeOfTheRequest(t *testing.T) {
	r, _ := ParseRedirects("/a //ext.example:80/x\n/b https://own.example/x", Options{})
	for _, c := range []struct{ scheme, path, want string }{
		{"http", "/a", "http://ext.example/x"},
		{"https", "/a", "https://ext.example:80/x"},
		{"", "/a", "http://ext.example/x"},
		{"http", "/b", "https://own.example/x"},
		{"https", "/b", "/x"},
	} {
		n, _ := r.Find(c.path)
		got, ok := r.Answer(nil, n, &Request{Scheme: c.scheme, Host: "own.example", Path: c.path})
		if !ok || string(got) != c.want {
			t.Errorf("%s %s: %q %v, want %q", c.scheme, c.path, got, ok, c.want)
		}
	}
}

func TestLocationIsBounded(t *testing.T) {
	long := strings.Repeat("a", 8000)
	if got := answerTo(t, "/x/* /"+strings.Repeat(":splat", 300), "/x/"+long, ""); got != "no answer" {
		t.Errorf("%d bytes", len(got))
	}
	if got := answerTo(t, "/x/* https://"+strings.Repeat(":splat", 300)+".example/", "/x/"+long, ""); got != "no answer" {
		t.Errorf("%d bytes", len(got))
	}
	if got := answerTo(t, "/x/* /:splat", "/x/"+long, long); len(got) != 2+2*len(long) {
		t.Errorf("%d bytes", len(got))
	}
}

func FuzzLocation(f *testing.F) {
	for _, rule := range []string{
		"/* /:splat", "/go/* /./:splat?:splat#:splat", "/:a/:b /:a/../:b", "/:a-:b /x/:a:b/", "/* https://ext.example/:splat", "/* //ext.example:splat",
		"/* https://own.example/:splat", "/:s https://:s.ext.example/", "/* /\\:splat", "/:a/* /:a:splat 200", "/* https://:splat", "/* //:splat/x", "/*  /%2F:splat",
	} {
		for _, path := range []string{"/", "//evil.example", "/go//\\evil.example", "/./..//evil", "/a@evil/b", "/\r\nX: 1", "/%2F/%5c", "/evil.example:80/../"} {
			f.Add(rule, path, "a=\r\n'", "http")
			f.Add(rule, path, "", "https")
		}
	}
	f.Fuzz(func(t *testing.T, rule, path, query, scheme string) {
		if scheme != "https" {
			scheme = "http"
		}
		r, _ := ParseRedirects(rule, Options{})
		n, ok := r.Find(path)
		if !ok {
			return
		}
		out, ok := r.Answer(nil, n, &Request{Scheme: scheme, Host: "own.example", Path: path, Query: query})
		if !ok {
			return
		}
		checkLocation(t, r, n, scheme, string(out))
	})
}

// checkLocation holds what every answer has to keep to.
func checkLocation(t *testing.T, r *Redirects, n int, scheme, location string) {
	t.Helper()
	rule := r.Rule(n)
	for _, c := range []byte(location) {
		if c <= ' ' || c >= 0x7f {
			t.Fatalf("%s %s: %q", rule.From, rule.To, location)
		}
	}
	if isLocal := strings.HasPrefix(location, "/") && !strings.HasPrefix(location, "//") && !strings.HasPrefix(location, `/\`); !isLocal {
		if rule.Status == 200 && !strings.HasPrefix(rule.To, "//") || strings.HasPrefix(rule.To, "/") && !strings.HasPrefix(rule.To, "//") {
			t.Fatalf("%s %s: %q leaves the site", rule.From, rule.To, location)
		}
		if rule.Status == 200 {
			return
		}
	}
	dest := r.rules[n].dest
	if dest == nil {
		dest = &onSite
	}
	if dest.more().host != nil || rule.Status == 200 {
		return
	}
	// The host that was written, or ours where none was.
	want := "own.example"
	if dest.kind != local {
		want = strings.Trim(dest.more().at.host, "[]")
	}
	base := &url.URL{Scheme: scheme, Host: "own.example", Path: "/x"}
	to, err := base.Parse(location)
	if err != nil {
		return // net/url knows fewer URLs than browsers, such as those with an odd escape
	}
	if to.Hostname() != want {
		t.Fatalf("%s %s: %q leads to %q", rule.From, rule.To, location, to.Hostname())
	}
}

// A host whose end is written cannot be left, whatever a placeholder holds.
func FuzzHostSuffix(f *testing.F) {
	for _, s := range []string{"a", "a.b", "evil.example/", "evil.example%2F", "u@evil", "evil:80", "[::1]", "%EF%BC%8F", "a\\b", "%00", "xn--a", "ß", "１.2.3.4", "\u3002"} {
		f.Add(s)
	}
	r, _ := ParseRedirects("/* https://:splat.ext.example/x\n", Options{})
	f.Fuzz(func(t *testing.T, s string) {
		out, ok := r.Answer(nil, 0, &Request{Scheme: "https", Host: "own.example", Path: "/" + s})
		if !ok {
			return
		}
		host, isURL := strings.CutPrefix(string(out), "https://")
		host, _, _ = strings.Cut(host, "/")
		if !isURL || !strings.HasSuffix(host, ".ext.example") || strings.ContainsAny(host, "@:\\?#%") {
			t.Fatalf("%q: %q", s, out)
		}
	})
}
