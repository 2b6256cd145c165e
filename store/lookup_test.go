package store

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"berth/router/hostkey"
)

// TestLookupSeesEveryCommit: readers who know that an Update has returned find what it wrote, or something newer.
func TestLookupSeesEveryCommit(t *testing.T) {
	const keys, commits = 4, 100
	s := openMem(t, vfs.NewMem(), Options{MemTableBytes: 64 << 10})
	var done [keys]atomic.Uint64
	var over atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !over.Load() {
				k := rand.IntN(keys)
				least := done[k].Load()
				r, err := s.LookupRoute(testKey(k))
				if least > 0 && (err != nil || uint64(r.Deployment) < least) {
					t.Errorf("commit %d of key %d had returned; found %d, %v", least, k, r.Deployment, err)
					return
				}
			}
		})
	}
	for i := 1; i <= commits; i++ {
		k := i % keys
		update(t, s, func(tx *Tx) error {
			return tx.SetRoute(testKey(k), Route{Kind: RouteSite, Class: ClassCustom, Project: 1, Deployment: DeploymentNo(i)})
		})
		done[k].Store(uint64(i))
	}
	over.Store(true)
	wg.Wait()
}

// parkedLookups counts iterators that lie in the pool.
func parkedLookups(s *Store) (n int) { return len(parked(s)) }

func parked(s *Store) (ls []*lookup) {
	for i := range s.lookups.slots {
		if l := s.lookups.slots[i].it.Load(); l != nil {
			ls = append(ls, l)
		}
	}
	return ls
}

// outlived counts those of an older view.
func outlived(s *Store) (n int) {
	for _, l := range parked(s) {
		if l.v != s.current.Load() {
			n++
		}
	}
	return n
}

func TestLookupsAreLetGo(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	update(t, s, setRoute(1))
	look := func() {
		if _, err := s.LookupRoute(testKey(1)); err != nil {
			t.Error(err)
		}
	}
	look()
	if n := parkedLookups(s); n != 1 {
		t.Fatalf("%d iterators are parked", n)
	}
	update(t, s, setRoute(2))
	if n := outlived(s); n != 0 {
		t.Errorf("%d iterators outlive a commit", n)
	}
	if n := parkedLookups(s); n != 1 {
		t.Errorf("%d iterators of the new view are parked for one of the old", n)
	}
	// One that was out during the commit is not parked when it comes back.
	l, err := s.borrow(0)
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, setRoute(3))
	s.put(l, 0)
	if n := outlived(s); n != 0 {
		t.Errorf("%d iterators of an older revision are parked", n)
	}
	// Should one lie there all the same, it is not used.
	if l, err = s.borrow(0); err != nil {
		t.Fatal(err)
	}
	update(t, s, setRoute(4))
	k := testKey(4)
	if old := s.lookups.slots[s.lookups.slotOf(&k)].it.Swap(l); old != nil {
		old.close()
	}
	if _, err := s.LookupRoute(testKey(4)); err != nil {
		t.Errorf("look-up with an iterator of an older revision: %v", err)
	}
	// Nor is one kept that has been used for long.
	if l, err = s.borrow(0); err != nil {
		t.Fatal(err)
	}
	s.coarse.Add(int64(maxLookupAge) + 1)
	before := parkedLookups(s)
	s.put(l, 0)
	if n := parkedLookups(s); n != before {
		t.Errorf("%d old iterators are parked", n)
	}
}

