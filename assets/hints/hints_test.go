package hints

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// The documents of the conformance corpus, with what the original announces for them where the corpus asks.
func TestDocuments(t *testing.T) {
	for file, want := range map[string]string{
		"index.html":  `</lilac.css>; rel="preload"; as=style`,
		"multi.html":  `<https://cdn.example>; rel="preconnect", </m.js>; rel="modulepreload", </f.woff2>; rel="preload"; as=font`,
		"attrs.html":  `</ok.js>; rel="preload"; as=script`,
		"hdr.html":    `</fromhtml.js>; rel="preload"; as=script`,
		"detach.html": `</gone.js>; rel="preload"; as=script`,
		"odd.html":    `</caps.js>; rel="PreLoad"; as=script, </two.css>; rel="preload stylesheet"; as=style, </bare.js>; rel="preload"; as=script`,
		"body.html":   `</inbody.png>; rel="preload"; as=image, </tpl.png>; rel="preload"; as=image`,
		"404.html":    `</on404.css>; rel="preload"; as=style`,
		"none.html":   ``,
		"dup.html":    `</same.js>; rel="preload"; as=script, </same.js>; rel="preload"; as=script`,
		"entity.html": `</a?b=1&amp;c=2>; rel="preload"; as=image, </sp ace.png>; rel="preload"; as=image, ` +
			`</q&quot;uote.png>; rel="preload"; as=image, </é.png>; rel="preload"; as=image`,
	} {
		t.Run(file, func(t *testing.T) {
			f, err := os.Open(filepath.Join("../../testdata/conformance/sites/yew-tree/files", file))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := Parse(f, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(Found{Link: want}, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestDocumentWithBase(t *testing.T) {
	f, err := os.Open("../../testdata/conformance/sites/yew-tree/files/base.html")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := Parse(f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := Found{Based: true, Link: `</sub/lilac/rel.js>; rel="preload"; as=script, </sub/up.js>; rel="preload"; as=script, <https://abs.example/>; rel="preconnect"`}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("-want +got\n%s", d)
	}
	l := mustOpen(t, 1, Hint{Entry: 0, Link: got.Link, Based: got.Based})
	full := `<http://www.yew-tree.example/sub/lilac/rel.js>; rel="preload"; as=script, ` +
		`<http://www.yew-tree.example/sub/up.js>; rel="preload"; as=script, <https://abs.example/>; rel="preconnect"`
	if d := cmp.Diff(full, string(l.Append(nil, 0, "http", "www.yew-tree.example"))); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// links wraps targets as Parse writes preloads.
func links(targets ...string) string {
	for i, s := range targets {
		targets[i] = "<" + s + `>; rel="preload"`
	}
	return strings.Join(targets, ", ")
}

func TestStructure(t *testing.T) {
	const a, b = `<link rel=preload href=/a>`, `<link rel=preload href=/b>`
	for _, c := range []struct{ name, doc, want string }{
		{"nothing", "", ""},
		{"only text", "no markup < here > at all", ""},
		{"comment", "<!--" + a + "-->" + b, links("/b")},
		{"comment that is closed oddly", "<!--" + a + "--!>" + b, links("/b")},
		{"empty comment", "<!-->" + a, links("/a")},
		{"doctype and instruction", "<?xml version='1.0'?><!DOCTYPE html>" + a, links("/a")},
		{"script", "<script>" + a + "</script>" + b, links("/b")},
		{"script that writes one", "<script><!-- <script>" + a + "</script>" + a + "--></script>" + b, links("/b")},
		{"noscript", "<noscript>" + a + "</noscript>" + b, links("/b")},
		{"style, title, textarea", "<style>" + a + "</style><title>" + a + "</title><textarea>" + a + "</textarea>" + b, links("/b")},
		{"iframe, xmp, noembed, noframes", "<iframe>" + a + "</iframe><xmp>" + a + "</xmp><noembed>" + a + "</noembed><noframes>" + a + "</noframes>" + b, links("/b")},
		{"plaintext", a + "<plaintext>" + b, links("/a")},
		{"script without an end", a + "<script>" + b, links("/a")},
		{"template", "<template>" + a + "</template>" + b, links("/a", "/b")},
		{"an attribute's value", `<p title='` + a + `'>` + b, links("/b")},
		{"empty title of an image", "<svg><title/></svg>" + a, links("/a")},
		{"link of an image that ends itself", `<svg><link rel=preload href=/a /></svg><math><link rel=preload href=/b /></math>`, links("/a", "/b")},
		{"title of an image", "<svg><title>" + a + "</title></svg>" + b, links("/b")},
		{"a slash does not end a title", "<svg/><title/>" + a + "</title>" + b, links("/b")},
		{"tag without an end", a + `<link rel=preload href=/b`, links("/a")},
		{"end tag", `</link rel=preload href=/a>` + b, links("/b")},
		{"another element", `<linker rel=preload href=/a><a rel=preload href=/a>` + b, links("/b")},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, c.doc, Found{Link: c.want}) })
	}
}

func TestAttributes(t *testing.T) {
	for _, c := range []struct{ name, tag, want string }{
		{"any case", `<LiNk REL=preload hReF=/a>`, links("/a")},
		{"unquoted, with slashes", `<link rel=preload href=/a/>`, links("/a/")},
		{"self-closing", `<link rel=preload href="/a"/>`, links("/a")},
		{"line ends between", "<link\n rel\t=\r\n'preload'\fhref = \"/a\" >", links("/a")},
		{"line ends within", "<link rel='preload' href='/a\r\n\tb'>", links("/ab")},
		{"the first of two", `<link rel=preload href=/a href=/b rel=icon>`, links("/a")},
		{"the first is empty", `<link rel=preload href href=/b>`, ``},
		{"a tag's end in quotes", `<link rel=preload href="/a>b">`, links("/a%3Eb")},
		{"as", `<link rel=preload href=/a as=script>`, `</a>; rel="preload"; as=script`},
		{"empty as", `<link rel=preload href=/a as="">`, links("/a")},
		{"as is no token", `<link rel=preload href=/a as="script, </b>; rel=preload">`, ``},
		{"white space in rel", "<link rel='\tpreload\n icon' href=/a>", `</a>; rel=" preload  icon"`},
		{"quotation mark in rel", `<link rel='preload "' href=/a>`, ``},
		{"control character in rel", "<link rel='preload \x01' href=/a>", ``},
		{"other rel", `<link rel="xpreload preloads prefetch" href=/a>`, ``},
		{"no rel", `<link href=/a>`, ``},
		{"no href", `<link rel=preload>`, ``},
		{"data", `<link rel=preload href=" DATA:,x">`, ``},
		{"another attribute", `<link rel=preload href=/a media=print>`, ``},
		{"another attribute without a value", `<link rel=preload crossorigin href=/a>`, ``},
		{"a name that begins with an equals sign", `<link rel=preload =x href=/a>`, ``},
		{"quotation mark and angle brackets", `<link rel=preload href='/a"><b'>`, links("/a%22%3E%3Cb")},
		{"field break", "<link rel=preload href='/a\r\nSet-Cookie: x=1'>", links("/aSet-Cookie: x=1")},
		{"controls", "<link rel=preload href='/a\x00\x01\x7f'>", links("/a%EF%BF%BD%01%7F")},
		{"not ASCII", "<link rel=preload href='/é日😀\u0085\u00a0'>", links("/é日😀%C2%85\u00a0")},
		{"not UTF-8", "<link rel=preload href='/\xff'>", links("/%EF%BF%BD")},
		{"references stay", `<link rel=preload href="/?a&amp;b&quot;&#10;">`, links("/?a&amp;b&quot;&#10;")},
		{"only line ends", "<link rel=preload href='\n'>", ``},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, c.tag, Found{Link: c.want}) })
	}
}

func TestBase(t *testing.T) {
	for _, c := range []struct{ base, href, want string }{
		{"/", "a.js", "/a.js"},
		{"/sub/", "a.js?x#y", "/sub/a.js?x#y"},
		{"/sub/page", "a.js", "/sub/a.js"},
		{"/sub/", "/a.js", "/a.js"},
		{"/sub/", "../../../a.js", "/a.js"},
		{"/sub/", "./x/.%2e/%2E/a.js", "/sub/a.js"},
		{"/sub/", "x/..", "/sub/"},
		{"/sub/", "", ""},
		{"/sub/?q", "#h", "/sub/?q#h"},
		{"/sub/?q", "?r", "/sub/?r"},
		{"/sub/", `\a\b`, "/a/b"},
		{"/sub/", "//CDN.example:443/a", "//cdn.example:443/a"},
		{"/sub/", "https://CDN.example:443/a/../b c", "https://cdn.example/b%20c"},
		{"/sub/", "http://cdn.example:0080", "http://cdn.example/"},
		{"/sub/", "https://bücher.example", "https://xn--bcher-kva.example/"},
		{"/sub/", "https://[2001:DB8::1]:8443/a", "https://[2001:db8::1]:8443/a"},
		{"/sub/", "https://a b/", ""},
		{"/sub/", "https://cdn.example:99999/", ""},
		{"/sub/", "https://user:secret@cdn.example/", ""},
		{"/sub/", "blob:x", "blob:x"},
		{"/sub/", "/é\"<>`{}", "/%C3%A9%22%3C%3E%60%7B%7D"},
		{"/", ".//cdn.example/a", "/.//cdn.example/a"},
		{"/sub/..", "a.js", "/a.js"},
		{"/sub/.", "a.js", "/sub/a.js"},
		{"/sub/../", "", ""},
		{"/sub/x/%2e%2E?q", "#h", "/sub/?q#h"},
		{"https://cdn.example/x/y/..", "a.js", "https://cdn.example/x/a.js"},
		{"app/x/..", "a.js", "app/a.js"},
		{"..", "a.js", "../a.js"},
		{"//cdn.example/x/", "a.js", "//cdn.example/x/a.js"},
		{"https://cdn.example", "a.js", "https://cdn.example/a.js"},
		{"https://cdn.example/x/y", "../a.js", "https://cdn.example/a.js"},
		{"https://cdn.example", "?q", "https://cdn.example/?q"},
		{"https://cdn.example/x/", "//other.example:443/a", "https://other.example/a"},
		{"http://cdn.example/x/", ` \\\\other.example:443`, "http://other.example:443/"},
		{"//cdn.example/x/", "//other.example/a", "//other.example/a"},
		{"./", "a.js", "a.js"},
		{"app/", "a.js", "app/a.js"},
		{"../app/", "../../a.js", "../../a.js"},
		{"app/", "..", "./"},
		{"app/", "../b:c", "./b:c"},
		{"app/", "..//b", ".//b"},
		{"?q", "a.js", "a.js"},
		{"?q", "#h", "?q#h"},
	} {
		t.Run(c.base+" "+c.href, func(t *testing.T) {
			doc := `<base href='` + c.base + `'><link rel=preload href='` + c.href + `'>`
			want := Found{Link: links(c.want), Based: true}
			if c.want == "" {
				want = Found{}
			}
			expect(t, doc, want)
		})
	}
}

func TestWhichBase(t *testing.T) {
	const a = `<link rel=preload href=a>`
	for _, c := range []struct {
		name, doc string
		want      Found
	}{
		{"the first", `<base href=/x/><base href=/y/>` + a, Found{Link: links("/x/a"), Based: true}},
		{"also for links before it", a + `<base href=/x/>` + a, Found{Link: links("/x/a", "/x/a"), Based: true}},
		{"one without href is none", `<base target=_top><base href=/x/>` + a, Found{Link: links("/x/a"), Based: true}},
		{"an empty one is the page", `<base href=""><base href=/x/>` + a, Found{Link: links("a")}},
		{"no URL", `<base href="https://"><base href=/x/>` + a, Found{Link: links("a")}},
		{"another scheme", `<base href="javascript:x">` + a, Found{Link: links("a")}},
		{"in a comment", `<!--<base href=/x/>-->` + a, Found{Link: links("a")}},
		{"too long for any link", `<base href=/` + strings.Repeat("x", 5000) + `/>` + a, Found{Dropped: 1}},
		{"no link", `<base href=/x/>`, Found{}},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, c.doc, c.want) })
	}
}

