package control

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
	"berth/store"
)

// memoryFiles takes uploaded files and keeps their bytes.
type memoryFiles struct {
	byDigest map[manifest.Digest]string
	open     int
}

type memoryWriter struct {
	files *memoryFiles
	buf   bytes.Buffer
}

func (m *memoryFiles) create() (valueWriter, error) {
	m.open++
	return &memoryWriter{files: m}, nil
}

func (w *memoryWriter) Write(p []byte) (int, error) { return w.buf.Write(p) }
func (w *memoryWriter) Abort()                      { w.files.open-- }
func (w *memoryWriter) Finish() (manifest.Digest, int64, error) {
	w.files.open--
	d := manifest.DigestOf(w.buf.Bytes())
	w.files.byDigest[d] = w.buf.String()
	return d, int64(w.buf.Len()), nil
}

var testLimits = uploadLimits{fileBytes: 1 << 20, files: 100}

// readTestUpload returns the files of an upload as "key=content".
func readTestUpload(src io.Reader, limits uploadLimits) ([]string, error) {
	m := &memoryFiles{byDigest: make(map[manifest.Digest]string)}
	files, err := readUpload(src, limits, newUploadProver(newExtensionsOf()), m.create)
	if m.open != 0 {
		return nil, fmt.Errorf("%d files are left open (%v)", m.open, err)
	}
	var out []string
	for _, f := range files {
		content := m.byDigest[f.Blob.Digest]
		if f.Blob != (store.FileRef{Digest: manifest.DigestOf([]byte(content)), Size: int64(len(content))}) {
			return nil, fmt.Errorf("file %s is %v", f.Key, f.Blob)
		}
		out = append(out, f.Key.String()+"="+content)
	}
	return out, err
}

const (
	key1 = "197ec927d7737a1bb74582fc907d8184"
	key2 = "051240d22ab9086ec5997a6d1ad35ec1"
)

// item is one file of an upload.
func item(key, value string) string {
	return `{"key":"` + key + `","value":"` + value + `","metadata":{"contentType":"text/html"},"base64":true}`
}

func TestReadUpload(t *testing.T) {
	long := strings.Repeat("0123456789", 30000)
	for name, tt := range map[string]struct {
		body string
		want []string
	}{
		"empty":            {`[]`, nil},
		"white space":      {" \r\n\t[ ] \n", nil},
		"as wrangler":      {`[` + item(key1, "Y29uc29sZS5sb2coMikK") + `,` + item(key2, "aGVsbG8K") + `]`, []string{key1 + "=console.log(2)\n", key2 + "=hello\n"}},
		"empty file":       {`[` + item(key1, "") + `]`, []string{key1 + "="}},
		"any order":        {`[ { "base64" : true , "value" : "YQ==" , "metadata" : { } , "key" : "` + key1 + `" } ]`, []string{key1 + "=a"}},
		"least":            {`[{"value":"YWI=","key":"` + key1 + `"}]`, []string{key1 + "=ab"}},
		"unknown members":  {`[{"x":[1,-2.5e+3,{"y":[null,true,false,"\ud83d\u00e9\n"]}],"value":"YWI=","key":"` + key1 + `","":0}]`, []string{key1 + "=ab"}},
		"metadata null":    {`[{"metadata":null,"value":"","key":"` + key1 + `"}]`, []string{key1 + "="}},
		"metadata more":    {`[{"metadata":{"contentType":"a/b","etc":{"z":[]}},"value":"","key":"` + key1 + `"}]`, []string{key1 + "="}},
		"escapes in value": {`[{"value":"\u0059Q\u003d\u003D","key":"\u0031` + key1[1:] + `"},{"value":"\/\/\/\/","key":"` + key2 + `"}]`, []string{key1 + "=a", key2 + "=\xff\xff\xff"}},
		"escaped name":     {`[{"\u0076alue":"YQ==","key":"` + key1 + `"}]`, []string{key1 + "=a"}},
		"same key twice":   {`[` + item(key1, "YQ==") + `,` + item(key1, "Yg==") + `]`, []string{key1 + "=a", key1 + "=b"}},
		"long":             {`[` + item(key1, base64.StdEncoding.EncodeToString([]byte(long))) + `]`, []string{key1 + "=" + long}},
	} {
		t.Run(name, func(t *testing.T) {
			for how, src := range map[string]io.Reader{
				"at once": strings.NewReader(tt.body), "by byte": iotest.OneByteReader(strings.NewReader(tt.body)), "with EOF": iotest.DataErrReader(strings.NewReader(tt.body)),
			} {
				got, err := readTestUpload(src, testLimits)
				if d := cmp.Diff(tt.want, got); d != "" || err != nil {
					t.Errorf("%s: %v %s", how, err, d)
				}
			}
		})
	}
}

