package shadow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"berth/router"
	"berth/router/hostkey"
	"berth/router/rollout"
	"berth/store"
)

const docs = hostkey.Host("docs.pages.localhost")

type hosts = map[hostkey.Host]store.DeploymentNo

func run(t *testing.T, w *world) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.shadow.Run(ctx); close(done) }()
	return func() { cancel(); <-done }
}

func TestClasses(t *testing.T) {
	disk := errors.New("disk")
	site := func(no store.DeploymentNo) Outcome {
		return Outcome{Found: true, Project: 1, Deployment: no, Kind: store.RouteSite, Class: store.ClassProduction}
	}
	for _, c := range []struct {
		name                     string
		hashed, legacy           hosts
		hashedFails, legacyFails error
		want                     Class
		wantHashed, wantLegacy   Outcome
	}{
		{name: "agree", hashed: hosts{docs: 1}, legacy: hosts{docs: 1}, want: Agree},
		{name: "agree that there is none", want: Agree},
		{name: "missing", legacy: hosts{docs: 1}, want: Missing, wantLegacy: site(1)},
		{name: "extra", hashed: hosts{docs: 1}, want: Extra, wantHashed: site(1)},
		{name: "different", hashed: hosts{docs: 1}, legacy: hosts{docs: 2}, want: Different, wantHashed: site(1), wantLegacy: site(2)},
		{name: "hashed fails", hashedFails: disk, legacy: hosts{docs: 2}, want: Error, wantHashed: Outcome{Error: "disk"}, wantLegacy: site(2)},
		{name: "legacy fails", hashed: hosts{docs: 2}, legacyFails: disk, want: Error, wantHashed: site(2), wantLegacy: Outcome{Error: "disk"}},
	} {
		for side, percent := range map[string]float64{"live=legacy": onLegacy, "live=hashed": onHashed} {
			t.Run(c.name+"/"+side, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h, l := newFake(c.hashed), newFake(c.legacy)
					h.fail, l.fail = c.hashedFails, c.legacyFails
					w := newWorld(t, percent, h, l, func(d *Deps, _ *Options) {
						d.Line = func(context.Context, *router.Query) (string, error) { return "line 7", nil }
					})
					defer run(t, w)()
					_, _ = w.ask(docs)
					time.Sleep(5 * time.Second)
					checkOne(t, w, c.want, c.wantHashed, c.wantLegacy)
				})
			})
		}
	}
}

