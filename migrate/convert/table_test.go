package convert

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func readAll(r io.Reader, o Options) (filters []Filter, err error) {
	t, err := NewReader(r, o)
	if err != nil {
		return nil, err
	}
	for {
		f, err := t.Next()
		if err == io.EOF {
			return filters, nil
		}
		if err != nil {
			_, again := t.Next()
			if again != err {
				return nil, fmt.Errorf("after %w, Next says %v", err, again)
			}
			return filters, err
		}
		filters = append(filters, f)
	}
}

func TestTable(t *testing.T) {
	const text = ` {"filters" : [ {"pattern":"^(?:a.b(?:[:][0-9]+)?\\/(?<p1>.*))$","script_hash":"h1"},
 {"script_hash":"h2","pattern":"\u005eb\/é"} ], "v": 1 }
`
	want := []Filter{
		{Index: 0, Pattern: `^(?:a.b(?:[:][0-9]+)?\/(?<p1>.*))$`, ScriptHash: "h1", Offset: int64(strings.Index(text, `{"pat`))},
		{Index: 1, Pattern: `^b/é`, ScriptHash: "h2", Offset: int64(strings.Index(text, `{"scr`))},
	}
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(text), "by byte": iotest.OneByteReader(strings.NewReader(text)), "with EOF": iotest.DataErrReader(strings.NewReader(text)),
	} {
		got, err := readAll(r, Options{MaxBytes: int64(len(text))})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, empty := range []string{`{"filters":[],"v":1}`, `{"v":1,"filters":[]}`} {
		if got, err := readAll(strings.NewReader(empty), Options{}); err != nil || got != nil {
			t.Errorf("%s: %v, %v", empty, got, err)
		}
	}
}

func TestBadTables(t *testing.T) {
	const ok = `{"pattern":"p","script_hash":"h"}`
	boom := errors.New("boom")
	for _, tt := range []struct {
		name, text string
		problem    error
		entry      int
		offset     int64
		says       string
	}{
		{"empty", ``, ErrTruncated, -1, 0, "copy"},
		{"truncated in a filter", `{"filters":[` + ok + `,{"pattern":"^a`, ErrTruncated, 1, 60, "copy"},
		{"truncated behind a filter", `{"filters":[` + ok, ErrTruncated, -1, 45, "copy"},
		{"truncated behind all", `{"filters":[` + ok + `],"v":1`, ErrTruncated, -1, 52, "copy"},
		{"two tables", `{"filters":[],"v":1}{"filters":[],"v":1}`, ErrTrailing, -1, 21, ".ndjson"},
		{"rubbish behind", `{"filters":[],"v":1} x`, ErrTrailing, -1, 21, "one table"},
		{"array", `[]`, ErrType, -1, 1, `{"filters"`},
		{"null", `null`, ErrType, -1, 4, "null"},
		{"no filters", `{"v":1}`, ErrMissingKey, -1, 7, "filters"},
		{"no version", `{"filters":[]}`, ErrMissingKey, -1, 14, `"v"`},
		{"version 2", `{"v":2,"filters":[]}`, ErrVersion, -1, 6, `"v":1`},
		{"version 1.0", `{"v":1.0}`, ErrVersion, -1, 8, "1.0"},
		{"version as text", `{"v":"1"}`, ErrType, -1, 8, "the number 1"},
		{"version twice", `{"v":1,"v":1}`, ErrDuplicateKey, -1, 10, `"v"`},
		{"filters twice", `{"filters":[],"filters":[]}`, ErrDuplicateKey, -1, 23, `"filters"`},
		{"filters as object", `{"filters":{}}`, ErrType, -1, 12, "is an array"},
		{"filter as text", `{"filters":["p"]}`, ErrType, 0, 15, "a filter is an object"},
		{"pattern as number", `{"filters":[{"pattern":1}]}`, ErrType, 0, 24, "write a string"},
		{"pattern as null", `{"filters":[` + ok + `,{"pattern":null}]}`, ErrType, 1, 61, "null"},
		{"hash as list", `{"filters":[{"script_hash":["h"]}]}`, ErrType, 0, 28, "an array"},
		{"no hash", `{"filters":[{"pattern":"p"}],"v":1}`, ErrMissingKey, 0, 27, `"script_hash"`},
		{"empty hash", `{"filters":[{"pattern":"p","script_hash":""}],"v":1}`, ErrMissingKey, 0, 40, "empty"},
		{"no pattern", `{"filters":[{"script_hash":"h"}],"v":1}`, ErrMissingKey, 0, 31, `"pattern"`},
		{"pattern twice", `{"filters":[{"pattern":"p","pattern":"p"}]}`, ErrDuplicateKey, 0, 36, "keep one"},
		{"unknown key", `{"filter":[]}`, ErrUnknownKey, -1, 9, `"filters" and "v"`},
		{"unknown key in a filter", `{"filters":[{"patern":"p"}]}`, ErrUnknownKey, 0, 21, `"pattern" and "script_hash"`},
		{"comma too many", `{"filters":[` + ok + `,],"v":1}`, ErrSyntax, 1, -1, ""},
		{"single quotes", `{'filters':[]}`, ErrSyntax, -1, -1, ""},
		{"not UTF-8", `{"filters":[{"pattern":"` + "a\xff" + `"}]}`, ErrUTF8, -1, 25, "UTF-8"},
		{"UTF-8 cut", `{"filters":[{"pattern":"` + "\xc3", ErrUTF8, 0, 25, "cut"},
		{"too many bytes", `{"filters":[` + ok + strings.Repeat(" ", 500) + `],"v":1}`, ErrTooLarge, -1, 500, "MaxBytes"},
		{"too many filters", `{"filters":[` + ok + "," + ok + "," + ok + `],"v":1}`, ErrTooLarge, 2, 79, "MaxEntries"},
		{"pattern too long", `{"filters":[{"pattern":"` + strings.Repeat("p", 101) + `"}]}`, ErrTooLong, 0, 22, "MaxString"},
	} {
		_, err := readAll(strings.NewReader(tt.text), Options{MaxBytes: 500, MaxEntries: 2, MaxString: 100})
		got, is := errors.AsType[*TableError](err)
		switch {
		case !is || !errors.Is(err, tt.problem) || got.Entry != tt.entry || tt.offset >= 0 && got.Offset != tt.offset:
			t.Errorf("%s: %v, at %+v; want %v at byte %d, entry %d", tt.name, err, got, tt.problem, tt.offset, tt.entry)
		case !strings.Contains(err.Error(), tt.says):
			t.Errorf("%s: %v; does not say %q", tt.name, err, tt.says)
		}
	}
	_, err := readAll(io.MultiReader(strings.NewReader(`{"filters":[`), iotest.ErrReader(boom)), Options{})
	if at, ok := errors.AsType[*TableError](err); !ok || !errors.Is(err, boom) || at.Offset != 12 {
		t.Errorf("failing reader: %v", err)
	}
}

