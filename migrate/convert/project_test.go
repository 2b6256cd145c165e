package convert

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProject(t *testing.T) {
	const any = `(?::\d+)?/`
	for _, tt := range []struct {
		name    string
		filters []string // pattern, or hash=pattern; the hash of the others is their index
		want    []string
	}{
		{"duplicate", []string{`^a\.b` + any, `^a\.b` + any}, []string{"a.b", "shadowed by 0"}},
		{"duplicate in part", []string{`^a\.b` + any, `^(?:a|c)\.b` + any}, []string{"a.b", "c.b (part-shadow)"}},
		{"duplicate by other spelling", []string{`(?i)^A\.b` + any, `^a.b` + any}, []string{"a.b (fold-case)", "shadowed by 0"}},
		{"loose dot takes a named host", []string{`^a.b.c` + any, `^axb\.c` + any}, []string{"a.b.c (loose-dot)", "no loose-conflict"}},
		{"loose dot, same deployment", []string{`h=^a.b.c` + any, `h=^axb\.c` + any}, []string{"a.b.c (loose-dot)", "axb.c"}},
		{"loose dot behind", []string{`^axb\.c` + any, `^a.b.c` + any}, []string{"axb.c", "a.b.c (loose-dot)"}},
		{"loose dot elsewhere", []string{`^a.b\.c` + any, `^a\.bxc` + any}, []string{"a.b.c (loose-dot)", "a.bxc"}},
		{"loose dot of a shadowed entry", []string{`^a\.b\.c` + any, `^a.b.c` + any, `^axb\.c` + any}, []string{"a.b.c", "shadowed by 0", "no loose-conflict"}},
		{"first of two loose ones", []string{`h=^a.b\.c` + any, `i=^a.b.c` + any, `h=^axb\.c` + any},
			[]string{"a.b.c (loose-dot)", "shadowed by 0", "axb.c"}},
		{"no port, then any", []string{`^a\.b/`, `^a\.b` + any}, []string{"a.b (port)", "no port"}},
		{"no port, then any, same deployment", []string{`h=^a\.b/`, `h=^a\.b` + any}, []string{"a.b (port)", "shadowed by 0"}},
		{"any port, then none", []string{`^a\.b` + any, `^a\.b/`}, []string{"a.b", "shadowed by 0"}},
		{"path first", []string{`^a\.b/blog/`, `^a\.b` + any, `^c\.b` + any}, []string{"no path", "no unproven", "c.b"}},
		{"path first, same deployment", []string{`h=^a\.b/blog/`, `h=^a\.b` + any}, []string{"no path", "a.b"}},
		{"path behind", []string{`^a\.b` + any, `^a\.b/blog/`}, []string{"a.b", "no path"}},
		{"what is unproven hides others, too", []string{`h=^a\.b/blog/`, `i=^a\.b` + any, `h=^a\.b` + any}, []string{"no path", "no unproven", "no unproven"}},
		{"unanchored first", []string{`foo`, `^a\.b` + any}, []string{"no unanchored", "no unproven"}},
		{"open end first", []string{`^a\.`, `^a\.b` + any, `^b\.a` + any}, []string{"no open-ended", "no unproven", "b.a"}},
		{"run first", []string{`^pr-[0-9]+\.a\.b` + any, `^pr-7\.a\.b` + any, `^pr-x\.a\.b` + any}, []string{"no unbounded", "no unproven", "pr-x.a.b"}},
		{"port only first", []string{`^a\.b:80/`, `^a\.b` + any}, []string{"no port", "no unproven"}},
		{"never matching first", []string{`^a\.b$`, `^A\.b` + any, `^a\.b` + any}, []string{"no never-matches", "no spelling", "a.b"}},
		{"broken first", []string{`^(a\.b`, `^a\.b` + any}, []string{"no syntax", "a.b"}},
		{"other dialect first", []string{`^(?!x)a\.b`, `^a\.b` + any}, []string{"no syntax", "no unproven"}},
		{"boundary first", []string{`^a\b\.b/`, `^a\.b` + any, `^c\.b` + any}, []string{"no assertion", "no unproven", "c.b"}},
		{"wildcard, then host", []string{`^[^./]+\.b` + any, `^a\.b` + any, `^a\.c\.b` + any}, []string{"*.b (wider)", "shadowed by 0", "a.c.b"}},
		{"host, then wildcard", []string{`^a\.b` + any, `^[^/]+\.b` + any}, []string{"a.b", "*.b"}},
		{"wildcard, parent", []string{`^[^/]+\.b` + any, `^b` + any}, []string{"*.b", "b"}},
		{"wildcard without digits of the host", []string{`^[a-z0-9]+\.b` + any, `^a-a\.b` + any}, []string{"*.b (wider)", "a-a.b"}},
		{"wildcard with a loose dot", []string{`^[^/]+.a\.b` + any, `^cxa\.b` + any, `^c\.a\.b` + any},
			[]string{"*.a.b (loose-dot)", "no loose-conflict", "shadowed by 0"}},
		{"wildcard twice", []string{`^[^/]+\.b` + any, `^[^./]+\.b` + any}, []string{"*.b", "shadowed by 0"}},
		{"narrow, then wide", []string{`^[^./]+\.b` + any, `^[^/]+\.b` + any}, []string{"*.b (wider)", "no overlap"}},
		{"narrow, then wide, same deployment", []string{`h=^[^./]+\.b` + any, `h=^[^/]+\.b` + any}, []string{"*.b (wider)", "shadowed by 0"}},
		{"narrow, then wide, same deployment, then below", []string{`h=^[^./]+\.b` + any, `h=^[^/]+\.b` + any, `i=^[^/]+\.a\.b` + any},
			[]string{"*.b (wider)", "shadowed by 0", "shadowed by 1"}},
		{"wide, then below", []string{`^[^/]+\.b` + any, `^[^./]+\.a\.b` + any}, []string{"*.b", "shadowed by 0"}},
		{"one label, then below", []string{`^[^./]+\.b` + any, `^[^./]+\.a\.b` + any}, []string{"*.b (wider)", "*.a.b (wider)"}},
		{"below, then wide", []string{`^[^/]+\.a\.b` + any, `^[^/]+\.b` + any}, []string{"*.a.b", "*.b"}},
		{"below one label, then wide", []string{`^[^./]+\.a\.b` + any, `^[^/]+\.b` + any}, []string{"*.a.b (wider)", "no overlap"}},
		{"below, then one label", []string{`^[^./]+\.a\.b` + any, `^[^./]+\.b` + any}, []string{"*.a.b (wider)", "*.b (wider)"}},
		{"wide without '_', then below", []string{`^[a-z0-9.-]+\.b` + any, `^[a-z0-9._-]+\.a\.b` + any}, []string{"*.b (wider)", "no overlap"}},
		{"wide without '_', then below a '_'", []string{`^[a-z0-9.-]+\.b` + any, `^[^/]+\.a_a\.b` + any}, []string{"*.b (wider)", "*.a_a.b"}},
		{"path first, then wildcard", []string{`^x\.b/blog/`, `^[^/]+\.b` + any, `^[^/]+\.c` + any}, []string{"no path", "no unproven", "*.c"}},
	} {
		p := newConverter(t, Options{}).Project()
		var got []string
		for i, pattern := range tt.filters {
			hash := fmt.Sprint(i)
			if h, rest, ok := strings.Cut(pattern, "="); ok && len(h) == 1 {
				hash, pattern = h, rest
			}
			got = append(got, told(p.Add(Filter{Index: i, Pattern: pattern, ScriptHash: hash})))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s %q: %s", tt.name, tt.filters, diff)
		}
	}
}

