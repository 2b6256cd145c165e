package load

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/migrate"
	"berth/router"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

func (w *world) askPath(h hostkey.Host, path string) store.DeploymentNo {
	w.t.Helper()
	d, err := w.old.Resolve(w.t.Context(), &router.Query{Host: h, Path: path})
	if err != nil && !errors.Is(err, router.ErrNoRoute) {
		w.t.Fatal(err)
	}
	return d.Deployment
}

// fill is Fill of all that the control plane serves.
func (w *world) fill() FillReport {
	w.t.Helper()
	r, err := Fill(w.t.Context(), w.s, w.m, w.service().Hosts, Options{Domain: domain, Hasher: hasher})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// A table decides about the hosts that it names, whether its entries can be converted or not, over what Berth served there. An entry that
// answers nobody decides nothing: no site goes down by an import.
func TestTablesDecideAboutWhatBerthServed(t *testing.T) {
	w := newWorld(t)
	p, ds := w.project(1, "docs", 4)
	old, live := ds[0], ds[3]
	hash := legacy.ScriptHash(old.UUID)
	w.update(func(tx *store.Tx) error { // domains that Berth serves
		var faults []error
		for _, h := range []string{"plain.example.com", "part.example.com", "gone.example.com"} {
			faults = append(faults, tx.PutDomain(store.Domain{Project: p.No, Host: h, Status: store.DomainActive}),
				tx.ClaimHost(h, store.HostOwner{Account: 1, Project: p.No}))
		}
		return errors.Join(faults...)
	})
	src := dir(map[string]string{"docs.json": table(
		entry(`^main\.docs\.pages\.localhost/old/.*$`, "unknown"),
		entry(`^docs\.pages\.localhost/old/.*$`, hash),
		entry(legacy.Pattern("docs.pages.localhost"), legacy.ScriptHash(ds[1].UUID)), // behind one that cannot be converted
		entry(legacy.StrictPattern("plain.example.com"), hash),
		entry(`^part\.example\.com/old/.*$`, hash),
		entry(legacy.StrictPattern("gone.example.com"), "pipe"),
		entry(legacy.StrictPattern("new.example.com"), "pipe"),
		entry(`^new2\.example\.com/old/.*$`, hash),
		entry(`^[a-z]+\.example\.org/(?:a|b)x*.*z$`, hash),
		entry(legacy.Pattern("main.docs.pages.localhost"), hash),
	)})
	r := w.load(src, Options{})
	w.fill()
	check := func(when string, want map[string]store.DeploymentNo) {
		t.Helper()
		got := map[string]store.DeploymentNo{}
		for at := range want {
			host, path, _ := strings.Cut(at, "/")
			got[at] = w.askPath(hostkey.Host(host), "/"+path)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	check("filled", map[string]store.DeploymentNo{
		"docs.pages.localhost/old/a": old.No, "docs.pages.localhost/": ds[1].No,
		"plain.example.com/": old.No, "part.example.com/old/a": old.No, "part.example.com/": live.No,
		"gone.example.com/": live.No, "new.example.com/": 0,
		"new2.example.com/old/a": old.No, "new2.example.com/": live.No,
		"main.docs.pages.localhost/": old.No,
	})
	wantProblem(t, r, "replaced", "entry 2 ", "docs.pages.localhost served deployment "+live.UUID.String()+", and serves "+ds[1].UUID.String())
	wantProblem(t, r, "replaced", "entry 3 ", "plain.example.com")
	wantProblem(t, r, "replaced", "entry 9 ", "main.docs.pages.localhost")
	wantProblem(t, r, "stays", "entry 5 ", "gone.example.com goes on serving deployment "+live.UUID.String())
	wantProblem(t, r, "part", "entry 4 ", "part.example.com for some paths")
	o, err := LoadOutcome(&w.s.Reader)
	if want := (Outcome{Replaced: 3, Stays: 1, Part: 3, Opaque: 1}); err != nil || o != want {
		t.Errorf("outcome %+v, %v; want %+v", o, err, want)
	}

	// A name that is known later decides, also about a host that stayed, when the same is imported again.
	w.update(func(tx *store.Tx) error { return tx.SetPipeline("pipe", ds[2].No) })
	check("named", map[string]store.DeploymentNo{"gone.example.com/": live.No, "new.example.com/": ds[2].No})
	r = w.load(src, Options{})
	wantProblem(t, r, "replaced", "gone.example.com served deployment "+live.UUID.String())
	check("imported again", map[string]store.DeploymentNo{"gone.example.com/": ds[2].No, "new.example.com/": ds[2].No})
	revision := w.revision()
	if r := w.load(src, Options{}); r.Unchanged != 1 || w.revision() != revision {
		t.Errorf("and again: %+v", r)
	}
}

// A host that Berth moved after the import is not given back to its table, nor one when it is too late for that.
func TestStayingHostsThatMovedOn(t *testing.T) {
	for _, moved := range []bool{true, false} {
		w := newWorld(t)
		p, ds := w.project(1, "docs", 3)
		src := dir(map[string]string{"docs.json": table(entry(legacy.Pattern("docs.pages.localhost"), "pipe"))})
		w.load(src, Options{})
		w.fill()
		want := ds[2].No
		if moved {
			want = ds[0].No
			l, err := newLoader(w.s, w.m, Options{Domain: domain, Hasher: hasher})
			if err != nil {
				t.Fatal(err)
			}
			w.update(func(tx *store.Tx) error {
				e := l.editor(tx, p.No)
				return errors.Join(e.Set("docs.pages.localhost", false, legacy.ScriptHash(ds[0].UUID)), e.Flush())
			})
		} else {
			for _, to := range []migrate.Phase{migrate.DualWrite, migrate.Backfill} {
				if _, err := w.m.Move(t.Context(), w.m.State().Phase, to, "test", ""); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.update(func(tx *store.Tx) error { return tx.SetPipeline("pipe", ds[1].No) })
		r := w.load(src, Options{})
		if !moved {
			wantProblem(t, r, "stays", "1 hosts or more", "legacy and dual-write only")
		}
		if got := w.ask("docs.pages.localhost"); got != want {
			t.Errorf("moved %v: deployment %d, want %d", moved, got, want)
		}
	}
}

// Custom hosts of entries that cannot be converted find their project, too, but are not taken from anybody.
func TestUnprovenCustomHosts(t *testing.T) {
	w := newWorld(t)
	p, ds := w.project(1, "docs", 1)
	other, od := w.project(2, "other", 1)
	w.update(func(tx *store.Tx) error {
		return errors.Join(tx.ClaimHost("theirs.example.com", store.HostOwner{Account: 2, Project: other.No}),
			tx.PutDomain(store.Domain{Project: other.No, Host: "theirs.example.com", Status: store.DomainActive}),
			tx.ClaimHost("*.taken.example", store.HostOwner{Account: 2, Project: other.No}))
	})
	hash := legacy.ScriptHash(ds[0].UUID)
	src := dir(map[string]string{"docs.json": table(
		entry(`^[a-z]+\.example\.com/(?:old|new)/.*$`, "x"),
		entry(legacy.StrictPattern("www.example.com"), hash),
		entry(legacy.StrictPattern("theirs.example.com"), hash),
		entry(`^(?:a|theirs)\.example\.net/old/.*$`, hash),
		entry(`^x\.taken\.example/old/.*$`, hash),
	)})
	r := w.load(src, Options{})
	w.fill()
	wantAnswers(t, w, map[hostkey.Host]store.DeploymentNo{"www.example.com": ds[0].No, "theirs.example.com": od[0].No, "a.example.net": ds[0].No, "x.taken.example": 0})
	if r.Domains != 3 {
		t.Errorf("%d domains", r.Domains)
	}
	wantProblem(t, r, "claimed", "theirs.example.com belongs to project other")
	wantProblem(t, r, "claimed", "x.taken.example overlaps")
	for _, host := range []string{"www.example.com", "a.example.net", "theirs.example.net"} {
		if o, err := w.s.HostOwner(host); err != nil || o.Project != p.No {
			t.Errorf("%s is of project %d, %v", host, o.Project, err)
		}
	}
	w = newWorld(t)
	w.project(1, "docs", 1)
	w.load(src, Options{NoDomains: true})
	w.fill()
	o, err := LoadOutcome(&w.s.Reader)
	if err != nil || o.Unowned != 5 || !strings.Contains(o.UnownedBy, "www.example.com") || o.Opaque != 1 {
		t.Errorf("%+v, %v", o, err)
	}
}
