package blob

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"berth/assets/manifest"
)

// world is a store, the records that name its blobs, and a clock that stands still while somebody deploys.
type world struct {
	bed
	grace bool // the sweep goes by records and a grace; else it takes whatever is not pinned

	deploying sync.RWMutex // held for writing to turn the clock
	mu        sync.Mutex   // guards refs
	refs      map[manifest.Digest]int
}

func (w *world) refer(by int, gs []manifest.Digest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range gs {
		w.refs[g] += by
	}
}

func (w *world) live() map[manifest.Digest]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	live := map[manifest.Digest]bool{}
	for g, n := range w.refs {
		live[g] = n > 0
	}
	return live
}

// TestSweepRacesDeploys lets a sweep remove all it may while clients deploy the same few blobs again and again. With
// pins a client must find its blobs until it lets go of them; with a grace, until it deletes its record.
func TestSweepRacesDeploys(t *testing.T) {
	for name, open := range beds(t) {
		for _, grace := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/grace=%v", name, grace), func(t *testing.T) {
				t.Parallel()
				w := &world{bed: open(t), grace: grace, refs: map[manifest.Digest]int{}}
				w.race(t)
				if w.Stats().Removed.Blobs == 0 {
					t.Error("nothing was ever swept: this showed nothing")
				}
			})
		}
	}
}

func (w *world) race(t *testing.T) {
	stop := make(chan struct{})
	var sweeper, clients sync.WaitGroup
	sweeper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				w.sweep(t)
			}
		}
	})
	for c := range 4 {
		clients.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(c), 7))
			for range 60 {
				w.deploy(t, rng)
			}
		})
	}
	clients.Wait()
	w.sweep(t)
	w.sweep(t)
	w.sweep(t)
	close(stop)
	sweeper.Wait()
}

func (w *world) sweep(t *testing.T) {
	before := after(w.clock, -TouchSlack)
	live := w.live()
	if !w.grace {
		before, live = after(w.clock, 1000*time.Hour), nil
	}
	for info, err := range w.All() {
		if err != nil {
			t.Error(err)
			return
		}
		if live[info.Digest] {
			continue
		}
		err = w.Remove(info.Digest, before)
		if err != nil && !errors.Is(err, ErrInUse) && !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	}
	w.deploying.Lock()
	defer w.deploying.Unlock()
	w.clock.advance(45 * time.Second)
}

// deploy is a client: it asks what is missing, sends that, commits its record, and later deletes it.
func (w *world) deploy(t *testing.T, rng *rand.Rand) {
	content := map[manifest.Digest][]byte{}
	var want []manifest.Digest
	for range 3 {
		data := fmt.Appendf(nil, "file %d", rng.IntN(6))
		want = append(want, digestOf(data))
		content[digestOf(data)] = data
	}
	w.deploying.RLock()
	unpin, missing := w.Pin(want...)
	b := w.NewBatch()
	for _, g := range missing {
		send(t, b, content[g])
	}
	if err := b.Commit(); err != nil {
		t.Error(err)
	}
	w.refer(1, want)
	if w.grace {
		unpin()
	}
	w.deploying.RUnlock()
	for _, g := range want {
		if got, err := w.ReadAll(g, -1); err != nil || !bytes.Equal(got, content[g]) {
			t.Errorf("deployed, and: %q, %v", got, err)
		}
	}
	w.refer(-1, want)
	unpin()
}

func send(t *testing.T, b *Batch, data []byte) {
	w, err := b.Create()
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		_, _, err = w.Finish()
	}
	if err != nil {
		t.Error(err)
	}
}
