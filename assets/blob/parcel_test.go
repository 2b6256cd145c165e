package blob

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"berth/assets/manifest"
)

// parcelsIn lists the parcels of a directory.
func parcelsIn(t testing.TB, path string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(path, parcelDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// ship commits so many small blobs, and a large one, in one batch.
func ship(t testing.TB, d *Dir, n int) map[manifest.Digest][]byte {
	t.Helper()
	all := map[manifest.Digest][]byte{}
	b := d.NewBatch()
	for i := range n {
		data := bytes.Repeat(fmt.Appendf(nil, "small %d.", i), i)
		all[digestOf(data)] = data
	}
	large := bytes.Repeat([]byte("large"), maxBuffer)
	all[digestOf(large)] = large
	for _, data := range all {
		w, err := b.Create()
		if err == nil {
			_, err = w.Write(data)
		}
		if err == nil {
			_, _, err = w.Finish()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	return all
}

func wantAll(t *testing.T, d *Dir, all map[manifest.Digest][]byte) {
	t.Helper()
	for g, data := range all {
		if got, err := d.ReadVerified(g, int64(len(data))); err != nil || !bytes.Equal(got, data) {
			t.Errorf("blob of %d bytes: %v", len(data), err)
		}
	}
}

// reliableDir is where parcels can be used at all.
func reliableDir(t testing.TB) (string, *Dir) {
	t.Helper()
	path := t.TempDir()
	d, err := OpenDir(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if d.parcelFrom < 0 {
		t.Skip("the temporary directory's file system has no sync of everything that can be relied on")
	}
	d.settlesByHand = true
	return path, d
}

func TestParcelGoesWithItsSettling(t *testing.T) {
	path, d := reliableDir(t)
	few := ship(t, d, parcelFrom-1)
	if left := parcelsIn(t, path); len(left) != 0 {
		t.Errorf("parcels for a few blobs: %v", left)
	}
	many := ship(t, d, 5*parcelFrom)
	if got := parcelsIn(t, path); len(got) != 1 {
		t.Fatalf("parcels %v, want one", got)
	}
	ship(t, d, 5*parcelFrom) // all are there
	if got := parcelsIn(t, path); len(got) != 1 {
		t.Errorf("parcels %v, want still one", got)
	}
	if err := d.settle(); err != nil {
		t.Fatal(err)
	}
	if left := parcelsIn(t, path); len(left) != 0 || d.parcels.bytes != 0 {
		t.Errorf("parcels %v, %d bytes of them, after settling", left, d.parcels.bytes)
	}
	last := ship(t, d, 6*parcelFrom)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if left := parcelsIn(t, path); len(left) != 0 {
		t.Errorf("parcels %v after Close", left)
	}
	d, err := OpenDir(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, all := range []map[manifest.Digest][]byte{few, many, last} {
		wantAll(t, d, all)
	}
}

// The timer settles by itself.
func TestParcelIsSettledInTime(t *testing.T) {
	path, d := reliableDir(t)
	ship(t, d, 5*parcelFrom)
	d.parcels.mu.Lock()
	d.settlesByHand = false
	d.settleIn(1)
	d.parcels.mu.Unlock()
	d.parcels.running.Wait()
	if left := parcelsIn(t, path); len(left) != 0 {
		t.Errorf("parcels %v", left)
	}
}

// A batch that would make too many wait does without.
func TestParcelsAreBounded(t *testing.T) {
	path, d := reliableDir(t)
	d.parcels.bytes = maxParcels
	all := ship(t, d, 5*parcelFrom)
	if got := parcelsIn(t, path); len(got) != 0 {
		t.Errorf("parcels %v", got)
	}
	wantAll(t, d, all)
	d.parcels.bytes = 0
}

// copyTree is what the disk of a machine shows that lost its power: files of blobs in a parcel may be anything.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(from, path)
		target := filepath.Join(to, rel)
		if err != nil || rel == lockFile {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(target, dirMode)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if filepath.Dir(rel) != parcelDir && len(data) <= maxBuffer {
			switch n++; n % 4 {
			case 0:
				return nil
			case 1:
				data = data[:len(data)/2]
			case 2:
				data = make([]byte, len(data))
			}
		}
		return os.WriteFile(target, data, fileMode)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestParcelRestores(t *testing.T) {
	path, d := reliableDir(t)
	d.parcelFrom = 0
	all := ship(t, d, 40)
	crashed := t.TempDir()
	copyTree(t, path, crashed)
	for range 2 { // the second time there is nothing left to do
		d, err := OpenDir(crashed, Options{})
		if err != nil {
			t.Fatal(err)
		}
		wantAll(t, d, all)
		if left := parcelsIn(t, crashed); len(left) != 0 {
			t.Errorf("parcels %v", left)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A damaged parcel gives what it can, and is gone after that.
func TestParcelIsDamaged(t *testing.T) {
	path, d := reliableDir(t)
	d.parcelFrom = 0
	ship(t, d, 40)
	whole, err := os.ReadFile(parcelsIn(t, path)[0])
	if err != nil {
		t.Fatal(err)
	}
	second := len(parcelMagic) + parcelHead // of the first blob's bytes, or the second head
	for name, damage := range map[string]struct {
		of    func([]byte) []byte
		least int // blobs that come back
	}{
		"cut":           {func(b []byte) []byte { return b[:len(b)/2] }, 10},
		"other magic":   {func(b []byte) []byte { return append([]byte("x"), b...) }, 0},
		"empty":         {func([]byte) []byte { return nil }, 0},
		"another digit": {func(b []byte) []byte { b[len(parcelMagic)] ^= 1; return b }, 39},
		"another size":  {func(b []byte) []byte { b[second-1] = 0xff; return b }, 0},
		"more":          {func(b []byte) []byte { return append(b, "more"...) }, 40},
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			if err := os.MkdirAll(filepath.Join(path, parcelDir), dirMode); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(path, parcelDir, "p"), damage.of(bytes.Clone(whole)), fileMode); err != nil {
				t.Fatal(err)
			}
			d, err := OpenDir(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			n := 0
			for info, err := range d.All() {
				if n++; err != nil || d.Verify(info.Digest) != nil {
					t.Errorf("%s is not what it should be (%v)", info.Digest, err)
				}
			}
			if n < damage.least || len(parcelsIn(t, path)) != 0 {
				t.Errorf("%d blobs, want %d or more; parcels %v", n, damage.least, parcelsIn(t, path))
			}
		})
	}
}

func FuzzParcel(f *testing.F) {
	valid := []byte(parcelMagic)
	for _, data := range [][]byte{nil, []byte("a"), bytes.Repeat([]byte("b"), 300)} {
		g := digestOf(data)
		valid = append(append(append(valid, g[:]...), byte(len(data)), byte(len(data)>>8), 0, 0), data...)
	}
	f.Add(valid)
	f.Add(valid[:len(valid)-1])
	f.Add([]byte(parcelMagic))
	f.Fuzz(func(t *testing.T, text []byte) {
		files := newMemFS()
		d := &Dir{fs: files, opts: Options{}.withDefaults()}
		if err := files.mkdir(parcelDir); err != nil {
			t.Fatal(err)
		}
		w, err := files.create(parcelDir + "/p")
		if err == nil {
			_, err = w.Write(text)
		}
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		err = d.readParcel(parcelDir+"/p", func(g manifest.Digest, b []byte) error {
			if seen += parcelHead + len(b); digestOf(b) != g {
				t.Errorf("blob %s is given out with other bytes", g)
			}
			return nil
		})
		if err == nil && len(text) < len(parcelMagic)+seen || err != nil && !errors.Is(err, errParcel) {
			t.Errorf("%d bytes of blobs in %d: %v", seen, len(text), err)
		}
	})
}
