package legacy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/router"
	"berth/router/hostkey"
	"berth/store"
)

func TestFirstMatchWins(t *testing.T) {
	w := newWorld(t, Options{})
	p, ds := w.project("docs", 4)
	other, theirs := w.project("shop", 1)
	hash := func(i int) string { return ScriptHash(ds[i].UUID) }
	w.update(func(tx *store.Tx) error {
		return errors.Join(tx.SetPipeline("imported", ds[3].No), tx.SetPipeline("theirs", theirs[0].No))
	})
	w.claim("www.example.com", p.No, "")
	w.claim("branch.example.com", p.No, "b")
	w.claim("*.wild.example.com", p.No, "b")
	w.table(p.No,
		[]Filter{
			{Pattern("docs.pages.localhost"), hash(0)},
			{`(`, hash(1)},
			{`^(?!x)y`, hash(1)},
			{Pattern("0001aabb.docs.pages.localhost"), hash(1)},
			{`^(?:docs\.pages\.localhost\/.*)$`, hash(2)},
			{Pattern("feat.docs.pages.localhost"), hash(2)},
			{`^(?:old\.docs\.pages\.localhost:81\/.*)$`, "imported"},
			{`^(?:old\.docs\.pages\.localhost\/a\/.*)$`, hash(1)},
		},
		[]Filter{
			{Pattern("old.docs.pages.localhost"), "imported"},
			{Pattern("gone.docs.pages.localhost"), "nothing"},
			{Pattern("theirs.docs.pages.localhost"), "theirs"},
			{StrictPattern("www.example.com"), hash(0)},
			{Pattern("branch.example.com"), hash(2)},
			{Pattern("nobodys.example.com"), hash(2)},
			{WildcardPattern("wild.example.com"), hash(3)},
		})
	for _, c := range []struct{ authority, path, want string }{
		{"docs.pages.localhost", "/", says(p, ds[0], store.ClassProduction, 0)},
		{"docs.pages.localhost:8080", "/a/b?", says(p, ds[0], store.ClassProduction, 0)},
		{"docs.pages.localhost", "", says(p, ds[0], store.ClassProduction, 0)},
		{"0001aabb.docs.pages.localhost", "/", says(p, ds[1], store.ClassDeployment, store.FlagNoIndex)},
		{"feat.docs.pages.localhost", "/", says(p, ds[2], store.ClassBranch, store.FlagNoIndex)},
		{"old.docs.pages.localhost", "/b", says(p, ds[3], store.ClassBranch, store.FlagNoIndex)},
		{"old.docs.pages.localhost", "/a/b", says(p, ds[1], store.ClassBranch, store.FlagNoIndex)},
		{"old.docs.pages.localhost:81", "/a/b", says(p, ds[3], store.ClassBranch, store.FlagNoIndex)},
		{"gone.docs.pages.localhost", "/", ""},
		{"theirs.docs.pages.localhost", "/", ""},
		{"none.docs.pages.localhost", "/", ""},
		{"shop.pages.localhost", "/", ""},
		{"nope.pages.localhost", "/", ""},
		{"pages.localhost", "/", ""},
		{"www.example.com", "/", says(p, ds[0], store.ClassCustom, 0)},
		{"branch.example.com", "/", says(p, ds[2], store.ClassCustom, store.FlagFollowsBranch)},
		{"nobodys.example.com", "/", ""},
		{"a.wild.example.com", "/", says(p, ds[3], store.ClassCustom, store.FlagFollowsBranch)},
		{"a.b.wild.example.com", "/", says(p, ds[3], store.ClassCustom, store.FlagFollowsBranch)},
		{"wild.example.com", "/", ""},
		{"127.0.0.1", "/", ""},
		{"[::1]", "/", ""},
	} {
		if got := w.ask(c.authority, c.path); got != c.want {
			t.Errorf("%s%s: %q, want %q", c.authority, c.path, got, c.want)
		}
	}
	if s := w.once.Stats(); s.Invalid != 2 || s.Dangling != 2 {
		t.Errorf("%d invalid patterns and %d dangling entries, want 2 and 2", s.Invalid, s.Dangling)
	}
	_ = other
	got, err := w.each.Explain(t.Context(), &router.Query{Host: "gone.docs.pages.localhost", Path: "/"})
	want := Trace{Project: p.No, Line: Line{Piece: 2, Index: 1, Filter: Filter{Pattern("gone.docs.pages.localhost"), "nothing"}}}
	if err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("explain: %v %s", err, cmp.Diff(want, got))
	}
}