func TestReadUploadRefuses(t *testing.T) {
	big := base64.StdEncoding.EncodeToString(make([]byte, testLimits.fileBytes+1))
	good := item(key1, "YQ==")
	for name, tt := range map[string]struct {
		body   string
		status int
		want   string // in the message
	}{
		"nothing":           {``, 400, "breaks off"},
		"object":            {`{}`, 400, "want ["},
		"string":            {`"x"`, 400, "want ["},
		"truncated":         {`[` + good[:40], 400, "file 1, byte 41 of the upload: the JSON breaks off"},
		"truncated array":   {`[` + good, 400, "breaks off"},
		"trailing comma":    {`[` + good + `,]`, 400, "comma"},
		"missing comma":     {`[` + good + good + `]`, 400, "want , or ]"},
		"after the end":     {`[]x`, 400, "more follows"},
		"second array":      {`[][]`, 400, "more follows"},
		"item no object":    {`[1]`, 400, "want {"},
		"second is bad":     {`[` + good + `,{"key":1}]`, 400, "file 2"},
		"no key":            {`[{"value":""}]`, 400, "no key"},
		"no value":          {`[{"key":"` + key1 + `"}]`, 400, "no value"},
		"key twice":         {`[{"key":"` + key1 + `","key":"` + key1 + `","value":""}]`, 400, "key comes twice"},
		"value twice":       {`[{"key":"` + key1 + `","value":"","value":""}]`, 400, "value comes twice"},
		"key short":         {`[` + item(key1[1:], "") + `]`, 400, "hex"},
		"key long":          {`[` + item(key1+"0", "") + `]`, 400, "hex"},
		"key upper case":    {`[` + item(strings.ToUpper(key1), "") + `]`, 400, "hex"},
		"key a path":        {`[` + item("../../../../../../../../etc/passwd", "") + `]`, 400, "hex"},
		"key number":        {`[{"key":1,"value":""}]`, 400, "string as key"},
		"value number":      {`[{"value":1}]`, 400, "string as value"},
		"value null":        {`[{"value":null}]`, 400, "string as value"},
		"value object":      {`[{"value":{}}]`, 400, "string as value"},
		"metadata string":   {`[{"metadata":"x"}]`, 400, "object as metadata"},
		"type number":       {`[{"metadata":{"contentType":5}}]`, 400, "contentType"},
		"base64 false":      {`[{"key":"` + key1 + `","value":"","base64":false}]`, 400, "base64 is false"},
		"base64 string":     {`[{"base64":"true"}]`, 400, "true or false"},
		"base64 tru":        {`[{"base64":tru}]`, 400, "want true"},
		"not base64":        {`[` + item(key1, "Y!==") + `]`, 400, "base64"},
		"no padding":        {`[` + item(key1, "YQ") + `]`, 400, "base64"},
		"padding amid":      {`[` + item(key1, "YQ==YQ==") + `]`, 400, "base64"},
		"padding then more": {`[` + item(key1, "YQ=="+`\u0059Q==`) + `]`, 400, "base64"},
		"stray bits":        {`[` + item(key1, "YR==") + `]`, 400, "base64"},
		"URL alphabet":      {`[` + item(key1, "-_-_") + `]`, 400, "base64"},
		"line break":        {`[` + item(key1, `YQ\n==`) + `]`, 400, "base64"},
		"all line breaks":   {`[` + item(key1, `\n\n\n\n`) + `]`, 400, "base64"},
		"raw line break":    {"[" + item(key1, "YQ\n==") + "]", 400, "control character"},
		"NUL":               {"[" + item(key1, "YQ\x00==") + "]", 400, "control character"},
		"bad escape":        {`[` + item(key1, `\x41`) + `]`, 400, "escape"},
		"bad unicode":       {`[` + item(key1, `\u00zz`) + `]`, 400, "hex digits"},
		"bad number":        {`[{"x":01}]`, 400, "want"},
		"bad fraction":      {`[{"x":1.}]`, 400, "digit"},
		"bad exponent":      {`[{"x":1e}]`, 400, "digit"},
		"bare minus":        {`[{"x":-}]`, 400, "digit"},
		"bad literal":       {`[{"x":nul}]`, 400, "want null"},
		"deep":              {`[{"x":` + strings.Repeat("[", 100000), 400, "deeply"},
		"deep objects":      {`[{"x":` + strings.Repeat(`{"a":`, 100000), 400, "deeply"},
		"file too large":    {`[` + good + `,` + item(key1, big) + `]`, 413, "file 2, byte"},
		"too many":          {`[` + strings.Repeat(good+",", 100) + good + `]`, 413, "100 files"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readTestUpload(strings.NewReader(tt.body), testLimits)
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Status != tt.status || !strings.Contains(e.Message, tt.want) || len(got) != 0 {
				t.Errorf("got %v, %v; want %d with %q", got, err, tt.status, tt.want)
			}
		})
	}
}

