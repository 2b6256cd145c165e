package blob

import (
	"encoding/binary"
	"fmt"
	"testing"

	"berth/assets/manifest"
)

// fill makes the n-th of a row of different blobs.
func fill(buf []byte, n uint64) []byte {
	binary.LittleEndian.PutUint64(buf, n)
	return buf
}

func benchDir(b *testing.B) *Dir {
	d, err := OpenDir(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.Close() })
	return d
}

func storeMany(b *testing.B, d *Dir, first, count uint64, buf []byte) {
	batch := d.NewBatch()
	for i := range count {
		w, err := batch.Create()
		if err == nil {
			_, err = w.Write(fill(buf, first+i))
		}
		if err == nil {
			_, _, err = w.Finish()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := batch.Commit(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkBatch stores 2000 blobs of 4 KiB durably: new ones, and ones that are there.
func BenchmarkBatch(b *testing.B) {
	const files = 2000
	for _, workers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("files=%d/new/workers=%d", files, workers), func(b *testing.B) {
			d, err := OpenDir(b.TempDir(), Options{SyncWorkers: workers})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			buf := make([]byte, 4096)
			first := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				storeMany(b, d, first, files, buf)
				first += files
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(first), "µs/file")
		})
	}
	b.Run(fmt.Sprintf("files=%d/known", files), func(b *testing.B) {
		d, buf := benchDir(b), make([]byte, 4096)
		storeMany(b, d, 0, files, buf)
		b.ReportAllocs()
		for b.Loop() {
			storeMany(b, d, 0, files, buf)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{4 << 10, 8 << 20} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			d, buf := benchDir(b), make([]byte, size)
			b.SetBytes(int64(size))
			n := uint64(0)
			for b.Loop() {
				storeMany(b, d, n, 1, buf) // a batch of one
				n++
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	d := benchDir(b)
	storeMany(b, d, 0, 100, make([]byte, 4096))
	var gs []manifest.Digest
	for info := range d.All() {
		gs = append(gs, info.Digest)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		f, err := d.Open(gs[i%len(gs)], 4096)
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
		i++
	}
}

// BenchmarkPin is what a deployment of 20,000 files asks first.
func BenchmarkPin(b *testing.B) {
	d := benchDir(b)
	storeMany(b, d, 0, 20000, make([]byte, 8))
	var gs []manifest.Digest
	for info := range d.All() {
		gs = append(gs, info.Digest)
	}
	b.ReportAllocs()
	for b.Loop() {
		unpin, missing := d.Pin(gs...)
		if len(missing) > 0 {
			b.Fatal(len(missing))
		}
		unpin()
	}
}
