package tables_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"berth/migrate/internal/world"
	"berth/migrate/tables"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// server has two projects with a deployment each, and custom domains of both.
func server(t *testing.T) *world.World {
	w := world.New(t, vfs.NewMem())
	w.Update(t, func(tx *store.Tx) error {
		for p := store.ProjectNo(1); p <= 2; p++ {
			if err := world.PutProject(tx, p); err != nil {
				return err
			}
			if _, err := world.PutDeployment(tx, p, 0); err != nil {
				return err
			}
		}
		for host, p := range map[string]store.ProjectNo{"one.example": 1, "*.wild.example": 1, "two.example": 2, "taken.wild.example": 2, "free.wild.example": 2} {
			if err := tx.ClaimHost(host, store.HostOwner{Account: 1, Project: p}); err != nil {
				return err
			}
		}
		if err := tx.PutDomain(store.Domain{Project: 1, Host: "one.example", Branch: "next", Status: store.DomainActive}); err != nil {
			return err
		}
		return tx.SetTableHost(2, "taken.wild.example", 1)
	})
	return w
}

func read(t *testing.T, w *world.World, p store.ProjectNo, raw string) tables.Piece {
	t.Helper()
	table, err := w.Tables.Table(&w.Store.Reader, p)
	if err != nil {
		t.Fatal(err)
	}
	piece, err := table.Piece(&w.Store.Reader, store.TableChunk{Project: p, No: 7, JSON: []byte(raw)})
	if err != nil {
		t.Fatal(err)
	}
	return piece
}

// TestLines reads one entry of project 1 at a time.
func TestLines(t *testing.T) {
	w := server(t)
	mine, others := legacy.ScriptHash(world.UUID(1, 0)), legacy.ScriptHash(world.UUID(2, 0))
	own := func(label string) hostkey.Host { return hostkey.Host(world.Label(1, label)) }
	for _, tt := range []struct {
		name, pattern, hash string
		want                string // class and flags, or of the fault
	}{
		{"deployment", legacy.Pattern(own("00000001")), mine, "1/1"},
		{"branch", legacy.StrictPattern(own("feature")), mine, "2/1"},
		{"production", legacy.Pattern("site-1.pages.example"), mine, "3/0"},
		{"custom, follows a branch", legacy.Pattern("one.example"), mine, "4/2"},
		{"wildcard", legacy.WildcardPattern("wild.example"), mine, "4/0"},
		{"below the own wildcard", legacy.StrictPattern("a.wild.example"), mine, "4/0"},
		{"held by another, who has no entry", legacy.StrictPattern("free.wild.example"), mine, "4/0"},
		{"held by another, who has one", legacy.StrictPattern("taken.wild.example"), mine, "foreign"},
		{"another's custom host", legacy.Pattern("two.example"), mine, "foreign"},
		{"nobody's custom host", legacy.Pattern("three.example"), mine, "foreign"},
		{"another's wildcard", legacy.WildcardPattern("two.example"), mine, "foreign"},
		{"another's label", legacy.Pattern("x.site-2.pages.example"), mine, "foreign"},
		{"another's deployment", legacy.Pattern(own("y")), others, "foreign"},
		{"the server's domain", legacy.Pattern("pages.example"), mine, "foreign"},
		{"unknown pipeline", legacy.Pattern(own("z")), "what", "no-deployment"},
		{"unknown deployment", legacy.Pattern(own("z")), strings.Repeat("0", 32), "no-deployment"},
		{"no list of hosts", `^(?:[a-z]+.example\/.*)$`, mine, "cannot-convert"},
	} {
		piece := read(t, w, 1, string(legacy.AppendChunk(nil, []legacy.Filter{{Pattern: tt.pattern, ScriptHash: tt.hash}})))
		got := ""
		for _, r := range piece.Routes {
			got += string(rune('0'+r.Record.Class)) + "/" + string(rune('0'+r.Record.Flags))
			if r.Key != w.Hasher.Key(r.Host) || r.Record.Project != 1 || r.Record.Deployment != 1 {
				t.Errorf("%s: %+v", tt.name, r)
			}
		}
		for _, f := range piece.Faults {
			got += string(f.Class)
			if f.Project != 1 || f.Piece != 7 || f.Line != 0 || f.Why == "" || f.Pattern != tt.pattern {
				t.Errorf("%s: %+v", tt.name, f)
			}
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s; %+v", tt.name, got, tt.want, piece.Faults)
		}
	}
}

func TestBadPieces(t *testing.T) {
	w := server(t)
	good := string(legacy.AppendChunk(nil, []legacy.Filter{{Pattern: "x", ScriptHash: "y"}}))
	for _, tt := range []struct {
		p    store.ProjectNo
		raw  string
		want tables.Class
	}{{1, good[:20], tables.Unreadable}, {1, `{"filters":[],"v":2}`, tables.Unreadable}, {1, strings.Repeat("[", 1<<16), tables.Unreadable}, {9, good, tables.NoProject}} {
		piece := read(t, w, tt.p, tt.raw)
		if len(piece.Faults) != 1 || piece.Faults[0].Class != tt.want || piece.Faults[0].Line != -1 || len(piece.Routes) > 0 {
			t.Errorf("%.30s: %+v", tt.raw, piece)
		}
	}
}