func TestLimits(t *testing.T) {
	var many strings.Builder
	for i := range 150 {
		many.WriteString(`<link rel=preload href=/` + strconv.Itoa(i) + `>`)
	}
	got, err := Parse(strings.NewReader(many.String()), Options{})
	if err != nil || got.Dropped != 50 || strings.Count(got.Link, "<") != 100 || !strings.HasSuffix(got.Link, `</99>; rel="preload"`) {
		t.Errorf("150 links: %+v, %v", got, err)
	}
	long := `<link rel=preload href=/` + strings.Repeat("x", 3000) + `>`
	got, err = Parse(strings.NewReader(long+long+`<link rel=preload href=/a>`), Options{})
	if err != nil || got.Dropped != 1 || !strings.HasSuffix(got.Link, links("/a")) {
		t.Errorf("two long links and a short one: %d bytes, %d dropped, %v", len(got.Link), got.Dropped, err)
	}
	got, err = Parse(strings.NewReader(`<base href=/>`+strings.Repeat(`<link rel=preload href=a>`, 100)), Options{MaxBytes: 1000})
	if origins := strings.Count(got.Link, "</") * originRoom; err != nil || len(got.Link)+origins > 1000 || got.Dropped == 0 {
		t.Errorf("links that grow: %+v, %v", got, err)
	}
}

