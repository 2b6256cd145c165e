package manifest

import (
	"fmt"
	"testing"
)

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		m := large(b, n)
		paths := make([]string, 4096) // spread, so that the caches of the processor are no help
		for i := range paths {
			paths[i] = largePath(i * 7919 % n)
		}
		b.Run(fmt.Sprintf("files=%d/hit", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, ok := m.Lookup(paths[i%len(paths)]); !ok {
					b.Fatal("missing")
				}
			}
		})
		b.Run(fmt.Sprintf("files=%d/miss", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Lookup("/assets/section-1/none.html")
			}
		})
		b.Run(fmt.Sprintf("files=%d/bisect", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m.bisect(paths[i%len(paths)])
			}
		})
	}
}

func BenchmarkEncodeOpen(b *testing.B) {
	var entries []Entry
	for _, e := range large(b, 20_000).All() {
		entries = append(entries, e)
	}
	for b.Loop() {
		raw, err := Encode(entries)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Open(raw); err != nil {
			b.Fatal(err)
		}
	}
}