// TestPiecesFollow: an entry of an earlier piece has its host also if that piece was skipped, and many lines are read as one is.
func TestPiecesFollow(t *testing.T) {
	w := server(t)
	mine := legacy.ScriptHash(world.UUID(1, 0))
	host := hostkey.Host(world.Label(1, "a"))
	var many []legacy.Filter
	for i := range 100 {
		many = append(many, legacy.Filter{Pattern: legacy.Pattern(hostkey.Host(world.Label(1, "b"+strings.Repeat("c", i%40)))), ScriptHash: mine})
	}
	many = append(many, legacy.Filter{Pattern: legacy.Pattern(host), ScriptHash: mine})
	table, err := w.Tables.Table(&w.Store.Reader, 1)
	if err != nil {
		t.Fatal(err)
	}
	first := store.TableChunk{Project: 1, No: 1, JSON: legacy.AppendChunk(nil, []legacy.Filter{{Pattern: legacy.Pattern(host), ScriptHash: mine}})}
	if err := table.Skip(first); err != nil {
		t.Fatal(err)
	}
	piece, err := table.Piece(&w.Store.Reader, store.TableChunk{Project: 1, No: 2, JSON: legacy.AppendChunk(nil, many)})
	if err != nil || len(piece.Faults) > 0 {
		t.Fatal(err, piece.Faults)
	}
	if len(piece.Routes) != 40 || piece.Routes[39].Name() == string(host) {
		t.Errorf("%d routes", len(piece.Routes))
	}
	if err := table.Skip(store.TableChunk{Project: 1, No: 3, JSON: []byte("{")}); err == nil {
		t.Error("a piece that cannot be read was skipped without a word")
	}
	if diff := cmp.Diff("site-1", table.Project().Name); diff != "" {
		t.Error(diff)
	}
}

func TestConfigIsChecked(t *testing.T) {
	_, err := tables.New(tables.Config{})
	for _, part := range []string{"domain", "hasher"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %s", err, part)
		}
	}
}

// TestNumbers: entries are counted through the whole table, as the words of a fault count them.
func TestNumbers(t *testing.T) {
	w := server(t)
	table, err := w.Tables.Table(&w.Store.Reader, 1)
	if err != nil {
		t.Fatal(err)
	}
	filter := func(pattern string) legacy.Filter { return legacy.Filter{Pattern: pattern, ScriptHash: "x"} }
	host := hostkey.Host(world.Label(1, "a"))
	piece := func(no uint32, fs ...legacy.Filter) tables.Piece {
		p, err := table.Piece(&w.Store.Reader, store.TableChunk{Project: 1, No: no, JSON: legacy.AppendChunk(nil, fs)})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	piece(3, filter(legacy.Pattern("b.example")), filter(legacy.Pattern("c.example")))
	if err := table.Skip(store.TableChunk{Project: 1, No: 4, JSON: legacy.AppendChunk(nil, []legacy.Filter{filter(`^[a-z]+\.site-1\.pages\.example/x/.*$`)})}); err != nil {
		t.Fatal(err)
	}
	last := piece(5, filter(legacy.Pattern("d.example")), legacy.Filter{Pattern: legacy.Pattern(host), ScriptHash: "y"})
	if last.First != 3 || len(last.Faults) != 2 {
		t.Fatalf("%+v", last)
	}
	f := last.Faults[1]
	if f.Piece != 5 || f.Line != 1 || f.Entry != 4 || !strings.Contains(f.Why, "entry 2 comes first") {
		t.Errorf("%+v", f)
	}
}

// TestNamesThatChange reads a table in two pieces: what its lines call deployments counts as it is when they are read, also that of a deployment
// which is gone by then.
func TestNamesThatChange(t *testing.T) {
	const lines = 40
	w := server(t)
	var ds [lines]store.DeploymentNo
	name := func(i int) string { return fmt.Sprint("pipeline-", i) }
	w.Update(t, func(tx *store.Tx) error {
		var names []store.PipelineName
		for i := range ds {
			d, err := world.PutDeployment(tx, 1, i+1)
			if err != nil {
				return err
			}
			ds[i] = d.No
			names = append(names, store.PipelineName{Name: name(i), Deployment: d.No})
		}
		_, err := tx.SetPipelines(names)
		return err
	})
	table, err := w.Tables.Table(&w.Store.Reader, 1)
	if err != nil {
		t.Fatal(err)
	}
	piece := func(no uint32, label string) tables.Piece {
		var fs []legacy.Filter
		for i := range lines {
			fs = append(fs, legacy.Filter{Pattern: legacy.Pattern(hostkey.Host(world.Label(1, fmt.Sprint(label, i)))), ScriptHash: name(i)})
		}
		snap := w.Store.Snapshot()
		defer snap.Close()
		p, err := table.Piece(&snap.Reader, store.TableChunk{Project: 1, No: no, JSON: legacy.AppendChunk(nil, fs)})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := piece(7, "a")
	var got []store.DeploymentNo
	for _, r := range first.Routes {
		got = append(got, r.Record.Deployment)
	}
	if diff := cmp.Diff(ds[:], got); diff != "" || len(first.Faults) > 0 {
		t.Fatalf("%v %s", first.Faults, diff)
	}
	theirs := store.DeploymentNo(0)
	w.Update(t, func(tx *store.Tx) (err error) {
		x, err := tx.DeploymentByUUID(world.UUID(2, 0))
		theirs = x.No
		return errors.Join(err, tx.DeleteDeployment(ds[3]), tx.SetPipeline(name(3), theirs), tx.SetPipeline(name(4), ds[5]))
	})
	second := piece(8, "b")
	want := append(append([]store.DeploymentNo{}, ds[:3]...), ds[5])
	want = append(want, ds[5:]...)
	got = nil
	for _, r := range second.Routes {
		got = append(got, r.Record.Deployment)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(second.Faults) != 1 || second.Faults[0].Class != tables.Foreign || second.Faults[0].Line != 3 {
		t.Errorf("%+v; line 3 names deployment %d of project 2", second.Faults, theirs)
	}
}
