package verify

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/dualwrite"
	"berth/migrate/internal/world"
	"berth/migrate/tables"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

const projects = 3

// copied is a server whose tables were copied, by a reader that may be wrong.
func copied(t testing.TB, r func(*world.World) *tables.Reader) *world.World {
	t.Helper()
	w := world.New(t, vfs.NewMem())
	rng := rand.New(rand.NewPCG(1, 2))
	w.Update(t, func(tx *store.Tx) error { return w.Random(tx, rng, projects, 200, 64) })
	if err := w.Enter(migrate.Backfill); err != nil {
		t.Fatal(err)
	}
	fill(t, w, r(w))
	return w
}

func rightly(w *world.World) *tables.Reader { return w.Tables }

// fill runs a backfill to its end.
func fill(t testing.TB, w *world.World, r *tables.Reader) {
	t.Helper()
	j, err := backfill.New(backfill.Deps{Store: w.Store, Tables: r}, backfill.Options{})
	if err != nil {
		t.Fatal(err)
	}
	during(t, j.Run, func() {
		await(t, w, "the end of the backfill", func() bool {
			ok, _, err := backfill.Finished(&w.Store.Reader)
			return ok && err == nil
		})
	})
}

// during runs a job while fn runs.
func during(t testing.TB, run func(context.Context) error, fn func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	fn()
}

