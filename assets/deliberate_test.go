package assets

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"berth/assets/rules"
)

// deliberate says why a case is answered otherwise than the original does it; empty: it has to be the same. Cases are known by
// what they look like, so that what is explained away for one corpus is for any other, and nothing else is.
func (c conformanceCase) deliberate(s testSite) string {
	for _, h := range c.Headers {
		switch {
		case h[0] == "Range" && c.Method == "GET":
			return "a range (RFC 9110 §14)"
		case h[0] == "If-None-Match" && (strings.Contains(h[1], ",") || strings.TrimSpace(h[1]) == "*"):
			return "a list of tags, or any (RFC 9110 §13.1.2)"
		}
	}
	if regexp.MustCompile("\\$[$&`']").MatchString(c.target()) {
		return "$ and another character in what a placeholder holds"
	}
	path, _, _ := strings.Cut(c.target(), "?")
	if n, ok := s.Redirects().Find(path); ok && prefixNames(s.Redirects().Rule(n).From) {
		return "placeholders of which one name begins another"
	}
	if slices.Contains(s.oddStatuses, path) {
		return "a status that is not written as one"
	}
	return ""
}

var placeholderName = regexp.MustCompile(`:[A-Za-z]\w*`)

// prefixNames reports two placeholders as in /:a/:ab.
func prefixNames(source string) bool {
	names := placeholderName.FindAllString(source, -1)
	return slices.ContainsFunc(names, func(a string) bool {
		return slices.ContainsFunc(names, func(b string) bool { return a != b && strings.HasPrefix(b, a) })
	})
}

// oddStatuses are the sources of rules whose status JavaScript would read as a number.
func oddStatuses(redirects string) (sources []string) {
	_, report := rules.ParseRedirects(redirects, rules.Options{MaxProblems: 1 << 20})
	lines := strings.Split(redirects, "\n")
	for _, p := range report.Problems {
		if p.Kind == rules.BadStatus && strings.ContainsAny(p.Text[:1], "+.0123456789") && len(p.Text) != len("404") {
			sources = append(sources, strings.Fields(lines[p.Line-1])[0])
		}
	}
	return sources
}

// The explanations must stay the exception, and say nothing of ordinary cases.
func TestDeliberate(t *testing.T) {
	redirects, err := os.ReadFile(filepath.Join(*corpus, "sites", "fir", "files", rules.RedirectsFile))
	if err != nil {
		t.Skip("another corpus")
	}
	s := newRuledSite(t, map[string]string{"/a": ""}, "/:a/:ab /x\n/p/:one/:two /y\n", "")
	s.oddStatuses = oddStatuses(string(redirects))
	for _, c := range []struct {
		c    conformanceCase
		want bool
	}{
		{conformanceCase{Method: "GET", Target: "/a"}, false},
		{conformanceCase{Method: "HEAD", Target: "/a", Headers: [][2]string{{"Range", "bytes=0-1"}}}, false},
		{conformanceCase{Method: "GET", Target: "/a", Headers: [][2]string{{"Range", "bytes=0-1"}}}, true},
		{conformanceCase{Method: "GET", Target: "/a", Headers: [][2]string{{"If-None-Match", `"x"`}}}, false},
		{conformanceCase{Method: "GET", Target: "/a", Headers: [][2]string{{"If-None-Match", `"x", "y"`}}}, true},
		{conformanceCase{Method: "GET", Target: "/b/c"}, true},
		{conformanceCase{Method: "GET", Target: "/p/b/c"}, false},
		{conformanceCase{Method: "GET", Target: "/a/$x"}, true},
		{conformanceCase{Method: "GET", Target: "/p/b/$$"}, true},
		{conformanceCase{Method: "GET", Target: "/hex"}, true},
		{conformanceCase{Method: "GET", Target: "/s404"}, false},
	} {
		if got := c.c.deliberate(s); (got != "") != c.want {
			t.Errorf("%+v: %q", c.c, got)
		}
	}
}
