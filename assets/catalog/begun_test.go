package catalog

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"berth/assets"
	"berth/assets/httpsem"
	"berth/assets/variants"
	"berth/store"
)

const (
	manyFiles  = 10_000 // whose listing, and that of their encoded forms, is large
	onePiece   = 16 << 10
	lateTarget = "/page.9876"
)

// large is a world with deployment 1, which is large, and has encoded forms.
func large(t testing.TB) *world {
	w := newWorld()
	w.deploy(t, 1, "/page", manyFiles-1)
	w.variants[1] = w.put(formsOf(t, manyFiles))
	return w
}

func formsOf(t testing.TB, files int) []byte {
	t.Helper()
	forms := make([]variants.Variant, files)
	for i := range forms {
		forms[i] = variants.Variant{Entry: i, Encoding: httpsem.Gzip, Blob: [32]byte{1, byte(i), byte(i >> 8)}, Size: 1}
	}
	listing, err := variants.Encode(files, forms)
	if err != nil || len(listing) < partFrom {
		t.Fatalf("%d bytes: %v", len(listing), err)
	}
	return listing
}

// holding has reads of the whole wait, which are of more than a piece, until it is let go.
func (w *world) holding() (release func()) {
	gate := make(chan struct{})
	w.onReadAt = func(n int) error {
		if n > onePiece {
			<-gate
		}
		return nil
	}
	return sync.OnceFunc(func() { close(gate) })
}

// begunLarge is a large deployment that answers from parts until it is let go.
func begunLarge(t *testing.T) (w *world, c *Catalog, d *Deployment, release func()) {
	t.Helper()
	w = large(t)
	release = w.holding()
	c = open(t, w, Options{})
	t.Cleanup(release) // before the catalog is closed, which waits for it
	d, err := c.Deployment(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return w, c, d, release
}

func planOf(s *assets.Site, target string) *assets.Plan {
	p := new(assets.Plan)
	s.Plan(p, &assets.Request{Method: "GET", Target: target, AcceptEncoding: "gzip"})
	return p
}

func samePlan(t *testing.T, want, got *assets.Plan) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(assets.Plan{})); diff != "" {
		t.Error(diff)
	}
}

// A large deployment answers before the whole of it is read, with what the whole answers.
func TestLargeDeploymentAnswersAtOnce(t *testing.T) {
	w, c, d, release := begunLarge(t)
	if !d.Part || d.Content != (Content{}) || d.Project != 1 || d.Branch != "main" {
		t.Errorf("%+v", d)
	}
	first, missing := planOf(d.Site, lateTarget), planOf(d.Site, "/nothing")
	if first.Status != 200 || missing.Status != 404 || d.Site.Err() != nil {
		t.Fatalf("%d, %d, %v", first.Status, missing.Status, d.Site.Err())
	}
	release()
	c.Settle()
	whole, err := c.Deployment(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if whole.Part || whole.Content == (Content{}) || whole.Site.Err() != nil {
		t.Errorf("%+v", whole)
	}
	samePlan(t, planOf(whole.Site, lateTarget), first)
	samePlan(t, planOf(whole.Site, "/nothing"), missing)
	if s := c.Stats(); s.Parts != 1 || s.Cache.Fills != 1 || s.Corrupt+s.Partial != 0 || w.opened != 0 {
		t.Errorf("%+v, %d blobs are open", s, w.opened)
	}
	if d.Site.Weight() < whole.Site.Weight() {
		t.Errorf("a part weighs %d, the whole %d", d.Site.Weight(), whole.Site.Weight())
	}
}

func TestSmallDeploymentIsWhole(t *testing.T) {
	w := newWorld()
	w.deploy(t, 1, "/page", 100)
	c := open(t, w, Options{})
	if d, err := c.Deployment(t.Context(), 1); err != nil || d.Part || c.Stats().Parts != 0 {
		t.Errorf("%+v, %v", d, err)
	}
}

// What is wrong with the whole is found when it is read, and holds from then on.
func TestDamagedWhole(t *testing.T) {
	for name, x := range map[string]struct {
		damage           func(*world, store.Deployment)
		corrupt, partial uint64
	}{
		"manifest": {func(w *world, d store.Deployment) { w.damage(d.Manifest) }, 1, 0},
		"forms":    {func(w *world, _ store.Deployment) { w.damage(w.variants[1]) }, 0, 1},
		"no forms": {func(w *world, _ store.Deployment) { delete(w.blobs, w.variants[1].Digest) }, 0, 1},
		"hints": {func(w *world, d store.Deployment) {
			d.Hints = w.put([]byte("no hints"))
			w.commit(1, &d)
		}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := large(t)
			d, _ := w.Deployment(1)
			x.damage(w, d)
			c := open(t, w, Options{})
			first, _ := c.Deployment(t.Context(), 1)
			c.Settle()
			if first != nil && first.Part && first.Site.Err() == nil {
				t.Error("the part is still believed")
			}
			got, err := c.Deployment(t.Context(), 1)
			if errors.Is(err, ErrCorrupt) != (x.corrupt == 1) || err == nil && got.Part {
				t.Errorf("%+v, %v", got, err)
			}
			if s := c.Stats(); s.Corrupt != x.corrupt || s.Partial != x.partial || w.opened != 0 {
				t.Errorf("%+v, %d blobs are open", s, w.opened)
			}
		})
	}
}

