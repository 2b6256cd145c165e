package migration

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"

	"berth/bench"
	"berth/migrate/report/plot"
	"berth/store/cache"
)

// HitRateConfig compares the caches of both sides when they have the same memory: one of tables, as text or compiled, and one of
// answers. The same requests go to all, for projects chosen by Zipf's law.
//
// The caches are of the type that the routers use, and what is charged for a table is what the routers charge for it. Parsing tables
// is left out, or a run would take hours. What is measured is the steady state: before the requests, everything was asked for
// once, the least popular first.
type HitRateConfig struct {
	Projects    int     // default 1,000
	Deployments int     // of all of them; default 200,000
	Requests    int     // that are counted, after as many to warm up; default 200,000
	Budgets     []int64 // bytes; default 64 KiB to 64 MiB
	Zipf        float64 // exponent of the projects' popularity; default 1
	Seed        uint64
}

// traffic is how requests choose among the hosts of a project.
type traffic struct {
	key, name  string
	production float64 // share for the project's own host
	recent     float64 // Zipf exponent over its deployments, newest first; 0: all alike
}

func trafficKinds() []traffic {
	return []traffic{
		{"mixed", "80 % production, the rest to deployments, mostly recent ones", 0.8, 1},
		{"deployments", "no production: every deployment of a project alike", 0, 0},
	}
}

// HitRateReport has hit rates, 0 to 1.
type HitRateReport struct {
	Projects, Deployments, Requests int
	TableBytes                      [2]int64 // all tables as text, compiled
	EntryBytes                      float64  // an answer in the cache, measured
	Lines                           []HitRateLine
}

// HitRateLine is one budget with one kind of traffic.
type HitRateLine struct {
	Traffic string
	Budget  int64
	Hits    [3]float64 // tables as text, compiled, hashed
}

func cacheSides() [3]string { return [3]string{sideEach, sideOnce, sideHashed} }

// HitRate runs the workload.
func HitRate(ctx context.Context, c HitRateConfig) (*HitRateReport, error) {
	c = c.withDefaults()
	corpus := newCorpus(c.Seed, zipfSizes(c.Seed, c.Projects, c.Deployments))
	rep := &HitRateReport{Projects: len(corpus.sizes), Deployments: corpus.total, Requests: c.Requests}
	weights, err := tableWeights(ctx, corpus)
	if err != nil {
		return nil, fmt.Errorf("weigh the tables: %w", err)
	}
	for mode := range weights {
		for _, w := range weights[mode] {
			rep.TableBytes[mode] += w
		}
	}
	if rep.EntryBytes, err = entryBytes(ctx); err != nil {
		return nil, fmt.Errorf("weigh an answer: %w", err)
	}
	for _, kind := range trafficKinds() {
		requests := c.requests(corpus, kind)
		for _, budget := range c.Budgets {
			line := HitRateLine{Traffic: kind.key, Budget: budget}
			for mode := range weights {
				if line.Hits[mode], err = tableHits(ctx, requests, weights[mode], budget); err != nil {
					return nil, err
				}
			}
			if line.Hits[2], err = answerHits(ctx, requests, corpus, int64(float64(budget)/rep.EntryBytes)); err != nil {
				return nil, err
			}
			rep.Lines = append(rep.Lines, line)
		}
	}
	return rep, nil
}

func (c HitRateConfig) withDefaults() HitRateConfig {
	if c.Projects == 0 {
		c.Projects = 1000
	}
	if c.Deployments == 0 {
		c.Deployments = 200_000
	}
	if c.Requests == 0 {
		c.Requests = 200_000
	}
	if len(c.Budgets) == 0 {
		for b := int64(64 << 10); b <= 64<<20; b *= 4 {
			c.Budgets = append(c.Budgets, b)
		}
	}
	if c.Zipf == 0 {
		c.Zipf = 1
	}
	return c
}

// request names a host: of a project its own (0), or that of its n-th newest deployment, from 1.
type request struct{ project, host uint32 }

// requests draws those that warm up and those that are counted. Which project is popular does not depend on its size.
func (c HitRateConfig) requests(corpus *corpus, kind traffic) []request {
	rng := rand.New(rand.NewPCG(c.Seed, 77))
	projects := newZipf(len(corpus.sizes), c.Zipf)
	within := map[int]zipf{}
	out := make([]request, 2*c.Requests)
	for i := range out {
		p := projects.draw(rng)
		out[i].project = uint32(p)
		if rng.Float64() < kind.production {
			continue
		}
		n := corpus.sizes[p]
		z, ok := within[n]
		if !ok {
			z = newZipf(n, kind.recent)
			within[n] = z
		}
		out[i].host = uint32(1 + z.draw(rng))
	}
	return out
}

// zipf draws numbers from 0, the lower the likelier. It is cumulative; math/rand's does not do an exponent of 1 or less.
type zipf []float64

func newZipf(n int, s float64) zipf {
	z, sum := make(zipf, n), 0.0
	for i := range z {
		sum += math.Pow(float64(i+1), -s)
		z[i] = sum
	}
	return z
}

