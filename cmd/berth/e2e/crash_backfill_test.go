//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// copying is how far the backfill is.
type copying struct {
	Activity                      string
	Total, Done, Written, Present int64
	Queued, Overflow              int
	Failures                      map[string]int
}

func (m *migrated) copying() copying {
	m.t.Helper()
	var st struct{ Backfill copying }
	lastJSON(m.t, m.s.berth("migrate", "status", "--json"), &st)
	return st.Backfill
}

// bulk gives a project as many hosts more as the table of an old one has, all of its newest deployment.
func (m *migrated) bulk(project string, n int) {
	pipe := m.filters[project][0]["script_hash"]
	for i := range n {
		m.filters[project] = append(m.filters[project], map[string]string{"pattern": fmt.Sprintf(`^(?:n%05d.bulk.example.net(?:[:][0-9]+)?\/(?<p1>.*))$`, i), "script_hash": pipe})
	}
	m.write()
}

// TestCrashInBackfill kills the server with kill -9 at random moments while the backfill runs and two deployers write to both sides. The
// store passes fsck, no entry is copied twice or passed over, what was acknowledged is there, and in the end both sides
// agree about every host.
func TestCrashInBackfill(t *testing.T) {
	m := newMigrated(t)
	// Each start may copy a piece of some 250 entries at once, whatever the rate: with these it is never over before the last kill.
	entries := max(20_000, 400**crashRounds)
	m.bulk("docs", entries)
	m.load()
	body := m.s.get("n00000.bulk.example.net", "/").body // by the tables
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	var ds []*deployer
	for i := range 2 {
		d := &deployer{s: m.s, n: i, dir: t.TempDir()}
		m.s.berth("project", "create", d.project(), "--production-branch", "main")
		ds = append(ds, d)
	}
	m.forward("dual-write")
	m.s.berth("migrate", "start", "--to", "backfill", "--rate", fmt.Sprint(max(10, entries/4/(*crashRounds+1))), "--why", "test")
	acknowledged, moved, before := 0, 0, m.copying()
	for round := range *crashRounds {
		acknowledged += crashRound(t, m.s, ds, time.Duration(20+rng.IntN(500))*time.Millisecond, round%10 == 9)
		now := m.copying()
		if now.Done < before.Done || now.Written < before.Written || now.Done > now.Total || now.Queued+now.Overflow > 0 {
			t.Errorf("round %d: %+v after %+v", round, now, before)
		}
		if now.Activity == "done" {
			t.Errorf("round %d: the backfill is over", round)
		}
		if now.Done > before.Done {
			moved++
		}
		if before = now; t.Failed() {
			t.Fatalf("round %d; the server's log:\n%s", round, m.s.log)
		}
	}
	t.Logf("%d acknowledged deployments over %d kills, in %d of which entries had been copied; %d of %d are", acknowledged, *crashRounds, moved, before.Done, before.Total)
	if moved < *crashRounds/2 || acknowledged < *crashRounds/10 {
		t.Error("the kills came too early to test much")
	}
	m.s.berth("migrate", "rate", "0", "--why", "test")
	m.forward("verify")
	if end := m.copying(); end.Done != end.Total || end.Written < int64(entries) {
		t.Errorf("in the end: %+v", end)
	}
	m.s.berth("migrate", "verify") // fails if the sides differ
	m.forward("ramp")
	m.s.berth("migrate", "rollout", "set", "--percent", "100", "--why", "test")
	for range 200 {
		m.s.wantBody(fmt.Sprintf("n%05d.bulk.example.net", rng.IntN(entries)), "/", 200, body)
	}
	m.s.berth("fsck")
}
