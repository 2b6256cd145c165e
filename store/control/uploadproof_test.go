package control

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
	"berth/store"
)

// sent is a file as a client sends it. ext is what its key was made with; said, if not nil, what the client says of it.
type sent struct {
	content, ext, mediaType string
	said                    *string
}

func (f sent) key() manifest.AssetKey { return manifest.AssetKeyOf([]byte(f.content), f.ext) }

func bodyOf(t *testing.T, files ...sent) string {
	t.Helper()
	var items []any
	for _, f := range files {
		metadata := map[string]string{"contentType": f.mediaType}
		if f.said != nil {
			metadata["extension"] = *f.said
		}
		items = append(items, map[string]any{"key": f.key().String(), "value": base64.StdEncoding.EncodeToString([]byte(f.content)), "base64": true, "metadata": metadata})
	}
	raw, err := json.Marshal(items)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestUploadProves(t *testing.T) {
	say := func(s string) *string { return &s }
	many := make([]sent, 0, 2*maxMisses)
	for i := range 2 * maxMisses {
		many = append(many, sent{content: fmt.Sprint(i), ext: "unknown", mediaType: "text/html"})
	}
	for name, tt := range map[string]struct {
		files []sent
		want  []string // extensions; "-" for what is not proved
	}{
		"by its type":             {[]sent{{"a", "html", "text/html", nil}, {"b", "htm", "text/html", nil}, {"c", "js", "application/javascript", nil}}, []string{"html", "htm", "js"}},
		"with parameters":         {[]sent{{"a", "html", "text/html; charset=utf-8", nil}}, []string{"html"}},
		"without an extension":    {[]sent{{"LICENSE", "", "application/octet-stream", nil}}, []string{""}},
		"of none we know":         {[]sent{{"a", "xyz", "application/octet-stream", nil}, {"b", "html", "x/y", nil}}, []string{"-", "-"}},
		"said":                    {[]sent{{"a", "xyz", "x/y", say("xyz")}, {"b", "", "x/y", say("")}, {"c", "😀", "x/y", say("😀")}}, []string{"xyz", "", "😀"}},
		"said and wrong":          {[]sent{{"a", "html", "text/html", say("htm")}}, []string{"-"}},
		"said, of no file":        {[]sent{{"a", "a/b", "x/y", say("a/b")}, {"b", "a.b", "x/y", say("a.b")}}, []string{"-", "-"}},
		"said, long":              {[]sent{{"a", strings.Repeat("x", maxExtension), "x/y", say(strings.Repeat("x", maxExtension))}, {"a", strings.Repeat("x", maxExtension+1), "x/y", say(strings.Repeat("x", maxExtension+1))}}, []string{strings.Repeat("x", maxExtension), "-"}},
		"no more of those missed": {append(many, sent{"a", "html", "text/html", nil}, sent{"b", "css", "text/css", nil}), append(strings.Split(strings.Repeat("-", 2*maxMisses), ""), "-", "css")},
		"large":                   {[]sent{{strings.Repeat("large", 50_000), "html", "text/html", nil}}, []string{"html"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memoryFiles{byDigest: make(map[manifest.Digest]string)}
			files, err := readUpload(strings.NewReader(bodyOf(t, tt.files...)), testLimits, newUploadProver(newExtensionsOf()), m.create)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range files {
				if !f.Proved {
					f.Ext = "-"
				}
				got = append(got, f.Ext)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// A file that is not what its key says proves nothing, whatever is said of it.
func TestUploadDoesNotProveAnother(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	up := a.uploader("docs")
	body := bodyOf(t, sent{content: "good", ext: "html", mediaType: "text/html"}, sent{content: "good too", ext: "x", mediaType: "", said: new("x")})
	body = strings.ReplaceAll(body, base64.StdEncoding.EncodeToString([]byte("good")), base64.StdEncoding.EncodeToString([]byte("evil")))
	body = strings.ReplaceAll(body, base64.StdEncoding.EncodeToString([]byte("good too")), base64.StdEncoding.EncodeToString([]byte("evil too")))
	up.must("POST", "/pages/assets/upload", body)
	for proof, err := range s.deps.Store.AllProofs() {
		t.Errorf("proof %+v, %v", proof, err)
	}
	if ans := a.postForm("docs", field{"manifest", site{"/a.html": "good"}.manifest()}); ans.Status != 400 || !strings.Contains(ans.Raw, "bytes that do not match") {
		t.Errorf("%d %s", ans.Status, ans.Raw)
	}
}

// What an upload proved, a deployment takes as it is; its links are known with it.
func TestProvedUploadIsDeployed(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	up := a.uploader("docs")
	page := `<link rel="preload" href="/a.css" as="style">`
	files := []sent{{page, "html", "text/html", nil}, {"a{}", "css", "text/css", nil}}
	up.must("POST", "/pages/assets/upload", bodyOf(t, files...))
	var proofs []store.Proof
	for p, err := range s.deps.Store.AllProofs() {
		if err != nil {
			t.Fatal(err)
		}
		proofs = append(proofs, p)
	}
	if len(proofs) != 2 || len(s.claims(t, "docs", files[0].key().String())) != 0 {
		t.Fatalf("proofs %+v", proofs)
	}
	for _, p := range proofs {
		if doc := p.Extension == "html"; p.LinkKnown != doc || doc != strings.Contains(p.Link, "/a.css") {
			t.Errorf("proof of %q: links %v %q", p.Extension, p.LinkKnown, p.Link)
		}
	}
	if got := up.missing(files[0].key().String(), files[1].key().String()); len(got) != 0 {
		t.Errorf("missing %v", got)
	}
	want := site{"/index.html": page, "/a.css": "a{}"}
	d := s.record(t, a.deploy("docs", "", want))
	if d.Hints == (store.FileRef{}) {
		t.Error("the page has no early hints")
	}
	s.wantContent(t, d.UUID.String(), want)
	s.clean(t)
}