// What Update has returned from, the next Resolve answers: tables, owners, projects and deployments.
func TestCommitsAreSeen(t *testing.T) {
	w := newWorld(t, Options{})
	p, ds := w.project("docs", 2)
	host := "docs.pages.localhost"
	for i := range 20 {
		d := ds[i%2]
		w.table(p.No, []Filter{{Pattern(hostkey.Host(host)), ScriptHash(d.UUID)}})
		if got, want := w.ask(host, "/"), says(p, d, store.ClassProduction, 0); got != want {
			t.Fatalf("round %d: %q, want %q", i, got, want)
		}
		w.table(p.No)
		if got := w.ask(host, "/"); got != "" {
			t.Fatalf("round %d: %q without a table", i, got)
		}
	}
	w.table(p.No, []Filter{{Pattern(hostkey.Host(host)), "name"}, {Pattern("www.example.com"), "name"}})
	if got := w.ask(host, "/"); got != "" {
		t.Errorf("%q before the name is known", got)
	}
	w.update(func(tx *store.Tx) error { return tx.SetPipeline("name", ds[0].No) })
	if got, want := w.ask(host, "/"), says(p, ds[0], store.ClassProduction, 0); got != want {
		t.Errorf("%q once the name is known, want %q", got, want)
	}
	if got := w.ask("www.example.com", "/"); got != "" {
		t.Errorf("%q for a host of nobody", got)
	}
	w.claim("www.example.com", p.No, "")
	if got, want := w.ask("www.example.com", "/"), says(p, ds[0], store.ClassCustom, 0); got != want {
		t.Errorf("%q for a host that was claimed, want %q", got, want)
	}
	w.update(func(tx *store.Tx) error { return tx.DeleteProject(p.No) })
	if got := w.ask(host, "/"); got != "" {
		t.Errorf("%q after the project was deleted", got)
	}
}

// A table over its bound, or a damaged one, cannot be used, is named, and is not read again for each request.
func TestTablesThatCannotBeUsed(t *testing.T) {
	w := newWorld(t, Options{MaxTableBytes: 10_000})
	p, ds := w.project("docs", 1)
	big := make([]Filter, 50)
	for i := range big {
		big[i] = Filter{Pattern(hostkey.Host(fmt.Sprintf("h%d.docs.pages.localhost", i))), ScriptHash(ds[0].UUID)}
	}
	w.table(p.No, big, big)
	for range 3 {
		if got := w.ask("h1.docs.pages.localhost", "/"); !strings.Contains(got, "project docs has more than 10000 bytes") {
			t.Errorf("a large table: %q", got)
		}
	}
	if s := w.once.Stats(); s.Tables.Fills != 1 || s.Faults != 1 {
		t.Errorf("a large table was read %d times", s.Tables.Fills)
	}
	w.update(func(tx *store.Tx) error {
		return tx.PutTableChunk(store.TableChunk{Project: p.No, No: 1, JSON: []byte(`{"filters":[{"pat`)})
	})
	if got := w.ask("h1.docs.pages.localhost", "/"); !strings.Contains(got, "piece 1 of the table of project docs") {
		t.Errorf("a damaged table: %q", got)
	}
	w.table(p.No, big)
	if got := w.ask("h1.docs.pages.localhost", "/"); !strings.Contains(got, "deployment") {
		t.Errorf("after it was mended: %q", got)
	}
}

// Patterns that would take the machine's memory or time never match, and the rest of the table does.
func TestHugePatterns(t *testing.T) {
	w := newWorld(t, Options{})
	p, ds := w.project("docs", 1)
	hash := ScriptHash(ds[0].UUID)
	w.table(p.No, []Filter{
		{`^(?:` + strings.Repeat(`[a-z]{1,1000}`, 4000) + `)$`, hash},
		{`^(?:(?:[a-z]{1,1000}){1,1000}\/)$`, hash},
		{`^(?:(?:(?:[a-z]{1,10}){1,10}){1,10}(?:[a-z]{1,1000})+\/.*){5}$`, hash},
		{`^(?:` + strings.Repeat(`\pL`, 10_000) + `)$`, hash},
		{`^(?:` + strings.Repeat("a|", 100_000) + `)$`, hash},
		{strings.Repeat("(", 5000) + strings.Repeat(")", 5000), hash},
		{`^(a+)+$`, hash},
		{Pattern("docs.pages.localhost"), hash},
	})
	if got, want := w.ask("docs.pages.localhost", "/"+strings.Repeat("a", 8000)+"!"), says(p, ds[0], store.ClassProduction, 0); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if s := w.once.Stats(); s.Invalid != 6 || s.Tables.Weight > 1<<20 {
		t.Errorf("%d invalid patterns, want 6; the table weighs %d bytes", s.Invalid, s.Tables.Weight)
	}
}

