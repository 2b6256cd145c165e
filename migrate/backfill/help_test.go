package backfill

import (
	"context"
	"testing"
	"time"

	"berth/store"
)

// running is a job that runs until the test ends or stop is called.
func running(t testing.TB, j *Job) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// await waits for a state of the store, looking at it after every commit.
func await(t testing.TB, s *store.Store, what string, is func() bool) {
	t.Helper()
	commits := make(chan struct{}, 1)
	defer s.OnCommit(func(store.Commit) {
		select {
		case commits <- struct{}{}:
		default:
		}
	})()
	deadline := time.After(2 * time.Minute)
	for !is() {
		select {
		case <-commits:
		case <-time.After(5 * time.Millisecond): // not everything that is awaited is a commit
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func finished(t testing.TB, s *store.Store) func() bool {
	return func() bool {
		ok, _, err := Finished(&s.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
}
