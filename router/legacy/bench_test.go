package legacy

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"berth/router"
	"berth/router/hostkey"
)

// The whole of what a request waits for, with the table in the cache: hosts of one project, each as likely as the others.
func BenchmarkResolve(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		w := newWorld(b, Options{})
		p, ds := w.project("docs", n)
		hosts, chunks := make([]hostkey.Host, n), [][]Filter(nil)
		for i, d := range ds {
			hosts[i] = hostkey.Host(fmt.Sprintf("%x.docs.pages.localhost", d.UUID[:4]))
			if i%256 == 0 {
				chunks = append(chunks, nil)
			}
			chunks[i/256] = append(chunks[i/256], Filter{Pattern(hosts[i]), ScriptHash(d.UUID)})
		}
		w.table(p.No, chunks...)
		for _, r := range []*Resolver{w.each, w.once} {
			b.Run(fmt.Sprintf("deployments=%d/parse=%s", n, r.opts.Parse), func(b *testing.B) {
				random := rand.New(rand.NewPCG(1, 2))
				q := &router.Query{Host: hosts[0], Path: "/index.html"}
				if _, err := r.Resolve(b.Context(), q); err != nil { // the table comes into the cache
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					q.Host = hosts[random.IntN(n)]
					if _, err := r.Resolve(b.Context(), q); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
