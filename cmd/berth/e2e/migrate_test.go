//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// phasesOf is the way of a migration.
var phasesOf = []string{"legacy", "dual-write", "backfill", "verify", "ramp", "cutover"}

// migrated is a server with projects, the tables that an operator of the old design would have of them, and traffic.
type migrated struct {
	t       *testing.T
	s       *server
	traffic *traffic
	dir     string // of the site that is deployed
	tables  string
	names   string // file of deployments
	version int
	filters map[string][]map[string]string
	lines   []string
}

func newMigrated(t *testing.T, args ...string) *migrated {
	s := startServer(t, args...)
	m := &migrated{t: t, s: s, traffic: newTraffic(s), dir: t.TempDir(), tables: t.TempDir(), filters: map[string][]map[string]string{}}
	m.names = filepath.Join(t.TempDir(), "deployments.csv")
	for _, project := range []string{"docs", "shop", "blog"} {
		for _, branch := range []string{"main", "topic", "main", "feat/Login"} {
			m.record(project, m.deploy(project, branch))
		}
	}
	m.write()
	return m
}

// deploy publishes a version and says what its hosts answer from now on.
func (m *migrated) deploy(project, branch string) deployed {
	m.t.Helper()
	m.version++
	body := fmt.Sprintf("%s %s %d", project, branch, m.version)
	if err := os.WriteFile(filepath.Join(m.dir, "index.html"), []byte(body), 0o644); err != nil {
		m.t.Fatal(err)
	}
	moving := strings.Fields(m.s.berth("alias", branch, "--project", project, "--domain", domain))
	if branch == "main" {
		moving = append(moving, m.production(project)...)
	}
	done := m.traffic.moving(body, moving...)
	d := m.s.deploy(m.dir, project, branch)
	done()
	m.traffic.serves(body, hostOf(d.URL))
	for _, alias := range d.Aliases {
		m.traffic.serves(body, hostOf(alias))
	}
	return d
}

// production are the hosts that follow a project's production.
func (m *migrated) production(project string) []string {
	hosts := []string{project + "." + domain}
	for _, custom := range customHosts(project) {
		if len(*m.traffic.truth(custom).allowed.Load()) > 0 { // it is served already
			hosts = append(hosts, custom)
		}
	}
	return hosts
}

func customHosts(project string) []string {
	return []string{"www." + project + ".example.com", "old." + project + ".example.com", "x.y.wild-" + project + ".example.com"}
}

// record makes the entries of a deployment as the old control plane wrote them, dots unescaped; newer ones come first.
func (m *migrated) record(project string, d deployed) {
	pipe := "pipe-" + strings.ReplaceAll(d.ID, "-", "")
	m.lines = append(m.lines, pipe+","+d.ID)
	hosts := []string{hostOf(d.URL)}
	for _, alias := range d.Aliases {
		hosts = append(hosts, hostOf(alias))
	}
	var fresh []map[string]string
	for _, h := range slices.Compact(hosts) {
		fresh = append(fresh, map[string]string{"pattern": `^(?:` + h + `(?:[:][0-9]+)?\/(?<p1>.*))$`, "script_hash": pipe})
	}
	if d.Environment == "production" {
		fresh = append(fresh,
			map[string]string{"pattern": `^(?:` + project + "." + domain + `(?:[:][0-9]+)?\/(?<p1>.*))$`, "script_hash": pipe},
			map[string]string{"pattern": `^(?:(?:www|old).` + project + `.example.com(?:[:][0-9]+)?\/(?<p1>.*))$`, "script_hash": pipe},
			map[string]string{"pattern": `^(?:[^/:]*\.wild-` + project + `\.example\.com(?:[:][0-9]+)?\/(?<p1>.*))$`, "script_hash": pipe})
	}
	m.filters[project] = append(fresh, m.filters[project]...)
}

func (m *migrated) write() {
	for project, filters := range m.filters {
		raw, err := json.MarshalIndent(map[string]any{"filters": filters, "v": 1}, "", " ")
		if err == nil {
			err = os.WriteFile(filepath.Join(m.tables, project+".json"), raw, 0o644)
		}
		if err != nil {
			m.t.Fatal(err)
		}
	}
	if err := os.WriteFile(m.names, []byte(strings.Join(m.lines, "\n")+"\n"), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// load imports the tables; the custom hosts that they name are served from then on.
func (m *migrated) load() {
	m.t.Helper()
	m.s.berth("migrate", "import", "--tables", m.tables, "--deployments", m.names)
	for project := range m.filters {
		body := (*m.traffic.truth(project + "." + domain).allowed.Load())[0]
		m.traffic.serves(body, customHosts(project)...)
	}
}

func (m *migrated) status() (st struct {
	Phase    string
	Backfill struct{ Activity string }
	Finish   *struct {
		Ended time.Time
	}
}) {
	m.t.Helper()
	lastJSON(m.t, m.s.berth("migrate", "status", "--json"), &st)
	return st
}

func (m *migrated) until(what string, ok func() bool) {
	m.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			m.t.Fatalf("%s: not within 30 s\n%s\n%s", what, m.s.berth("migrate", "status"), m.s.log)
		}
	}
}

