package load

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/migrate"
	"berth/migrate/convert"
	"berth/migrate/dualwrite"
	"berth/migrate/tables"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// indexed lists the index of imported hosts.
func (w *world) indexed() (got []string) {
	w.t.Helper()
	for h, err := range w.s.AllImportedHosts() {
		if err != nil {
			w.t.Fatal(err)
		}
		host := name(hostkey.Host(h.Host), h.Wildcard)
		if h.Host == "" {
			host = h.Key.String()
		}
		got = append(got, fmt.Sprintf("%d %s class %d", h.Deployment, host, h.Class))
	}
	slices.Sort(got)
	return got
}

// What a table points to a deployment is noted as it is loaded. An older berth did not: then it is found out from the tables, or, once they
// are deleted, from the records, of which only the keys are known.
func TestHostsAreNotedByDeployment(t *testing.T) {
	w := newWorld(t)
	p, ds := w.project(1, "docs", 3)
	one, two, three := ds[0], ds[1], ds[2]
	hash := func(d store.Deployment) string { return legacy.ScriptHash(d.UUID) }
	own := hostkey.Host(fmt.Sprintf("%x.docs.pages.localhost", one.UUID[:4]))
	w.load(dir(map[string]string{"docs.json": table(
		entry(legacy.Pattern(own), hash(one)),
		entry(legacy.Pattern("2b469e16.docs.pages.localhost"), hash(one)),
		entry(legacy.AlternativesPattern([]hostkey.Host{"a.docs.pages.localhost", "b.docs.pages.localhost"}), hash(two)),
		entry(legacy.Pattern("docs.pages.localhost"), hash(two)),
		entry(legacy.WildcardPattern("example.com"), hash(three)),
		entry(`^c\.docs\.pages\.localhost/old/.*$`, hash(two)),
		entry(legacy.Pattern("c.docs.pages.localhost"), hash(three)), // buried
		entry(legacy.Pattern("gone.docs.pages.localhost"), "nothing"),
	)}), Options{})
	want := []string{
		fmt.Sprintf("%d 2b469e16.docs.pages.localhost class 1", one.No),
		fmt.Sprintf("%d a.docs.pages.localhost class 2", two.No), fmt.Sprintf("%d b.docs.pages.localhost class 2", two.No),
		fmt.Sprintf("%d docs.pages.localhost class 3", two.No),
		fmt.Sprintf("%d *.example.com class 4", three.No), fmt.Sprintf("%d c.docs.pages.localhost class 2", three.No),
	}
	check := func(when string, want []string) {
		t.Helper()
		slices.Sort(want)
		if diff := cmp.Diff(want, w.indexed()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	check("loaded", want)

	reader, err := tables.New(tables.Config{Domain: domain, Hasher: hasher})
	if err != nil {
		t.Fatal(err)
	}
	conv, err := convert.New(convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x := Indexer{Store: w.s, Tables: reader, Rules: dualwrite.Rules{Converter: conv, Hasher: hasher, Domain: domain}}
	again := func(wantNoted int) {
		t.Helper()
		w.update(func(tx *store.Tx) error {
			var faults []error
			for h, err := range tx.AllImportedHosts() {
				faults = append(faults, err, tx.DeleteImportedHost(h.Deployment, h.Key, h.Wildcard))
			}
			return errors.Join(append(faults, tx.SetImportedHostsKnown(false))...)
		})
		n, err := x.Run(t.Context())
		known, kerr := w.s.ImportedHostsKnown()
		if err != nil || !known || kerr != nil || n != wantNoted {
			t.Errorf("%d noted, %v; known: %v, %v", n, err, known, kerr)
		}
	}
	again(len(want) - 1) // the buried one is not counted
	check("from the tables", want)
	if n, err := x.Run(t.Context()); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}

	for _, to := range migrate.Phases()[1:] {
		if _, err := w.m.Move(t.Context(), w.m.State().Phase, to, "test", ""); err != nil {
			t.Fatal(err)
		}
	}
	w.update(func(tx *store.Tx) error {
		set := func(h hostkey.Host, d store.Deployment) error {
			r, err := legacy.RouteFor(&tx.Reader, domain, p, h, false, d)
			return errors.Join(err, tx.SetRoute(hasher.Key(h), r))
		}
		return errors.Join(tx.DeleteTable(p.No), set(own, one), set("2b469e16.docs.pages.localhost", one), set("a.docs.pages.localhost", two))
	})
	again(2)
	check("from the records", []string{
		fmt.Sprintf("%d %s class 1", one.No, hasher.Key("2b469e16.docs.pages.localhost")),
		fmt.Sprintf("%d %s class 2", two.No, hasher.Key("a.docs.pages.localhost")),
	})
}
