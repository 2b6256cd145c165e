package rollout

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"berth/router"
	"berth/router/hostkey"
	"berth/store"
)

var allHashed = Config{Mode: ModeRamp, Percent: 100}

func within(o FallbackOptions) func(*Deps, *Options) {
	return func(_ *Deps, opts *Options) { opts.Fallback = o }
}

func askHost(s *Switch, h hostkey.Host) Answer {
	return s.Ask(context.Background(), &router.Query{Host: h, Path: "/"})
}

func TestMissingHostIsAnsweredByTheTables(t *testing.T) {
	const host = hostkey.Host("docs.pages.localhost")
	for _, c := range []struct {
		mode   Mode
		answer bool
	}{{ModeRamp, true}, {ModeCutover, true}, {ModeHashed, false}} {
		s := newSwitch(t, newFake(2), newFake(1, host), Config{Mode: c.mode, Percent: 100})
		for range 3 {
			a := askHost(s, host)
			if c.answer && (a.Err != nil || a.Decision.Deployment != 1 || a.Fallback != Answered || a.Side != Hashed) {
				t.Errorf("%v: %+v", c.mode, a)
			}
			if !c.answer && !errors.Is(a.Err, router.ErrNoRoute) {
				t.Errorf("%v: %+v", c.mode, a)
			}
		}
		if st := s.Stats().Fallback; c.answer && (st.Answered != 3 || st.Hosts != 1) {
			t.Errorf("%v: %+v", c.mode, st)
		}
	}
}

// A 404 that the tables would not have given is worse than the 503 that they would have.
func TestFailureOfTheTablesIsNotA404(t *testing.T) {
	legacy := newFake(1)
	legacy.fail = errors.New("damaged table")
	s := newSwitch(t, newFake(2), legacy, allHashed)
	for range 2 { // and it is not remembered
		if a := askHost(s, "docs.pages.localhost"); !errors.Is(a.Err, legacy.fail) || a.Fallback != Failed {
			t.Errorf("%+v", a)
		}
	}
	legacy.fail = nil
	if a := askHost(s, "docs.pages.localhost"); !errors.Is(a.Err, router.ErrNoRoute) || a.Fallback != Agreed {
		t.Errorf("%+v", a)
	}
}

// Nor is an error of hashed a reason to ask the other side: it is counted, and makes a guarded ramp go back.
func TestFailureOfHashedStands(t *testing.T) {
	hashed, legacy := newFake(2), newFake(1, "docs.pages.localhost")
	hashed.fail = errors.New("disk")
	s := newSwitch(t, hashed, legacy, allHashed)
	if a := askHost(s, "docs.pages.localhost"); !errors.Is(a.Err, hashed.fail) || legacy.count() != 0 {
		t.Errorf("%+v, tables asked %d times", a, legacy.count())
	}
}

// The tables are asked once about a name that nobody knows, until that is forgotten or the tables have changed.
func TestUnknownHostsAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		legacy := newFake(1)
		s := newSwitch(t, newFake(2), legacy, allHashed)
		want := func(when string, asked int) {
			t.Helper()
			for range 5 {
				if a := askHost(s, "made-up.docs.pages.localhost"); !errors.Is(a.Err, router.ErrNoRoute) || a.Fallback != Agreed {
					t.Errorf("%s: %+v", when, a)
				}
			}
			if got := legacy.count(); got != asked {
				t.Errorf("%s: the tables were asked %d times, want %d", when, got, asked)
			}
		}
		want("at first", 1)
		s.Forget()
		want("when the tables have changed", 2)
		if err := s.Set(allHashed); err != nil {
			t.Fatal(err)
		}
		want("after Set", 3)
		time.Sleep(31 * time.Second)
		want("later", 4)
	})
}

// at knows one port and one path of every host.
type at struct{ port, path string }

func (a at) Resolve(_ context.Context, q *router.Query) (router.Decision, error) {
	if q.Port != a.port || q.Path != a.path {
		return router.Decision{}, router.ErrNoRoute
	}
	return router.Decision{Kind: store.RouteSite, Project: 1, Deployment: 1}, nil
}

// A pattern may answer one path or port of a host. Whoever asks for another first, and a stranger can, takes nothing from it.
func TestUnknownPathBlanksNoOtherOfItsHost(t *testing.T) {
	s := newSwitch(t, newFake(2), at{"8080", "/only/"}, allHashed)
	ask := func(port, path string) Answer {
		return s.Ask(t.Context(), &router.Query{Host: "odd.pages.localhost", Port: port, Path: path})
	}
	for range 2 {
		for _, other := range [][2]string{{"8080", "/other/"}, {"", "/only/"}, {"80", "80/only/"}} {
			if a := ask(other[0], other[1]); !errors.Is(a.Err, router.ErrNoRoute) || a.Fallback != Agreed {
				t.Errorf("%q: %+v", other, a)
			}
		}
	}
	if n := s.Stats().Fallback.Remembered; n != 3 {
		t.Errorf("%d remembered, want 3", n)
	}
	if a := ask("8080", "/only/"); a.Err != nil || a.Fallback != Answered {
		t.Errorf("%+v", a)
	}
}

// A host that appears in the tables while they are being asked is not remembered to be unknown.
func TestForgetDuringAQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		legacy := newFake(1)
		legacy.hold = make(chan struct{})
		s := newSwitch(t, newFake(2), legacy, allHashed)
		done := make(chan Answer)
		go func() { done <- askHost(s, "docs.pages.localhost") }()
		synctest.Wait()
		legacy.mu.Lock()
		legacy.hosts["docs.pages.localhost"] = 1
		legacy.mu.Unlock()
		s.Forget()
		close(legacy.hold)
		<-done
		if a := askHost(s, "docs.pages.localhost"); a.Err != nil || a.Fallback != Answered {
			t.Errorf("%+v", a)
		}
	})
}

