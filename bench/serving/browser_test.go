//go:build e2e

package serving

import (
	"testing"

	"berth/bench"
	"berth/bench/load"
	"berth/bench/pagetest"
)

func TestPageInBrowser(t *testing.T) {
	serve := made(t)
	idle := &IdleReport{Conns: 10_000, Sides: []IdleSide{{sideBerth, bench.Sample{5000, 6000, 5500}}, {"nginx-map", bench.Sample{600}}, {sideConstant, bench.Sample{22_000}}}}
	burst := &BurstReport{Steady: load.Phase{Rate: 4000, Conns: 64, For: calm}, Burst: load.Phase{Rate: 40_000, Conns: 640, For: burstFor}}
	for i, side := range []string{sideBerth, sideOther, "nginx-map"} {
		s := BurstSide{Side: side, Rounds: []load.Played{burstLike(4 * i)}}
		s.judge(s.Rounds[0])
		burst.Sides = append(burst.Sides, s)
	}
	hosts := &HostsReport{Config: serve.Config, Hot: []Comparison{byHosts(serve.Comparisons[0], hotHosts)}, Spread: []Comparison{byHosts(serve.Comparisons[1], "all alike")}}
	pagetest.Look(t, "serving", serve, idle, burst, hosts)
}

// byHosts takes the sides of a comparison for numbers of hosts.
func byHosts(c Comparison, name string) Comparison {
	c.Name, c.Sides = name, append([]Series(nil), c.Sides[:3]...)
	for i, n := range []string{"1,000", "100,000", "1,000,000"} {
		c.Sides[i].Side = n
	}
	return c
}
