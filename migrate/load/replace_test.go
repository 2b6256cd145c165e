package load

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/migrate"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// What entries mean is counted, with an example of each difference, by an import that is interrupted as by one that is not.
func TestMeaning(t *testing.T) {
	src := dir(map[string]string{"docs.json": table(
		entry(`^(?:2b469e16.docs.pages.localhost(?:[:][0-9]+)?\/(?<p1>.*))$`, "x"),
		entry(`^(?:a.docs.pages.localhost(?:[:][0-9]+)?\/(?<p1>.*))$`, "x"),
		entry(`^(?:a.docs.pages.localhost(?:[:][0-9]+)?\/(?<p1>.*))$`, "y"), // shadowed
		entry(`^docs\.pages\.localhost/.*$`, "x"),                           // no port
		entry(`^[a-z0-9-]+\.wild\.example\.com(?::[0-9]+)?/.*$`, "x"),       // answers one label only
		entry(`^b\.docs\.pages\.localhost/old/.*$`, "x"),                    // a path
	)})
	var want Meaning
	for i, batch := range []int{0, 1} {
		w := newWorld(t)
		w.project(1, "docs", 1)
		r := w.load(src, Options{Batch: batch})
		if i == 0 {
			want = r.Meaning
		}
		if diff := cmp.Diff(want, r.Meaning); diff != "" {
			t.Errorf("in batches of %d (-want +got):\n%s", batch, diff)
		}
		if again := w.load(src, Options{}); again.Meaning != want {
			t.Errorf("again: %+v", again.Meaning)
		}
		w.fill()
		if m, err := LoadMeaning(&w.s.Reader); err != nil || m != want {
			t.Errorf("stored: %+v, %v", m, err)
		}
	}
	if want.Converted != 3 || want.NeedsWildcard != 1 || want.Shadowed != 1 || want.CannotConvert != 1 {
		t.Errorf("%+v", want)
	}
	if want.LooseDot.Entries != 2 || want.LooseDot.Host != "2b469e16xdocs.pages.localhost" || !strings.HasPrefix(want.LooseDot.Pattern, "^(?:2b469e16.docs") {
		t.Errorf("loose dots: %+v", want.LooseDot)
	}
	if want.Port.Entries != 1 || want.Wider.Entries != 1 || want.Dropped.Entries != 0 {
		t.Errorf("port %+v, wider %+v, dropped %+v", want.Port, want.Wider, want.Dropped)
	}
	if lines := want.Lines(); len(lines) != 3 || !strings.Contains(lines[0], "2 entries have unescaped dots") || !strings.Contains(lines[0], "2b469e16xdocs") {
		t.Errorf("%q", lines)
	}
}

// A mended table takes the place of the one before: wholly, in phase legacy only, and not of what deployments have moved since.
func TestReplaceTable(t *testing.T) {
	w := newWorld(t)
	p, ds := w.project(1, "docs", 3)
	hash := func(i int) string { return legacy.ScriptHash(ds[i].UUID) }
	first := dir(map[string]string{"docs.json": table(
		entry(legacy.Pattern("docs.pages.localhost"), hash(2)), // what is live
		entry(legacy.Pattern("a.docs.pages.localhost"), hash(0)),
		entry(legacy.Pattern("wrong.docs.pages.localhost"), hash(0)),
		entry(legacy.StrictPattern("www.example.com"), hash(2)),
		entry(legacy.StrictPattern("old.example.com"), hash(0)),
		entry(legacy.StrictPattern("live.example.com"), hash(2)),
		entry(`^c\.docs\.pages\.localhost/old/.*$`, hash(0)),
	)})
	mended := dir(map[string]string{"docs.json": table(
		entry(legacy.Pattern("docs.pages.localhost"), hash(0)), // an older export
		entry(legacy.Pattern("a.docs.pages.localhost"), hash(1)),
		entry(legacy.Pattern("b.docs.pages.localhost"), hash(1)),
		entry(legacy.StrictPattern("www.example.com"), hash(2)),
	)})
	w.load(first, Options{})
	w.fill()
	// What an earlier epoch left: the host of no deployment, one that a deployment has, and one of another project.
	record := func(p store.ProjectNo) store.Route {
		return store.Route{Kind: store.RouteSite, Class: store.ClassBranch, Project: p, Deployment: ds[0].No}
	}
	w.update(func(tx *store.Tx) error {
		return errors.Join(tx.SetRoute(hasher.Key("wrong.docs.pages.localhost"), record(p.No)), tx.SetRoute(hasher.Key("live.example.com"), record(p.No)),
			tx.SetRoute(hasher.Key("c.docs.pages.localhost"), record(p.No+1)))
	})
	revision := w.revision()
	r := w.load(mended, Options{})
	wantProblem(t, r, "changed", "--replace")
	if w.revision() != revision {
		t.Error("a table that was refused changed something")
	}
	r = w.load(mended, Options{Replace: true, MaxReplaced: 6})
	wantProblem(t, r, "changed", "the table has 4 entries, and the one before 7; more than 6 are not replaced in one batch", "--max-replaced")
	if w.revision() != revision {
		t.Error("a table that was too large changed something")
	}
	r = w.load(mended, Options{Replace: true, MaxReplaced: 7})
	wantProblem(t, r, "known", "docs.pages.localhost has an entry of Berth's")
	wantProblem(t, r, "left", "old.example.com is not in the table any more", "berth domain delete old.example.com --project docs")
	wantProblem(t, r, "left", "live.example.com is not in the table any more")
	if r.ByClass[Left] != 2 || r.ByClass[Known] != 1 || r.Meaning.Converted != 4 {
		t.Errorf("%+v", r)
	}
	if complete, err := Complete(&w.s.Reader); err != nil || complete {
		t.Errorf("complete %v, %v before it was filled", complete, err)
	}
	for h, want := range map[hostkey.Host]error{"wrong.docs.pages.localhost": store.ErrNotFound, "live.example.com": nil, "c.docs.pages.localhost": nil} {
		if _, err := w.s.Route(hasher.Key(h)); !errors.Is(err, want) {
			t.Errorf("record of %s: %v, want %v", h, err, want)
		}
	}
	w.fill()
	got := map[hostkey.Host]store.DeploymentNo{}
	want := map[hostkey.Host]store.DeploymentNo{
		"docs.pages.localhost": ds[2].No, "a.docs.pages.localhost": ds[1].No, "b.docs.pages.localhost": ds[1].No,
		"wrong.docs.pages.localhost": 0, "www.example.com": ds[2].No, "old.example.com": ds[2].No, "live.example.com": ds[2].No,
	}
	for h := range want {
		got[h] = w.ask(h)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d := w.askPath("c.docs.pages.localhost", "/old/a"); d != 0 {
		t.Errorf("an entry for some paths is still there: deployment %d", d)
	}
	for name, err := range w.s.TableHosts(p.No) {
		if err != nil || strings.Contains(name, "wrong") || strings.HasPrefix(name, "?") {
			t.Errorf("the index still has %q, %v", name, err)
		}
	}
	if r := w.load(mended, Options{Replace: true}); r.Unchanged != 1 {
		t.Errorf("again: %+v", r)
	}
	if _, err := w.m.Move(t.Context(), migrate.Legacy, migrate.DualWrite, "test", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := Tables(t.Context(), w.s, w.m, first, Options{Domain: domain, Hasher: hasher, Replace: true}); err == nil || !strings.Contains(err.Error(), "revert first") {
		t.Errorf("in phase dual-write: %v", err)
	}
}