func checkOne(t *testing.T, w *world, class Class, hashed, legacy Outcome) {
	t.Helper()
	st := w.shadow.Stats()
	got := map[Class]uint64{Agree: st.Agree, Missing: st.Missing, Extra: st.Extra, Different: st.Different, Error: st.Errors}
	if st.Sampled != 1 || st.Compared() != 1 || got[class] != 1 {
		t.Errorf("%+v, want one of class %s", got, class)
	}
	if st.Hashed.Asked != 1 || st.Legacy.Asked != 1 {
		t.Errorf("counted %d and %d answers over one question", st.Hashed.Asked, st.Legacy.Asked)
	}
	diffs := w.diffs.all()
	if class == Agree {
		if len(diffs) != 0 || st.Diffs() != 0 {
			t.Errorf("diffs: %+v", diffs)
		}
		return
	}
	want := []Diff{{Version: 1, Class: class, Host: string(docs), Path: "/p", Hashed: hashed, Legacy: legacy, Count: 1}}
	if legacy.Found {
		want[0].Line = "line 7"
	}
	ignore := cmp.Options{cmpopts.IgnoreFields(Diff{}, "First", "Last"), cmpopts.IgnoreFields(Outcome{}, "Took")}
	if diff := cmp.Diff(want, diffs, ignore); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What differs about a site that its name keeps on the tables is listed, but in none of the figures that a ramp is judged by.
func TestKeptSitesCountApart(t *testing.T) {
	for name, c := range map[string]rollout.Config{
		"opted out":        {Mode: rollout.ModeRamp, Percent: 100, OptOut: []string{"docs"}},
		"pinned to legacy": {Mode: rollout.ModeRamp, Percent: 100, Sites: map[string]rollout.Side{"docs": rollout.Legacy}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, onHashed, newFake(nil), newFake(hosts{docs: 1}))
				if err := w.live.Set(c); err != nil {
					t.Fatal(err)
				}
				defer run(t, w)()
				_, _ = w.ask(docs)
				time.Sleep(5 * time.Second)
				st := w.shadow.Stats()
				if st.Compared() != 0 || st.Diffs() != 0 || st.Hashed.Asked != 0 || st.Legacy.Asked != 0 || st.Kept != 1 || st.KeptDiffs != 1 {
					t.Errorf("%+v", st)
				}
				if d := w.diffs.all(); len(d) != 1 || d[0].Class != Missing {
					t.Errorf("listed: %+v", d)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // a site that is pinned to the records is judged like any other
		w := newWorld(t, onLegacy, newFake(nil), newFake(hosts{docs: 1}))
		if err := w.live.Set(rollout.Config{Mode: rollout.ModeRamp, Sites: map[string]rollout.Side{"docs": rollout.Hashed}}); err != nil {
			t.Fatal(err)
		}
		defer run(t, w)()
		_, _ = w.ask(docs)
		time.Sleep(5 * time.Second)
		if st := w.shadow.Stats(); st.Missing != 1 || st.Kept != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// With every worker stuck in the other side and the queue full, every request is answered all the same, as it would be without
// the comparison.
func TestStuckSideDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hashed, legacy := newFake(hosts{docs: 3}), newFake(hosts{docs: 3})
		legacy.hold = make(chan struct{})
		w := newWorld(t, onHashed, hashed, legacy, func(_ *Deps, o *Options) { o.Queue, o.Workers = 5, 2 })
		stop := run(t, w)
		began := time.Now()
		const requests = 100
		for range requests {
			if d, err := w.ask(docs); err != nil || d.Deployment != 3 {
				t.Fatalf("%+v, %v", d, err)
			}
			synctest.Wait() // let the workers take what they can
		}
		if waited := time.Since(began); waited != 0 { // the bubble's clock moves only while everybody waits
			t.Errorf("requests waited %v", waited)
		}
		st := w.shadow.Stats()
		if st.Dropped != requests-7 || st.Waiting != 5 || legacy.count() != 2 {
			t.Errorf("%d dropped, %d wait, %d asked; want %d, 5 and 2", st.Dropped, st.Waiting, legacy.count(), requests-7)
		}
		close(legacy.hold)
		synctest.Wait()
		if st := w.shadow.Stats(); st.Agree != 7 || st.Waiting != 0 {
			t.Errorf("%+v", st)
		}
		stop()
	})
}

// A panic of the side that nobody waits for must not end the process.
func TestPanicOfTheOtherSide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		legacy := newFake(nil)
		legacy.panic = "bad table"
		w := newWorld(t, onHashed, newFake(hosts{docs: 1}), legacy)
		defer run(t, w)()
		if d, err := w.ask(docs); err != nil || d.Deployment != 1 {
			t.Errorf("%+v, %v", d, err)
		}
		time.Sleep(3 * time.Second)
		if st := w.shadow.Stats(); st.Errors != 1 || st.Legacy.Errors != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// A host that moves between the two answers is no difference.
func TestMoveBetweenTheTwoAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hashed, legacy := newFake(hosts{docs: 1}), newFake(hosts{docs: 1})
		w := newWorld(t, onHashed, hashed, legacy)
		hashed.after = func(f *fake) { f.hosts[docs] = 2; f.after = nil } // one batch writes both sides
		if _, err := w.ask(docs); err != nil {
			t.Fatal(err)
		}
		legacy.hosts[docs] = 2
		stop := run(t, w)
		time.Sleep(3 * time.Second)
		if st := w.shadow.Stats(); st.Agree != 1 || st.Raced != 1 || st.Diffs() != 0 {
			t.Errorf("%+v", st)
		}
		stop()
	})
}

