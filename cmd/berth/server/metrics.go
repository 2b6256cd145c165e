package server

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"berth/router/functions"
	"berth/router/rollout"
	"berth/store/cache"
)

// metricsPath is where the server's counts are read, in the text format of Prometheus. They are of all accounts together.
const metricsPath = "/metrics"

// At most so many may read the counts at once, for no longer than that. Those of the database take a lock of its own.
const (
	maxMetricsReaders = 4
	metricsTimeout    = 10 * time.Second
)

// newMetrics makes a registry with the counts of n. The parts are asked when somebody reads it: nothing is counted for it that is not
// counted anyway.
func (n *node) newMetrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), figures{n})
	return r
}

func metricsHandler(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: maxMetricsReaders, Timeout: metricsTimeout})
}

// figures reads every part of a server.
type figures struct{ n *node }

// Describe names nothing: which figures there are depends on what the server does.
func (figures) Describe(chan<- *prometheus.Desc) {}

func (f figures) Collect(ch chan<- prometheus.Metric) {
	out := scrape(ch)
	out.edge(f.n)
	out.cache("route", f.n.hashed.Stats())
	sites := f.n.catalog.Stats()
	out.cache("site", sites.Cache)
	out.cache("project", sites.Projects)
	out.cache("target", sites.Targets)
	if f.n.functions != nil {
		out.functions(f.n.functions.Stats())
	}
	out.store(f.n)
	out.migration(f.n)
}

// scrape is one reading. Labels are given as names and values by turns.
type scrape chan<- prometheus.Metric

func (s scrape) count(name, help string, n uint64, labels ...string) {
	s.put(prometheus.CounterValue, name+"_total", help, float64(n), labels)
}

func (s scrape) gauge(name, help string, v float64, labels ...string) {
	s.put(prometheus.GaugeValue, name, help, v, labels)
}

func (s scrape) put(kind prometheus.ValueType, name, help string, v float64, labels []string) {
	fixed := make(prometheus.Labels, len(labels)/2)
	for i := 0; i < len(labels); i += 2 {
		fixed[labels[i]] = labels[i+1]
	}
	s <- prometheus.MustNewConstMetric(prometheus.NewDesc("berth_"+name, help, nil, fixed), kind, v)
}

func (s scrape) edge(n *node) {
	e := n.edge.Stats()
	for class, requests := range e.Requests {
		name := "none"
		if class > 0 {
			name = string(rune('0'+class)) + "xx"
		}
		s.count("requests", "Requests answered, by the hundreds of the status; none: the connection ended first.", requests, "class", name)
	}
	s.count("body_bytes", "Bytes of answers without heads.", e.BodyBytes)
	s.count("prepared_answers", "Answers that had been prepared.", e.Prepared)
	s.count("pinned_answers", "Answers of a deployment that skew protection chose.", e.Pinned)
	s.count("kept_answers", "Answers with files that only an earlier deployment had.", e.Kept)
	s.count("unknown_hosts", "Requests for a host without a route.", e.UnknownHosts)
	s.count("bad_requests", "Requests that the edge refused to understand.", e.BadRequests)
	s.count("faults", "Answers that failed, or were cut short, for a fault of the server.", e.Faults)
	s.count("bad_blobs", "Of the faults, those of a missing or damaged blob.", e.BadBlobs)
	s.count("panics", "Requests that ended in a panic.", e.Panics)
	s.count("connections_accepted", "Connections accepted and served.", e.Conns)
	s.count("connections_refused", "Connections over --max-conns or --max-conns-per-ip.", e.ConnsRefused)
	s.gauge("connections", "Open connections.", float64(e.OpenConns))
	s.count("access_log_lines", "Lines of the access log.", e.LogLines)
	s.count("access_log_dropped", "Requests that the access log had no room for.", e.LogDropped)
	s.count("access_log_errors", "Failed writes of the access log.", e.LogErrors)
	s.cache("body", e.Bodies)
	s.cache("answer", e.Answers)
	s.cache("file", e.Files)
}

func (s scrape) cache(name string, c cache.Stats) {
	s.count("cache_hits", "Answers from a cache.", c.Hits, "cache", name)
	s.count("cache_misses", "Questions that a cache had no answer to.", c.Misses, "cache", name)
	s.count("cache_evicted", "Entries that made room for others.", c.Evicted, "cache", name)
	s.gauge("cache_entries", "Entries of a cache.", float64(c.Entries), "cache", name)
	s.gauge("cache_weight", "What a cache's bound counts: bytes, or entries.", float64(c.Weight), "cache", name)
}

