//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// ack is a deployment that `berth deploy` said was live: what its files must be, for ever.
type ack struct {
	deployed
	files map[string]string
}

// deployer deploys version after version of a site of its own until the server dies under it.
type deployer struct {
	s       *server
	n       int
	dir     string
	version int

	acked []ack
	// open is the version that was on its way when the server died: wholly there or wholly absent.
	open map[string]string
}

// TestCrash kills the server with kill -9 at random moments under four deployers. After each restart the store must pass
// fsck, every acknowledged deployment must answer every one of its files, and one that was not acknowledged must be there
// with all its hosts and files or not at all.
func TestCrash(t *testing.T) {
	s := startServer(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	var ds []*deployer
	for i := range 4 {
		d := &deployer{s: s, n: i, dir: t.TempDir()}
		s.berth("project", "create", d.project(), "--production-branch", "main")
		ds = append(ds, d)
	}
	acknowledged := 0
	for round := range *crashRounds {
		acknowledged += crashRound(t, s, ds, time.Duration(50+rng.IntN(1200))*time.Millisecond, true)
		if t.Failed() {
			t.Fatalf("round %d; the server's log:\n%s", round, s.log)
		}
	}
	if acknowledged < *crashRounds {
		t.Errorf("only %d deployments were acknowledged in %d rounds: the kills came too early to test much", acknowledged, *crashRounds)
	}
	t.Logf("%d acknowledged deployments over %d kills", acknowledged, *crashRounds)
}

func crashRound(t *testing.T, s *server, ds []*deployer, after time.Duration, fsck bool) int {
	var wg sync.WaitGroup
	before := 0
	for _, d := range ds {
		before += len(d.acked)
		wg.Go(func() { d.untilDeath() })
	}
	timer := time.NewTimer(after) // the random moment
	<-timer.C
	s.kill()
	wg.Wait()
	s.start()
	if fsck {
		if out, err := s.tryBerth("fsck"); err != nil {
			t.Errorf("fsck after a kill: %v\n%s", err, out)
		}
	}
	total := 0
	for _, d := range ds {
		total += len(d.acked)
		d.check(t)
	}
	return total - before
}

func (d *deployer) project() string { return fmt.Sprintf("crash%d", d.n) }

// untilDeath runs `berth deploy` again and again; the first failure is the server's death.
func (d *deployer) untilDeath() {
	for {
		d.version++
		files := d.write()
		d.open = files
		cmd := exec.Command(*berthPath, "deploy", d.dir, "--project", d.project(), "--branch", d.branch(), "--json", "--retries", "0")
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "BERTH_API=http://" + d.s.api, "BERTH_DATA=" + d.s.dir}
		out, err := cmd.Output()
		if err != nil {
			return
		}
		var a ack
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &a.deployed); err != nil {
			d.s.t.Errorf("deploy said: %v\n%s", err, out)
			return
		}
		a.files, d.open = files, nil
		d.acked = append(d.acked, a)
	}
}

// branch alternates, so that production and an alias both move.
func (d *deployer) branch() string {
	if d.version%2 == 0 {
		return "main"
	}
	return "topic"
}

func (d *deployer) write() map[string]string {
	files := map[string]string{"/version.txt": fmt.Sprint(d.n, " ", d.version)}
	for i := range 12 {
		// Some files stay over the versions, some are shared by all deployers, some are new each time.
		files[fmt.Sprintf("/f%d.txt", i)] = fmt.Sprintf("file %d of %d at %d", i, d.n*(i%2), d.version/(1+i))
	}
	for p, content := range files {
		if err := os.WriteFile(filepath.Join(d.dir, p), []byte(content), 0o644); err != nil {
			d.s.t.Error(err)
		}
	}
	return files
}

func (d *deployer) check(t *testing.T) {
	t.Helper()
	recent := d.acked
	if len(recent) > 40 {
		recent = recent[len(recent)-40:]
	}
	for _, a := range recent {
		d.whole(t, hostOf(a.URL), a.files)
	}
	d.checkOpen(t)
	d.checkMovingHosts(t)
}

func (d *deployer) whole(t *testing.T, host string, files map[string]string) {
	t.Helper()
	for p, want := range files {
		if a, err := d.s.tryGet(host, p); err != nil || a.status != 200 || a.body != want {
			t.Errorf("acknowledged %s%s: %v %d %q, want %q", host, p, err, a.status, a.body, want)
		}
	}
}

// checkOpen looks the unacknowledged deployment up by its content: if the store lists a deployment that nobody was told of,
// it must be whole.
func (d *deployer) checkOpen(t *testing.T) {
	t.Helper()
	var list []deployed
	out, err := d.s.tryBerth("deployment", "list", "--project", d.project(), "--json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err != nil || json.Unmarshal([]byte(lines[len(lines)-1]), &list) != nil {
		t.Errorf("deployment list: %v\n%s", err, out)
		return
	}
	known := map[string]bool{}
	for _, a := range d.acked {
		known[a.ID] = true
	}
	for _, l := range list {
		if known[l.ID] || d.open == nil {
			continue
		}
		d.whole(t, hostOf(l.URL), d.open)
		d.acked = append(d.acked, ack{deployed: l, files: d.open}) // from now on it must stay
	}
	d.open = nil
}

// checkMovingHosts wants production and the alias to serve some whole version, the newest of its branch.
func (d *deployer) checkMovingHosts(t *testing.T) {
	t.Helper()
	newest := map[string]ack{}
	for _, a := range d.acked {
		var version int
		if _, err := fmt.Sscanf(a.files["/version.txt"], "%d %d", new(int), &version); err != nil {
			t.Error(err)
		}
		branch := "topic." + d.project()
		if version%2 == 0 {
			branch = d.project()
		}
		newest[branch] = a
	}
	for host, a := range newest {
		d.whole(t, host+"."+domain, a.files)
	}
}
