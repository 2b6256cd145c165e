//go:build e2e

package serving

import (
	"bytes"
	"flag"
	"testing"
	"time"

	"berth/bench"
	"berth/bench/load"
	"berth/migrate/report/plot/plottest"
)

var shotDir = flag.String("shots", "", "keep the pictures that the test takes in this directory")

func TestPageInBrowser(t *testing.T) {
	serve := made(t)
	idle := &IdleReport{Conns: 10_000, Sides: []IdleSide{{sideBerth, bench.Sample{5000, 6000, 5500}}, {"nginx-map", bench.Sample{600}}, {sideConstant, bench.Sample{22_000}}}}
	burst := &BurstReport{Steady: load.Phase{Rate: 4000, Conns: 64, For: calm}, Burst: load.Phase{Rate: 40_000, Conns: 640, For: burstFor}}
	for i, side := range []string{sideBerth, sideOther, "nginx-map"} {
		s := BurstSide{Side: side, Rounds: []load.Played{burstLike(4 * i)}}
		s.judge(s.Rounds[0])
		burst.Sides = append(burst.Sides, s)
	}
	var results []bench.Result
	drawings := 0
	for _, rep := range []bench.Report{serve, idle, burst} {
		r, err := bench.NewResult("x", "What a request costs, beside nginx, lighttpd, Caddy and the floor of the machine", "berth bench x", time.Now(), rep)
		if err != nil {
			t.Fatal(err)
		}
		results, drawings = append(results, r), drawings+len(r.Figures)
	}
	var b bytes.Buffer
	if err := bench.WriteResults(&b, "Berth, measured", results); err != nil {
		t.Fatal(err)
	}
	plottest.Page(plottest.Browser(t), t, "serving", b.String(), *shotDir, drawings)
}
