package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/migrate"
	"berth/migrate/dualwrite"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
	"berth/store/control"
)

func TestTables(t *testing.T) {
	w := newWorld(t)
	docs, dd := w.project(1, "docs", 3)
	_, sd := w.project(1, "shop", 2)
	hash := func(d store.Deployment) string { return legacy.ScriptHash(d.UUID) }
	w.update(func(tx *store.Tx) error { return tx.SetPipeline("abc", dd[1].No) })
	src := map[string]string{
		"docs.json": table(
			entry(legacy.Pattern("docs.pages.localhost"), "abc"),
			entry(legacy.AlternativesPattern([]hostkey.Host{"a.docs.pages.localhost", "b.docs.pages.localhost", "c.docs.pages.localhost"}), hash(dd[0])),
			entry(legacy.Pattern("b.docs.pages.localhost"), hash(dd[2])),
			entry(legacy.AlternativesPattern([]hostkey.Host{"c.docs.pages.localhost", "d.docs.pages.localhost"}), hash(dd[2])),
			entry(legacy.Pattern("www.example.com"), hash(dd[2])),
			entry(`^(?:odd\.docs\.pages\.localhost\/only\/.*)$`, hash(dd[2])),
			entry(legacy.Pattern("gone.docs.pages.localhost"), "nothing"),
			entry(legacy.Pattern("x.shop.pages.localhost"), hash(dd[2])),
			entry(legacy.WildcardPattern("wild.example.com"), hash(dd[0])),
			entry(`(?:unclosed`, hash(dd[0])),
		),
		"shop.json": table(
			entry(legacy.Pattern("shop.pages.localhost"), hash(sd[0])),
			entry(legacy.AlternativesPattern([]hostkey.Host{"www.example.com", "shop.example.com"}), hash(sd[1])),
		),
		"nobody.json": table(),
		"README.md":   "tables",
		".hidden":     "",
	}
	r := w.load(dir(src), Options{})
	for host, want := range map[hostkey.Host]store.DeploymentNo{
		"docs.pages.localhost": dd[1].No, "a.docs.pages.localhost": dd[0].No, "b.docs.pages.localhost": dd[0].No,
		"c.docs.pages.localhost": dd[0].No, "d.docs.pages.localhost": dd[2].No, "www.example.com": dd[2].No, "gone.docs.pages.localhost": 0,
		"x.shop.pages.localhost": 0, "x.wild.example.com": dd[0].No, "shop.pages.localhost": sd[0].No, "shop.example.com": sd[1].No,
	} {
		if got := w.ask(host); got != want {
			t.Errorf("%s: %d, want %d", host, got, want)
		}
	}
	wantProblem(t, r, "shadowed", "docs.json: project docs: entry 2 at byte")
	wantProblem(t, r, "shadowed", "entry 3", "stored without them")
	wantProblem(t, r, "convert", "entry 5", "path")
	wantProblem(t, r, "deployment", "entry 6", `"nothing" names no deployment`)
	wantProblem(t, r, "foreign", "entry 7", "x.shop.pages.localhost is a host of project shop")
	wantProblem(t, r, "moved", "entry 8", "*.wild.example.com serves deployment")
	wantProblem(t, r, "convert", "entry 9")
	wantProblem(t, r, "claimed", "shop.json: project shop: entry 1", "www.example.com belongs to project docs, and project shop claims it too")
	wantProblem(t, r, "project", "nobody.json", "berth project create nobody")
	wantProblem(t, r, "table", "README.md", "<project>.json")
	if r.Projects != 2 || r.Failed != 2 || r.Entries != 12 || r.Stored != 10 || r.Hosts != 9 || r.Wildcards != 1 || r.Domains != 3 {
		t.Errorf("report %+v", r)
	}
	if got := w.m.State().Phase; got != migrate.Legacy {
		t.Errorf("phase %s after the first tables", got)
	}
	// The same again changes nothing.
	revision := w.revision()
	if r := w.load(dir(src), Options{}); r.Unchanged != 2 || w.revision() != revision {
		t.Errorf("again: %d unchanged, revision %d to %d", r.Unchanged, revision, w.revision())
	}
	// Another table of the same project is refused, and changes nothing.
	src["docs.json"] = table(entry(legacy.Pattern("docs.pages.localhost"), hash(dd[0])))
	r = w.load(dir(src), Options{})
	wantProblem(t, r, "changed", "project docs", "another table")
	if w.revision() != revision {
		t.Error("a refused table changed something")
	}
	// What was imported can be edited: nothing comes up from behind it.
	writer, err := dualwrite.New(control.RecordWriter(hasher), hasher, domain)
	if err != nil {
		t.Fatal(err)
	}
	w.update(func(tx *store.Tx) error {
		return errors.Join(writer.DeleteEntry(tx, docs.No, "b.docs.pages.localhost", false), writer.DeleteEntry(tx, docs.No, "c.docs.pages.localhost", false),
			writer.SetEntry(tx, docs.No, "a.docs.pages.localhost", false, hash(dd[1])))
	})
	for host, want := range map[hostkey.Host]store.DeploymentNo{
		"a.docs.pages.localhost": dd[1].No, "b.docs.pages.localhost": 0, "c.docs.pages.localhost": 0, "d.docs.pages.localhost": dd[2].No,
	} {
		if got := w.ask(host); got != want {
			t.Errorf("after edits %s: %d, want %d", host, got, want)
		}
	}
}

