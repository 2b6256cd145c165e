package bundle

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func part(name, contentType, content string) string {
	head := fmt.Sprintf("Content-Disposition: form-data; name=%q", name)
	if contentType != "" {
		head += fmt.Sprintf("; filename=%q\r\nContent-Type: %s", name, contentType)
	}
	return "--bb\r\n" + head + "\r\n\r\n" + content + "\r\n"
}

func TestRead(t *testing.T) {
	in := part("metadata", "", `{"main_module":"w.js","compatibility_date":"2025-06-01","compatibility_flags":["nodejs_compat"],"bindings":[
		{"name":"A","type":"plain_text","text":"a\"b"},{"name":"S","type":"secret_text","text":"s"},{"name":"J","type":"json","json":{"x":[1]}},
		{"name":"KV","type":"kv_namespace","namespace_id":"1"},{"name":"ODD","type":"plain_text","text":5},{"name":"ASSETS","type":"assets"}]}`) +
		part("w.js", "application/javascript+module", "main") + part("./c.js", "application/javascript", "common") +
		part("m.wasm", "application/wasm", "\x00asm") + part("t.txt", "text/plain; charset=utf-8", "text") +
		part("b.bin", "application/octet-stream", "\x00\xff") + part("w.js.map", "application/source-map", "{}") + "--bb--\r\n"
	type module struct {
		Name string
		Kind Kind
		Body string
	}
	var got []module
	info, err := Read(strings.NewReader(in), func(name string, kind Kind, r io.Reader) error {
		body, err := io.ReadAll(r)
		got = append(got, module{name, kind, string(body)})
		return err
	})
	want := []module{
		{"w.js", JS, "main"}, {"./c.js", CommonJS, "common"}, {"m.wasm", Wasm, "\x00asm"}, {"t.txt", Text, "text"},
		{"b.bin", Data, "\x00\xff"}, {"w.js.map", SourceMap, "{}"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("modules: %v\n%s", err, diff)
	}
	wantInfo := Info{Modules: 5, Metadata: Metadata{
		MainModule: "w.js", CompatibilityDate: "2025-06-01", CompatibilityFlags: []string{"nodejs_compat"},
		Bindings: []Binding{
			{"A", "plain_text", json.RawMessage(`"a\"b"`)}, {"S", "secret_text", json.RawMessage(`"s"`)}, {"J", "json", json.RawMessage(`{"x":[1]}`)},
			{"KV", "kv_namespace", nil}, {"ODD", "plain_text", nil},
		},
	}}
	if diff := cmp.Diff(wantInfo, info); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"KV (kv_namespace)", "ODD (plain_text)"}, info.Missing()); diff != "" {
		t.Error(diff)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(part("metadata", "", `{"main_module":"w.js"}`) + part("w.js", "application/javascript+module", "x") + "--bb--\r\n")
	f.Add("--bb\r\n\r\n--bb--")
	f.Fuzz(func(t *testing.T, in string) {
		seen := map[string]bool{}
		info, err := Read(strings.NewReader(in), func(name string, _ Kind, _ io.Reader) error {
			seen[name] = true
			return nil
		})
		if err == nil && (!seen[info.MainModule] || info.Modules < 1 || info.Modules > len(seen)) {
			t.Errorf("%q: %+v of modules %v", in, info, seen)
		}
	})
}
