package report_test

import (
	"fmt"
	"math"
	"strings"
	"time"

	"berth/migrate/report"
)

var begin = time.Date(2026, 3, 2, 8, 15, 0, 0, time.UTC)

func phases() []string {
	return []string{"legacy", "dual-write", "backfill", "verify", "ramp", "cutover", "retired"}
}

// over makes a series of n points, each step apart.
func over(from time.Time, step time.Duration, n int, value func(i int) float64) (s report.Series) {
	for i := range n {
		s.Add(from.Add(time.Duration(i)*step), value(i))
	}
	return s
}

func quantiles(median, tail time.Duration) (out []report.Quantile) {
	for i, q := range []float64{0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999} {
		grow := math.Pow(float64(tail)/float64(median), float64(i)/10)
		out = append(out, report.Quantile{Share: q, Took: time.Duration(float64(median) * grow)})
	}
	return out
}

// sample is a migration of two days with a step back in it.
func sample() report.Data {
	h := func(n float64) time.Time { return begin.Add(time.Duration(n * float64(time.Hour))) }
	d := report.Data{
		Server: "pages.example.com", Version: "1.4.0", Generated: h(50), Phase: "ramp", Phases: phases(), Activity: "done",
		Spans: []report.Span{
			{"legacy", h(0), h(2), "ada", "imported 14,000,000 entries"}, {"dual-write", h(2), h(3), "ada", ""}, {"backfill", h(3), h(9), "ada", ""},
			{"verify", h(9), h(11), "ada", ""}, {"dual-write", h(11), h(12), "grace", "a proxy wrote to the old tables"}, {"backfill", h(12), h(18), "grace", ""},
			{"verify", h(18), h(21), "grace", ""}, {"ramp", h(21), time.Time{}, "guard", "step 4 of 5"}},
		Rollout: []string{"25 % of the sites are answered by hashed", "data centre fra: hashed"},
	}
	d.Remaining = []string{"shop", "old-intranet"}
	d.Progress = report.Progress{Total: 14_000_000, Done: 14_000_000, Written: 13_998_212, Present: 1_402, PerSecond: 0, Started: h(12), Finished: h(18),
		DoneOver: over(h(3), 4*time.Minute, 225, func(i int) float64 { return min(14e6, 14e6*float64(i)/210) }),
		RateOver: over(h(3), 4*time.Minute, 225, func(i int) float64 { return 640 + 90*math.Sin(float64(i)/7) })}
	d.Latency = []report.Latency{
		{Side: "legacy", Count: 18_200_311, Quantiles: quantiles(7*time.Millisecond, 800*time.Millisecond),
			MedianOver: over(h(0), 6*time.Minute, 480, func(i int) float64 { return 0.007 + 0.002*math.Sin(float64(i)/40) }),
			P99Over:    over(h(0), 6*time.Minute, 480, func(i int) float64 { return 0.11 + 0.04*math.Sin(float64(i)/25) })},
		{Side: "hashed", Count: 4_100_922, Quantiles: quantiles(240*time.Nanosecond, 90*time.Microsecond),
			MedianOver: over(h(18), 6*time.Minute, 300, func(i int) float64 { return 2.4e-7 }),
			P99Over:    over(h(18), 6*time.Minute, 300, func(i int) float64 { return 6e-6 + 2e-6*math.Sin(float64(i)/9) })},
	}
	d.Diffs = report.Diffs{Compared: 22_301_233, Agree: 22_301_196}
	for i, name := range []string{"missing", "extra", "different", "error"} {
		n := []uint64{21, 0, 14, 2}[i]
		d.Diffs.Classes = append(d.Diffs.Classes, report.DiffClass{Name: name, Count: n,
			Over: over(h(18), 20*time.Minute, 90, func(j int) float64 { return math.Floor(float64(n) * math.Min(1, float64(j)/30)) })})
	}
	for i := range 6 {
		d.Diffs.Examples = append(d.Diffs.Examples, report.Diff{Time: h(19).Add(time.Duration(i) * time.Minute), Class: "different",
			Host: fmt.Sprintf("%08x.shop.pages.example.com", i*7919), Legacy: "project 4, deployment 912", Other: "project 4, deployment 911",
			Line: `stored piece 2147483650, entry 17 of it: ^(?:0a1b2c3d.shop.pages.example.com(?:[:][0-9]+)?\/(?<p1>.*))$`})
	}
	d.Failures = []report.Failures{{"cannot-convert", 341, 0, `^(?:(?!old).*.shop.example.com\/.*)$`}, {"no-deployment", 45, 45, "9f86d081884c7d659a2feaa0c55ad015"},
		{"conflict", 2, 2, "www.example.com"}}
	d.Storage = report.Storage{Deployments: 14_000_000, Before: report.Routing{Measured: true, Tables: 1_240 << 20, Index: 410 << 20},
		After: report.Routing{Measured: true, Routes: 402 << 20}}
	d.Caches = []report.Cache{
		{Side: "legacy", Hits: 17_000_000, Misses: 1_200_311, Bytes: 255 << 20, Bound: 256 << 20, Entries: 4112, HitRateOver: over(h(0), 6*time.Minute, 480, func(i int) float64 { return 0.9 + 0.04*math.Sin(float64(i)/33) })},
		{Side: "hashed", Hits: 4_090_000, Misses: 10_922, Bytes: 24 << 20, Bound: 25 << 20, Entries: 99_000, HitRateOver: over(h(18), 6*time.Minute, 300, func(i int) float64 { return 1 - 0.2/float64(1+i) })}}
	d.Log = []report.Entry{{h(0), "ada", "phase retired to legacy", "imported 14,000,000 entries"}, {h(2), "ada", "phase legacy to dual-write", ""}, {h(21), "guard", "rollout 5 % to 25 %", "soaked 10 min: 0 diffs, p99 6.1 µs"}}
	return d
}

const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>&amp;{{.}}`

// hostileData says the worst a stranger can make a host, a class or a reason say, in each place that shows text.
func hostileData() report.Data {
	d := sample()
	bad := hostile + strings.Repeat("w", 300) + "\u202eevil\x00"
	d.Server, d.Version, d.Phase, d.Activity, d.Why = bad, bad, bad, bad, bad
	d.Phases[2] = bad
	for i := range d.Spans {
		d.Spans[i].Phase, d.Spans[i].Why = d.Phases[i%7], bad
	}
	for i := range d.Diffs.Examples {
		d.Diffs.Examples[i] = report.Diff{Time: begin, Class: bad, Host: bad, Legacy: bad, Other: bad, Line: bad}
	}
	for i := range d.Diffs.Classes {
		d.Diffs.Classes[i].Name = bad
	}
	d.Failures = append(d.Failures, report.Failures{Class: bad, Count: 7, Example: bad})
	d.Latency[0].Side, d.Caches[0].Side = bad, bad
	d.Log = append(d.Log, report.Entry{Time: begin, Who: bad, What: bad, Why: bad})
	d.Rollout, d.Remaining = []string{bad}, []string{bad}
	return d
}
