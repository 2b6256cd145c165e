package rollout

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/router"
	"berth/router/hostkey"
)

func TestPrecedence(t *testing.T) {
	ramp := Config{
		Mode: ModeRamp, Percent: 0, Default: Legacy,
		Sites:  map[string]Side{"pinned": Hashed, "back": Legacy, "shop": Hashed},
		OptOut: []string{"shop"},
	}
	in := func(c Config, f func(*Config)) Config { c = c.clone(); f(&c); return c }
	for _, c := range []struct {
		name   string
		config Config
		host   hostkey.Host
		want   Reason
	}{
		{"opted out before pinned", ramp, "shop.pages.localhost", Reason{"shop", Legacy, ByOptOut, ModeRamp}},
		{"opted out before 100 %", in(ramp, func(c *Config) { c.Percent = 100 }), "a.shop.pages.localhost", Reason{"shop", Legacy, ByOptOut, ModeRamp}},
		{"pinned", ramp, "pinned.pages.localhost", Reason{"pinned", Hashed, ByPin, ModeRamp}},
		{"a deployment of a pinned site", ramp, "2b469e16.pinned.pages.localhost", Reason{"pinned", Hashed, ByPin, ModeRamp}},
		{"deeper still", ramp, "x.y.pinned.pages.localhost", Reason{"pinned", Hashed, ByPin, ModeRamp}},
		{"pinned before the data centre", in(ramp, func(c *Config) { c.Datacentres = map[string]Side{"fra": Hashed} }), "back.pages.localhost", Reason{"back", Legacy, ByPin, ModeRamp}},
		{"data centre before percent", in(ramp, func(c *Config) { c.Percent, c.Datacentres = 100, map[string]Side{"fra": Legacy} }), "docs.pages.localhost", Reason{"docs", Legacy, ByDatacentre, ModeRamp}},
		{"another data centre", in(ramp, func(c *Config) { c.Datacentres = map[string]Side{"ams": Hashed} }), "docs.pages.localhost", Reason{"docs", Legacy, ByDefault, ModeRamp}},
		{"percent", in(ramp, func(c *Config) { c.Percent = 100 }), "docs.pages.localhost", Reason{"docs", Hashed, ByPercent, ModeRamp}},
		{"default", in(ramp, func(c *Config) { c.Default = Hashed }), "docs.pages.localhost", Reason{"docs", Hashed, ByDefault, ModeRamp}},
		{"custom host of a pinned site", ramp, "www.example.com", Reason{"pinned", Hashed, ByPin, ModeRamp}},
		{"wildcard host of a site that is opted out", ramp, "any.shop.example", Reason{"shop", Legacy, ByOptOut, ModeRamp}},
		{"unknown custom host: no percentage can pick it", in(ramp, func(c *Config) { c.Percent = 100 }), "else.example", Reason{"", Legacy, ByDefault, ModeRamp}},
		{"unknown custom host in a data centre that is named", in(ramp, func(c *Config) { c.Datacentres = map[string]Side{"fra": Hashed} }), "else.example", Reason{"", Hashed, ByDatacentre, ModeRamp}},
		{"the base domain itself is no site", in(ramp, func(c *Config) { c.Percent = 100 }), domain, Reason{"", Legacy, ByDefault, ModeRamp}},
		{"nor is a name that only ends like it", in(ramp, func(c *Config) { c.Percent = 100 }), "pinnedpages.localhost", Reason{"", Legacy, ByDefault, ModeRamp}},
		{"legacy mode: nothing else counts", in(ramp, func(c *Config) { c.Mode, c.Percent, c.Default = ModeLegacy, 100, Hashed }), "pinned.pages.localhost", Reason{"pinned", Legacy, ByPhase, ModeLegacy}},
		{"cutover: one site can be sent back", in(ramp, func(c *Config) { c.Mode = ModeCutover }), "back.pages.localhost", Reason{"back", Legacy, ByPin, ModeCutover}},
		{"cutover: and stays out", in(ramp, func(c *Config) { c.Mode = ModeCutover }), "shop.pages.localhost", Reason{"shop", Legacy, ByOptOut, ModeCutover}},
		{"cutover: data centres do not count", in(ramp, func(c *Config) { c.Mode, c.Datacentres = ModeCutover, map[string]Side{"fra": Legacy} }), "docs.pages.localhost", Reason{"docs", Hashed, ByPhase, ModeCutover}},
		{"hashed: nobody is kept", in(ramp, func(c *Config) { c.Mode = ModeHashed }), "shop.pages.localhost", Reason{"shop", Hashed, ByPhase, ModeHashed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			hashed, legacy := newFake(2, c.host), newFake(1, c.host)
			s := newSwitch(t, hashed, legacy, c.config)
			s.Index().Update("pinned", []string{"www.example.com"})
			s.Index().Update("shop", []string{"*.shop.example"})
			if diff := cmp.Diff(c.want, s.Why(c.host)); diff != "" {
				t.Errorf("Why (-want +got):\n%s", diff)
			}
			d, err := s.Resolve(t.Context(), &router.Query{Host: c.host})
			if err != nil {
				t.Fatal(err)
			}
			if got := Side(d.Deployment); got != c.want.Side { // each fake answers with the number of its side
				t.Errorf("answered by %v, want %v", got, c.want.Side)
			}
			if hashed.count()+legacy.count() != 1 {
				t.Errorf("%d questions for one request", hashed.count()+legacy.count())
			}
		})
	}
}