// endless is a table that never ends, and counts what is read of it.
type endless struct {
	head string
	fill string
	read int64
}

func (e *endless) Read(p []byte) (n int, _ error) {
	for n < len(p) {
		if e.head == "" {
			e.head = e.fill
		}
		c := copy(p[n:], e.head)
		e.head = e.head[c:]
		n += c
	}
	e.read += int64(n)
	return n, nil
}

// Neither a table of 100 MB nor one string of that size is held in memory, or read to its end.
func TestHugeTables(t *testing.T) {
	many := &endless{head: `{"filters":[{"pattern":"p","script_hash":"h"}`, fill: `,{"pattern":"p","script_hash":"h"}`}
	filters, err := readAll(many, Options{MaxBytes: 1 << 20})
	if !errors.Is(err, ErrTooLarge) || len(filters) < 30_000 || many.read > 1<<20+chunk {
		t.Errorf("endless table: %v after %d filters, %d bytes", err, len(filters), many.read)
	}
	long := &endless{head: `{"filters":[{"pattern":"`, fill: "aaaaaaaa"}
	_, err = readAll(long, Options{})
	if !errors.Is(err, ErrTooLong) || long.read > 1<<20 {
		t.Errorf("endless string: %v after %d bytes", err, long.read)
	}
	spaces := &endless{fill: "        "}
	if _, err = readAll(spaces, Options{}); err == nil || spaces.read > 65<<20 {
		t.Errorf("endless space: %v after %d bytes", err, spaces.read)
	}
}

