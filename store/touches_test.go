package store

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"berth/router/hostkey"
)

// The committer's memory of one Update must not show in the next, whether there is more of it or less, and whether that one failed.
func TestNoUpdateHasAnothersTouches(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	var told []hostkey.Key
	defer s.OnCommit(func(c Commit) { told = append(told, c.Keys...) })()
	last := 0
	for _, n := range []int{1, 100, 3, 100, 0, keptTouches + 1, 1, 40, 2} {
		first := last
		last += n
		set := func(tx *Tx) error {
			for i := first; i < last; i++ {
				if err := tx.SetRoute(testKey(i), testRoute(i)); err != nil {
					return err
				}
			}
			return nil
		}
		fails := errors.New("no")
		if _, err := s.Update(context.Background(), func(tx *Tx) error { return errors.Join(set(tx), fails) }); !errors.Is(err, fails) {
			t.Fatal(err)
		}
		update(t, s, set)
		var want []hostkey.Key
		for i := first; i < last; i++ {
			want = append(want, testKey(i))
		}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Fatalf("told of a commit of %d keys (-want +got):\n%s", n, diff)
		}
		told = nil
		if u := &s.spare.update; len(u.list) != 0 || len(u.at) != 0 || len(s.spare.group) != 0 {
			t.Fatalf("after %d keys the committer has %d, at %d places, and %d of the group", n, len(u.list), len(u.at), len(s.spare.group))
		}
	}
}

// A filter that says that a record is new spares the look for it. It must not say so of what the group, or the Update, has set.
func TestSetsSeeWhatIsThere(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	useFilter(t, s)
	update(t, s, setRoute(1))
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.SetRoute(testKey(1), testRoute(2)), tx.SetRoute(testKey(3), testRoute(3)), tx.DeleteRoute(testKey(3)))
	})
	update(t, s, func(tx *Tx) error { return errors.Join(tx.DeleteRoute(testKey(1)), tx.DeleteRoute(testKey(4))) })
	for rev, want := range map[Revision]Route{1: testRoute(1), 2: testRoute(2)} {
		if r, err := s.RouteAt(testKey(1), rev); err != nil || r != want {
			t.Errorf("at %d it was %+v, %v, want %+v", rev, r, err, want)
		}
	}
	for _, i := range []int{1, 3, 4} {
		if r, err := s.LookupRoute(testKey(i)); !errors.Is(err, ErrNotFound) {
			t.Errorf("route %d: %+v, %v", i, r, err)
		}
	}
}

// Updates of one group that set the same record, some of which fail, and one of which comes upon another filter: the log has what each
// of those that did not fail made of it.
func TestGroupLogsEachValue(t *testing.T) {
	fs := &heldSync{FS: vfs.NewMem()}
	s := openMem(t, fs, Options{})
	useFilter(t, s)
	release := fs.hold()
	var wg sync.WaitGroup
	wg.Go(func() { update(t, s, setRoute(0)) })
	<-fs.reached
	var mu sync.Mutex
	set := make(map[Revision]Route)
	for i := range 12 {
		wg.Go(func() {
			fails := errors.New("no")
			rev, err := s.Update(t.Context(), func(tx *Tx) error {
				if i == 5 {
					if err := s.fillFilter(); err != nil {
						return err
					}
				}
				err := errors.Join(tx.SetRoute(testKey(1), testRoute(100+i)), tx.DeleteRoute(testKey(1)))
				if i%3 == 1 {
					return errors.Join(err, fails)
				}
				if i%3 == 0 {
					err = errors.Join(err, tx.SetRoute(testKey(1), testRoute(i)))
				}
				return err
			})
			if i%3 == 1 {
				if !errors.Is(err, fails) {
					t.Error(err)
				}
				return
			}
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if set[rev] = (Route{}); i%3 == 0 {
				set[rev] = testRoute(i)
			}
		})
	}
	release()
	wg.Wait()
	if len(set) != 8 {
		t.Errorf("%d revisions, want 8", len(set))
	}
	for rev, want := range set {
		if r, err := s.RouteAt(testKey(1), rev); r != want || errors.Is(err, ErrNotFound) != (want == Route{}) {
			t.Errorf("at %d it was %+v, %v, want %+v", rev, r, err, want)
		}
	}
}

// useFilter fills a filter, which the store may be about to do of itself: then one of the two is dropped.
func useFilter(t *testing.T, s *Store) {
	t.Helper()
	for s.filters.live.Load() == nil {
		if err := s.fillFilter(); err != nil {
			t.Fatal(err)
		}
	}
}
