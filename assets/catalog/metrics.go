package catalog

import (
	"github.com/prometheus/client_golang/prometheus"

	"berth/store/cache"
)

// Stats tells how the catalog does.
type Stats struct {
	Cache    cache.Stats // of compiled sites
	Projects cache.Stats // of projects' settings
	Targets  cache.Stats // of what moving targets served before
	Parts    uint64      // loads that answered before the whole was read
	Corrupt  uint64      // loads that ended in ErrCorrupt
	Partial  uint64      // loads of deployments that serve without their early hints or encoded forms, which are damaged
	NoIndex  uint64      // loads of targets that serve without their index of kept files, which is damaged
}

// Stats returns the counters since New.
func (c *Catalog) Stats() Stats {
	return Stats{
		Cache: c.cache.Stats(), Projects: c.projects.Stats(), Targets: c.targets.Stats(),
		Parts: c.parts.Load(), Corrupt: c.corrupt.Load(), Partial: c.partial.Load(), NoIndex: c.noIndex.Load(),
	}
}

// metrics are read from the counters that the catalog keeps anyway, when somebody asks.
type metrics struct {
	registry prometheus.Registerer
	series   []prometheus.Collector
}

func newMetrics(registry prometheus.Registerer, c *Catalog) (*metrics, error) {
	m := &metrics{registry: registry}
	if registry == nil {
		return m, nil
	}
	for _, s := range seriesOf(c) {
		if err := registry.Register(s); err != nil {
			m.unregister()
			return nil, err
		}
		m.series = append(m.series, s)
	}
	return m, nil
}

func seriesOf(c *Catalog) []prometheus.Collector {
	counter := func(name, help string, read func(Stats) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "berth", Subsystem: "catalog", Name: name, Help: help},
			func() float64 { return float64(read(c.Stats())) })
	}
	return []prometheus.Collector{
		counter("hits_total", "Sites answered from memory.", func(s Stats) uint64 { return s.Cache.Hits }),
		counter("loads_total", "Sites read and compiled.", func(s Stats) uint64 { return s.Cache.Fills }),
		counter("parts_total", "Sites that answered while the whole was read.", func(s Stats) uint64 { return s.Parts }),
		counter("evictions_total", "Sites that made room for others.", func(s Stats) uint64 { return s.Cache.Evicted }),
		counter("corrupt_total", "Loads of deployments whose stored listing is missing or damaged.", func(s Stats) uint64 { return s.Corrupt }),
		counter("partial_total", "Loads of deployments that serve without their early hints or encoded forms, which are damaged.",
			func(s Stats) uint64 { return s.Partial }),
		counter("kept_corrupt_total", "Loads of moving targets that serve without their kept files, whose index is damaged.",
			func(s Stats) uint64 { return s.NoIndex }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "berth", Subsystem: "catalog", Name: "site_bytes", Help: "Memory held by compiled sites.",
		}, func() float64 { s := c.Stats().Cache; return float64(s.Weight - s.AsideWeight) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "berth", Subsystem: "catalog", Name: "target_bytes", Help: "Memory held by what moving targets served before.",
		}, func() float64 { return float64(c.Stats().Targets.Weight) }),
	}
}

func (m *metrics) unregister() {
	for _, s := range m.series {
		m.registry.Unregister(s)
	}
}