func TestConverterTable(t *testing.T) {
	const text = `{"filters":[{"pattern":"^(?:a|b).c/","script_hash":"1"},{"pattern":"^a\\.c/","script_hash":"2"},
		{"pattern":"^[^./]+\\.d/","script_hash":"3"},{"pattern":"^a\\.c/blog","script_hash":"4"}],"v":1}`
	c := newConverter(t, Options{})
	var routes []string
	emit := func(r Route) error {
		routes = append(routes, fmt.Sprintf("%s=%s@%d", r, r.ScriptHash, r.Entry))
		return nil
	}
	report, err := c.Table(strings.NewReader(text), emit)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a.c=1@0", "b.c=1@0", "*.d=3@2"}, routes); diff != "" {
		t.Error(diff)
	}
	if report.Entries != 4 || report.Hosts != 2 || report.Wildcards != 1 || report.Complete() ||
		report.ByClass != [numClasses]int{1, 1, 1, 1} || report.ByReason[ReasonPath] != 1 || report.Notes[NoteLooseDot] != 1 || len(report.Examples) != 4 {
		t.Errorf("report: %+v", report)
	}
	boom := errors.New("boom")
	if _, err := c.Table(strings.NewReader(text), func(Route) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("emit failed: %v", err)
	}
	if r, err := c.Table(strings.NewReader(text), func(Route) error { return ErrStop }); err != nil || r.Entries != 1 {
		t.Errorf("stopped: %v, %v", r, err)
	}
	if r, err := c.Table(strings.NewReader(text[:100]), nil); !errors.Is(err, ErrTruncated) || r.Entries != 2 {
		t.Errorf("truncated: %v, %v", r, err)
	}
}

// table writes a table of n deployments of one project, as the old design did.
func table(n int) string {
	var b strings.Builder
	b.WriteString(`{"filters":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"pattern":"^(?:%08x.docs.pages.dev(?:[:][0-9]+)?\\/(?<p1>.*))$","script_hash":"%032x"}`, uint32(i)*2654435761, i)
	}
	b.WriteString(`],"v":1}`)
	return b.String()
}

// What a report holds does not grow with its table.
func TestLargeTable(t *testing.T) {
	const n = 5000
	routes := 0
	report, err := newConverter(t, Options{}).Table(strings.NewReader(table(n)), func(Route) error { routes++; return nil })
	if err != nil || routes != n || report.Hosts != n || report.Notes[NoteLooseDot] != n || len(report.Examples) > 10 {
		t.Errorf("%d routes, %+v, %v", routes, report, err)
	}
}

func FuzzTable(f *testing.F) {
	for _, s := range []string{
		`{"filters":[{"pattern":"^a.b/","script_hash":"h"}],"v":1}`, `{"v":1,"filters":[]}`, `{"filters":[{"pattern":"\ud800","script_hash":"` + "\xff" + `"}]`,
		`{"v":1e0}`, `[[[[`, `{"filters":[{}]}`, "\ufeff{}", `{"filters":[],"filters":[]}`,
	} {
		f.Add(s)
	}
	c := newConverter(f, Options{MaxBytes: 1 << 16, MaxEntries: 50, MaxHosts: 16, MaxWork: 1 << 20, MaxProgram: 256})
	f.Fuzz(func(t *testing.T, s string) {
		routes := 0
		report, err := c.Table(iotest.HalfReader(strings.NewReader(s)), func(Route) error { routes++; return nil })
		if report == nil || report.Hosts+report.Wildcards != routes || report.Entries > 50 {
			t.Fatalf("%+v, %d routes", report, routes)
		}
		if at, ok := errors.AsType[*TableError](err); err != nil && (!ok || at.Offset < 0 || at.Offset > int64(len(s))+1) {
			t.Fatalf("%d bytes: %v", len(s), err)
		}
		if err == nil && !strings.Contains(s, "filters") && !strings.Contains(s, `\u`) {
			t.Fatalf("%q is a table", s)
		}
	})
}

func BenchmarkTable(b *testing.B) {
	for _, n := range []int{100, 50_000} {
		text := table(n)
		c := newConverter(b, Options{})
		b.Run(fmt.Sprintf("filters=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := c.Table(strings.NewReader(text), nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The dearest patterns that could be found, at their bounds.
func BenchmarkHostilePattern(b *testing.B) {
	c := newConverter(b, Options{})
	for name, pattern := range map[string]string{
		"classes":     `^[a-z]{1,1000}\.a/`,
		"tooLong":     `^[a-z]{300}\.a/`,
		"repetitions": `^(?:(?:a{0,30}){0,30})\.b/`,
		"unicode":     `(?i)^` + strings.Repeat(`[B-𞥃]`, 16) + `/`,
		"alternation": `^(?:` + strings.Repeat(`abc|`, 12_000) + `d)\.e/`,
		"groups":      `^` + strings.Repeat(`(?:`, 900) + strings.Repeat(`)?`, 900) + `/`,
		"optionals":   `^` + strings.Repeat(`a?`, 5000) + `/`,
	} {
		b.Run("pattern="+name, func(b *testing.B) {
			for b.Loop() {
				c.Pattern(Filter{Pattern: pattern})
			}
		})
	}
}
