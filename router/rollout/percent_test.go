package rollout

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"berth/router/hostkey"
)

// The share of the sites that is picked is the percentage, within what chance allows, also for fractions of a percent.
func TestPercentageIsThatOfTheSites(t *testing.T) {
	const sites = 40_000
	for _, percent := range []float64{0, 0.25, 1, 5, 50, 99.5, 100} {
		p := compile(Config{Mode: ModeRamp, Percent: percent}, "", testHasher)
		picked := 0
		for i := range sites {
			if p.picks(fmt.Sprintf("project-%d", i)) {
				picked++
			}
		}
		want := sites * percent / 100
		slack := 5 * math.Sqrt(want*(1-percent/100)) // five standard deviations
		if math.Abs(float64(picked)-want) > slack {
			t.Errorf("%v%%: %d of %d sites, want %.0f ± %.0f", percent, picked, sites, want, slack)
		}
	}
}

// Neighbouring deployments of one site are together, another secret picks others, and the same secret the same.
func TestPercentageIsKeyedAndSticky(t *testing.T) {
	c := Config{Mode: ModeRamp, Percent: 50}
	again := compile(c, "ams", hostkey.NewHasher(hostkey.Secret{7}))
	other := compile(c, "", hostkey.NewHasher(hostkey.Secret{8}))
	p := compile(c, "fra", testHasher)
	differ := 0
	for i := range 2000 {
		site := fmt.Sprintf("project-%d", i)
		if p.picks(site) != again.picks(site) {
			t.Fatalf("%s is elsewhere in another data centre", site)
		}
		if p.picks(site) != other.picks(site) {
			differ++
		}
	}
	if differ < 800 || differ > 1200 {
		t.Errorf("of 2,000 sites %d are elsewhere with another secret, want about half", differ)
	}
}

func TestRaisingThePercentageSendsNobodyBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float64Range(0, 100).Draw(t, "a"), rapid.Float64Range(0, 100).Draw(t, "b")
		low := compile(Config{Mode: ModeRamp, Percent: min(a, b)}, "", testHasher)
		high := compile(Config{Mode: ModeRamp, Percent: max(a, b)}, "", testHasher)
		site := rapid.StringMatching(`[a-z0-9]{1,20}`).Draw(t, "site")
		if low.picks(site) && !high.picks(site) {
			t.Fatalf("%s is picked at %v%% and not at %v%%", site, min(a, b), max(a, b))
		}
	})
}
