package migrate_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/migrate"
	"berth/store"
)

// nearlyFull says how much room a disk has left.
type nearlyFull struct {
	vfs.FS
	left atomic.Uint64
}

func (d *nearlyFull) GetDiskUsage(string) (vfs.DiskUsage, error) {
	left := d.left.Load()
	return vfs.DiskUsage{AvailBytes: left, TotalBytes: 1 << 40, UsedBytes: 1<<40 - left}, nil
}

// The way back is open when there is no room for the way forward.
func TestBackOnAFullDisk(t *testing.T) {
	disk := &nearlyFull{FS: vfs.NewMem()}
	disk.left.Store(1 << 40)
	s, err := store.OpenFS(disk, "/db", store.Options{MinFreeBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	m := begun(t, s)
	goTo(t, m, migrate.Ramp)
	disk.left.Store(32 << 20)
	if _, err := m.Move(t.Context(), migrate.Ramp, migrate.Cutover, "anna", "on"); !errors.Is(err, store.ErrDiskFull) || m.State().Phase != migrate.Ramp {
		t.Errorf("forward: %v, in phase %s", err, m.State().Phase)
	}
	for _, to := range []migrate.Phase{migrate.DualWrite, migrate.Legacy} {
		if _, err := m.Move(t.Context(), m.State().Phase, to, "anna", "back"); err != nil || m.State().Phase != to {
			t.Errorf("back to %s: %v, in phase %s", to, err, m.State().Phase)
		}
	}
}