// A run of text that nobody would hold in memory ends the reading, and the result says so.
func TestCut(t *testing.T) {
	const a = `<link rel=preload href=/a>`
	big := strings.Repeat("x", maxToken)
	for name, doc := range map[string]string{
		"script":  a + "<script>" + big + "</script>" + a,
		"comment": a + "<!--" + big + "-->" + a,
		"tag":     a + `<link rel=preload href="` + big + `">` + a,
	} {
		t.Run(name, func(t *testing.T) { expect(t, doc, Found{Link: links("/a"), Cut: true}) })
	}
}

func TestReadError(t *testing.T) {
	broken := errors.New("the disk is broken")
	r := io.MultiReader(strings.NewReader(`<link rel=preload href=/a>`), iotest.ErrReader(broken))
	if got, err := Parse(r, Options{}); !errors.Is(err, broken) || got != (Found{}) {
		t.Errorf("Parse = %+v, %v", got, err)
	}
}

func TestRemember(t *testing.T) {
	for _, f := range []Found{
		{}, {Link: links("/a")}, {Link: links("/a"), Based: true}, {Dropped: 12}, {Cut: true},
		{Link: links("/a"), Based: true, Dropped: 1, Cut: true},
	} {
		got, err := Recall(f.Remember())
		if err != nil || got != f {
			t.Errorf("Recall(%q) = %+v, %v; want %+v", f.Remember(), got, err, f)
		}
	}
	for _, s := range []string{"x", "=", "+", "+0", "+x<a>", "+01<a>", "~=<a>", "<a>\n", "<", "+-1<a>"} {
		if got, err := Recall(s); !errors.Is(err, ErrCorrupt) {
			t.Errorf("Recall(%q) = %+v, %v", s, got, err)
		}
	}
}

func expect(t *testing.T, doc string, want Found) {
	t.Helper()
	r := io.Reader(strings.NewReader(doc))
	if len(doc) < maxToken {
		r = iotest.OneByteReader(r) // no token may depend on where a read ends
	}
	got, err := Parse(r, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%.200s\n-want +got\n%s", doc, d)
	}
}
