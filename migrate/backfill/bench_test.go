package backfill

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/migrate"
	"berth/migrate/dualwrite"
	"berth/migrate/internal/world"
	"berth/router/hostkey"
	"berth/router/legacy"
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
			w, err := world.Open(vfs.Default, b.TempDir(), store.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer w.Close()
			s := w.Store
			for at, p := 0, store.ProjectNo(1); at < entries; {
				w.Update(b, func(tx *store.Tx) error {
					for n := 0; n < 10_000 && at < entries; n, at, p = n+each, at+each, p+1 {
						if err := plainProject(tx, p, each); err != nil {
							return err
						}
					}
					return nil
				})
			}
			enter := func(p migrate.Phase) {
				if err := w.Enter(p); err != nil {
					b.Fatal(err)
				}
			}
			enter(migrate.Backfill)
			done := 0
			var took time.Duration
			for b.Loop() {
				j, err := New(Deps{Store: s, Tables: w.Tables}, Options{MaxCommit: -1})
				if err != nil {
					b.Fatal(err)
				}
				if done > 0 {
					b.StopTimer()
					enter(migrate.Legacy) // another epoch
					enter(migrate.Backfill)
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

// plainProject has a table as the old control plane wrote it.
func plainProject(tx *store.Tx, p store.ProjectNo, n int) error {
	if err := world.PutProject(tx, p); err != nil {
		return err
	}
	t := world.Begin(p)
	for i := range n {
		d, err := world.PutDeployment(tx, p, i)
		if err != nil {
			return err
		}
		h := world.Label(p, fmt.Sprintf("%x", d.UUID[:4]))
		t.Add(legacy.Pattern(hostkey.Host(h)), legacy.ScriptHash(d.UUID), d.No, h)
	}
	return t.Write(tx, dualwrite.MaxFilters, false)
}