func await(t testing.TB, w *world.World, what string, is func() bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for !is() {
		select {
		case <-time.After(2 * time.Millisecond):
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func newJob(t testing.TB, w *world.World, o Options) *Job {
	t.Helper()
	j, err := New(Deps{Store: w.Store, Tables: w.Tables}, o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// verified runs a verification to its end.
func verified(t testing.TB, w *world.World, o Options) Report {
	t.Helper()
	j := newJob(t, w, o)
	if err := j.Start(t.Context(), "anna", "to see"); err != nil {
		t.Fatal(err)
	}
	var r Report
	during(t, j.Run, func() {
		await(t, w, "the report", func() bool {
			var err error
			if r, _, _, err = j.Status(); err != nil {
				t.Fatal(err)
			}
			return !r.Finished.IsZero()
		})
	})
	return r
}

func TestAgreement(t *testing.T) {
	w := copied(t, rightly)
	r := verified(t, w, Options{})
	if !r.Clean() || r.Projects != projects || r.Hosts[Agree] < 600 || r.Records != r.Hosts[Agree] || r.Sites != 0 || len(r.Examples) != 0 {
		t.Errorf("%+v", r)
	}
	for d, err := range w.Store.Documents(sumPrefix, "") {
		t.Errorf("left behind: %s, %v", d.Name, err)
	}
}

// TestEveryClass makes one difference of each sort, and wants it counted, shown and named, and nothing else.
func TestEveryClass(t *testing.T) {
	w := copied(t, rightly)
	hosts := tableHosts(t, w, 1)
	missing, different, extra := hosts[0], hosts[1], hostkey.Host(world.Label(2, "nobody"))
	strange := hostkey.Host("custom.example")
	w.Update(t, func(tx *store.Tx) error {
		rec, err := tx.Route(w.Hasher.Key(different))
		rec.Deployment++
		return errors.Join(err,
			tx.DeleteRoute(w.Hasher.Key(missing)),
			tx.SetRoute(w.Hasher.Key(different), rec),
			tx.PutBranch(store.Branch{Project: 2, Name: "nobody", Exact: "nobody", Latest: rec.Deployment}),
			tx.SetRoute(w.Hasher.Key(extra), store.Route{Kind: store.RouteSite, Class: store.ClassBranch, Project: 2, Deployment: 1}),
			tx.SetWildcard(w.Hasher.Key(strange), store.Route{Kind: store.RouteSite, Class: store.ClassCustom, Project: 9, Deployment: 1}),
			tx.PutTableChunk(store.TableChunk{Project: 3, No: 1<<31 + 500, JSON: legacy.AppendChunk(nil, []legacy.Filter{{Pattern: `^(?:[a-z]{3,}x.example\/.*)$`, ScriptHash: "x"}})}),
			tx.PutTableChunk(store.TableChunk{Project: 3, No: 1<<31 + 501, JSON: []byte(`{"filters":[`)}))
	})
	r := verified(t, w, Options{})
	r.Hosts[Agree] = 0
	want := map[Class]int64{Agree: 0, Missing: 1, Different: 1, Extra: 2, Unconvertible: 1, Error: 1}
	if diff := cmp.Diff(want, r.Hosts); diff != "" || r.Clean() || !r.Done() {
		t.Errorf("%s\n%+v", diff, r)
	}
	got := map[string]Class{}
	for _, d := range r.Examples {
		got[d.Site+" "+d.Host] = d.Class
	}
	wantNames := map[string]Class{"site-1 " + string(missing): Missing, "site-1 " + string(different): Different, "site-2 " + string(extra): Extra,
		"project 9, which is not there ": Extra, "site-3 ": Error}
	if diff := cmp.Diff(wantNames, got); diff != "" {
		t.Error(diff)
	}
	for _, d := range r.Examples { // of the imported part each piece but the last has 64 entries, and nothing is in front
		want := int(d.Piece-dualwrite.Imported)*64 + d.Line
		if d.Line < 0 {
			want = -1
		}
		if d.Piece < dualwrite.Imported+500 && d.Entry != want {
			t.Errorf("%+v: want entry %d", d, want)
		}
	}
	sites := map[string][]Class{}
	for s, err := range Sites(&w.Store.Reader) {
		if err != nil {
			t.Fatal(err)
		}
		for c := range s.Hosts {
			sites[s.Name] = append(sites[s.Name], c)
		}
		slices.Sort(sites[s.Name])
	}
	wantSites := map[string][]Class{"site-1": {Different, Missing}, "site-2": {Extra}, "site-3": {Error, Unconvertible}, "project 9, which is not there": {Extra}}
	if diff := cmp.Diff(wantSites, sites); diff != "" || r.Sites != 4 || r.Listed != 4 {
		t.Errorf("%s\n%d sites, %d listed", diff, r.Sites, r.Listed)
	}
}

// tableHosts are exact hosts that a project's table answers and that have a record.
func tableHosts(t testing.TB, w *world.World, p store.ProjectNo) (hosts []hostkey.Host) {
	t.Helper()
	for name, err := range w.Store.TableHosts(p) {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(name, "*.") {
			hosts = append(hosts, hostkey.Host(name))
		}
	}
	return hosts
}

// TestSeededFault: a converter that is wrong for one host in two hundred is caught by one that is not.
func TestSeededFault(t *testing.T) {
	faults := 0
	w := copied(t, func(w *world.World) *tables.Reader {
		return world.Strange(t, w.Hasher, func(i int) bool {
			if i%200 == 0 {
				faults++
			}
			return i%200 == 0
		})
	})
	r := verified(t, w, Options{})
	// Each host that was written wrongly is missing under its own name and extra under the other.
	if faults == 0 || r.Hosts[Missing] != int64(faults) || r.Hosts[Extra] != int64(faults) || r.Clean() {
		t.Errorf("%d faults, %+v", faults, r.Hosts)
	}
}

// TestGoesOn: a verification that was stopped at any point goes on in another process, and counts nothing twice.
func TestGoesOn(t *testing.T) {
	w := copied(t, rightly)
	want := verified(t, w, Options{})
	for stops := range 6 {
		j := newJob(t, w, Options{Rate: 100_000})
		if err := j.Start(t.Context(), "anna", "again"); err != nil {
			t.Fatal(err)
		}
		for range stops {
			ctx, cancel := context.WithCancel(t.Context())
			commits := 0
			unhook := w.Store.OnCommit(func(store.Commit) {
				if commits++; commits == 1 {
					cancel()
				}
			})
			if err := newJob(t, w, Options{}).Run(ctx); err != nil {
				t.Fatal(err)
			}
			unhook()
			if r, _, _ := Load(&w.Store.Reader); !r.Finished.IsZero() {
				break
			}
		}
		var got Report
		during(t, j.Run, func() {
			await(t, w, "the report", func() bool { got, _, _ = Load(&w.Store.Reader); return !got.Finished.IsZero() })
		})
		got.Run, got.Started, got.Finished = want.Run, want.Started, want.Finished
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("stopped %d times: %s", stops, diff)
		}
	}
}

// TestWhileOthersDeploy: what changes while it is verified is no difference.
func TestWhileOthersDeploy(t *testing.T) {
	w := copied(t, rightly)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			for ctx.Err() == nil {
				if _, err := w.Store.Update(ctx, func(tx *store.Tx) error { return w.Change(tx, rng, projects) }); err != nil && ctx.Err() == nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		r := verified(t, w, Options{MaxKeys: 50})
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if !r.Clean() {
			t.Fatalf("%+v", r)
		}
	}
}

func TestAborted(t *testing.T) {
	w := copied(t, rightly)
	j := newJob(t, w, Options{})
	if err := j.Pause(t.Context(), "anna", "later"); err != nil {
		t.Fatal(err)
	}
	if err := j.Start(t.Context(), "anna", "to see"); err != nil {
		t.Fatal(err)
	}
	var r Report
	during(t, j.Run, func() {
		var waits string
		await(t, w, "the pause", func() bool { r, _, waits, _ = j.Status(); return strings.Contains(waits, "anna: later") })
		if r.Entries != 0 || !r.Finished.IsZero() {
			t.Errorf("%+v", r)
		}
		if err := w.Enter(migrate.Legacy); err != nil {
			t.Fatal(err)
		}
		await(t, w, "the end", func() bool { r, _, _, _ = j.Status(); return !r.Finished.IsZero() })
	})
	if r.Aborted == "" || r.Done() || r.Clean() {
		t.Errorf("%+v", r)
	}
	if err := j.Start(t.Context(), "anna", "to see"); !errors.Is(err, ErrPhase) {
		t.Errorf("began in phase legacy: %v", err)
	}
}
