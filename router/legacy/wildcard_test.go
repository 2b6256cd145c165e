package legacy

import (
	"testing"

	"berth/store"
)

// The holder of a name that has nothing there leaves the host to the wildcards above it, nearest first.
func TestWildcardsOfSeveralProjects(t *testing.T) {
	w := newWorld(t, Options{})
	exact, eds := w.project("exact", 1)
	near, nds := w.project("near", 1)
	far, fds := w.project("far", 1)
	w.claim("a.b.example.com", exact.No, "")
	w.claim("*.example.com", far.No, "")
	w.claim("*.b.example.com", near.No, "")
	w.table(far.No, []Filter{{WildcardPattern("example.com"), ScriptHash(fds[0].UUID)}})
	if got, want := w.ask("a.b.example.com", "/"), says(far, fds[0], store.ClassCustom, 0); got != want {
		t.Errorf("with one entry: %q, want %q", got, want)
	}
	w.table(near.No, []Filter{{WildcardPattern("b.example.com"), ScriptHash(nds[0].UUID)}})
	if got, want := w.ask("a.b.example.com", "/"), says(near, nds[0], store.ClassCustom, 0); got != want {
		t.Errorf("with two: %q, want %q", got, want)
	}
	w.table(exact.No, []Filter{{Pattern("a.b.example.com"), ScriptHash(eds[0].UUID)}})
	if got, want := w.ask("a.b.example.com", "/"), says(exact, eds[0], store.ClassCustom, 0); got != want {
		t.Errorf("with three: %q, want %q", got, want)
	}
	if got, want := w.ask("x.example.com", "/"), says(far, fds[0], store.ClassCustom, 0); got != want {
		t.Errorf("farther up: %q, want %q", got, want)
	}
}

// A project that holds a name and a wildcard far above it does not answer for the name by that wildcard if another's is nearer.
func TestNearestWildcardWins(t *testing.T) {
	w := newWorld(t, Options{})
	wide, wds := w.project("wide", 1)
	near, nds := w.project("near", 1)
	w.claim("a.b.example.com", wide.No, "")
	w.claim("*.example.com", wide.No, "")
	w.claim("*.b.example.com", near.No, "")
	w.table(wide.No, []Filter{{WildcardPattern("example.com"), ScriptHash(wds[0].UUID)}})
	w.table(near.No, []Filter{{WildcardPattern("b.example.com"), ScriptHash(nds[0].UUID)}})
	if got, want := w.ask("a.b.example.com", "/"), says(near, nds[0], store.ClassCustom, 0); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := w.ask("a.c.example.com", "/"), says(wide, wds[0], store.ClassCustom, 0); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
