package dualwrite

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"berth/migrate"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
	"berth/store/control"
)

func splitName(name string) (hostkey.Host, bool) {
	parent, wild := strings.CutPrefix(name, "*.")
	return hostkey.Host(parent), wild
}

// modelNames are hosts that are easily mistaken for each other: by a loose dot, a wildcard, or an alternation.
var modelNames = []string{
	"docs.pages.localhost", "00aaaabb.docs.pages.localhost", "feat.docs.pages.localhost", "fea.docs.pages.localhost",
	"a.b.example.com", "a-b.example.com", "axb.example.com", "b.example.com", "example.com", "c.example.com", "d.example.com", "e.example.com",
	"*.example.com", "*.b.example.com", "*.a.b.example.com", "*.c.example.com",
}

// asked are the hosts whose answers are compared.
var asked = []hostkey.Host{"x.example.com", "x.b.example.com", "x.a.b.example.com", "y.x.b.example.com", "x.c.example.com", "x.a-b.example.com",
	"docsxpages.localhost", "other.docs.pages.localhost"}

// model is what the authority says: a map of names.
type model map[string]store.DeploymentNo

func (m model) answer(h hostkey.Host) store.DeploymentNo {
	if no, ok := m[string(h)]; ok {
		return no
	}
	for parent, ok := h.Parent(); ok; parent, ok = parent.Parent() {
		if no, ok := m["*."+string(parent)]; ok {
			return no
		}
	}
	return 0
}

// importTable writes entries as an import leaves them: each host once, in pieces of a few, with an index.
func (w *world) importTable(t *rapid.T, m model) {
	entries := []struct {
		pattern string
		names   []string
	}{
		{`^(?:(?:c|d|e)\.example\.com(?:[:][0-9]+)?\/(?<p1>.*))$`, []string{"c.example.com", "d.example.com", "e.example.com"}},
		{`^(?:(?:.*\.)?b\.example\.com(?:[:][0-9]+)?\/(?<p1>.*))$`, []string{"b.example.com", "*.b.example.com"}},
		{`^(?:[ac]xb\.example\.com\/.*)$`, []string{"axb.example.com", "cxb.example.com"}},
		{`^(?:fea(?:t)?\.docs\.pages\.localhost\/.*)$`, []string{"fea.docs.pages.localhost", "feat.docs.pages.localhost"}},
		{legacy.WildcardPattern("example.com"), []string{"*.example.com"}},
	}
	size := rapid.IntRange(1, 3).Draw(t, "entries of a piece")
	w.update(func(tx *store.Tx) error {
		var fs []legacy.Filter
		no := Imported
		for i, e := range entries {
			if rapid.Bool().Draw(t, "left out") {
				continue
			}
			d := rapid.SampledFrom(w.ds).Draw(t, "deployment")
			fs = append(fs, legacy.Filter{Pattern: e.pattern, ScriptHash: legacy.ScriptHash(d.UUID)})
			for _, name := range e.names {
				m[name] = d.No
				if err := tx.SetTableHost(w.p.No, name, no); err != nil {
					return err
				}
			}
			if len(fs) == size || i == len(entries)-1 {
				if err := tx.PutTableChunk(store.TableChunk{Project: w.p.No, No: no, JSON: legacy.AppendChunk(nil, fs)}); err != nil {
					return err
				}
				fs, no = nil, no+1
			}
		}
		if len(fs) == 0 {
			return nil
		}
		return tx.PutTableChunk(store.TableChunk{Project: w.p.No, No: no, JSON: legacy.AppendChunk(nil, fs)})
	})
}

// Whatever is set and deleted, in whatever order and on top of whatever was imported, the tables answer like a map. What was
// written since dual-write began the records answer too, with the same decision.
func TestTablesAnswerLikeTheAuthority(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, done := newWorld(t, 6, migrate.Legacy)
		defer done()
		for _, name := range modelNames {
			if !strings.HasSuffix(name, "."+domain) {
				w.claim(name, rapid.SampledFrom([]string{"", "b"}).Draw(t, "branch"))
			}
		}
		w.claim("cxb.example.com", "")
		m := model{}
		w.importTable(t, m)
		for range rapid.IntRange(1, 25).Draw(t, "changes") {
			w.apply(w.draw(t, m)...)
			w.compare(m)
			w.free(t, m)
			w.compare(m)
		}
		w.check()
	})
}

func (w *world) draw(t *rapid.T, m model) (rs []control.RouteChange) {
	for range rapid.IntRange(1, 4).Draw(t, "routes") {
		name := rapid.SampledFrom(modelNames).Draw(t, "name")
		h, wild := splitName(name)
		if rapid.IntRange(0, 2).Draw(t, "set") == 0 {
			delete(m, name)
			rs = append(rs, w.route(h, wild, nil))
			continue
		}
		d := rapid.SampledFrom(w.ds).Draw(t, "deployment")
		m[name] = d.No
		rs = append(rs, w.route(h, wild, &d))
	}
	return rs
}