// Tables that are none change nothing of their project, and the others are loaded.
func TestBadTables(t *testing.T) {
	good := table(entry(legacy.Pattern("good.pages.localhost"), "x"))
	one := entry(legacy.Pattern("bad.pages.localhost"), "x")
	for _, c := range []struct{ name, bad, says string }{
		{"truncated", strings.TrimSuffix(table(one, one), `,"script_hash":"x"}],"v":1}`), "ends early"},
		{"empty", "", "ends early"},
		{"too large", table(slices.Repeat([]string{one}, 20_000)...), "too large"},
		{"duplicate key", `{"filters":[],"filters":[],"v":1}`, "given twice"},
		{"duplicate key in an entry", `{"filters":[{"pattern":"a","pattern":"b","script_hash":"x"}],"v":1}`, "filter 0"},
		{"wrong v", `{"filters":[` + one + `],"v":2}`, "unknown version"},
		{"v is text", `{"filters":[` + one + `],"v":"1"}`, "wrong type"},
		{"filters is an object", `{"filters":{},"v":1}`, "wrong type"},
		{"pattern is a number", `{"filters":[{"pattern":1,"script_hash":"x"}],"v":1}`, "wrong type"},
		{"unknown key", `{"filters":[{"pattern":"a","script_hash":"x","p1":1}],"v":1}`, "unknown key"},
		{"two tables", table(one) + table(one), "follows"},
		{"no UTF-8", "{\"filters\":[{\"pattern\":\"\xff\",\"script_hash\":\"x\"}],\"v\":1}", "UTF-8"},
		{"a huge pattern", table(entry(strings.Repeat("a", 100_000), "x")), "too long"},
	} {
		w := newWorld(t)
		bad, _ := w.project(1, "bad", 1)
		w.project(1, "good", 1)
		o := Options{}
		o.Convert.MaxBytes = 1 << 20
		r := w.load(dir(map[string]string{"bad.json": c.bad, "good.json": good}), o)
		wantProblem(t, r, "table: bad.json: project bad", "at byte", c.says, "nothing of it is loaded")
		if r.Failed != 1 || r.Projects != 1 {
			t.Errorf("%s: %+v", c.name, r)
		}
		for range w.s.TableChunks(bad.No) {
			t.Errorf("%s: something of it is stored", c.name)
		}
	}
}

// Patterns that are hostile are stored as they are, reported, and answer nobody; the rest works.
func TestHostilePatterns(t *testing.T) {
	w := newWorld(t)
	_, ds := w.project(1, "docs", 1)
	hash := legacy.ScriptHash(ds[0].UUID)
	r := w.load(dir(map[string]string{"docs.json": table(
		entry(`^(?:`+strings.Repeat(`[a-z]{1,1000}`, 100)+`\.docs\.pages\.localhost\/.*)$`, hash),
		entry(`^(?:(?:(?:a|b|c|d){1,20}){1,20}x\.docs\.pages\.localhost\/.*)$`, hash),
		entry(`(`, hash),
		entry(legacy.Pattern("docs.pages.localhost"), hash),
	)}), Options{})
	if r.ByClass[NotConverted] != 3 || r.Stored != 4 {
		t.Errorf("report %+v", r)
	}
	if got := w.ask("docs.pages.localhost"); got != ds[0].No {
		t.Errorf("the rest answers %d, want %d", got, ds[0].No)
	}
}

