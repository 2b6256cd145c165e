package control

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/store"
)

const someKey = "a304da4b4a88dc5288e58ab9307a3e3e"

func TestBadForms(t *testing.T) {
	ts := newTestService(t, func(p *testParts) {
		p.opts.MaxFiles, p.opts.MaxManifestBytes, p.opts.MaxBundleBytes, p.opts.MaxRuleFileBytes = 3, 8192, 4096, 512
		p.opts.Rules.MaxRoutesRules, p.opts.Rules.MaxRouteLength = 2, 8
	})
	a := ts.api(t)
	a.project("docs")
	ok, worker := field{"manifest", "{}"}, field{"_worker.bundle", goodBundle}
	var many []field
	for i := range 10000 {
		many = append(many, field{fmt.Sprintf("f%d", i), ""})
	}
	long := strings.Repeat("x", 1<<20)
	for name, tc := range map[string]struct {
		fields  []field
		status  int
		problem string
	}{
		"no parts":             {nil, 400, ""},
		"no manifest":          {[]field{{"branch", "main"}}, 400, "no manifest field"},
		"10,000 parts":         {append([]field{ok}, many...), 400, "more than 64 parts"},
		"manifest too large":   {[]field{{"manifest", `{"/` + long + `":""}`}}, 413, `"manifest" is over 8192 bytes, the limit of this server for it (--max-manifest-bytes)`},
		"manifest twice":       {[]field{ok, ok}, 400, `"manifest" twice`},
		"manifest empty":       {[]field{{"manifest", ""}}, 400, "unexpected EOF"},
		"manifest array":       {[]field{{"manifest", "[]"}}, 400, "not a JSON object"},
		"manifest null":        {[]field{{"manifest", "null"}}, 400, "not a JSON object"},
		"manifest cut":         {[]field{{"manifest", `{"/a":"` + someKey}}, 400, "manifest is malformed"},
		"manifest and more":    {[]field{{"manifest", `{} {}`}}, 400, "something follows"},
		"manifest and rubbish": {[]field{{"manifest", `{}x`}}, 400, "invalid character"},
		"value a number":       {[]field{{"manifest", `{"/a":1}`}}, 400, `the hash of "/a" is not a string`},
		"value an object":      {[]field{{"manifest", `{"/a":{}}`}}, 400, `the hash of "/a" is not a string`},
		"hash short":           {[]field{{"manifest", `{"/a":"abc"}`}}, 400, "not 32 hexadecimal digits"},
		"hash upper case":      {[]field{{"manifest", `{"/a":"` + strings.ToUpper(someKey) + `"}`}}, 400, "not 32 hexadecimal digits"},
		"duplicate path":       {[]field{{"manifest", `{"/a":"` + someKey + `","/\u0061":"` + someKey + `"}`}}, 400, `names "/a" twice`},
		"dot dot":              {[]field{{"manifest", `{"/a/../b":"` + someKey + `"}`}}, 400, `".." segment`},
		"NUL":                  {[]field{{"manifest", `{"/a\u0000":"` + someKey + `"}`}}, 400, "NUL"},
		"invalid UTF-8":        {[]field{{"manifest", "{\"/a\xff\":\"" + someKey + `"}`}}, 400, "not valid UTF-8"},
		"cut UTF-8":            {[]field{{"manifest", "{\"/a\xc3"}}, 400, "not valid UTF-8"},
		"long path":            {[]field{{"manifest", `{"/` + strings.Repeat("x", 5000) + `":"` + someKey + `"}`}}, 400, "longer than 4096 bytes"},
		"relative path":        {[]field{{"manifest", `{"a":"` + someKey + `"}`}}, 400, `does not start with "/"`},
		"too many files":       {[]field{{"manifest", numberedManifest(4)}}, 413, "more than 3 files, the limit"},
		"branch too long":      {[]field{ok, {"branch", strings.Repeat("b", 1025)}}, 413, `"branch" is over 1024 bytes`},
		"branch with newline":  {[]field{ok, {"branch", "a\nb"}}, 400, "control characters"},
		"branch not UTF-8":     {[]field{ok, {"branch", "a\xff"}}, 400, "UTF-8"},
		"dirty maybe":          {[]field{ok, {"commit_dirty", "maybe"}}, 400, "must be true or false"},
		"message too long":     {[]field{ok, {"commit_message", long + "x"}}, 413, `"commit_message" is over`},
		"unknown too long":     {[]field{ok, {"surprise", long + "x"}}, 413, `"surprise" is over`},
		"_headers too long":    {[]field{ok, {"_headers", long}}, 413, `"_headers" is over 512 bytes, the limit of this server for it (--max-rule-file-bytes)`},
		"_routes no JSON":      {[]field{ok, {"_routes.json", "{"}, worker}, 400, "_routes.json:1: not a JSON object"},
		"_routes version":      {[]field{worker, ok, {"_routes.json", `{"version":2,"include":["/*"]}`}}, 400, "(invalid-json-spec"},
		"_routes empty":        {[]field{ok, {"_routes.json", `{"version":1,"include":[],"exclude":[]}`}, worker}, 400, "(no-include-rules)"},
		"_routes overlap":      {[]field{ok, {"_routes.json", `{"version":1,"include":["/a/*","/a/b"],"exclude":[]}`}, worker}, 400, `(overlapping-rules: "/a/* /a/b"); nothing was published`},
		"_routes many":         {[]field{ok, {"_routes.json", `{"version":1,"include":["/a","/b","/c"],"exclude":[]}`}, worker}, 400, "(too-many-rules)"},
		"_routes long":         {[]field{ok, {"_routes.json", `{"version":1,"include":["/abcdefgh"],"exclude":[]}`}, worker}, 400, "(rule-too-long"},
		"_routes too large":    {[]field{ok, {"_routes.json", long}}, 413, `"_routes.json" is over 512 bytes`},
		"bundle garbage":       {[]field{ok, {"_worker.bundle", "garbage"}}, 400, "_worker.bundle is malformed"},
		"bundle too long":      {[]field{ok, {"_worker.bundle", goodBundle[:50] + long}}, 413, `"_worker.bundle" is over 4096 bytes, the limit of this server for it (--max-bundle-bytes)`},
		"bundle epilogue":      {[]field{ok, {"_worker.bundle", goodBundle + long}}, 413, `"_worker.bundle" is over 4096 bytes`},
		"bad after bundle":     {[]field{{"_worker.bundle", goodBundle}, {"manifest", "x"}}, 400, "manifest is malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			rev := ts.deps.Store.Revision()
			ans := ts.api(t).postForm("docs", tc.fields...)
			if ans.Status != tc.status || !strings.Contains(ans.message(), tc.problem) || ans.code() == 8000000 {
				t.Errorf("got %d %s, want %d with %q", ans.Status, ans.Raw, tc.status, tc.problem)
			}
			if ts.deps.Store.Revision() != rev {
				t.Error("a refused form made a commit")
			}
		})
	}
	for name, tc := range map[string]struct{ contentType, body, problem string }{
		"JSON":        {"application/json", "{}", "multipart/form-data"},
		"no boundary": {"multipart/form-data", "", "multipart/form-data"},
		"cut short":   {"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=manifest\r\n\r\n{}", "unexpected EOF"},
		"empty":       {"multipart/form-data; boundary=b", "", "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			ans := ts.api(t).post("docs", tc.contentType, []byte(tc.body))
			if ans.Status != 400 || !strings.Contains(ans.message(), tc.problem) {
				t.Errorf("got %d %s, want 400 with %q", ans.Status, ans.Raw, tc.problem)
			}
		})
	}
	if n := ts.count(t, "docs"); n != 0 {
		t.Errorf("%d deployments", n)
	}
	for info, err := range ts.deps.Blobs.All() {
		t.Errorf("a refused form left blob %v, %v", info, err)
	}
}