// The request's bytes are used for the next one as soon as it is answered.
func TestQuestionIsCloned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		legacy := newFake(hosts{docs: 1})
		w := newWorld(t, onHashed, newFake(hosts{docs: 1}), legacy)
		bytes := []byte(docs + "8080/a/b?c=d")
		view := func(from, to int) string { return unsafe.String(&bytes[from], to-from) }
		n := len(docs)
		_, _ = w.shadow.Resolve(t.Context(), &router.Query{Host: hostkey.Host(view(0, n)), Port: view(n, n+4), Path: view(n+4, len(bytes))})
		clear(bytes)
		defer run(t, w)()
		synctest.Wait()
		if diff := cmp.Diff([]string{"docs.pages.localhost:8080/a/b"}, legacy.paths); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestPercentIsThatOfTheRequests(t *testing.T) {
	w := newWorld(t, onHashed, newFake(hosts{docs: 1}), newFake(nil))
	const requests = 20_000
	for _, c := range []struct {
		percent  float64
		min, max uint64
	}{{0, 0, 0}, {100, requests, requests}, {10, 1700, 2300}, {0.5, 50, 160}} {
		if err := w.shadow.SetPercent(c.percent); err != nil {
			t.Fatal(err)
		}
		before := w.shadow.Stats().Sampled
		for range requests {
			_, _ = w.ask(docs)
		}
		if got := w.shadow.Stats().Sampled - before; got < c.min || got > c.max {
			t.Errorf("%v%%: %d of %d", c.percent, got, requests)
		}
	}
	if err := w.shadow.SetPercent(101); err == nil || w.shadow.Percent() < 0.49 || w.shadow.Percent() > 0.51 {
		t.Errorf("101 %%: %v; in force: %v", err, w.shadow.Percent())
	}
}

// A client that has left cancels its question: that is no error of a side.
func TestCancelledRequestsAreNotCompared(t *testing.T) {
	hashed := newFake(nil)
	hashed.fail = context.Canceled
	w := newWorld(t, onHashed, hashed, newFake(nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = w.shadow.Resolve(ctx, &router.Query{Host: docs})
	if st := w.shadow.Stats(); st.Sampled != 0 {
		t.Errorf("%+v", st)
	}
}

// One diff a host, however many requests; a sink that fails loses none that there is room for.
func TestDiffsWaitInBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, onLegacy, newFake(nil), newFake(nil), func(_ *Deps, o *Options) { o.Pending = 10 })
		w.diffs.fails = 2
		for i := range 15 {
			w.legacy.hosts = hosts{}
			h := hostkey.Host(fmt.Sprintf("h%02d.pages.localhost", i))
			w.shadow.note(Missing, &router.Query{Host: h}, [2]Outcome{})
			w.shadow.note(Missing, &router.Query{Host: h}, [2]Outcome{})
		}
		stop := run(t, w)
		time.Sleep(5 * time.Second)
		stop()
		diffs := w.diffs.all()
		if len(diffs) != 10 || len(w.diffs.puts) != 1 || w.shadow.Stats().Unkept != 10 {
			t.Errorf("%d kept in %d batches, %d lost", len(diffs), len(w.diffs.puts), w.shadow.Stats().Unkept)
		}
		for _, d := range diffs {
			if d.Count != 2 {
				t.Errorf("%s: counted %d times", d.Host, d.Count)
			}
		}
	})
}

// What was found before the end is kept at the end.
func TestRunKeepsTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, onHashed, newFake(nil), newFake(hosts{docs: 1}))
		stop := run(t, w)
		_, _ = w.ask(docs)
		synctest.Wait()
		stop()
		if diffs := w.diffs.all(); len(diffs) != 1 || diffs[0].Class != Missing {
			t.Errorf("%+v", diffs)
		}
	})
}

func TestNewReportsEveryFault(t *testing.T) {
	_, err := New(Deps{}, Options{Percent: -1, Queue: -1, Workers: -1, Pending: -1, FlushEvery: -1})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"required", "-1%", "Queue", "Workers", "Pending", "FlushEvery"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in: %v", want, err)
		}
	}
}
