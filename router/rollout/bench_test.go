package rollout

import (
	"fmt"
	"testing"

	"berth/router"
	"berth/router/hostkey"
)

var benchHosts = map[string]hostkey.Host{
	"deployment": "2b469e16.docs.pages.localhost",
	"custom":     "www-7.customer-3.example",
	"wildcard":   "any.thing.wild.example",
	"unknown":    "nobody.knows.example",
}

func benchConfigs() map[string]Config {
	pinned := map[string]Side{}
	for i := range 10_000 {
		pinned[fmt.Sprintf("pinned-%d", i)] = Hashed
	}
	return map[string]Config{
		"mode=legacy":           {Mode: ModeLegacy},
		"mode=ramp/percent=0":   {Mode: ModeRamp},
		"mode=ramp/percent=5":   {Mode: ModeRamp, Percent: 5},
		"mode=ramp/pins=10000":  {Mode: ModeRamp, Percent: 5, Sites: pinned},
		"mode=ramp/percent=100": {Mode: ModeRamp, Percent: 100},
		"mode=hashed":           {Mode: ModeHashed},
	}
}

func benchSwitch(t testing.TB, c Config) *Switch {
	s := newSwitch(t, fixed{}, fixed{}, c)
	s.Index().Fill(manySites(1000, 20))
	s.Index().Update("wild", []string{"*.wild.example"})
	return s
}

func BenchmarkResolve(b *testing.B) {
	for name, c := range benchConfigs() {
		s := benchSwitch(b, c)
		for what, host := range benchHosts {
			b.Run(name+"/host="+what, func(b *testing.B) {
				b.ReportAllocs()
				q := &router.Query{Host: host, Path: "/"}
				for b.Loop() {
					if _, err := s.Resolve(b.Context(), q); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// A flood of labels that nobody knows, each new.
func BenchmarkFlood(b *testing.B) {
	s := newSwitch(b, newFake(2), newFake(1), allHashed)
	hosts := make([]hostkey.Host, 100_000)
	for i := range hosts {
		hosts[i] = hostkey.Host(fmt.Sprintf("x%d.docs.pages.localhost", i))
	}
	b.ReportAllocs()
	q := &router.Query{Path: "/"}
	for i := 0; b.Loop(); i++ {
		q.Host = hosts[i%len(hosts)]
		_, _ = s.Resolve(b.Context(), q)
	}
}