func TestProjectNames(t *testing.T) {
	p := newConverter(t, Options{Subject: Host}).Project()
	var got []string
	for i, name := range []string{"A.example.", "*.example", "b.example", "*.b.example", "a!", "*.1.2", "a:80"} {
		got = append(got, told(p.AddName(i, name, fmt.Sprint(i))))
	}
	got = append(got, told(p.Add(Filter{Index: 7, Pattern: `^a\.example$`, ScriptHash: "7"})))
	want := []string{"a.example", "*.example", "shadowed by 1", "shadowed by 1", "no not-a-host", "no not-a-host", "no not-a-host", "shadowed by 0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Bounds of a project end in entries that say so, and later ones are not taken for proven.
func TestProjectBounds(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options Options
		filters []string
		want    []string
	}{
		{"routes", Options{MaxRoutes: 1}, []string{`^a\.b/`, `^c\.b/`, `^a\.b/`}, []string{"a.b (port)", "no limit", "shadowed by 0"}},
		{"work", Options{MaxWork: 1}, []string{`^[^/]+x[^/]*\.b/`, `^c\.b/`}, []string{"no unbounded", "no limit"}},
		{"work on shadows", Options{MaxWork: 1000}, []string{`^[^/]+x[^/]*\.b/`, `^` + strings.Repeat("y", 60) + `\.b/`, `^` + strings.Repeat("z", 60) + `\.b/`},
			[]string{"no unbounded", strings.Repeat("y", 60) + ".b (port)", "no limit"}},
		{"program", Options{MaxProgram: 3}, []string{`^x\.b/blog`, `^c\.b/`}, []string{"no path", "no unproven"}},
	} {
		p := newConverter(t, tt.options).Project()
		var got []string
		for i, pattern := range tt.filters {
			got = append(got, told(p.Add(Filter{Index: i, Pattern: pattern, ScriptHash: fmt.Sprint(i)})))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// Programs of entries that cannot be converted do not add up without bound.
func TestOpaquesAreBounded(t *testing.T) {
	c := newConverter(t, Options{MaxProgram: 100, MaxWork: 1 << 40})
	p := c.Project()
	for i := range 5000 {
		p.Add(Filter{Index: i, Pattern: fmt.Sprintf(`^host%d\.example/blog/`, i), ScriptHash: fmt.Sprint(i)})
	}
	if p.kept > maxPrograms*100+100 {
		t.Errorf("%d instructions are kept", p.kept)
	}
	if e := p.Add(Filter{Index: 5000, Pattern: `^a\.b/`, ScriptHash: "h"}); e.Reason != ReasonUnproven {
		t.Errorf("behind more than can be kept: %s", told(e))
	}
}
