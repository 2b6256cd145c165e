package migration

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"berth/bench"
	"berth/router"
	"berth/router/hostkey"
	"berth/store"
)

func TestZipfSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		projects, total := rapid.IntRange(1, 3000).Draw(t, "projects"), rapid.IntRange(1, 400_000).Draw(t, "total")
		sum := 0
		for _, n := range zipfSizes(rapid.Uint64().Draw(t, "seed"), projects, total) {
			if n < 1 || n > 50_000 {
				t.Fatalf("a project of %d", n)
			}
			sum += n
		}
		if sum != total {
			t.Fatalf("%d in all, want %d", sum, total)
		}
	})
}

func TestZipf(t *testing.T) {
	sizes := zipfSizes(1, 1000, 1_400_000)
	most := 0
	for _, n := range sizes {
		most = max(most, n)
	}
	if len(sizes) != 1000 || most < 20_000 {
		t.Errorf("%d projects, the largest of %d", len(sizes), most)
	}
}

func TestStratified(t *testing.T) {
	for _, n := range []int{10, 100, 1000} {
		low := 0
		for _, v := range stratified(n, 5000) {
			if v < 0 || v >= 5000 {
				t.Fatalf("%d is not below 5000", v)
			}
			if v < 2500 {
				low++
			}
		}
		if low < n/2-1 || low > n/2+1 {
			t.Errorf("%d of %d are in the lower half", low, n)
		}
	}
}

func TestCorpusIsSeeded(t *testing.T) {
	a, b, other := newCorpus(1, []int{3, 4}), newCorpus(1, []int{3, 4}), newCorpus(2, []int{3, 4})
	seen := map[hostkey.Host]bool{}
	for p, n := range a.sizes {
		for i := range n {
			if h := a.host(p, i); h != b.host(p, i) || h == other.host(p, i) || seen[h] {
				t.Errorf("host %s: not of the seed, or twice", h)
			} else if c, err := hostkey.Canonical(string(h)); err != nil || c != h {
				t.Errorf("%s is not canonical", h)
			} else {
				seen[h] = true
			}
		}
	}
}

// A label is its project's only once: a server would refuse a second one.
func TestLabelsAreUnique(t *testing.T) {
	c := newCorpus(3, []int{50_000, 50_000})
	for p := range c.sizes {
		seen := map[[4]byte]bool{}
		for i := range c.sizes[p] {
			id := c.uuid(p, i)
			if seen[[4]byte(id[:4])] {
				t.Fatalf("project %d, deployment %d: label %x twice", p, i, id[:4])
			}
			seen[[4]byte(id[:4])] = true
		}
	}
}

type fixed struct {
	router.Decision
	err error
}

func (f fixed) Resolve(context.Context, *router.Query) (router.Decision, error) {
	return f.Decision, f.err
}

// A comparison of sides that do not answer alike would mean nothing.
func TestSidesMustAgree(t *testing.T) {
	queries := []router.Query{{Host: "a.example"}}
	side := func(name string, no store.DeploymentNo, err error) *contender {
		return &contender{ResolveSide: ResolveSide{Side: name}, resolver: fixed{router.Decision{Deployment: no}, err}}
	}
	if err := agree(t.Context(), []*contender{side(sideEach, 1, nil), side(sideHashed, 1, nil)}, queries); err != nil {
		t.Error(err)
	}
	if err := agree(t.Context(), []*contender{side(sideEach, 1, nil), side(sideHashed, 2, nil)}, queries); err == nil {
		t.Error("two answers are taken for one")
	}
	if err := agree(t.Context(), []*contender{side(sideEach, 1, nil), side(sideHashed, 1, router.ErrNoRoute)}, queries); !errors.Is(err, router.ErrNoRoute) {
		t.Errorf("got %v", err)
	}
}