// ready does what the next phase asks for.
func (m *migrated) ready(phase string) {
	m.t.Helper()
	switch phase {
	case "backfill":
		m.until("backfill", func() bool { return m.status().Backfill.Activity == "done" })
	case "verify":
		m.s.berth("migrate", "verify")
	case "ramp":
		m.s.berth("migrate", "rollout", "set", "--percent", "100", "--why", "test")
	}
}

// forward goes up to a phase.
func (m *migrated) forward(to string) {
	m.t.Helper()
	at := slices.Index(phasesOf, m.status().Phase)
	for ; phasesOf[at] != to; at++ {
		m.ready(phasesOf[at])
		m.s.berth("migrate", "start", "--to", phasesOf[at+1], "--why", "test")
	}
}

func (m *migrated) finish() {
	m.t.Helper()
	m.s.berth("migrate", "finish", "--grace", "0s", "--why", "test")
	m.until("finish", func() bool { f := m.status().Finish; return f != nil && !f.Ended.IsZero() })
}

// TestMigrationForward goes all the way under live traffic: not one request fails, and not one byte is wrong.
func TestMigrationForward(t *testing.T) {
	t.Parallel()
	m := newMigrated(t, "--shadow", "20%")
	m.traffic.start(3)
	m.load()
	for i, phase := range phasesOf {
		m.forward(phase)
		m.deploy("docs", "main") // each phase writes where it should
		m.deploy("shop", []string{"topic", "new-" + phase}[i%2])
		if phase == "ramp" {
			m.s.berth("migrate", "rollout", "set", "--percent", "30", "--site", "blog=hashed", "--opt-out", "shop", "--why", "by hand")
			m.deploy("blog", "main")
			m.s.berth("migrate", "rollout", "set", "--unpin", "blog", "--opt-in", "shop", "--percent", "0", "--why", "by hand")
			m.s.berth("migrate", "rollout", "run", "--steps", "50,100", "--soak", "500ms", "--min-samples", "20", "--shadow", "100%",
				"--max-p99-increase", "1000000%", "--why", "guarded")
		}
		m.wantCounts(phase)
	}
	m.finish()
	m.deploy("docs", "main")
	m.traffic.end(t, 1000)
	wantIn(t, "the log", m.s.berth("migrate", "log"), "phase retired to legacy", "phase cutover to retired", "guarded ramp done")
	wantIn(t, "diffs", m.s.berth("migrate", "diffs"), "No live request was answered differently", "No site that verify found")
	m.s.berth("fsck")
}

// wantCounts looks for the migration among the server's counts.
func (m *migrated) wantCounts(phase string) {
	m.t.Helper()
	counts := m.s.metrics()
	least := map[string]float64{`berth_migration_phase{phase="` + phase + `"}`: 1, `berth_route_answers_total{side="legacy"}`: 1}
	if phase == "ramp" {
		least[`berth_route_answers_total{side="hashed"}`], least[`berth_migration_compared_total{class="agree"}`] = 1, 20
	}
	for series, n := range least {
		if counts[series] < n {
			m.t.Errorf("in phase %s %s is %g, want %g or more", phase, series, counts[series], n)
		}
	}
}

// TestMigrationReverts goes back from every phase under live traffic, changes what the tables say, and goes forward again: no record
// of before is ever served.
func TestMigrationReverts(t *testing.T) {
	t.Parallel()
	m := newMigrated(t)
	m.traffic.start(2)
	m.load()
	for _, phase := range phasesOf[1:] {
		m.forward(phase)
		m.deploy("docs", "main")
		to := "legacy"
		if phase == "ramp" {
			to = "dual-write"
		}
		m.s.berth("migrate", "revert", "--to", to, "--why", "drill")
		m.deploy("docs", "main")
		m.deploy("docs", "topic")
		m.s.berth("migrate", "start", "--to", phasesOf[slices.Index(phasesOf, to)+1], "--why", "again")
	}
	m.forward("cutover")
	m.finish()
	m.traffic.end(t, 500)
	if out, err := m.s.tryBerth("migrate", "revert", "--to", "cutover", "--why", "too late"); exitStatus(err) == 0 {
		t.Errorf("the last phase was taken back:\n%s", out)
	}
	m.s.berth("fsck")
}

