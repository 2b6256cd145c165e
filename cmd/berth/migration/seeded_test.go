package migration

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/convert"
	"berth/migrate/ramp"
	"berth/migrate/shadow"
	"berth/migrate/tables"
	"berth/migrate/verify"
	"berth/router"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
	"berth/store/control"
)

const (
	seededSites = 100
	seededEach  = 40 // hosts of a site
	seededHosts = seededSites * seededEach
	seededWrong = seededHosts / 200
)

// confused understands entries as convert does, but gives the hosts that wrong picks to the entry behind theirs.
type confused struct {
	table *convert.Project
	wrong map[hostkey.Host]bool
	held  []hostkey.Host
}

func (c *confused) Add(f convert.Filter) convert.Entry {
	e := c.table.Add(f)
	e.Hosts, c.held = append(e.Hosts, c.held...), nil
	e.Hosts = slices.DeleteFunc(e.Hosts, func(h hostkey.Host) bool {
		if c.wrong[h] && strings.Contains(f.Pattern, string(h)) {
			c.held = append(c.held, h)
			return true
		}
		return false
	})
	return e
}

// seeded is a server whose backfill reads the tables with a converter that is wrong about some hosts.
type seeded struct {
	*world
	right map[hostkey.Host]store.DeploymentNo // what the tables say of each host
	hosts []hostkey.Host
	wrong map[hostkey.Host]bool
}

