package catalog

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/assets/variants"
	"berth/store"
)

// A listing of encoded forms, or of early hints, that is damaged makes a site slower and nothing else.
func TestDamagedExtrasDoNotTakeASiteDown(t *testing.T) {
	for name, damage := range map[string]func(w *world, d *store.Deployment, listing []byte){
		"no such blob": func(w *world, d *store.Deployment, _ []byte) {
			w.variants[1] = store.FileRef{Digest: [32]byte{9}, Size: 10}
		},
		"other bytes": func(w *world, d *store.Deployment, listing []byte) {
			w.variants[1] = w.put(listing)
			w.blobs[w.variants[1].Digest] = append([]byte("x"), listing[1:]...)
		},
		"no listing": func(w *world, d *store.Deployment, _ []byte) { w.variants[1] = w.put([]byte("no listing")) },
		"hints":      func(w *world, d *store.Deployment, _ []byte) { d.Hints = w.put([]byte("no hints")) },
		"both": func(w *world, d *store.Deployment, _ []byte) {
			d.Hints, w.variants[1] = w.put([]byte("no hints")), w.put([]byte("no listing"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.deploy(t, 1, "/one", 0)
				listing, err := variants.Encode(1, nil)
				if err != nil {
					t.Fatal(err)
				}
				d, _ := w.Deployment(1)
				damage(w, &d, listing)
				w.commit(1, &d)
				log := new(strings.Builder)
				c, err := New(Deps{Store: w, Blobs: w, Log: slog.New(slog.NewTextHandler(log, nil))}, Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				for range 10 {
					mustSite(t, c, 1, "/one")
				}
				if s := c.Stats(); s.Partial != 1 || s.Corrupt != 0 || !strings.Contains(log.String(), "deployment=1") {
					t.Errorf("%+v, log:\n%s", s, log)
				}
				w.variants[1], d.Hints = w.put(listing), store.FileRef{}
				w.mu.Lock()
				w.deployments[1] = d
				w.mu.Unlock()
				time.Sleep(partialRetry) // the bubble's clock
				mustSite(t, c, 1, "/one")
				if s := c.Stats(); s.Partial != 1 || s.Cache.Fills != 2 {
					t.Errorf("after it was restored: %+v", s)
				}
			})
		})
	}
}

func TestVariantsThatCannotBeLookedUp(t *testing.T) {
	w := newWorld()
	w.deploy(t, 1, "/one", 0)
	c := open(t, failing{w}, Options{})
	mustSite(t, c, 1, "/one")
	if s := c.Stats(); s.Partial != 1 {
		t.Errorf("%+v", s)
	}
}

// failing cannot read where encoded forms are.
type failing struct{ *world }

func (failing) Variants(store.DeploymentNo) (store.FileRef, error) {
	return store.FileRef{}, errors.New("input/output error")
}
