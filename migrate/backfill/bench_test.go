package backfill

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/migrate"
	"berth/store"
)

// BenchmarkBackfill copies tables on a real disk; BERTH_BACKFILL_ENTRIES says how many entries.
func BenchmarkBackfill(b *testing.B) {
	entries := 200_000
	if n, err := strconv.Atoi(os.Getenv("BERTH_BACKFILL_ENTRIES")); err == nil {
		entries = n
	}
	for _, each := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("project=%d", each), func(b *testing.B) {
			s, err := store.OpenFS(vfs.Default, b.TempDir(), store.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			for at, p := 0, store.ProjectNo(1); at < entries; {
				update(b, s, func(tx *store.Tx) error {
					for n := 0; n < 10_000 && at < entries; n, at, p = n+each, at+each, p+1 {
						if err := addProject(tx, p, each); err != nil {
							return err
						}
					}
					return nil
				})
			}
			enter(b, s, migrate.Backfill)
			done := 0
			var took time.Duration
			for b.Loop() {
				j, err := New(Deps{Store: s, Tables: newTables(b)}, Options{MaxCommit: -1})
				if err != nil {
					b.Fatal(err)
				}
				if done > 0 {
					b.StopTimer()
					enter(b, s, migrate.DualWrite) // still this epoch
					enter(b, s, migrate.Legacy)
					enter(b, s, migrate.Backfill)
					b.StartTimer()
				}
				start := time.Now()
				stop := running(b, j)
				await(b, s, "the end", finished(b, s))
				took += time.Since(start)
				done += entries
				stop()
			}
			b.ReportMetric(float64(done)/took.Seconds(), "entries/s")
			if st, err := readSituation(&s.Reader); err != nil || st.point.Written != int64(entries) {
				b.Fatalf("%+v, %v", st.point, err)
			}
		})
	}
}
