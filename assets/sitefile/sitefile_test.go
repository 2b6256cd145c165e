package sitefile

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	yes, no, none, days, hours := true, false, time.Duration(0), 72*time.Hour, 36*time.Hour
	for text, want := range map[string]Settings{
		"":                                   {},
		"# nothing\n\n":                      {},
		"cors = true":                        {CORS: &yes},
		"cors = false\r\n":                   {CORS: &no},
		"\ufeffcors = false\n":               {CORS: &no},
		"\"cors\" = false # quoted\n":        {CORS: &no},
		"skew_protection = true\n":           {SkewProtection: &yes},
		"keep_assets = \"off\"\n":            {KeepAssets: &none},
		"keep_assets = '3d'\n":               {KeepAssets: &days},
		"keep_assets = \"1d12h\"\ncors=true": {KeepAssets: &hours, CORS: &yes},
		"keep_assets = \"\"\"3d\"\"\"":       {KeepAssets: &days},
	} {
		got, problems := Parse([]byte(text), Options{MaxKeep: 7 * day})
		if diff := cmp.Diff(want, got); diff != "" || problems != nil {
			t.Errorf("%q: %v\n%s", text, problems, diff)
		}
	}
}

// Each problem has its line, its kind, the text that is wrong and a word of what to write.
func TestProblems(t *testing.T) {
	for _, c := range []struct {
		text string
		line int
		kind Kind
		bad  string // Text
		says string // in Message
	}{
		{"cors = true\nCors = true\n", 2, UnknownKey, "Cors", "there are cors, skew_protection and keep_assets"},
		{"\n\ncors.all = true", 3, UnknownKey, "cors.all", "there are cors"},
		{"# x\n[serve]\nhttp = ':80'\n", 2, UnknownKey, "serve", "--config"},
		{"[[serve]]\n", 1, UnknownKey, "serve", "the table [serve]"},
		{"cors = 'true'", 1, BadValue, "true", "write cors = true"},
		{"cors = 1", 1, BadValue, "1", "write cors = true"},
		{"cors = []", 1, BadValue, "array", "write cors = true"},
		{"skew_protection = 2026-01-01", 1, BadValue, "2026-01-01", "write skew_protection = true"},
		{"keep_assets = 3", 1, BadValue, "3", `write keep_assets = "3d"`},
		{"keep_assets = false", 1, BadValue, "false", `"off"`},
		{"keep_assets = {d = 3}", 1, BadValue, "inlinetable", `"off"`},
		{"keep_assets = '3 days'", 1, BadValue, "3 days", `such as "3d"`},
		{"keep_assets = '0d'", 1, BadValue, "0d", `"off"`},
		{"\nkeep_assets = '7d1m'", 2, OverLimit, "7d1m", `for 7d at most (--keep-assets)`},
		{"cors = true\ncors = false\n", 2, BadTOML, "", "not TOML"},
		{"cors = true\n\ncors\n", 3, BadTOML, "", "write lines such as"},
		{"cors = \xff\n", 1, BadTOML, "", "not TOML"},
		{"cors = true\x00\n", 1, BadTOML, "", "not TOML"},
		{strings.Repeat("#", MaxBytes+1), 0, TooLarge, "", "65536"},
	} {
		got, problems := Parse([]byte(c.text), Options{MaxKeep: 7 * day})
		if got != (Settings{}) || len(problems) != 1 {
			t.Errorf("%.60q: %v, %v", c.text, got, problems)
			continue
		}
		p := problems[0]
		if p.Line != c.line || p.Kind != c.kind || p.Text != c.bad || !strings.Contains(p.Message, c.says) {
			t.Errorf("%.60q: %+v\nwant line %d, kind %s, text %q, %q", c.text, p, c.line, c.kind, c.bad, c.says)
		}
	}
}

func TestAllProblemsAreTold(t *testing.T) {
	_, problems := Parse([]byte("cors = 1\nx = 2\nkeep_assets = 3\n"), Options{})
	want := []string{"berth.toml:1: cors is ", "berth.toml:2: there is no", "berth.toml:3: keep_assets is"}
	for i, p := range problems {
		if len(problems) != len(want) || !strings.HasPrefix(p.String(), want[i]) {
			t.Errorf("problem %d of %d: %s", i+1, len(problems), p)
		}
	}
	var many strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&many, "k%d = 1\n", i)
	}
	if _, problems = Parse([]byte(many.String()), Options{}); len(problems) != maxProblems {
		t.Errorf("%d problems, want the first %d", len(problems), maxProblems)
	}
}

func TestParseKeep(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"off": 0, "3d": 3 * day, "12h": 12 * time.Hour, "90m": 90 * time.Minute, "1d2h3m": 26*time.Hour + 3*time.Minute, "1d1m": day + time.Minute, "36500d": maxKeep,
	} {
		if got, err := ParseKeep(in); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "Off", "3", "d", "3D", "3w", "90s", "-1d", "+1d", "1.5d", " 3d", "3d ", "1h1d", "1d1d", "0d", "0d0h0m", "36501d", "99999999999999999999d", "18446744073709551615d", "1d18446744073709551615h", "3d\n"} {
		if got, err := ParseKeep(in); err == nil {
			t.Errorf("%q was taken for %v", in, got)
		}
	}
}

func TestFormatKeep(t *testing.T) {
	for in, want := range map[time.Duration]string{0: "off", -1: "off", 7 * day: "7d", 36 * time.Hour: "1d12h", time.Minute: "1m", 90 * time.Second: "1m30s"} {
		if got := FormatKeep(in); got != want {
			t.Errorf("%v: %s, want %s", in, got, want)
		}
	}
}

func TestCheckKeep(t *testing.T) {
	for _, c := range []struct {
		d, limit time.Duration
		ok       bool
	}{{0, -1, true}, {0, day, true}, {day, day, true}, {day + 1, day, false}, {day, 0, true}, {time.Minute, -1, false}} {
		if err := CheckKeep(c.d, c.limit); (err == nil) != c.ok {
			t.Errorf("%v of %v: %v", c.d, c.limit, err)
		}
	}
}

// Whatever a stranger writes is settings or problems, never both, never neither and never a crash.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"cors = true\nskew_protection = false\nkeep_assets = \"3d\"\n", "[a]\nb = 1", "a.b.c = {d = [1, 2]}", "keep_assets = '''x\ny'''",
		"a = " + strings.Repeat("[", 2000), strings.Repeat("a.", 2000) + "b = 1", "cors = true\n\"\\u0000\" = 1", "[[a]]\n[[a]]\n", "\"\" = 1",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		got, problems := Parse(text, Options{MaxKeep: 7 * day})
		if !bytes.Equal(text, before) {
			t.Fatal("the text was changed")
		}
		if len(problems) > 0 && got != (Settings{}) || len(problems) > maxProblems {
			t.Fatalf("%v with %d problems", got, len(problems))
		}
		if got.KeepAssets != nil && (*got.KeepAssets < 0 || *got.KeepAssets > 7*day) {
			t.Fatalf("kept for %v", *got.KeepAssets)
		}
		lines := bytes.Count(text, []byte("\n")) + 1
		for _, p := range problems {
			if p.Line < 0 || p.Line > lines || p.Message == "" || !utf8.ValidString(p.String()) || strings.ContainsAny(p.String(), "\n\r\x00\x1b") {
				t.Fatalf("problem %q at line %d of %d", p, p.Line, lines)
			}
		}
	})
}
