package nginx

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// words is what the lexer makes of a text, one token each; quoted words in quotes.
func words(text string) (all []string, err error) {
	l := lexer{text: text, line: 1, most: 100}
	for {
		t, err := l.next()
		switch {
		case err != nil:
			return all, err
		case t.kind == end:
			return all, nil
		case t.kind == word && t.quoted:
			all = append(all, fmt.Sprintf("%d'%s'", t.line, t.text))
		case t.kind == word:
			all = append(all, fmt.Sprintf("%d%s", t.line, t.text))
		default:
			all = append(all, []string{semicolon: ";", open: "{", closing: "}"}[t.kind])
		}
	}
}

func TestLexer(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"a b;c{}", []string{"1a", "1b", ";", "1c", "{", "}"}},
		{"a#b # c;\nd", []string{"1a#b", "2d"}},
		{"# only", nil},
		{`"a b" 'c;{"' "";`, []string{"1'a b'", `1'c;{"'`, "1''", ";"}},
		{`"a\"b\\c\.d\te" 'f\'g'`, []string{"1'a\"b\\c\\.d\te'", "1'f'g'"}},
		{`a\ b c\;d e\{ \#f \\.g`, []string{`1a\ b`, `1c\;d`, `1e\{`, `1\#f`, `1\.g`}},
		{"${host}x;$a{", []string{"1${host}x", ";", "1$a", "{"}},
		{"a}b;", []string{"1a}b", ";"}},
		{"'two\nlines'\nc", []string{"1'two\nlines'", "3c"}},
		{"\r\n\ta\r\n;", []string{"2a", ";"}},
		{`~^\d{3}$;`, []string{`1~^\d`, "{", `13}$`, ";"}},
		{`if ("a" = b)`, []string{"1if", `1("a"`, "1=", "1b)"}},
		{`("a")`, []string{`1("a")`}},
		{`a\`, []string{`1a\`}},
	} {
		got, err := words(tt.text)
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%q: %v %s", tt.text, err, diff)
		}
	}
}

func read(files map[string]string, o Options) (*Config, error) {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return Read(fsys, "etc/nginx.conf", o)
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name, text, says string
		line             int
	}{
		{"quote open", "a;\nb 'c;\n", "does not end", 2},
		{"behind a quote", "a 'b'c;", "space", 1},
		{"block open", "http {\n server {\n}\n", "block begins here", 1},
		{"brace too many", "a;\n}\n", "no block is open", 2},
		{"no name", ";\n", "begin with its name", 1},
		{"no semicolon", "http {\n root /a\n}", "does not end", 2},
		{"no semicolon at the end", "root /a", "does not end", 1},
		{"braces unquoted", "server {\n server_name ~^a{3}$;\n}", "must be quoted", 2},
		{"long parameter", "a " + strings.Repeat("b", 101) + ";", "MaxParameter", 1},
		{"deep", strings.Repeat("a {\n", 6), "MaxNesting", 6},
		{"many", strings.Repeat("a;\n", 21), "MaxDirectives", 21},
		{"large", strings.Repeat("#####\n", 200), "MaxBytes", 0},
		{"itself", "a;\ninclude nginx.conf;", "includes itself", 2},
		{"itself by another", "include other.conf;", "includes itself", 3},
		{"includes deep", "include d/0;", "MaxNesting", 1},
		{"includes many", "include m/*;", "MaxFiles", 1},
		{"include without a name", "\ninclude;", "one parameter", 2},
		{"include of a bad pattern", "include [;", "no pattern", 1},
		{"include of a directory", "include m;", "cannot be read", 1},
		{"many names", "server {\n listen 1; listen 2; listen 3; server_name a b c d;\n}", "MaxNames", 1},
		{"Lua open", "a_by_lua_block {\n {}", "Lua", 1},
	} {
		files := map[string]string{"etc/nginx.conf": tt.text, "etc/other.conf": "\n\ninclude /etc/nginx.conf;"}
		for i := range 10 {
			files[fmt.Sprintf("etc/d/%d", i)] = fmt.Sprintf("include d/%d;", i+1)
			files[fmt.Sprintf("etc/m/%d", i)] = "a;"
		}
		_, err := read(files, Options{MaxParameter: 100, MaxNesting: 5, MaxDirectives: 20, MaxBytes: 1000, MaxFiles: 8, MaxNames: 11})
		fault, ok := errors.AsType[*Error](err)
		if !ok || fault.Line != tt.line || !strings.Contains(fault.Message, tt.says) || fault.File == "" {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := read(nil, Options{}); err == nil {
		t.Error("no file is read without an error")
	}
	if _, err := read(nil, Options{MaxFiles: -1, MaxBytes: -1, MaxNesting: -1}); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("faults of options: %v", err)
	}
}

func TestIncludes(t *testing.T) {
	c, err := read(map[string]string{
		"etc/nginx.conf":    "http { include conf.d/*.conf; include /srv/[ab]; include none/*; include ../srv/c; include gone; }",
		"etc/conf.d/2.conf": "server { server_name two.example; include root; }",
		"etc/conf.d/1.conf": "server { server_name one.example; include root; }",
		"etc/conf.d/x":      "}",
		"etc/root":          "root /r;", // relative to the main file's directory, not to conf.d
		"srv/a":             "server { server_name a.example; root /a; }",
		"srv/b":             "",
		"srv/c":             "map $host $x { c.example 1; include srv/../more; }",
		"etc/more":          "d.example 2;",
	}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range c.Entries {
		got = append(got, fmt.Sprintf("%s %s=%s", e.Position, e.Name, e.Value))
	}
	want := []string{"etc/conf.d/1.conf:1 one.example=/r", "etc/conf.d/2.conf:1 two.example=/r", "srv/a:1 a.example=/a", "srv/c:1 c.example=1", "etc/more:1 d.example=2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(c.Problems) != 1 || !strings.Contains(c.Problems[0].String(), "etc/gone") || len(c.Files) != 9 {
		t.Errorf("problems %v, files %v", c.Problems, c.Files)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"http { server { listen 80; server_name a .b *.c d.* ~^(?<x>.+)\\.e$ \"\" _; root /srv/$host; } }",
		"map $host $x { hostnames; volatile; default 1; *.a 2; ~*^B$ 3; \\include 4; include x; }", "include *;", "include /x;", "a_by_lua_block { \"}\" --}\n }",
		"'\\'", "a\\", "${", "server{server_name '~^a{2}$';return 301 https://$host$request_uri;}", "# {", "}", "server { server_name . *. ~ ~* .* *; }",
	} {
		f.Add(s, "b;")
	}
	f.Fuzz(func(t *testing.T, main, other string) {
		c, err := read(map[string]string{"etc/nginx.conf": main, "etc/x": other}, Options{MaxFiles: 20, MaxDirectives: 500, MaxNesting: 10, MaxBytes: 1 << 16})
		if err != nil {
			if fault, ok := errors.AsType[*Error](err); !ok || fault.File == "" || fault.Line > strings.Count(main, "\n")+strings.Count(other, "\n")+1 {
				t.Fatalf("%v", err)
			}
			return
		}
		for _, e := range c.Entries {
			routes := len(e.Hosts) + len(e.Wildcards)
			if e.Why == "" || e.Line < 1 || (e.Reason == "") != (routes > 0) || int(e.Class) > 3 || e.Kind.String() == "unknown" {
				t.Fatalf("%+v", e)
			}
		}
		_ = written(c)
	})
}