func numberedManifest(n int) string { return numbered(n).manifest() }

func TestLongCommitMessageIsCut(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{}, field{"commit_message", strings.Repeat("é", 5000) + "\xff"})
	if got := d.DeploymentTrigger.Metadata.CommitMessage; got != strings.Repeat("é", 2048) {
		t.Errorf("kept %d bytes", len(got))
	}
}

// Without a bound on what stands between two quotation marks each of these costs minutes, or memory as large as itself.
func TestEndlessManifestToken(t *testing.T) {
	const n = 1 << 20
	for name, text := range map[string]string{
		"white space": "{" + strings.Repeat(" \n", n/2) + "}",
		"before":      strings.Repeat(" ", n) + "{}",
		"after":       "{}" + strings.Repeat(" ", n),
		"path":        `{"/` + strings.Repeat("a", n) + `":"` + someKey + `"}`,
		"escapes":     `{"/` + strings.Repeat(`\"`, n/2) + `":"` + someKey + `"}`,
		"hash":        `{"/a":"` + strings.Repeat("a", n) + `"}`,
		"number":      `{"/a":` + strings.Repeat("1", n) + `}`,
	} {
		_, err := readManifest(strings.NewReader(text), 10)
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != 400 || !strings.Contains(e.Message, "neither a path nor a hash") {
			t.Errorf("%s: %.200v", name, err)
		}
	}
	longest := "/" + strings.Repeat(`\\`, 4094) + `\"`
	files, err := readManifest(strings.NewReader(`{"`+longest+`":"`+someKey+`"}`), 10)
	if err != nil || len(files) != 1 || len(files[0].Path) != 4096 {
		t.Errorf("the longest path: %.200v", err)
	}
}