// TestMigrationRevertsFromHalf goes back to each earlier phase while half of the sites are on the records and the other half on the tables: no
// request fails or gets a wrong byte, before, during and after, and nothing that was published in between is lost.
func TestMigrationRevertsFromHalf(t *testing.T) {
	t.Parallel()
	m := newMigrated(t, "--shadow", "50%")
	m.traffic.start(3)
	m.load()
	for _, to := range []string{"verify", "backfill", "dual-write", "legacy"} {
		m.forward("ramp")
		m.half()
		m.traffic.more(t, 200)
		m.deploy("docs", "main") // of either side
		m.deploy("shop", "topic")
		m.deploy("blog", "main")
		m.s.berth("migrate", "revert", "--to", to, "--why", "drill")
		for project := range m.filters {
			if side := m.side(project); side != "legacy" {
				t.Errorf("reverted to %s, %s is on %s", to, project, side)
			}
		}
		m.traffic.more(t, 200)
		m.deploy("docs", "topic")
		m.deploy("blog", "main")
	}
	m.forward("ramp")
	m.half()
	m.traffic.more(t, 200)
	m.traffic.end(t, 1800)
	m.s.berth("fsck")
}

// half puts half of the sites on the records by the percentage. Three sites may all be of the same half: then one is pinned to the other.
func (m *migrated) half() {
	m.t.Helper()
	m.s.berth("migrate", "rollout", "set", "--percent", "50", "--why", "half")
	sides := map[string][]string{}
	for project := range m.filters {
		side := m.side(project)
		sides[side] = append(sides[side], project)
	}
	for side, other := range map[string]string{"legacy": "hashed", "hashed": "legacy"} {
		if len(sides[other]) == 0 {
			site := slices.Min(sides[side])
			m.s.berth("migrate", "rollout", "set", "--site", site+"="+other, "--why", "half")
			if got := m.side(site); got != other {
				m.t.Fatalf("%s is on %s", site, got)
			}
		}
	}
}

// side is what answers a project's production host.
func (m *migrated) side(project string) string {
	m.t.Helper()
	var x struct{ Table string }
	lastJSON(m.t, m.s.berth("explain", project+"."+domain, "--json"), &x)
	return x.Table
}

// TestMigrationKilled kills the server in every phase and while it enters the next: it goes on where it was, or where it was told to.
func TestMigrationKilled(t *testing.T) {
	t.Parallel()
	m := newMigrated(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	again := func(when string) {
		m.s.start()
		m.traffic.check(t, when)
	}
	during := func(when string, args ...string) {
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = m.s.tryBerth(args...) })
		timer := time.NewTimer(time.Duration(rng.IntN(60)) * time.Millisecond)
		<-timer.C
		m.s.kill()
		wg.Wait()
		again("killed " + when)
	}
	during("in the import", "migrate", "import", "--tables", m.tables, "--deployments", m.names)
	m.load()
	for i, phase := range phasesOf[:len(phasesOf)-1] {
		next := phasesOf[i+1]
		m.ready(phase)
		during("entering "+next, "migrate", "start", "--to", next, "--why", "test")
		if at := m.status().Phase; at != phase && at != next {
			t.Fatalf("phase %s after a kill between %s and %s", at, phase, next)
		}
		m.forward(next)
		m.deploy("docs", "main")
		m.s.kill()
		again("killed in " + next)
	}
	m.ready("cutover")
	during("in the end", "migrate", "finish", "--grace", "0s", "--why", "test")
	m.finish()
	m.traffic.check(t, "after the end")
	m.s.berth("fsck")
}

// TestTwoOperators has two people act at once: one of them does it, and the other is told who was faster.
func TestTwoOperators(t *testing.T) {
	t.Parallel()
	m := newMigrated(t)
	m.load()
	both := func(args ...string) {
		t.Helper()
		outs, errs := [2]string{}, [2]error{}
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				outs[i], errs[i] = m.s.tryBerth(append(slices.Clone(args), "--why", fmt.Sprint("operator ", i))...)
			})
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("berth %s, twice at once: %v, %v\n%s\n%s", strings.Join(args, " "), errs[0], errs[1], outs[0], outs[1])
		}
		for i, err := range errs {
			if err != nil && (exitStatus(err) != 1 || !strings.Contains(outs[i], fmt.Sprint("operator ", 1-i)) && !strings.Contains(outs[i], "already")) {
				t.Errorf("the second is told:\n%s", outs[i])
			}
		}
	}
	both("migrate", "start", "--to", "dual-write")
	m.forward("ramp")
	var r struct{ Revision uint64 }
	lastJSON(t, m.s.berth("migrate", "rollout", "show", "--json"), &r)
	both("migrate", "rollout", "set", "--percent", "50", "--revision", fmt.Sprint(r.Revision))
	m.traffic.check(t, "after two operators")
}