func TestNDJSON(t *testing.T) {
	w := newWorld(t)
	_, dd := w.project(1, "docs", 1)
	_, sd := w.project(1, "shop", 1)
	line := func(project, table string) string {
		return fmt.Sprintf(`{"project":%q,"table":%s}`, project, table) + "\n"
	}
	docs := table(entry(legacy.Pattern("docs.pages.localhost"), legacy.ScriptHash(dd[0].UUID)))
	shop := table(entry(legacy.Pattern("shop.pages.localhost"), legacy.ScriptHash(sd[0].UUID)))
	text := line("docs", docs) + "\n" + line("docs", docs) + `{"project":"a"` + "\n" + `{"project":"a","project":"b","table":{}}` + "\n" +
		`{"table":{}}` + "\n" + `[]` + "\n" + line("shop", `{"filters":[{"pattern":7}]}`) + strings.Repeat("x", 3000) + "\n" +
		line("Big Name", docs) + line("docs", docs)[:40] + "\n" + `{"project":"c","table":{}} {}` + "\n" + strings.TrimSpace(line("shop", shop))
	r := w.load(NDJSON("tables.ndjson", strings.NewReader(text), 2000), Options{})
	for _, want := range [][]string{
		{"tables.ndjson:3: project docs", "tables.ndjson:1 has a table of project"},
		{"tables.ndjson:4", "at byte"}, {"tables.ndjson:5", "given twice"}, {"tables.ndjson:6", "must be given"}, {"tables.ndjson:7", "want a line"},
		{"tables.ndjson:8: project shop", "at byte 50, filter 0"}, {"tables.ndjson:9", "more than 2000 bytes"}, {"tables.ndjson:10", "project name"},
		{"tables.ndjson:11", "unexpected EOF"}, {"tables.ndjson:12", "follows"}, {"tables.ndjson:13: project shop", "tables.ndjson:8 has a table"},
	} {
		wantProblem(t, r, want...)
	}
	if w.ask("docs.pages.localhost") != dd[0].No || r.Projects != 1 {
		t.Errorf("the good line is not loaded: %+v", r)
	}
	_, err := Tables(t.Context(), w.s, w.m, NDJSON("tables.ndjson", failing("\n"), 2000), Options{Domain: domain, Hasher: hasher})
	if !errors.Is(err, errDisk) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a read that fails: %v", err)
	}
}

// An import that ends after any of its batches is completed by the next one, with the same result as one without an end.
func TestResume(t *testing.T) {
	const n = 1000
	hosts := make([]string, n)
	for i := range hosts {
		hosts[i] = entry(legacy.Pattern(hostkey.Host(fmt.Sprintf("h%d.docs.pages.localhost", i%(n-7)))), fmt.Sprint("p", i))
	}
	src := func() Source { return dir(map[string]string{"docs.json": table(hosts...)}) }
	whole := newWorld(t)
	p, _ := whole.project(1, "docs", 1)
	if r := whole.load(src(), Options{Batch: 300}); r.Stored != n-7 {
		t.Fatalf("report %+v", r)
	}
	for stop := range 4 {
		w := newWorld(t)
		w.project(1, "docs", 1)
		ctx, cancel := context.WithCancel(t.Context())
		batches := 0
		unhook := w.s.OnCommit(func(c store.Commit) {
			if batches++; batches > stop {
				cancel()
			}
		})
		_, err := Tables(ctx, w.s, w.m, src(), Options{Domain: domain, Hasher: hasher, Batch: 300})
		unhook()
		if stop < 3 && !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped after batch %d: %v", stop, err)
		}
		w.load(src(), Options{Batch: 170})
		if diff := cmp.Diff(flat(t, whole, p.No), flat(t, w, p.No)); diff != "" {
			t.Errorf("stopped after batch %d: %s", stop, diff)
		}
		for name, err := range w.s.TableHosts(p.No) {
			if no, err2 := w.s.TableHost(p.No, name); err != nil || err2 != nil || no < dualwrite.Imported {
				t.Errorf("index of %s: %d %v %v", name, no, err, err2)
			}
		}
	}
}

func flat(t testing.TB, w *world, p store.ProjectNo) (fs []legacy.Filter) {
	for c, err := range w.s.TableChunks(p) {
		if err != nil {
			t.Fatal(err)
		}
		part, err := legacy.ParseChunk(c.JSON)
		if err != nil || len(part) > dualwrite.MaxFilters {
			t.Fatalf("a piece of %d: %v", len(part), err)
		}
		fs = append(fs, part...)
	}
	return fs
}