func TestUTF8Reader(t *testing.T) {
	for in, ok := range map[string]bool{
		"": true, "abc": true, "é": true, "a😀b": true, "€€€": true, "😀": true,
		"\xff": false, "a\xc3": false, "\xc3a": false, "\xed\xa0\x80": false, "😀"[:3]: false, "\x80": false, "a\x80\x80\x80\x80": false,
	} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "one": iotest.OneByteReader, "half": iotest.HalfReader, "err": iotest.DataErrReader,
		} {
			got, err := io.ReadAll(&utf8Reader{r: wrap(strings.NewReader(in))})
			if (err == nil) != ok || ok && string(got) != in {
				t.Errorf("%s %q: %q, %v", name, in, got, err)
			}
		}
	}
}

func TestStorageFaultsAreNotTheClients(t *testing.T) {
	disk := blob.NewMem(blob.Options{})
	batch := disk.NewBatch()
	batch.Abort() // a batch that is over takes nothing more
	_, err := storeBlob(batch, strings.NewReader(goodBundle), func(io.Reader) error { return errors.New("not called") })
	var e *Error
	if err == nil || errors.As(formError(err), &e) {
		t.Errorf("got %v, want a fault of the storage", err)
	}
	full := storageFault{fmt.Errorf("store part: %w", store.ErrDiskFull)}
	if e := asError(formError(bundleFails(full))); e.Status != http.StatusInsufficientStorage {
		t.Errorf("got %+v", e)
	}
}

func bundleFails(err error) error { return fmt.Errorf("through a parser: %w", err) }

func FuzzDeploymentForm(f *testing.F) {
	const boundary = "b"
	part := func(name, content string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + content + "\r\n"
	}
	f.Add([]byte(part("manifest", `{"/a":"`+someKey+`"}`) + part("branch", "main") + "--b--\r\n"))
	f.Add([]byte(part("manifest", `{}`) + part("_worker.bundle", goodBundle) + part("_routes.json", `{"version":1,"include":["/*"]}`) + "--b--\r\n"))
	f.Add([]byte(part("commit_message", "x\r\ny") + part("commit_dirty", "true") + part("_headers", "x")))
	f.Add([]byte("--b--"))
	ts := newTestService(f, func(p *testParts) {
		p.deps.Blobs = &blob.NewMem(blob.Options{}).Dir
		p.opts.MaxManifestBytes, p.opts.MaxFiles = 1<<16, 100
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := http.NewRequest("POST", "/", strings.NewReader(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
		batch := ts.deps.Blobs.NewBatch()
		defer batch.Abort()
		form, err := ts.readForm(r, batch)
		if err != nil {
			if e := asError(err); e.Status/100 != 4 {
				t.Errorf("%v is not the client's fault?", err)
			}
			return
		}
		seen := make(map[string]bool)
		for _, file := range form.Files {
			if manifest.CheckPath(file.Path) != nil || seen[file.Path] {
				t.Errorf("accepted path %q", file.Path)
			}
			seen[file.Path] = true
		}
		if len(form.Files) > 100 || len(form.CommitMessage) > maxCommitMessage || len(form.Branch) > maxBranchLen {
			t.Errorf("out of bounds: %d files, branch %q", len(form.Files), form.Branch)
		}
	})
}
