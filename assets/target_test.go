package assets

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"berth/assets/rules"
)

func TestSplit(t *testing.T) {
	for target, want := range map[string]string{ // path, "?" and query
		"/":                             "/?",
		"/a/b.html":                     "/a/b.html?",
		"/a?":                           "/a?",
		"/a?b?c":                        "/a?b?c",
		"/a?b#c":                        "/a?b#c", // cut when it is used
		"/a#b?c":                        "/a?",
		"/a#":                           "/a?",
		"":                              "/?",
		"*":                             "/*?",
		"?q":                            "/?q",
		"#f":                            "/?",
		"a/b":                           "/a/b?",
		`\a\b`:                          "/a/b?",
		`/a\..\b`:                       "/b?",
		"/a?b\\c":                       "/a?b\\c",
		"/.":                            "/?",
		"/..":                           "/?",
		"/./a":                          "/a?",
		"/../a":                         "/a?",
		"/a/.":                          "/a/?",
		"/a/..":                         "/?",
		"/a/../":                        "/?",
		"/a/b/../c":                     "/a/c?",
		"/a/b/..":                       "/a/?",
		"/a/b/../../../c":               "/c?",
		"/a//../b":                      "/a/b?",
		"//..":                          "/?",
		"//a":                           "//a?",
		"/a//":                          "/a//?",
		"/a/...":                        "/a/...?",
		"/.a":                           "/.a?",
		"/a./b":                         "/a./b?",
		"/%2e":                          "/?",
		"/a/%2E%2e/b":                   "/b?",
		"/a/.%2e":                       "/?",
		"/a/%2e./b":                     "/b?",
		"/a/%2e%2e%2e":                  "/a/%2e%2e%2e?",
		"/a/..%2fb":                     "/a/..%2fb?",
		"/a/%2fb":                       "/a/%2fb?",
		"/a/\t.\n.\r/b":                 "/b?",
		"\t/a":                          "/a?",
		"/a\r\nb":                       "/ab?",
		"/a \x01 ":                      "/a?",
		"/a b":                          "/a%20b?",
		"/\"<>^`{}":                     "/%22%3C%3E%5E%60%7B%7D?",
		"/|[]!$&'()*+,;=:@~":            "/|[]!$&'()*+,;=:@~?",
		"/é":                            "/%C3%A9?",
		"/\xff\x00\x7fx":                "/%FF%00%7Fx?",
		"/%c3%a9%zz%":                   "/%c3%a9%zz%?",
		"/é/../caf%C3%A9?é":             "/caf%C3%A9?é",
		"/" + strings.Repeat("../", 50): "/?",
	} {
		var p Plan
		path, query := p.split(target)
		if got := path + "?" + query; got != want {
			t.Errorf("split(%q) = %q, want %q", target, got, want)
		}
	}
}

func TestDecode(t *testing.T) {
	for path, want := range map[string]string{
		"/a":                  "/a",
		"/%61":                "/a",
		"/%C3%A9+%2F%2f":      "/é+//",
		"/%2561":              "/%61",
		"/50%off":             "/50%off",
		"/%61/50%off":         "/%61/50%off",
		"/%61%":               "/%61%",
		"/%61%6":              "/%61%6",
		"/%61%ff":             "/%61%ff",
		"/%C3%28":             "/%C3%28",
		"/%ED%A0%80":          "/%ED%A0%80", // a surrogate
		"/%C0%AF":             "/%C0%AF",    // overlong
		"/%00%0d%0a":          "/\x00\r\n",
		"/%F0%9F%8E%89":       "/🎉",
		"/%EF%BB%BF%EF%BF%BD": "/\ufeff\ufffd",
	} {
		var p Plan
		if got := p.decode(path); got != want {
			t.Errorf("decode(%q) = %q, want %q", path, got, want)
		}
	}
}

// A target that is sliced must come out as it would have by the long way, and the long way must be a fixed point.
func TestSlicedTargetIsNormal(t *testing.T) {
	piece := rapid.SampledFrom([]string{"/", "//", ".", "..", "%2e", "%2F", "a", "b.html", "index", "?", "#", "\\", " ", "\t", "é", "\xff", "%", "'", "{"})
	rapid.Check(t, func(t *rapid.T) {
		target := "/" + strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), "")
		var a, b Plan
		path, query := a.split(target)
		trimmed := strings.TrimRight(target, " \t")
		long, _ := b.normalise(trimmed)
		if path != long {
			t.Fatalf("split(%q) = %q, normalise %q", target, path, long)
		}
		if again, q := b.split(path + "?" + query); again != path || q != strings.TrimRight(query, " \t") { // the blanks were before a "#"
			t.Fatalf("%q came out as %q, then as %q", target, path, again)
		}
		if strings.ContainsAny(path, "\\ \t\r\n?#") || path[0] != '/' {
			t.Fatalf("split(%q) = %q", target, path)
		}
		for segment := range strings.SplitSeq(path, "/") {
			if rules.DotSegment([]byte(segment)) != 0 {
				t.Fatalf("split(%q) = %q keeps a dot segment", target, path)
			}
		}
	})
}

func TestLocation(t *testing.T) {
	for _, tc := range []struct {
		path  string
		slash bool
		query string
		want  string
	}{
		{"/", false, "", "/"},
		{"/a", true, "", "/a/"},
		{"/a", true, "q=1", "/a/?q=1"},
		{"/a", false, "#x", "/a"},
		{"/a", false, "\r\n", "/a"},
		{"/a", false, "q=%zz'\"é <\\>\r\nX: y#f", "/a?q=%zz%27%22%C3%A9%20%3C\\%3EX:%20y"},
		{"/sp ace/é", false, "", "/sp%20ace/%C3%A9"},
		{"/a?b#c%d", false, "", "/a%3Fb%23c%25d"},
		{"/a\r\nX-Injected: 1", true, "", "/a%0D%0AX-Injected:%201/"},
		{"/a//b", true, "", "/a//b/"},
		{"//evil", true, "", "/evil/"},
		{`/\evil`, true, "", "/evil/"},
		{"/\t/evil/", false, "", "/evil/"},
		{"/%2F%2f%5C%5c%09evil", false, "", "/evil"},
		{"/\u2028\ufeff/evil", false, "", "/evil"},
		{"//", false, "", "/"},
		{"/%2F", true, "", "/"},
		{"/ drafts/", false, "", "/drafts/"},
		{"/\ndrafts/", false, "", "/drafts/"},
		{"/ ", true, "", "/"},
		{"/\r\nX-Injected: 1/", false, "", "/X-Injected:%201/"},
		{"/%20x/", false, "", "/%2520x/"},
	} {
		var p Plan
		if got := string(p.location(tc.path, tc.slash, tc.query)); got != tc.want {
			t.Errorf("location(%q, %v, %q) = %q, want %q", tc.path, tc.slash, tc.query, got, tc.want)
		}
	}
}

func TestAddress(t *testing.T) {
	var p Plan
	for target, want := range map[string][2]string{
		"/": {"/", ""}, "/a%zz?b=%zz": {"/a%zz", "?b=%zz"}, "/a/../b//c?": {"/b//c", ""}, "/é?é='#f": {"/%C3%A9", "?%C3%A9=%27"},
		"/%2e%2E/x": {"/x", ""}, "/a?x?y": {"/a", "?x?y"}, `\a b`: {"/a%20b", ""},
	} {
		if path, query := p.Address(target); path != want[0] || query != want[1] {
			t.Errorf("%q: %q %q, want %q", target, path, query, want)
		}
	}
}
