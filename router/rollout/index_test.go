package rollout

import (
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"berth/router/hostkey"
)

func TestIndexFindsTheNearest(t *testing.T) {
	x := NewIndex()
	x.Update("exact", []string{"www.a.example", "a.example"})
	x.Update("near", []string{"*.b.a.example"})
	x.Update("far", []string{"*.example"})
	for host, want := range map[hostkey.Host]string{
		"www.a.example": "exact", "a.example": "exact", "c.b.a.example": "near", "d.c.b.a.example": "near",
		"b.a.example": "far", "example": "", "else.test": "", "192.0.2.1": "", "2001:db8::1": "",
	} {
		if got := x.Find(host); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
	deep := hostkey.Host(strings.Repeat("a.", 100) + "example")
	if got := x.Find(deep); got != "far" {
		t.Errorf("101 labels: %q, want the wildcard farthest up", got)
	}
}

func TestIndexForgets(t *testing.T) {
	x := NewIndex()
	x.Update("docs", []string{"a.example", "*.b.example"})
	x.Update("docs", []string{"c.example"})
	for host, want := range map[hostkey.Host]string{"a.example": "", "x.b.example": "", "c.example": "docs"} {
		if got := x.Find(host); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
	x.Update("docs", nil)
	if st := x.Stats(); st != (IndexStats{}) {
		t.Errorf("left behind: %+v", st)
	}
}

func TestTwoSitesThatClaimOneHost(t *testing.T) {
	x := NewIndex()
	want := func(site string) {
		t.Helper()
		if got := x.Find("a.example"); got != site {
			t.Errorf("a.example is of %q, want %q", got, site)
		}
	}
	x.Update("one", []string{"a.example"})
	x.Update("two", []string{"a.example"})
	x.Update("three", []string{"a.example"})
	want("one")
	x.Update("two", nil)
	want("one")
	x.Update("one", []string{"b.example"})
	want("three")
	x.Update("one", []string{"a.example"})
	want("three")
	x.Update("three", nil)
	want("one")
	if len(x.claims) != 0 {
		t.Errorf("claims left: %v", x.claims)
	}
}

// Against a plain map, with sites that never claim each other's hosts, by Update and by Fill.
func TestIndexAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, model := NewIndex(), map[string][]string{}
		sites := []string{"a", "b", "c"}
		draw := func(site string) []string {
			var hosts []string
			for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 5), 0, 5, rapid.ID[int]).Draw(t, "hosts") {
				hosts = append(hosts, fmt.Sprintf("%s%d.example", []string{"", "*."}[n%2], n)[0:]+"."+site)
			}
			return hosts
		}
		t.Repeat(map[string]func(*rapid.T){
			"update": func(t *rapid.T) {
				site := rapid.SampledFrom(sites).Draw(t, "site")
				model[site] = draw(site)
				x.Update(site, model[site])
			},
			"fill": func(t *rapid.T) {
				model = map[string][]string{}
				for _, site := range sites {
					if rapid.Bool().Draw(t, "there") {
						model[site] = draw(site)
					}
				}
				x.Fill(maps.All(model))
			},
			"": func(t *rapid.T) {
				hosts, wilds := 0, 0
				for _, site := range sites {
					for n := range 6 {
						host := fmt.Sprintf("%d.example.%s", n, site)
						has := slices.Contains(model[site], host)
						wild := slices.Contains(model[site], "*."+host)
						if got := x.Find(hostkey.Host(host)); (got == site) != has || (got != "") != has {
							t.Fatalf("%s: %q, held: %v", host, got, has)
						}
						if got := x.Find(hostkey.Host("x." + host)); (got == site) != wild {
							t.Fatalf("x.%s: %q, wildcard: %v", host, got, wild)
						}
						if has {
							hosts++
						}
						if wild {
							hosts++
							wilds++
						}
					}
				}
				if st := x.Stats(); st.Hosts != hosts || st.Wildcards != wilds {
					t.Fatalf("%+v, want %d hosts, %d wildcards", st, hosts, wilds)
				}
			},
		})
	})
}

// Readers see a host's old site or its new one, never another's, while it moves.
func TestIndexUnderReaders(t *testing.T) {
	x := NewIndex()
	x.Update("fixed", []string{"fixed.example", "*.fixed.example"})
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got := x.Find("fixed.example"); got != "fixed" {
					t.Errorf("fixed.example: %q", got)
				}
				if got := x.Find("a.fixed.example"); got != "fixed" {
					t.Errorf("a.fixed.example: %q", got)
				}
			}
		})
	}
	for i := range 2000 {
		x.Update("moving", []string{fmt.Sprintf("m%d.example", i%50), fmt.Sprintf("*.w%d.example", i%7)})
	}
	close(stop)
	readers.Wait()
}

// What Stats says an index takes is what it takes, within a third.
func TestIndexCountsItsMemory(t *testing.T) {
	const sites, each = 2000, 50
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	x := NewIndex()
	x.Fill(manySites(sites, each))
	took, says := heap()-before, x.Stats().Bytes
	if ratio := float64(says) / float64(took); ratio < 2.0/3 || ratio > 1.5 {
		t.Errorf("takes %d bytes, says %d", took, says)
	}
	if st := x.Stats(); st.Hosts != sites*each || st.Sites != sites {
		t.Errorf("%+v", st)
	}
}

func manySites(sites, each int) iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		for i := range sites {
			hosts := make([]string, each)
			for j := range hosts {
				hosts[j] = fmt.Sprintf("www-%d.customer-%d.example", j, i)
			}
			if !yield(fmt.Sprintf("project-%d", i), hosts) {
				return
			}
		}
	}
}