func (z zipf) draw(rng *rand.Rand) int {
	return min(sort.SearchFloat64s(z, rng.Float64()*z[len(z)-1]), len(z)-1)
}

func tableHits(ctx context.Context, requests []request, weights []int64, budget int64) (float64, error) {
	c, err := cache.New(cache.Options[uint32, struct{}]{
		Hash: func(p uint32) uint64 { return uint64(p) }, Weight: func(p uint32, _ struct{}) int64 { return weights[p] }, Capacity: budget,
	})
	if err != nil {
		return 0, err
	}
	a := asker[uint32]{c}
	for p := len(weights) - 1; p >= 0; p-- {
		if _, err := a.ask(ctx, uint32(p)); err != nil {
			return 0, err
		}
	}
	return a.hits(ctx, requests, func(r request) uint32 { return r.project })
}

func answerHits(ctx context.Context, requests []request, corpus *corpus, entries int64) (float64, error) {
	c, err := cache.New(cache.Options[uint64, struct{}]{Hash: func(k uint64) uint64 { return k }, Capacity: max(entries, 1), Inline: true})
	if err != nil {
		return 0, err
	}
	a := asker[uint64]{c}
	key := func(r request) uint64 { return uint64(r.project)<<32 | uint64(r.host) }
	for p := len(corpus.sizes) - 1; p >= 0; p-- {
		for i := corpus.sizes[p]; i >= 0; i-- {
			if _, err := a.ask(ctx, key(request{uint32(p), uint32(i)})); err != nil {
				return 0, err
			}
		}
	}
	return a.hits(ctx, requests, key)
}

type asker[K comparable] struct{ cache *cache.Cache[K, struct{}] }

// ask reports whether the answer was in the cache. It is afterwards.
func (a asker[K]) ask(ctx context.Context, k K) (bool, error) {
	if _, hit := a.cache.Get(k); hit {
		return true, nil
	}
	_, err := a.cache.Load(ctx, k, func(context.Context) (struct{}, error) { return struct{}{}, nil })
	return false, err
}

// hits is the share of the second half of the requests.
func (a asker[K]) hits(ctx context.Context, requests []request, key func(request) K) (float64, error) {
	n, warm := 0, len(requests)/2
	for i, r := range requests {
		hit, err := a.ask(ctx, key(r))
		if err != nil {
			return 0, err
		}
		if hit && i >= warm {
			n++
		}
	}
	return float64(n) / float64(len(requests)-warm), nil
}

func (r *HitRateReport) Rows() (rows []bench.Row) {
	for _, l := range r.Lines {
		for i, side := range cacheSides() {
			rows = append(rows, bench.Measured(fmt.Sprintf("HitRate/traffic=%s/budget=%d/side=%s", l.Traffic, l.Budget, side), r.Requests, bench.In(100*l.Hits[i], "%hits")))
		}
	}
	return rows
}

func (r *HitRateReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Hit rates of caches of one size, %s deployments in %s projects; all tables are %s as text, %s compiled; an answer takes %.0f B\n",
		plot.Whole(int64(r.Deployments)), plot.Whole(int64(r.Projects)), plot.Bytes.Format(float64(r.TableBytes[0])), plot.Bytes.Format(float64(r.TableBytes[1])), r.EntryBytes)
	for _, kind := range trafficKinds() {
		fmt.Fprintf(&b, "  %s\n", kind.name)
		var s bench.Sheet
		s.Add("budget", "tables as text", "compiled", "hashed", "hashed is")
		for _, l := range r.Lines {
			if l.Traffic != kind.key {
				continue
			}
			verdict := "never lower"
			if best := max(l.Hits[0], l.Hits[1]); l.Hits[2] < best {
				verdict = fmt.Sprintf("LOWER by %.1f points", 100*(best-l.Hits[2]))
			}
			s.Add(plot.Bytes.Format(float64(l.Budget)), percent(l.Hits[0]), percent(l.Hits[1]), percent(l.Hits[2]), verdict)
		}
		b.WriteString(s.String())
	}
	return b.String()
}

func percent(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }

func (r *HitRateReport) Figures() (out []plot.Figure) {
	for _, kind := range trafficKinds() {
		l := plot.Lines{X: plot.Axis{Label: "Memory of the cache", Unit: plot.Bytes, Log: true}, Y: plot.Axis{Label: "Questions answered from the cache", Unit: plot.Share, Max: 1}}
		names := [3]string{"tables as text", "tables compiled", "hashed"}
		for i := range names {
			s := plot.Series{Name: names[i], Dots: true, Colour: []int{1, 1, 0}[i], Dashed: i == 1}
			for _, line := range r.Lines {
				if line.Traffic == kind.key {
					s.Points = append(s.Points, plot.Point{X: float64(line.Budget), Y: line.Hits[i]})
				}
			}
			l.Series = append(l.Series, s)
		}
		slices.Reverse(l.Series) // ours first
		out = append(out, plot.Figure{ID: "hitrate" + kind.key, Title: "Hit rates: " + kind.key, Chart: l,
			Note: fmt.Sprintf("%s. %s projects, chosen by Zipf's law.", kind.name, plot.Whole(int64(r.Projects)))})
	}
	return out
}
