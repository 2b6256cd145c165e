package load

import (
	"fmt"
	"strings"
	"testing"

	"berth/router/hostkey"
	"berth/router/legacy"
)

// One operation is one entry of tables of a thousand.
func BenchmarkTables(b *testing.B) {
	const projects, each = 20, 1000
	files := map[string]string{}
	prepare := func() *world {
		w := newWorld(b)
		for p := range projects {
			name := fmt.Sprintf("project-%d", p)
			_, ds := w.project(1, name, each)
			entries := make([]string, each)
			for i, d := range ds {
				h := hostkey.Host(fmt.Sprintf("%08x.%s.pages.localhost", i*2654435761%(1<<32), name))
				entries[i] = entry(legacy.Pattern(h), legacy.ScriptHash(d.UUID))
			}
			files[name+".json"] = table(entries...)
		}
		return w
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		w := prepare()
		b.StartTimer()
		if r := w.load(dir(files), Options{}); r.Stored != projects*each {
			b.Fatalf("%+v %s", r, strings.Join(problems(r), "\n"))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*projects*each), "ns/entry")
}