// A label that is no project's reads no table, and one that a table does not know is looked for once.
func TestMadeUpLabels(t *testing.T) {
	w := newWorld(t, Options{})
	p, ds := w.project("docs", 1)
	w.table(p.No, []Filter{{Pattern("docs.pages.localhost"), ScriptHash(ds[0].UUID)}})
	for i := range 500 {
		w.ask(fmt.Sprintf("x%d.pages.localhost", i), "/")
		w.ask(fmt.Sprintf("a.x%d.pages.localhost", i), "/")
		w.ask(fmt.Sprintf("a%d.example.org", i), "/")
	}
	if s := w.each.Stats(); s.Loads != 0 || s.Parses != 0 {
		t.Errorf("unknown projects: %d tables read, %d parsed", s.Loads, s.Parses)
	}
	for range 100 {
		w.ask("unknown.docs.pages.localhost", "/")
	}
	if s := w.each.Stats(); s.Loads != 1 || s.Parses != 1 {
		t.Errorf("an unknown label a hundred times: %d tables read, %d parsed", s.Loads, s.Parses)
	}
}

// Those who would wait behind too many others are told so; the others get their answers.
func TestParsesAreBounded(t *testing.T) {
	w := newWorld(t, Options{MaxParses: 1, MaxWaiting: 2})
	p, ds := w.project("docs", 1)
	w.table(p.No, []Filter{{Pattern("docs.pages.localhost"), ScriptHash(ds[0].UUID)}})
	w.ask("docs.pages.localhost", "/") // the table is in the cache
	q := &router.Query{Host: "docs.pages.localhost", Path: "/"}
	w.each.slots.free <- struct{}{} // somebody parses
	ctx, cancel := context.WithCancel(t.Context())
	answers := make(chan error, 10)
	var asking sync.WaitGroup
	for range 10 {
		asking.Go(func() {
			_, err := w.each.Resolve(ctx, q)
			answers <- err
		})
	}
	for range 8 {
		if err := <-answers; !errors.Is(err, ErrBusy) {
			t.Errorf("error %v, want ErrBusy", err)
		}
	}
	w.each.slots.give()
	for range 2 {
		if err := <-answers; err != nil {
			t.Errorf("one that waited: %v", err)
		}
	}
	asking.Wait()
	w.each.slots.free <- struct{}{}
	cancel()
	if _, err := w.each.Resolve(ctx, q); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	w.each.slots.give()
}

// A table that weighs more than the cache is answered from all the same.
func TestTablesLargerThanTheCache(t *testing.T) {
	w := newWorld(t, Options{CacheBytes: 600})
	p, ds := w.project("docs", 1)
	w.table(p.No, []Filter{{Pattern("docs.pages.localhost"), ScriptHash(ds[0].UUID)}})
	for range 3 {
		if got, want := w.ask("docs.pages.localhost", "/"), says(p, ds[0], store.ClassProduction, 0); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if s := w.once.Stats(); s.Tables.Entries != 0 || s.Loads != 3 {
		t.Errorf("%d tables kept, %d read", s.Tables.Entries, s.Loads)
	}
}

func TestOptions(t *testing.T) {
	_, err := New(Deps{}, Options{Domain: "Example.", Parse: 7, CacheBytes: -1})
	for _, want := range []string{"store is required", "Example.", "Parse is 7", "CacheBytes is -1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v says nothing of %q", err, want)
		}
	}
	for _, s := range []string{"each", "once"} {
		if p, err := ParseMode(s); err != nil || p.String() != s {
			t.Errorf("ParseMode(%q) = %v, %v", s, p, err)
		}
	}
	if _, err := ParseMode("never"); err == nil {
		t.Error(`ParseMode("never") is no error`)
	}
	w := newWorld(t, Options{})
	w.each.Close()
	if _, err := w.each.Resolve(t.Context(), &router.Query{Host: "a"}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