// TestLookupsStayInTheirPart: who looks up keys of all parts has an iterator for each, and a commit makes a few of the next view, not all.
func TestLookupsStayInTheirPart(t *testing.T) {
	const keys = 1000
	s := openMem(t, vfs.NewMem(), Options{})
	update(t, s, func(tx *Tx) (err error) {
		for i := range keys {
			err = errors.Join(err, setRoute(i)(tx))
		}
		return err
	})
	for range 3 {
		for i := range keys {
			if _, err := s.LookupRoute(testKey(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range s.lookups.slots {
		l := s.lookups.slots[i].it.Load()
		if l == nil {
			t.Errorf("slot %d is empty", i)
			continue
		}
		if at := s.lookups.slotOf((*hostkey.Key)(l.key[1:])); at != i {
			t.Errorf("slot %d has an iterator that stands at a key of slot %d", i, at)
		}
	}
	update(t, s, setRoute(keys))
	if n := parkedLookups(s); n == 0 || n > atOnce() || outlived(s) > 0 {
		t.Errorf("%d iterators after a commit, %d of them of an older revision", n, outlived(s))
	}
}

func TestIdleLookupsAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMem(t, vfs.NewMem(), Options{})
		update(t, s, setRoute(1))
		if _, err := s.LookupRoute(testKey(1)); err != nil || parkedLookups(s) != 1 {
			t.Fatalf("%d iterators are parked, %v", parkedLookups(s), err)
		}
		time.Sleep(2*maxLookupAge + time.Second)
		if n := parkedLookups(s); n != 0 {
			t.Errorf("%d iterators after %v", n, 2*maxLookupAge)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// countingSource counts what iterations step over.
type countingSource struct {
	source
	lo, hi []byte
}

func (c *countingSource) iter(lo, hi []byte) (*pebble.Iterator, func(), error) {
	c.lo, c.hi = lo, hi
	return c.source.iter(lo, hi)
}

func TestDeploymentsOf(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	for no := DeploymentNo(1); no <= 30; no++ {
		update(t, s, func(tx *Tx) error {
			return tx.PutDeployment(Deployment{No: no, Project: ProjectNo(1 + no%3), UUID: UUID{byte(no)}, Environment: Preview,
				Status: StatusSuccess}, nil)
		})
	}
	list := func(r *Reader, after DeploymentNo, most int) (nos []DeploymentNo) {
		for x, err := range r.DeploymentsOf(2, after) {
			if err != nil || x.Project != 2 {
				t.Fatalf("%+v, %v", x, err)
			}
			if nos = append(nos, x.No); len(nos) == most {
				break
			}
		}
		return nos
	}
	ids := []DeploymentID{}
	for id, err := range s.DeploymentIDs(2) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	want := []DeploymentID{}
	for _, no := range list(&s.Reader, 0, 30) {
		want = append(want, DeploymentID{no, UUID{byte(no)}})
	}
	if diff := cmp.Diff(want, ids); diff != "" || len(ids) != 10 {
		t.Errorf("names alone:\n%s", diff)
	}
	src := &countingSource{source: s.src}
	r := &Reader{src}
	for _, c := range []struct {
		after DeploymentNo
		most  int
		want  []DeploymentNo
	}{
		{0, 3, []DeploymentNo{28, 25, 22}}, {22, 2, []DeploymentNo{19, 16}}, {20, 2, []DeploymentNo{19, 16}},
		{4, 9, []DeploymentNo{1}}, {1, 9, nil}, {1000, 1, []DeploymentNo{28}},
	} {
		if diff := cmp.Diff(c.want, list(r, c.after, c.most)); diff != "" {
			t.Errorf("after %d:\n%s", c.after, diff)
		}
		// The iterator is bounded to the project: it cannot read another's records.
		for _, bound := range [][]byte{src.lo, src.hi[:5]} {
			if len(bound) < 5 || bound[0] != tableDeployment {
				t.Fatalf("bounds %x to %x", src.lo, src.hi)
			}
		}
		if lo, hi := src.lo[4], src.hi[4]; lo != 2 || hi != 3 {
			t.Errorf("reads from project %d to before project %d", lo, hi)
		}
	}
}

func TestCommitLogAge(t *testing.T) {
	now := sampleTime
	s := openMem(t, vfs.NewMem(), Options{CommitLogAge: time.Hour, Now: func() time.Time { return now }})
	for i := range 5 {
		update(t, s, func(tx *Tx) error { return tx.SetRoute(testKey(0), testRoute(i)) })
	}
	if r, err := s.RouteAt(testKey(0), 2); err != nil || r != testRoute(1) {
		t.Errorf("at 2: %+v, %v", r, err)
	}
	now = now.Add(2 * time.Hour)
	update(t, s, setRoute(9))
	if _, err := s.RouteAt(testKey(0), 2); !errors.Is(err, ErrTooOld) {
		t.Errorf("at 2, two hours later: %v", err)
	}
	if r, err := s.RouteAt(testKey(0), 6); err != nil || r != testRoute(4) {
		t.Errorf("at 6: %+v, %v", r, err)
	}
	if _, err := s.RouteAt(testKey(0), 7); err == nil || errors.Is(err, ErrTooOld) {
		t.Errorf("in the future: %v", err)
	}
}

// TestLabelTakenOver: a branch whose own name a label is wins it from the one that had it, in either order of writing.
func TestLabelTakenOver(t *testing.T) {
	for name, loserFirst := range map[string]bool{"loser first": true, "winner first": false} {
		t.Run(name, func(t *testing.T) {
			s := openMem(t, vfs.NewMem(), Options{})
			loser := Branch{Project: 1, Name: "feat/x", Exact: "feat-x-123456", Plain: "feat-x"}
			update(t, s, func(tx *Tx) error { return tx.PutBranch(loser) })
			loser.Plain = ""
			winner := Branch{Project: 1, Name: "feat-x", Exact: "feat-x"}
			update(t, s, func(tx *Tx) error {
				if loserFirst {
					return errors.Join(tx.PutBranch(loser), tx.PutBranch(winner))
				}
				return errors.Join(tx.PutBranch(winner), tx.PutBranch(loser))
			})
			if b, err := s.BranchByLabel(1, "feat-x"); err != nil || b != winner {
				t.Errorf("%+v, %v", b, err)
			}
			if b, err := s.BranchByLabel(1, "feat-x-123456"); err != nil || b != loser {
				t.Errorf("%+v, %v", b, err)
			}
		})
	}
}

func TestInvalidRecords(t *testing.T) {
	long := string(make([]byte, maxNameBytes+1))
	for name, put := range map[string]func(tx *Tx) error{
		"route kind":    func(tx *Tx) error { return tx.SetRoute(hostkey.Key{}, Route{Class: ClassCustom}) },
		"route class":   func(tx *Tx) error { return tx.SetWildcard(hostkey.Key{}, Route{Kind: RouteSite}) },
		"account":       func(tx *Tx) error { return tx.PutAccount(Account{ID: "a"}) },
		"account ID":    func(tx *Tx) error { return tx.PutAccount(Account{No: 1}) },
		"project":       func(tx *Tx) error { return tx.PutProject(Project{No: 1, Name: "x"}) },
		"project state": func(tx *Tx) error { return tx.PutProject(Project{No: 1, Account: 1, Name: "x", State: 9}) },
		"project name":  func(tx *Tx) error { return tx.PutProject(Project{No: 1, Account: 1, Name: long, State: 1}) },
		"deployment":    func(tx *Tx) error { return tx.PutDeployment(Deployment{No: 1, Project: 1}, nil) },
		"file size": func(tx *Tx) error {
			return tx.PutDeployment(Deployment{No: 1, Project: 1, Environment: 1, Status: 1, Manifest: FileRef{Size: -1}}, nil)
		},
		"branch": func(tx *Tx) error { return tx.PutBranch(Branch{Project: 1, Name: long}) },
		"domain": func(tx *Tx) error { return tx.PutDomain(Domain{Project: 1, Host: "x"}) },
		"host":   func(tx *Tx) error { return tx.ClaimHost("x", HostOwner{}) },
		"token":  func(tx *Tx) error { return tx.PutToken(Token{ID: "x", Account: 1}) },
		"proof":  func(tx *Tx) error { return tx.PutProof(Proof{}) },
		"claim":  func(tx *Tx) error { return tx.PutClaim(Claim{Project: 1, Blob: FileRef{Size: -1}}) },
		"record": func(tx *Tx) error {
			return tx.PutProject(Project{No: 1, Account: 1, Name: "x", State: 1, Settings: make([]byte, maxRecordBytes)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openMem(t, vfs.NewMem(), Options{})
			if _, err := s.Update(t.Context(), put); !errors.Is(err, ErrInvalid) || s.Revision() != 0 {
				t.Errorf("got %v, revision %d", err, s.Revision())
			}
		})
	}
}
