package control

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/store"
)

// Tables that were imported name hosts that nothing else knows, and point those that Berth knows elsewhere. Their records are not damage,
// as long as the index has them and they lead to a deployment of their own project.
func TestFsckKnowsImportedHosts(t *testing.T) {
	w := newTestService(t, nil)
	a := w.api(t)
	a.project("docs")
	old, d := w.record(t, a.deploy("docs", "", site{"/a.txt": "old"})), w.record(t, a.deploy("docs", "", site{"/a.txt": "live"}))
	w.importing(t)
	w.imports(t, d, store.ClassDeployment, "2b469e16.docs.pages.localhost", "unnoted.docs.pages.localhost!")
	w.imports(t, store.Deployment{No: 999, Project: d.Project}, store.ClassDeployment, "gone.docs.pages.localhost!")
	w.imports(t, old, store.ClassProduction, "docs.pages.localhost")
	w.imports(t, old, store.ClassBranch, "main.docs.pages.localhost!")
	extra := func(host string) string {
		h, _ := splitWildcard(host)
		return "extra: route record " + w.deps.Hasher.Key(h).String()
	}
	gone, unnoted := extra("gone.docs.pages.localhost"), extra("unnoted.docs.pages.localhost")
	check := func(name string, imported int, want ...string) {
		t.Helper()
		sum, problems := w.fsck(t)
		got, is := map[string]int{}, map[string]int{}
		for _, p := range problems {
			got[p.Class+": "+p.Object]++
		}
		for _, p := range want {
			is[p]++
		}
		if diff := cmp.Diff(is, got); diff != "" || sum.Imported != imported {
			t.Errorf("%s: %d imported; problems (-want +got):\n%s", name, sum.Imported, diff)
		}
	}
	check("with an index", 1, gone, unnoted, "different: main.docs.pages.localhost")
	know := func(known bool) {
		if _, err := w.deps.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.SetImportedHostsKnown(known) }); err != nil {
			t.Fatal(err)
		}
	}
	know(false)
	check("before it is made", 2, gone)
	know(true)
	w.deps.RoutesSet = func(*store.Reader) RouteState { return RoutesStale }
	check("while the tables alone are written", 0)
	w.deps.RoutesSet = func(*store.Reader) RouteState { return RoutesPartial }
	check("while records are still being written", 1, gone, unnoted)
	if _, err := w.deps.Store.Update(t.Context(), func(tx *store.Tx) error {
		return tx.PutImportedHost(store.ImportedHost{Deployment: d.No, Key: w.deps.Hasher.Key("a"), Class: store.ClassBranch, Host: "b"})
	}); err != nil {
		t.Fatal(err)
	}
	check("with a wrong key", 1, gone, unnoted, "index: imported host b")
}
