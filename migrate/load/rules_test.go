package load

import (
	"errors"
	"strings"
	"testing"

	"berth/migrate"
	"berth/migrate/dualwrite"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// Hosts overlap with those of another account as little as the control plane allows.
func TestClaims(t *testing.T) {
	w := newWorld(t)
	w.project(1, "docs", 1)
	other, _ := w.project(2, "other", 1)
	w.update(func(tx *store.Tx) error {
		o := store.HostOwner{Account: 2, Project: other.No}
		return errors.Join(tx.ClaimHost("*.taken.example", o), tx.ClaimHost("a.b.example.org", o))
	})
	r := w.load(dir(map[string]string{"docs.json": table(
		entry(legacy.Pattern("x.taken.example"), "x"),
		entry(legacy.WildcardPattern("example.org"), "x"),
		entry(legacy.Pattern("pages.localhost"), "x"),
		entry(legacy.WildcardPattern("localhost"), "x"),
		entry(legacy.Pattern("intranet"), "x"),
		entry(legacy.Pattern("192.0.2.1"), "x"),
		entry(legacy.Pattern("free.example.net"), "x"),
	)}), Options{})
	wantProblem(t, r, "claimed", "x.taken.example overlaps with *.taken.example of project other")
	wantProblem(t, r, "claimed", "*.example.org overlaps with a.b.example.org of project other")
	wantProblem(t, r, "foreign", "pages.localhost is not a project's")
	wantProblem(t, r, "foreign", "*.localhost is not a project's")
	wantProblem(t, r, "foreign", "intranet cannot be a custom domain")
	wantProblem(t, r, "foreign", "192.0.2.1 cannot be a custom domain")
	if r.Stored != 1 || r.Domains != 1 {
		t.Errorf("report %+v", r)
	}
	w = newWorld(t)
	w.project(1, "docs", 1)
	r = w.load(dir(map[string]string{"docs.json": table(entry(legacy.Pattern("free.example.net"), "x"))}), Options{NoDomains: true})
	wantProblem(t, r, "unowned", "berth domain add free.example.net --project docs")
}

func TestPhases(t *testing.T) {
	w := newWorld(t)
	_, ds := w.project(1, "docs", 1)
	src := func(host hostkey.Host) Source {
		return dir(map[string]string{"docs.json": table(entry(legacy.Pattern(host), legacy.ScriptHash(ds[0].UUID)))})
	}
	w.load(src("docs.pages.localhost"), Options{})
	for _, to := range migrate.Phases()[1:] {
		if _, err := w.m.Move(t.Context(), w.m.State().Phase, to, "test", ""); err != nil {
			t.Fatal(err)
		}
		w.project(1, "late-"+string(to), 1)
		late := dir(map[string]string{"late-" + string(to) + ".json": table()})
		_, err := Tables(t.Context(), w.s, w.m, late, Options{Domain: domain, Hasher: hasher})
		if to == migrate.DualWrite {
			if err != nil {
				t.Errorf("in %s: %v", to, err)
			}
		} else if !errors.Is(err, migrate.ErrPhase) {
			t.Errorf("in %s: %v, want ErrPhase", to, err)
		}
	}
}

// The second of two imports is told of the first, whether that is done or under way.
func TestTwoImportsAtOnce(t *testing.T) {
	w := newWorld(t)
	p, _ := w.project(1, "docs", 1)
	one := table(entry(legacy.Pattern("docs.pages.localhost"), "x"), entry(legacy.Pattern("a.docs.pages.localhost"), "x"))
	src := func() Source { return dir(map[string]string{"docs.json": one}) }
	l, err := newLoader(w.s, w.m, Options{Domain: domain, Hasher: hasher, Batch: 1})
	if err != nil {
		t.Fatal(err)
	}
	j := &job{loader: l, teller: teller{20, &ProjectReport{}}, project: p, at: progress{Digest: "d", Piece: dualwrite.Imported}}
	if err := j.batch(t.Context(), nil, 1, false); err != nil {
		t.Fatal(err)
	}
	j.at = progress{Digest: "d", Piece: dualwrite.Imported} // as who began at the same time believes
	if err := j.batch(t.Context(), nil, 1, false); err == nil || !strings.Contains(err.Error(), "one import at a time") {
		t.Errorf("the second of two: %v", err)
	}
	if r := w.load(src(), Options{}); r.Failed != 1 {
		t.Errorf("another table while one is half loaded: %+v", r)
	}
}