// damage changes a byte in the middle of a blob.
func (w *world) damage(ref store.FileRef) {
	b := slices.Clone(w.blobs[ref.Digest])
	b[len(b)/2] ^= 1
	w.blobs[ref.Digest] = b
}

// A disk that cannot be read has nothing found that is there: the plan does not count, and with the disk the site is back.
func TestPartThatCannotBeRead(t *testing.T) {
	w, c, d, release := begunLarge(t)
	broken := errors.New("no disk")
	w.mu.Lock()
	w.onReadAt, w.fault = func(int) error { return broken }, broken
	w.mu.Unlock()
	for target := range 100 {
		planOf(d.Site, "/page."+string(rune('0'+target%10))+"77")
	}
	if err := d.Site.Err(); !errors.Is(err, broken) {
		t.Errorf("what could not be read is not there: %v", err)
	}
	release()
	c.Settle()
	w.mu.Lock()
	w.onReadAt = nil // a part could be read again
	w.mu.Unlock()
	for range 2 {
		if _, err := c.Deployment(t.Context(), 1); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
	}
	w.mu.Lock()
	w.fault = nil
	w.mu.Unlock()
	if d, err := c.Deployment(t.Context(), 1); err != nil || d.Part || planOf(d.Site, lateTarget).Status != 200 {
		t.Errorf("%+v, %v", d, err)
	}
}

// What is deleted while it is a part is gone.
func TestPartIsDropped(t *testing.T) {
	w, c, _, release := begunLarge(t)
	w.commit(1, nil)
	release()
	c.Settle()
	if _, err := c.Deployment(t.Context(), 1); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}

// Only so much is read at once; who comes then waits for the whole.
func TestPartsAreBounded(t *testing.T) {
	w := large(t)
	c := open(t, w, Options{})
	d, _ := w.Deployment(1)
	if !c.loading.TryAcquire(loadBudget - d.Manifest.Size + 1) {
		t.Fatal("the budget is taken")
	}
	if e := c.begin(1, d, variantsRef{}); e != nil || w.opened != 0 {
		t.Errorf("%+v, %d blobs are open", e, w.opened)
	}
}

// A deployment that was damaged is read as a whole until that went well.
func TestDamagedDeploymentIsNotBegunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := large(t)
		d, _ := w.Deployment(1)
		good := w.blobs[d.Manifest.Digest]
		w.damage(d.Manifest)
		c := open(t, w, Options{})
		ask := func() (*Deployment, error) {
			d, err := c.Deployment(t.Context(), 1)
			c.Settle()
			return d, err
		}
		_, _ = ask()
		for range 3 {
			if _, err := ask(); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%v", err)
			}
			time.Sleep(corruptRetry) // the bubble's clock
		}
		w.blobs[d.Manifest.Digest] = good
		if d, err := ask(); err != nil || d.Part || c.Stats().Parts != 1 {
			t.Errorf("%+v, %v, %+v", d, err, c.Stats())
		}
		w.commit(1, &d) // which drops it
		if d, err := ask(); err != nil || !d.Part {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

// Nothing is begun after Close, which waits for what is.
func TestCloseWaitsForWholes(t *testing.T) {
	w := large(t)
	d, _ := w.Deployment(1)
	c := open(t, w, Options{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				_, _ = c.Deployment(t.Context(), 1)
				c.cache.Drop(1)
				c.Settle()
			}
		})
	}
	all.Wait()
	c.whole.wait(true)
	if e := c.begin(1, d, variantsRef{}); e != nil || w.opened != 0 {
		t.Errorf("%+v, %d blobs are open", e, w.opened)
	}
}

func TestPartsRace(t *testing.T) {
	w := large(t)
	c := open(t, w, Options{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				d, err := c.Deployment(t.Context(), 1)
				if err != nil {
					t.Error(err)
					return
				}
				if p := planOf(d.Site, lateTarget); p.Status != 200 || d.Site.Err() != nil {
					t.Errorf("%d, %v", p.Status, d.Site.Err())
				}
			}
		})
	}
	all.Wait()
	c.Settle()
}