// free takes a host away from a deployment, which it may lead to or not.
func (w *world) free(t *rapid.T, m model) {
	name := rapid.SampledFrom(modelNames).Draw(t, "freed")
	h, wild := splitName(name)
	d := rapid.SampledFrom(w.ds).Draw(t, "from").No
	if rapid.Bool().Draw(t, "where it leads") {
		d = m[name]
	}
	x := store.ImportedHost{Deployment: d, Key: hasher.Key(h), Wildcard: wild, Host: string(h)}
	w.update(func(tx *store.Tx) error {
		leads, err := w.writer.Leads(tx, w.p.No, x)
		if err != nil || leads != (d != 0 && m[name] == d) {
			return fmt.Errorf("%s leads to %d: %v, %w; it leads to %d", name, d, leads, err, m[name])
		}
		return w.writer.Free(t.Context(), tx, w.p.No, []store.ImportedHost{x})
	})
	if m[name] == d {
		delete(m, name)
	}
}

func (w *world) compare(m model) {
	w.t.Helper()
	hosts := asked
	for _, name := range append([]string{"cxb.example.com"}, modelNames...) {
		if h, wild := splitName(name); !wild {
			hosts = append(hosts, h)
		}
	}
	for _, h := range hosts {
		if _, got := w.resolve(w.old, h); got != m.answer(h) {
			filters, _ := w.table()
			w.t.Fatalf("%s: the tables answer %d, the authority %d\n%v", h, got, m.answer(h), filters)
		}
	}
}

// For the same changes both resolvers give the same decision, class and flags included.
func TestBothSidesDecideAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, done := newWorld(t, 6, migrate.Legacy, migrate.DualWrite)
		defer done()
		for _, name := range modelNames {
			if !strings.HasSuffix(name, "."+domain) {
				w.claim(name, rapid.SampledFrom([]string{"", "b"}).Draw(t, "branch"))
			}
		}
		m := model{}
		for range rapid.IntRange(1, 25).Draw(t, "changes") {
			w.apply(w.draw(t, m)...)
			w.free(t, m)
			for _, h := range append(hostsOf(modelNames), asked...) {
				a, _ := w.resolve(w.old, h)
				b, _ := w.resolve(w.new, h)
				if a != b {
					t.Fatalf("%s: the tables say %+v, the records %+v", h, a, b)
				}
			}
		}
	})
}

func hostsOf(names []string) (hs []hostkey.Host) {
	for _, name := range names {
		if h, wild := splitName(name); !wild {
			hs = append(hs, h)
		}
	}
	return hs
}

// A large table: pieces fill up, are split and emptied, and an edit touches few of them.
func TestPieces(t *testing.T) {
	w, done := newWorld(t, 2, migrate.Legacy)
	defer done()
	host := func(i int) hostkey.Host { return hostkey.Host(fmt.Sprintf("h%d.docs.pages.localhost", i)) }
	const n = 1000
	for start := 0; start < n; start += 50 {
		var rs []control.RouteChange
		for i := start; i < start+50; i++ {
			rs = append(rs, w.route(host(i), false, &w.ds[0]))
		}
		w.apply(rs...)
	}
	if filters, sizes := w.table(); len(filters) != n || len(sizes) != 4 {
		t.Fatalf("%d entries in pieces of %v", len(filters), sizes)
	}
	w.apply(w.route(host(10), false, &w.ds[1]))
	if filters, _ := w.table(); len(filters) != n || filters[n-11].ScriptHash != legacy.ScriptHash(w.ds[1].UUID) {
		t.Errorf("an entry did not change in its place")
	}
	revision := w.revision()
	w.apply(w.route(host(10), false, &w.ds[1]))
	if w.revision() != revision {
		t.Error("the same change twice is a commit")
	}
	w.check()
	for start := 0; start < n; start += 100 {
		var rs []control.RouteChange
		for i := start; i < start+100; i++ {
			rs = append(rs, w.route(host(i), false, nil))
		}
		w.apply(rs...)
	}
	if _, sizes := w.table(); len(sizes) != 0 {
		t.Errorf("pieces of %v are left of an empty table", sizes)
	}
	for name := range w.s.TableHosts(w.p.No) {
		t.Errorf("the index still has %s", name)
	}
}

func (w *world) revision() (rev store.Revision) {
	sn := w.s.Snapshot()
	defer sn.Close()
	return sn.Revision()
}