// However many names a stranger makes up, the tables are asked about so many in a second and no more, and hosts that they do
// answer for are answered meanwhile.
func TestFloodOfMadeUpLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const host = hostkey.Host("docs.pages.localhost")
		legacy := newFake(1, host)
		s := newSwitch(t, newFake(2), legacy, allHashed, within(FallbackOptions{PerSecond: 50}))
		if a := askHost(s, host); a.Fallback != Answered {
			t.Fatalf("%+v", a)
		}
		const flood, seconds = 20_000, 10
		for i := range flood {
			a := askHost(s, hostkey.Host(fmt.Sprintf("x%d.docs.pages.localhost", i)))
			if shed := a.Fallback == Shed; errors.Is(a.Err, ErrShed) != shed || errors.Is(a.Err, router.ErrNoRoute) == shed {
				t.Fatalf("%+v", a)
			}
			if i%(flood/seconds) == 0 {
				time.Sleep(time.Second)
				if a := askHost(s, host); a.Fallback != Answered {
					t.Errorf("in the flood: %+v", a)
				}
			}
		}
		st := s.Stats().Fallback
		if most := uint64(50 * (seconds + 1)); st.Agreed > most || st.Agreed < 50*(seconds-1) {
			t.Errorf("the tables were asked about %d made-up names in %d s at 50/s", st.Agreed, seconds)
		}
		if st.Shed != flood-st.Agreed || st.Hosts != 1 || st.Answered != seconds+1 {
			t.Errorf("%+v", st)
		}
	})
}

func TestFirstQuestionsAtOnceAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		legacy := newFake(1, "h0.pages.localhost", "h1.pages.localhost", "h2.pages.localhost", "h3.pages.localhost")
		legacy.hold = make(chan struct{})
		s := newSwitch(t, newFake(2), legacy, allHashed, within(FallbackOptions{Concurrent: 3}))
		got := make(chan Fallback, 10)
		for i := range 10 {
			go func() { got <- askHost(s, hostkey.Host(fmt.Sprintf("h%d.pages.localhost", i%4))).Fallback }()
			synctest.Wait()
		}
		if legacy.count() != 3 || len(got) != 7 {
			t.Errorf("%d asked at once, %d answered meanwhile; want 3 and 7", legacy.count(), len(got))
		}
		close(legacy.hold)
		synctest.Wait()
		count := map[Fallback]int{}
		for range 10 {
			count[<-got]++
		}
		if diff := cmp.Diff(map[Fallback]int{Answered: 3, Shed: 7}, count); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if a := askHost(s, "h3.pages.localhost"); a.Fallback != Answered {
			t.Errorf("the places were not given back: %+v", a)
		}
	})
}

func TestMissingHostsAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reported []hostkey.Host
		block := make(chan struct{})
		s := newSwitch(t, newFake(2), newFake(1, "a.pages.localhost", "b.pages.localhost", "c.pages.localhost", "d.pages.localhost"), allHashed,
			func(d *Deps, o *Options) {
				o.MissingQueue = 2
				d.Missing = func(_ context.Context, m Missing) {
					<-block
					if m.Legacy.Deployment != 1 || m.Path != "/" {
						t.Errorf("%+v", m)
					}
					reported = append(reported, m.Host)
				}
			})
		ctx, cancel := context.WithCancel(t.Context())
		go s.Run(ctx)
		for range 2 { // the second time they are known
			for _, h := range []hostkey.Host{"a.pages.localhost", "b.pages.localhost", "c.pages.localhost", "d.pages.localhost"} {
				// The request's bytes are gone once it has been answered.
				bytes := []byte(h)
				if a := askHost(s, hostkey.Host(unsafe.String(&bytes[0], len(bytes)))); a.Fallback != Answered {
					t.Errorf("%s: %+v", h, a)
				}
				clear(bytes)
				synctest.Wait()
			}
		}
		close(block)
		synctest.Wait()
		if diff := cmp.Diff([]hostkey.Host{"a.pages.localhost", "b.pages.localhost", "c.pages.localhost"}, reported); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if st := s.Stats().Fallback; st.Hosts != 4 || st.Unreported != 1 {
			t.Errorf("%+v", st)
		}
		time.Sleep(11 * time.Minute)
		askHost(s, "d.pages.localhost")
		synctest.Wait()
		if len(reported) != 4 {
			t.Errorf("not reported again: %v", reported)
		}
		cancel()
	})
}

// A memory keeps no more than it has room for, and a host that is remembered is that one.
func TestMemoryIsBounded(t *testing.T) {
	now := time.Duration(0)
	m := newMemory(64, time.Minute, func() time.Duration { return now })
	key := func(i int) hostkey.Key { return testHasher.Key(hostkey.Host(fmt.Sprintf("h%d", i))) }
	for i := range 1000 {
		m.add(key(i), 0)
		if !m.has(key(i)) {
			t.Fatalf("h%d is forgotten at once", i)
		}
		now++
	}
	kept := 0
	for i := range 1000 {
		if m.has(key(i)) {
			kept++
		}
	}
	if len(m.slots) != 64 || kept > 64 || kept < 48 {
		t.Errorf("%d kept in %d slots", kept, len(m.slots))
	}
	if m.has(key(1001)) {
		t.Error("a host that was never added")
	}
	now += time.Minute
	if m.has(key(999)) {
		t.Error("kept for too long")
	}
}