// results runs every workload once, small, for all tests.
var results = sync.OnceValues(func() ([]bench.Report, error) {
	ctx := context.Background()
	var out []bench.Report
	var faults []error
	add := func(r bench.Report, err error) {
		out, faults = append(out, r), append(faults, err)
	}
	add(Resolve(ctx, ResolveConfig{Sizes: []int{5, 300}, Rounds: 2, Slice: time.Millisecond}))
	add(HitRate(ctx, HitRateConfig{Projects: 20, Deployments: 1000, Requests: 5000, Budgets: []int64{4 << 10, 64 << 10, 16 << 20}}))
	add(Storage(ctx, StorageConfig{Deployments: 20_000, Projects: 20}))
	add(Backfill(ctx, BackfillConfig{Entries: []int{500, 3000}, Rounds: 2}))
	add(Shadow(ctx, ShadowConfig{Projects: 4, Rounds: 2, Slice: 20 * time.Millisecond}))
	add(RunWholes(ctx, WholeConfig{Projects: 7}, []int{3000, 400}))
	return out, errors.Join(faults...)
})

func everything(t *testing.T) []bench.Report {
	t.Helper()
	all, err := results()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func page(t *testing.T, reports []bench.Report) string {
	t.Helper()
	var b strings.Builder
	if err := bench.WritePage(&b, "<From> tables", "berth bench <migrate>", time.Unix(0, 0), reports); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestResolveMeasuresAllSides(t *testing.T) {
	for _, size := range everything(t)[0].(*ResolveReport).Sizes {
		for _, side := range []string{sideEach, sideOnce, sideHashed, sideStore} {
			if size.median(side) <= 0 {
				t.Errorf("%d deployments: %s was not measured", size.Deployments, side)
			}
		}
	}
}

func TestHitRatesAtTheEnds(t *testing.T) {
	r := everything(t)[1].(*HitRateReport)
	for _, l := range r.Lines {
		for i, hit := range l.Hits {
			if hit < 0 || hit > 1 {
				t.Errorf("%+v: no share", l)
			}
			// With room for all, the steady state has no miss.
			if l.Budget > r.TableBytes[1] && hit != 1 {
				t.Errorf("%s, side %d: %v hits with room for all", l.Traffic, i, hit)
			}
		}
		if l.Budget < 8<<10 && l.Hits[2] > 0.9 {
			t.Errorf("%s: %v hits with hardly any room", l.Traffic, l.Hits[2])
		}
	}
	if r.TableBytes[0] < 100_000 || r.TableBytes[1] < 10*r.TableBytes[0] || r.EntryBytes < 40 || r.EntryBytes > 1000 {
		t.Errorf("tables of %v bytes, answers of %v", r.TableBytes, r.EntryBytes)
	}
}

func TestStorageIsAllCounted(t *testing.T) {
	r := everything(t)[2].(*StorageReport)
	if r.Deployments != 20_000 || r.Zstd <= 0 || r.Zstd >= r.Tables || r.Tables >= r.Text || r.Index <= 0 || r.each(r.Routes) < 16 || r.each(r.Routes) > 64 {
		t.Errorf("%+v", *r)
	}
	for _, c := range []struct {
		a, b int64
		want string
	}{{8, 100, "92.0 % less"}, {130, 100, "30.0 % MORE"}, {1, 0, "–"}} {
		if got := change(c.a, c.b); got != c.want {
			t.Errorf("%d against %d: %s", c.a, c.b, got)
		}
	}
}

func TestBackfillIsRepeated(t *testing.T) {
	for _, run := range everything(t)[3].(*BackfillReport).Runs {
		for _, c := range run.copyings() {
			if len(c.Rate) != 2 || c.Rate.Median() <= 0 || c.CPU.Median() <= 0 || run.Peak < run.Before {
				t.Errorf("%+v", run)
			}
		}
	}
}

func TestShadowSamplesAll(t *testing.T) {
	r := everything(t)[4].(*ShadowReport)
	if r.Sampled == 0 || r.Dropped > r.Sampled || len(r.With) != len(r.Without) || len(r.Asked.P999[0]) != 2 || len(r.HTTP.P999[1]) != 2 || r.HTTP.N[0] == 0 || r.HTTP.N[1] == 0 || r.Second <= 0 {
		t.Errorf("%+v", *r)
	}
}

func TestWholeHasEveryStep(t *testing.T) {
	all := everything(t)[5].(Wholes)
	r := all[1]
	if len(all) != 2 || all[0].Deployments != 400 {
		t.Fatalf("%+v", all)
	}
	var names []string
	for _, s := range r.Steps {
		names = append(names, s.Name)
		if s.Took <= 0 || s.CPU <= 0 || s.Peak <= 0 || s.Disk <= 0 {
			t.Errorf("%+v", s)
		}
	}
	if want := []string{stepPrepare, stepNames, stepTables, stepComplete, stepBackfill, stepVerify}; !slices.Equal(names, want) || r.Deployments != 3000 || r.Projects != 7 {
		t.Errorf("%+v", r)
	}
	var took time.Duration
	for _, s := range r.Steps[1:] { // what was there before is not the migration's
		took += s.Took
	}
	if all := r.total(); all.Took != took || all.Disk != r.Steps[5].Disk {
		t.Errorf("%+v", all)
	}
}

// Each line must be one that benchstat reads.
func TestRows(t *testing.T) {
	line := regexp.MustCompile(`^Benchmark[A-Z][^\s]*\t[0-9]+(\t-?[0-9.]+ [^\s]+)+$`)
	for _, r := range everything(t) {
		var b strings.Builder
		if err := bench.WriteRows(&b, r.Rows()); err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(b.String()) {
			if !line.MatchString(strings.TrimSuffix(l, "\n")) {
				t.Errorf("%q", l)
			}
		}
		if len(r.Rows()) == 0 {
			t.Errorf("%T has no rows", r)
		}
	}
}

func TestPage(t *testing.T) {
	p := page(t, everything(t))
	for _, want := range []string{"&lt;migrate&gt;", "Finding a deployment", "Hit rates: mixed", "Storage for routing", "Memory of the backfill", "Nobody waits for slow tables", "Nor over HTTP", "A whole migration"} {
		if !strings.Contains(p, want) {
			t.Errorf("nowhere does it say %q", want)
		}
	}
	if strings.Contains(p, "NaN") || strings.Contains(p, "<script") || strings.Contains(p, "http") && strings.Contains(p, "src=") {
		t.Error("the page has what it should not have")
	}
}

// What was promised is judged by what was measured, in either direction.
func TestGoals(t *testing.T) {
	size := func(n int, each, once, hashed float64) ResolveSize {
		return ResolveSize{Deployments: n, Sides: []ResolveSide{{Side: sideEach, NS: bench.Sample{each}}, {Side: sideOnce, NS: bench.Sample{once}}, {Side: sideHashed, NS: bench.Sample{hashed}}}}
	}
	for want, r := range map[string]bench.Judged{
		"reached reached reached":              &ResolveReport{Sizes: []ResolveSize{size(100, 1, 1, 100), size(10_000, 2e7, 2e5, 105)}},
		"MISSED by 50 % reached MISSED by 9 %": &ResolveReport{Sizes: []ResolveSize{size(100, 1, 1, 100), size(10_000, 6e6, 2e5, 120)}},
		"reached":                              &HitRateReport{Lines: []HitRateLine{{Hits: [3]float64{0.5, 0.4, 0.5}}}},
		"MISSED":                               &HitRateReport{Lines: []HitRateLine{{Hits: [3]float64{0.5, 0.4, 0.6}}, {Hits: [3]float64{0.5, 0.4, 0.3}}}},
		"stretch":                              &StorageReport{Deployments: 10, Routes: 300},
		"MISSED by 33 % reached":               &BackfillReport{Runs: []BackfillRun{{Peak: 100}, {Peak: 120, First: Copying{Rate: bench.Sample{100_000}}}}},
		"reached reached MISSED by 33 %":       Wholes{{Steps: []WholeStep{{Name: stepBackfill, Peak: 100}}}, {Steps: []WholeStep{{Name: stepBackfill, Peak: 200}}}},
		"MISSED by 50 %":                       &WholeReport{Steps: []WholeStep{{Name: stepPrepare, Peak: 9 << 30}, {Peak: 3 << 30}, {Peak: 1}}},
	} {
		var got []string
		for _, g := range r.Goals() {
			got = append(got, g.Verdict())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%T: %q, want %q", r, got, want)
		}
	}
}