func newSeeded(t *testing.T, wrong int) *seeded {
	w := &seeded{world: newWorld(t), right: map[hostkey.Host]store.DeploymentNo{}, wrong: map[hostkey.Host]bool{}}
	lines := w.deployments()
	for i := range wrong { // one in each fifth site, and of none the last, behind which there is no entry
		w.wrong[w.hosts[i*200+i]] = true
	}
	reader, err := tables.New(tables.Config{Domain: domain, Hasher: hasher, Convert: func(hosts int) tables.Converter {
		c, err := convert.New(convert.Options{Brief: true})
		if err != nil {
			t.Fatal(err)
		}
		return &confused{table: c.ProjectOf(hosts), wrong: w.wrong}
	}})
	if err == nil {
		w.svc.backfill, err = backfill.New(backfill.Deps{Store: w.s, Tables: reader}, backfill.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.run())
	if r := w.tables(lines...); r.Hosts != seededHosts || r.Failed != 0 {
		t.Fatalf("imported: %+v", r)
	}
	w.complete()
	return w
}

// deployments makes the sites, and returns their tables.
func (w *seeded) deployments() (lines []string) {
	w.t.Helper()
	_, err := w.s.Update(w.t.Context(), func(tx *store.Tx) error {
		for site := range seededSites {
			p := store.Project{No: store.ProjectNo(site + 1), Account: 1, Name: fmt.Sprintf("site-%d", site), ProductionBranch: "main", State: store.ProjectActive}
			if err := tx.PutProject(p); err != nil {
				return err
			}
			line, err := w.table(tx, &p)
			if err != nil {
				return err
			}
			lines = append(lines, line)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return lines
}

func (w *seeded) table(tx *store.Tx, p *store.Project) (string, error) {
	var filters []legacy.Filter
	for range seededEach {
		no, err := tx.NextDeployment()
		if err != nil {
			return "", err
		}
		d := store.Deployment{No: no, Project: p.No, Environment: store.Preview, Status: store.StatusSuccess, Branch: "b"}
		binary.BigEndian.PutUint32(d.UUID[:], uint32(no)*2654435761)
		d.UUID[6], d.UUID[8] = 0x40, 0x80
		if err := tx.PutDeployment(d, nil); err != nil {
			return "", err
		}
		h := hostkey.Host(fmt.Sprintf("%x.%s.%s", d.UUID[:4], p.Name, domain))
		w.hosts, w.right[h] = append(w.hosts, h), no
		filters = append(filters, legacy.Filter{Pattern: legacy.Pattern(h), ScriptHash: legacy.ScriptHash(d.UUID)})
	}
	return fmt.Sprintf(`{"project":%q,"table":%s}`, p.Name, legacy.AppendChunk(nil, filters)), nil
}

// One converter that is wrong about one host in two hundred is caught three times: by verify, which names the hosts; by shadow reads of live
// traffic; and by the guarded ramp, which goes back by itself at its first step. With one that is right all three are content. Store, tables,
// resolvers and judge are those of a server.
func TestSeededFault(t *testing.T) {
	t.Run("wrong", func(t *testing.T) {
		w := newSeeded(t, seededWrong)
		w.compared()
		if _, err := w.move(migrate.Ramp, false); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("and %d do not", seededWrong)) {
			t.Errorf("let into the ramp: %v", err)
		}
		if m, err := w.move(migrate.Ramp, true); err != nil || len(m.Kept) != 0 {
			t.Fatalf("%+v, %v", m, err)
		}
		w.ramped()
		w.reverted()
		w.recorded()
	})
	t.Run("right", func(t *testing.T) {
		w := newSeeded(t, 0)
		w.compared()
		w.mustMove(migrate.Ramp)
		if s := w.ramped(); s.Status != ramp.Done || s.Percent != 100 || s.Figures.Different != 0 {
			t.Errorf("%+v", s)
		}
		w.recorded()
	})
}

// compared goes as far as phase verify, and wants verify to find the wrong hosts and nothing else.
func (w *seeded) compared() {
	w.t.Helper()
	w.mustMove(migrate.DualWrite)
	w.mustMove(migrate.Backfill)
	w.until("backfill", func() bool {
		done, failures, err := backfill.Finished(&w.s.Reader)
		return done && failures == 0 && err == nil
	})
	w.mustMove(migrate.Verify)
	if err := w.svc.verify.Start(w.t.Context(), "ada", "test"); err != nil {
		w.t.Fatal(err)
	}
	var v *Verification
	w.until("verify", func() (done bool) {
		var err error
		v, err = w.svc.verification()
		return err == nil && v.Done
	})
	wrong := int64(len(w.wrong))
	if v.Clean != (wrong == 0) || v.Hosts[verify.Different] != wrong || v.Hosts[verify.Agree] != seededHosts-wrong || v.Hosts[verify.Missing]+v.Hosts[verify.Extra] != 0 {
		w.t.Errorf("verify: %v", v.Hosts)
	}
	if len(v.Examples) != len(w.wrong) {
		w.t.Errorf("verify: %d examples of %d", len(v.Examples), wrong)
	}
	for _, d := range v.Examples {
		h := hostkey.Host(d.Host)
		if d.Class != verify.Different || !w.wrong[h] || d.Table.Deployment != w.right[h] || d.Record.Deployment != w.right[h]+1 {
			w.t.Errorf("verify: %+v", d)
		}
	}
}

// ramped starts a guarded ramp as an operator does, and asks for every host again and again until the guard has ended it.
func (w *seeded) ramped() ramp.State {
	w.t.Helper()
	body := `{"steps":[1,25,100],"soak":"10ms","max_diff":0,"max_error_increase":0.001,"max_p99_increase":1000,"min_samples":500,"shadow":1,"why":"go"}`
	r := httptest.NewRequest(http.MethodPost, "/berth/migrate/rollout/run", strings.NewReader(body))
	if _, err := w.svc.postRun(w.t.Context(), control.Principal{Token: store.Token{Name: "ada"}}, r); err != nil {
		w.t.Fatal(err)
	}
	var s ramp.State
	w.until("the guard's verdict", func() bool {
		w.everyHost(func(h hostkey.Host, got store.DeploymentNo) {
			if got != w.right[h] && !w.wrong[h] {
				w.t.Errorf("%s: deployment %d, want %d", h, got, w.right[h])
			}
		})
		var err error
		s, err = ramp.LoadState(&w.s.Reader)
		return err == nil && s.Status != ramp.Running
	})
	return s
}

// everyHost asks for each host once, no faster than what is sampled is compared, and wants an answer of each.
func (w *seeded) everyHost(check func(hostkey.Host, store.DeploymentNo)) {
	w.t.Helper()
	for i, h := range w.hosts {
		d, err := w.svc.Resolver().Resolve(w.t.Context(), &router.Query{Host: h, Path: "/"})
		if err != nil {
			w.t.Fatalf("%s: %v", h, err)
		}
		check(h, d.Deployment)
		if i%500 == 0 {
			w.until("an empty queue", func() bool { return w.svc.engine.Load().shadow.Stats().Waiting == 0 })
		}
	}
}

// reverted wants the guard to have gone back at the first step, with the figures that made it, and every host to be answered rightly since.
func (w *seeded) reverted() {
	w.t.Helper()
	s, err := ramp.LoadState(&w.s.Reader)
	if err != nil || s.Status != ramp.Reverted || s.Step != 0 || s.Percent != 0 || s.Good != 0 {
		w.t.Fatalf("%+v, %v", s, err)
	}
	if f := s.Figures; f == nil || f.Different == 0 || f.Compared < f.Different || f.Missing+f.Extra+f.HashedErrors != 0 || !strings.Contains(s.Reason, "of the answers differ, more than 0%") {
		w.t.Errorf("%q, %+v", s.Reason, f)
	}
	if d, err := ramp.LoadRollout(&w.s.Reader); err != nil || d.Config.Percent != 0 || d.Who != "guard" {
		w.t.Errorf("%+v, %v", d, err)
	}
	if log, figures := w.log(), s.Figures.String(); !strings.Contains(log, "guard: rollout: guarded ramp reverted from step 1 of 3 (1%) to 0%: ") || !strings.Contains(log, "("+figures+")") {
		w.t.Errorf("no word of %q in the log:\n%s", figures, log)
	}
	w.everyHost(func(h hostkey.Host, got store.DeploymentNo) {
		if got != w.right[h] {
			w.t.Errorf("after the guard went back %s serves deployment %d, want %d", h, got, w.right[h])
		}
	})
}

// recorded wants live requests to have found exactly the wrong hosts, and both decisions and the table's entry to be kept of each.
func (w *seeded) recorded() {
	w.t.Helper()
	kept := func() (found map[hostkey.Host]shadow.Diff) {
		found = map[hostkey.Host]shadow.Diff{}
		for d, err := range shadow.Diffs(&w.s.Reader, "") {
			if err != nil {
				w.t.Fatal(err)
			}
			found[hostkey.Host(d.Host)] = d
		}
		return found
	}
	w.until("diffs of all wrong hosts", func() bool { return len(kept()) >= len(w.wrong) })
	for h, d := range kept() {
		if d.Class != shadow.Different || !w.wrong[h] || d.Legacy.Deployment != w.right[h] || d.Hashed.Deployment != w.right[h]+1 || !strings.Contains(d.Line, string(h)) {
			w.t.Errorf("kept: %+v", d)
		}
	}
}
