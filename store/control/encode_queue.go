package control

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"berth/store"
)

// encodeRank orders deployments: whose visitors come first.
type encodeRank uint8

const (
	rankProduction encodeRank = iota
	rankPreview
	rankSuperseded // no moving host serves it any more
)

func rankOf(e store.Environment) encodeRank {
	if e == store.Production {
		return rankProduction
	}
	return rankPreview
}

// queued is a deployment that waits.
type queued struct {
	no   store.DeploymentNo
	rank encodeRank
	due  time.Time // not before; zero: now
}

func (q queued) compare(o queued) int {
	return cmp.Or(cmp.Compare(q.rank, o.rank), cmp.Compare(o.no, q.no))
}

// maxQueued bounds the deployments in memory. Those beyond it wait in the store, which is read again when there is time.
const maxQueued = 4096

// encodeQueue holds the deployments that come next, best first.
type encodeQueue struct {
	wake chan struct{} // has a token after a push
	news atomic.Uint64 // counts pushes

	mu      sync.Mutex // guards what follows
	items   []queued
	spilled bool // there are more in the store
}

func (q *encodeQueue) push(d queued) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if slices.ContainsFunc(q.items, func(x queued) bool { return x.no == d.no }) {
		return
	}
	at, _ := slices.BinarySearchFunc(q.items, d, queued.compare)
	q.items = slices.Insert(q.items, at, d)
	if len(q.items) > maxQueued {
		q.items, q.spilled = q.items[:maxQueued], true
	}
	q.news.Add(1)
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// pop takes the best that is due. If none is, wait says when one will be; 0: who knows.
func (q *encodeQueue) pop(now time.Time) (d queued, wait time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, d := range q.items {
		left := d.due.Sub(now)
		if left <= 0 {
			q.items = slices.Delete(q.items, i, i+1)
			return d, 0, true
		}
		if wait == 0 || left < wait {
			wait = left
		}
	}
	return queued{}, wait, false
}

// better says whether one waits that goes before d.
func (q *encodeQueue) better(d queued, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, x := range q.items {
		if x.compare(d) >= 0 {
			return false
		}
		if !x.due.After(now) {
			return true
		}
	}
	return false
}

func (q *encodeQueue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

// takeSpilled says whether the store has more than the queue. It is read then.
func (q *encodeQueue) takeSpilled() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	was := q.spilled
	q.spilled = false
	return was
}

// refill puts the newest of what the store says is wanted into the queue: at the start, and when the queue was too short.
func (j *encodings) refill() error {
	var newest []store.DeploymentNo // a ring of the last maxQueued
	n := 0
	for no, err := range j.svc.deps.Store.VariantsWanted() {
		if err != nil {
			return fmt.Errorf("list deployments to encode: %w", err)
		}
		if n++; len(newest) < maxQueued {
			newest = append(newest, no)
			continue
		}
		newest[(n-1)%maxQueued] = no
	}
	for _, no := range newest {
		d, err := j.svc.deps.Store.Deployment(no)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return fmt.Errorf("deployment %d: %w", no, err)
		default:
			j.queue.push(queued{no: no, rank: rankOf(d.Environment)})
		}
	}
	if n > maxQueued {
		j.queue.mu.Lock()
		j.queue.spilled = true
		j.queue.mu.Unlock()
	}
	return nil
}

// take is the next deployment. Where it stands is looked at only now: a hundred deployments to one branch are one that is
// served and many that are not.
func (j *encodings) take() (d queued, wait time.Duration, ok bool) {
	for {
		d, wait, ok = j.queue.pop(j.svc.now())
		if !ok {
			return d, wait, false
		}
		if rank := j.rank(d); rank > d.rank {
			d.rank = rank
			j.queue.push(d)
			continue
		}
		return d, 0, true
	}
}

func (j *encodings) rank(q queued) encodeRank {
	st := j.svc.deps.Store
	d, err := st.Deployment(q.no)
	if err != nil {
		return q.rank // told when it is worked on
	}
	if p, err := st.Project(d.Project); err == nil && p.Live == q.no {
		return rankProduction
	}
	if b, err := st.Branch(d.Project, d.Branch); err != nil || b.Latest != q.no {
		return rankSuperseded
	}
	return rankOf(d.Environment)
}
