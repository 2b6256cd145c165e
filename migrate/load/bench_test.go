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
	entries := make([]string, each)
	for p := range projects {
		for i := range entries {
			h := hostkey.Host(fmt.Sprintf("%08x.project-%d.pages.localhost", i*2654435761%(1<<32), p))
			entries[i] = entry(legacy.Pattern(h), fmt.Sprintf("%02x0000bb%024x", p+1, i))
		}
		files[fmt.Sprintf("project-%d.json", p)] = table(entries...)
	}
	src := dir(files)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b)
		for p := range projects {
			w.project(1, fmt.Sprintf("project-%d", p), 1)
		}
		b.StartTimer()
		if r := w.load(src, Options{}); r.Stored != projects*each {
			b.Fatalf("%+v %s", r, strings.Join(problems(r), "\n"))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*projects*each), "ns/entry")
}
