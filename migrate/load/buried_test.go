package load

import (
	"errors"
	"testing"

	"berth/migrate/convert"
	"berth/migrate/dualwrite"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// A host that is deleted stays so, also if imported entries name it that could not be converted for what stands before them.
func TestDeletedHostsStayDeleted(t *testing.T) {
	w := newWorld(t)
	p, ds := w.project(1, "docs", 2)
	old, now := ds[0], ds[1]
	hash := legacy.ScriptHash(old.UUID)
	r := w.load(dir(map[string]string{"docs.json": table(
		entry(`docs\.pages\.localhost/old/.*$`, "x"),
		entry(legacy.Pattern("a.docs.pages.localhost"), hash),
		entry(`^(?:(?:b|c|a)\.docs\.pages\.localhost(?:[:][0-9]+)?\/(?<p1>.*))$`, hash),
		entry(legacy.Pattern("a.docs.pages.localhost"), hash),
		entry(legacy.WildcardPattern("docs.pages.localhost"), hash),
	)}), Options{})
	wantProblem(t, r, "shadowed", "earlier entries, which cannot be converted either, name some of its hosts")
	wantAnswers(t, w, map[hostkey.Host]store.DeploymentNo{
		"a.docs.pages.localhost": old.No, "b.docs.pages.localhost": old.No, "c.docs.pages.localhost": old.No, "x.docs.pages.localhost": old.No,
	})
	conv, err := convert.New(convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	edit := func(fn func(*dualwrite.Editor) error) {
		w.update(func(tx *store.Tx) error {
			e := dualwrite.NewEditor(tx, dualwrite.Rules{Converter: conv, Hasher: hasher, Domain: domain}, p.No)
			return errors.Join(fn(e), e.Flush())
		})
	}
	edit(func(e *dualwrite.Editor) error {
		set := func(h hostkey.Host) error { return e.Set(h, false, legacy.ScriptHash(now.UUID)) }
		return errors.Join(e.Delete("docs.pages.localhost", true), set("a.docs.pages.localhost"), set("c.docs.pages.localhost"))
	})
	edit(func(e *dualwrite.Editor) error {
		return errors.Join(e.Delete("a.docs.pages.localhost", false), e.Delete("b.docs.pages.localhost", false))
	})
	wantAnswers(t, w, map[hostkey.Host]store.DeploymentNo{
		"a.docs.pages.localhost": 0, "b.docs.pages.localhost": 0, "c.docs.pages.localhost": now.No, "x.docs.pages.localhost": 0,
	})
	edit(func(e *dualwrite.Editor) error { return e.Delete("c.docs.pages.localhost", false) })
	wantAnswers(t, w, map[hostkey.Host]store.DeploymentNo{"c.docs.pages.localhost": 0})
	for name, err := range w.s.TableHosts(p.No) {
		t.Errorf("the index still has %s %v", name, err)
	}
}

func wantAnswers(t *testing.T, w *world, want map[hostkey.Host]store.DeploymentNo) {
	t.Helper()
	for h, no := range want {
		if got := w.ask(h); got != no {
			t.Errorf("%s: deployment %d, want %d", h, got, no)
		}
	}
}
