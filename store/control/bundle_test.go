package control

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"berth/assets/bundle"
)

func bundlePart(name, contentType, content string) string {
	head := fmt.Sprintf("Content-Disposition: form-data; name=%q", name)
	if contentType != "" {
		head += fmt.Sprintf("; filename=%q\r\nContent-Type: %s", name, contentType)
	}
	return "--bb\r\n" + head + "\r\n\r\n" + content + "\r\n"
}

const jsModule = "application/javascript+module"

var goodBundle = bundlePart("metadata", "", `{"main_module":"w.js"}`) + bundlePart("w.js", jsModule, "export default {}") +
	bundlePart("chunks/a.js", jsModule, "export {}") + bundlePart("w.js.map", "application/source-map", "{}") + "--bb--\r\n"

func TestReadBundle(t *testing.T) {
	meta := bundlePart("metadata", "", `{"main_module":"w.js","bindings":[]}`)
	main := bundlePart("w.js", jsModule, "x")
	const end = "--bb--\r\n"
	for name, tc := range map[string]struct{ in, problem string }{
		"good":               {goodBundle, ""},
		"bare newlines":      {strings.ReplaceAll(goodBundle, "\r\n", "\n"), ""},
		"epilogue":           {goodBundle + "more", ""},
		"main only":          {meta + main + end, ""},
		"same base names":    {meta + main + bundlePart("a/x.js", jsModule, "") + bundlePart("b/x.js", jsModule, "") + end, ""},
		"empty":              {"", "does not begin with a multipart boundary"},
		"garbage":            {strings.Repeat("\xfe\x00garbage", 1000), "does not begin with a multipart boundary"},
		"no boundary":        {"--\r\n", "does not begin with a multipart boundary"},
		"boundary too long":  {"--" + strings.Repeat("b", 71) + "\r\n", "does not begin with a multipart boundary"},
		"nothing inside":     {"--bb--\r\n", "_worker.bundle is malformed"},
		"truncated":          {strings.TrimSuffix(goodBundle, "--bb--\r\n"), "unexpected EOF"},
		"metadata not first": {main + meta + end, `first part is "w.js"`},
		"metadata no JSON":   {bundlePart("metadata", "", "{") + main + end, "metadata is not the JSON"},
		"metadata an array":  {bundlePart("metadata", "", "[]") + main + end, "metadata is not the JSON"},
		"metadata huge":      {bundlePart("metadata", "", strings.Repeat(" ", 1<<20)+`{}`) + main + end, "metadata is over 1048576 bytes"},
		"no main module":     {bundlePart("metadata", "", "{}") + main + end, "names no main_module"},
		"main module absent": {bundlePart("metadata", "", `{"main_module":"v.js"}`) + main + end, `"v.js" is not in it`},
		"main module wasm":   {meta + bundlePart("w.js", "application/wasm", "") + end, "not JavaScript"},
		"twice":              {meta + main + main + end, `two modules are called "w.js"`},
		"outside":            {meta + main + bundlePart("../x.js", jsModule, "") + end, "lies outside the bundle"},
		"absolute":           {meta + main + bundlePart("/x.js", jsModule, "") + end, "lies outside the bundle"},
		"nameless":           {meta + main + bundlePart("", jsModule, "") + end, "name has 0 bytes"},
		"many modules":       {meta + main + manyModules(2000) + end, "more than 2000 modules"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []string{"whole", "bytes"} {
				in := strings.NewReader(tc.in)
				var err error
				if r == "whole" {
					_, err = readBundle(in)
				} else {
					_, err = readBundle(iotest.HalfReader(in))
				}
				if tc.problem == "" {
					if err != nil {
						t.Fatal(err)
					}
					continue
				}
				var e *Error
				if !errors.As(err, &e) || e.Status != http.StatusBadRequest || !strings.Contains(e.Message, tc.problem) {
					t.Fatalf("got %v, want a refusal with %q", err, tc.problem)
				}
			}
		})
	}
	info, err := readBundle(strings.NewReader(goodBundle))
	if diff := cmp.Diff(bundle.Info{Metadata: bundle.Metadata{MainModule: "w.js"}, Modules: 2}, info); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func manyModules(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(bundlePart(fmt.Sprintf("m%d.js", i), jsModule, ""))
	}
	return b.String()
}

func FuzzBundle(f *testing.F) {
	f.Add([]byte(goodBundle))
	f.Add([]byte(strings.ReplaceAll(goodBundle, "\r\n", "\n")))
	f.Add([]byte(goodBundle[:100]))
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=metadata\r\n\r\n{\"main_module\":\"\"}\r\n--b--"))
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := readBundle(strings.NewReader(string(b)))
		if err == nil && (info.MainModule == "" || info.Modules < 1 || info.Modules > bundle.MaxModules) {
			t.Errorf("accepted with %+v", info)
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Status/100 != 4) {
			t.Errorf("not a refusal: %v", err)
		}
	})
}
