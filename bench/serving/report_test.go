package serving

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"berth/bench"
	"berth/bench/load"
	"berth/bench/machine"
	"berth/bench/sites"
)

// made is a report of figures that look like measured ones. Every seventh turn is disturbed, and three times as dear.
func made(t *testing.T) *Report {
	t.Helper()
	c, err := Config{Uniform: true}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	r := &Report{Config: c, Cores: machine.Cores{Server: 0, Load: 1}, Skipped: []string{"caddy is not measured: not installed: .ci/need caddy installs it"}}
	for _, sc := range c.scenarios() {
		cmp := Comparison{Name: sc.name, Load: sc.load, Hosts: len(sc.hosts), File: shortName(sc.file), Size: sc.file.Size, Headers: string(sc.headers), Allocations: bench.Sample{0, 0.02, 0.001}}
		for i, name := range SideNames() {
			s := Series{Side: name, Head: 331}
			for k := range c.Rounds {
				dear := 1 + rng.Float64()/20
				if (i+k)%7 == 6 {
					dear *= 3
				}
				per := time.Duration(float64(10_000*(i+1)+sc.file.Size/20) * dear)
				n := int64(time.Second / per)
				s.Slots = append(s.Slots, Slot{Result: load.Result{Requests: n, Took: time.Second, P50: 10 * per, P99: 50 * per, P999: 90 * per, Used: 900 * time.Millisecond, Worked: 900 * time.Millisecond},
					CPU: time.Duration(n) * per, Others: 0.01, Disturbed: dear > 2})
			}
			cmp.Sides = append(cmp.Sides, s)
		}
		r.Comparisons = append(r.Comparisons, cmp)
	}
	return r
}

// A disturbed turn must not move a ratio, and each promise has its line.
func TestDisturbedTurnsAreNotCounted(t *testing.T) {
	r := made(t)
	c := &r.Comparisons[0]
	low, high := c.Better("nginx-map").Range()
	// nginx-map is the third side, at three times and a bit of what Berth takes.
	if want := float64(30_000+51) / (10_000 + 51); low < want/1.06 || high > want*1.06 {
		t.Errorf("%.3g to %.3g, want about %.3g", low, high, want)
	}
	if n := len(c.Better("nginx-map")); n >= r.Config.Rounds || n < r.Config.Rounds/2 {
		t.Errorf("%d rounds of %d count", n, r.Config.Rounds)
	}
	if got := c.Better("nobody"); got != nil {
		t.Errorf("against nobody: %v", got)
	}
	goals := r.Goals()
	if len(goals) != len(promises())+1 {
		t.Errorf("%d goals", len(goals))
	}
	for _, g := range goals {
		if len(g.Found) == 0 {
			t.Errorf("%s was not found", g.What)
		}
	}
	if text := strings.Join(r.Notes(), "\n"); !strings.Contains(text, "caddy is not measured") {
		t.Errorf("what was skipped is not said in %s", text)
	}
}

// When most of a side's turns are disturbed there is still a figure, and the row says what it is worth.
func TestMostlyDisturbedIsSaid(t *testing.T) {
	r := made(t)
	s := &r.Comparisons[0].Sides[2]
	for i := range s.Slots {
		s.Slots[i].Disturbed = i > 1
	}
	if slots, noisy := s.counted(); !noisy || len(slots) != len(s.Slots) {
		t.Errorf("%d turns count, noisy: %v", len(slots), noisy)
	}
	if !strings.Contains(r.String(), "DISTURBED") {
		t.Error("the table does not say so")
	}
	rows := 0
	for _, row := range r.Rows() {
		if strings.HasPrefix(row.Name, "DisturbedServe/") {
			rows++
		}
	}
	if rows == 0 {
		t.Error("benchstat would take disturbed turns for others")
	}
}

func TestConfigTellsItsFaults(t *testing.T) {
	_, err := Config{Sides: []string{"apache"}, Files: []string{"2k"}, Rounds: -1, Load: []string{"ab"}, Sites: sites.Config{Sites: 3, Hot: 5}}.withDefaults()
	if err == nil {
		t.Fatal("no fault")
	}
	for _, want := range []string{"apache", "2k", "ab", "1 round or more", "5 hot sites of 3"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

// burstLike is a round with a p99 of ms before the burst, 50 in it, and after it so many windows of 50.
func burstLike(windows int) load.Played {
	p := load.Played{Answered: 1000}
	for at := time.Duration(0); at < 2*calm+burstFor; at += load.WindowLength {
		w := load.Window{At: at, Answered: 100, P50: time.Millisecond, P99: 2 * time.Millisecond, Peak: 60 * time.Millisecond}
		if at >= calm && at < calm+burstFor+time.Duration(windows)*load.WindowLength {
			w.P99 = 50 * time.Millisecond
		}
		p.Windows = append(p.Windows, w)
	}
	return p
}

func TestRecovery(t *testing.T) {
	for windows, want := range map[int]time.Duration{0: load.WindowLength, 3: time.Second, 8: 9 * load.WindowLength, 1000: calm} {
		var b BurstSide
		b.judge(burstLike(windows))
		if got := time.Duration(b.Recovered[0]); got != want || b.During[0] != 50e6 || b.Calm[0] != 2e6 {
			t.Errorf("%d bad windows: as before after %v, want %v (%v, %v)", windows, got, want, b.During, b.Calm)
		}
	}
	// One bad window after a good one is somebody else's.
	p, b := burstLike(0), BurstSide{}
	p.Windows[int((calm+burstFor)/load.WindowLength)+2].P99 = time.Second
	b.judge(p)
	if got := time.Duration(b.Recovered[0]); got != load.WindowLength {
		t.Errorf("with one bad window: %v", got)
	}
}