func (s scrape) functions(f functions.Stats) {
	s.count("function_calls", "Calls of functions, answered or not.", f.Calls)
	for _, why := range []struct {
		name string
		n    uint64
	}{{"thrown", f.Thrown}, {"timeout", f.Timeouts}, {"busy", f.Busy}, {"unavailable", f.Unavailable}, {"broken", f.Broken}} {
		s.count("function_failures", "Calls without an answer: the code threw, was silent for too long, was over --max-functions, had no process, "+
			"or the connection to it broke, by the process or the client.", why.n, "why", why.name)
	}
	s.count("function_restarts", "Starts of the process again.", f.Restarts)
	s.count("function_loads", "Loads of a deployment's code.", f.Loads)
	s.gauge("functions_in_flight", "Calls under way.", float64(f.InFlight))
}

func (s scrape) store(n *node) {
	c := n.data.Store.Stats()
	s.count("store_commits", "Changes.", c.Commits)
	s.count("store_groups", "Batches that changes shared.", c.Groups)
	s.count("store_failed", "Changes that were not made.", c.Failed)
	s.count("store_log_syncs", "Times that the log was made durable.", c.LogSyncs)
	s.count("store_corrupt", "Damaged records and files met.", c.Corrupt)
	m, err := n.data.Store.Metrics()
	if err != nil {
		s.gauge("store_up", "0 after a disk error: nothing is written any more.", 0)
		return
	}
	s.gauge("store_up", "0 after a disk error: nothing is written any more.", 1)
	s.gauge("store_disk_bytes", "Of all files of the database.", float64(m.DiskBytes))
	s.gauge("store_level_zero", "Tables that are not compacted yet.", float64(m.LevelZero))
	s.gauge("store_compactions", "Compactions of the database that are under way.", float64(m.Compactions))
	s.gauge("store_memtable_bytes", "Written and in no table yet.", float64(m.MemTableBytes))
	s.gauge("store_cache_bytes", "Of the database's cache of blocks.", float64(m.CacheBytes))
	s.count("store_cache_hits", "Blocks found in the database's cache.", uint64(m.CacheHits))
	s.count("store_cache_misses", "Blocks that were read.", uint64(m.CacheMisses))
	s.gauge("key_filter_bytes", "Of the filter of host keys; 0 until it is filled.", float64(m.KeyFilterBytes))
	s.gauge("key_filter_keys", "Host keys in the filter.", float64(m.KeyFilterKeys))
}

// migration has more than the phase only while both sides are there.
func (s scrape) migration(n *node) {
	st, err := n.migration.Status()
	if err != nil {
		return // the store cannot be read, which store_up says; what else is counted is wanted then most of all
	}
	s.gauge("migration_phase", "1 for the phase that the migration is in.", 1, "phase", string(st.Phase))
	if t := st.Traffic; t != nil {
		s.side("hashed", t.Hashed.Asked, t.Hashed.NoRoute, t.Hashed.Errors)
		s.side("legacy", t.Legacy.Asked, t.Legacy.NoRoute, t.Legacy.Errors)
		s.fallback(t.Fallback)
	}
	if c := st.Compared; c != nil {
		for _, class := range []struct {
			name string
			n    uint64
		}{{"agree", c.Agree}, {"missing", c.Missing}, {"extra", c.Extra}, {"different", c.Different}, {"error", c.Errors}} {
			s.count("migration_compared", "Requests that both sides were asked for, by what came of it.", class.n, "class", class.name)
		}
		s.count("migration_compared_dropped", "Samples for which there was no room.", c.Dropped)
	}
}

func (s scrape) side(name string, asked, noRoute, failed uint64) {
	s.count("route_answers", "Hosts resolved for a request, by the side that did.", asked, "side", name)
	s.count("route_unknown", "Of those, hosts without a route.", noRoute, "side", name)
	s.count("route_errors", "Of those, failures.", failed, "side", name)
}

func (s scrape) fallback(f rollout.FallbackStats) {
	s.count("migration_fallback_answered", "Hosts that only the tables knew.", f.Answered)
	s.count("migration_fallback_shed", "Hosts that the tables were not asked for, over the bound.", f.Shed)
	s.count("migration_fallback_failed", "Hosts that the tables could not be asked for.", f.Failed)
}