// Where the bytes break off for another reason than their end, that reason comes out.
func TestReadUploadKeepsTheSourcesError(t *testing.T) {
	broken := errors.New("the cable")
	whole := `[` + item(key1, "Y29uc29sZS5sb2coMikK") + `]`
	for n := range len(whole) {
		src := io.MultiReader(strings.NewReader(whole[:n]), iotest.ErrReader(broken))
		if _, err := readTestUpload(src, testLimits); !errors.Is(err, broken) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
}

func TestReadUploadKeepsTheWritersError(t *testing.T) {
	full := errors.New("no space")
	_, err := readUpload(strings.NewReader(`[`+item(key1, "YQ==")+`]`), testLimits, newUploadProver(newExtensionsOf()), func() (valueWriter, error) { return nil, full })
	if !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

// oracle reads an upload with encoding/json, by the same rules.
func oracle(body []byte) ([]string, bool) {
	var items []map[string]json.RawMessage
	if json.Unmarshal(body, &items) != nil || items == nil {
		return nil, false
	}
	var out []string
	for _, it := range items {
		var key, value *string
		ok := it != nil && json.Unmarshal(it["key"], &key) == nil && key != nil && json.Unmarshal(it["value"], &value) == nil && value != nil
		if raw, has := it["base64"]; has {
			ok = ok && string(raw) == "true"
		}
		if raw, has := it["metadata"]; has && string(raw) != "null" {
			var m map[string]json.RawMessage
			ok = ok && json.Unmarshal(raw, &m) == nil
			if raw, has := m["contentType"]; has {
				ok = ok && raw[0] == '"'
			}
		}
		if !ok {
			return nil, false
		}
		k, err := manifest.ParseAssetKey(*key)
		if err != nil || strings.ContainsAny(*value, "\r\n") {
			return nil, false
		}
		content, err := base64.StdEncoding.Strict().DecodeString(*value)
		if err != nil {
			return nil, false
		}
		out = append(out, k.String()+"="+string(content))
	}
	return out, true
}

// beyond says whether a body is one that we may refuse though encoding/json takes it: for depth, or because a member comes
// twice in one object, where encoding/json keeps the last and we look at each.
func beyond(body []byte, err error) bool {
	if strings.Contains(err.Error(), "deeply") {
		return true
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return twice(d)
}

// twice reads one value and says whether an object in it has a member twice.
func twice(d *json.Decoder) bool {
	first, err := d.Token()
	open, ok := first.(json.Delim)
	if err != nil || !ok {
		return false
	}
	found, seen := false, make(map[string]bool)
	for d.More() {
		if open == '{' {
			name, _ := d.Token()
			text, _ := name.(string)
			found = found || seen[text]
			seen[text] = true
		}
		found = twice(d) || found
	}
	_, _ = d.Token()
	return found
}

func FuzzUploadBody(f *testing.F) {
	for _, seed := range []string{
		`[]`, `[` + item(key1, "YQ==") + `]`, `[` + item(key1, "") + `,` + item(key2, "aGVsbG8K") + `]`,
		`[{"x":[1,-2.5e+3,{"y":[null,true,false,"\ud83d\u00e9\n"]}],"value":"YWI=","key":"` + key1 + `","":0}]`,
		`[{"value":"\u0059Q\u003d\u003D","key":"\u0031` + key1[1:] + `"}]`, `[{"base64":false}]`, `[{"metadata":null,"metadata":{}}]`,
		`[{"key":"` + key1 + `","value":"","metadata":{"contentType":1,"contentType":"a/b"}}]`,
		`[{"x":01}]`, `[{"x":1.0e-5}]`, ` [ { } ] `, `[{"key":"` + key1 + `","value":"` + "\xff" + `"}]`, `{"a":`, `[1,`, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := readTestUpload(bytes.NewReader(body), testLimits)
		slow, slowErr := readTestUpload(iotest.OneByteReader(bytes.NewReader(body)), testLimits)
		if d := cmp.Diff(got, slow); d != "" || (err == nil) != (slowErr == nil) {
			t.Fatalf("in one piece %v, byte by byte %v: %s", err, slowErr, d)
		}
		want, ok := oracle(body)
		switch {
		case err == nil && !ok:
			t.Fatalf("taken, but it should not be: %v", got)
		case err == nil:
			if d := cmp.Diff(want, got); d != "" {
				t.Fatal(d)
			}
		case ok && !beyond(body, err):
			t.Fatalf("refused: %v", err)
		}
		if e, is := errors.AsType[*Error](err); err != nil && (!is || e.Status/100 != 4) {
			t.Fatalf("not a refusal: %v", err)
		}
	})
}

func BenchmarkReadUpload(b *testing.B) {
	body := []byte(`[` + item(key1, base64.StdEncoding.EncodeToString(make([]byte, 25<<20))) + `]`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	limits, extensions := uploadLimits{fileBytes: 25 << 20, files: 1}, newExtensionsOf()
	for b.Loop() {
		if _, err := readUpload(bytes.NewReader(body), limits, newUploadProver(extensions), func() (valueWriter, error) { return discardFile{}, nil }); err != nil {
			b.Fatal(err)
		}
	}
}

type discardFile struct{}

func (discardFile) Write(p []byte) (int, error)             { return len(p), nil }
func (discardFile) Abort()                                  {}
func (discardFile) Finish() (manifest.Digest, int64, error) { return manifest.Digest{}, 0, nil }
