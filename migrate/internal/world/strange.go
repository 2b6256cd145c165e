package world

import (
	"strings"
	"testing"

	"berth/migrate/convert"
	"berth/migrate/tables"
	"berth/router/hostkey"
)

// Strange reads tables with a converter that takes the first host of those entries that wrong picks, by their number, for another
// one. Only hosts below Domain are picked: nobody would hold a custom one.
func Strange(t testing.TB, h *hostkey.Hasher, wrong func(i int) bool) *tables.Reader {
	t.Helper()
	c, err := convert.New(convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	r, err := tables.New(tables.Config{Domain: Domain, Hasher: h, Convert: func(int) tables.Converter {
		return addFunc(func(f convert.Filter, p *convert.Project) convert.Entry {
			e := p.Add(f)
			if len(e.Hosts) == 0 || !strings.HasSuffix(string(e.Hosts[0]), "."+Domain) {
				return e
			}
			if n++; wrong(n) {
				e.Hosts[0] = "x" + e.Hosts[0]
			}
			return e
		}).with(c.Project())
	}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type addFunc func(convert.Filter, *convert.Project) convert.Entry

func (a addFunc) with(p *convert.Project) tables.Converter { return &strange{a, p} }

type strange struct {
	add addFunc
	p   *convert.Project
}

func (s *strange) Add(f convert.Filter) convert.Entry { return s.add(f, s.p) }