func TestSetTakesEffectAtOnce(t *testing.T) {
	const host = hostkey.Host("docs.pages.localhost")
	s := newSwitch(t, newFake(2, host), newFake(1, host), Config{Mode: ModeRamp})
	for _, percent := range []float64{100, 0, 100} {
		if err := s.Set(Config{Mode: ModeRamp, Percent: percent}); err != nil {
			t.Fatal(err)
		}
		want := Legacy
		if percent > 0 {
			want = Hashed
		}
		if got := s.Ask(t.Context(), &router.Query{Host: host}); got.Side != want || got.Err != nil {
			t.Errorf("at %v%%: %v, %v", percent, got.Side, got.Err)
		}
	}
	before := s.Config()
	if err := s.Set(Config{Mode: ModeRamp, Percent: 101}); err == nil {
		t.Error("101 % was taken")
	}
	if diff := cmp.Diff(before, s.Config()); diff != "" {
		t.Errorf("a faulty configuration changed what is in force:\n%s", diff)
	}
}

// What the caller does with its maps afterwards must not reach the plan, which nobody locks.
func TestConfigIsCopied(t *testing.T) {
	sites := map[string]Side{"docs": Hashed}
	s := newSwitch(t, fixed{}, fixed{}, Config{Mode: ModeRamp, Sites: sites})
	sites["docs"] = Legacy
	s.Config().Sites["docs"] = Legacy
	if got := s.WhySite("docs").Side; got != Hashed {
		t.Errorf("docs is on %v", got)
	}
}

func TestStatsCountBySide(t *testing.T) {
	const known, other = hostkey.Host("docs.pages.localhost"), hostkey.Host("none.pages.localhost")
	hashed, legacy := newFake(2, known), newFake(1, known)
	s := newSwitch(t, hashed, legacy, Config{Mode: ModeRamp, Sites: map[string]Side{"docs": Hashed}})
	ask := func(h hostkey.Host) { _, _ = s.Resolve(t.Context(), &router.Query{Host: h}) }
	ask(known)
	ask(other)
	hashed.fail = errors.New("disk")
	ask(known)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = s.Resolve(gone, &router.Query{Host: known}) // a client that left is no failure of a side
	st := s.Stats()
	if st.Hashed.Asked != 2 || st.Hashed.Errors != 1 || st.Legacy.Asked != 1 || st.Legacy.NoRoute != 1 || st.Legacy.Errors != 0 {
		t.Errorf("hashed %d asked, %d errors; legacy %d asked, %d without route, %d errors",
			st.Hashed.Asked, st.Hashed.Errors, st.Legacy.Asked, st.Legacy.NoRoute, st.Legacy.Errors)
	}
}

func TestNewReportsEveryFault(t *testing.T) {
	_, err := New(Deps{}, Options{Domain: "Pages.", MissingQueue: -1, Fallback: FallbackOptions{Concurrent: -1, Forget: -1}, Config: Config{Percent: -1}})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"two resolvers", "Domain", "MissingQueue", "Concurrent", "Forget", "mode", "percent"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in: %v", want, err)
		}
	}
}
