package publish

import (
	"cmp"
	"slices"

	"berth/assets/manifest"
)

const (
	// maxBucketBytes and maxBucketFiles bound one upload call, in raw bytes: the server takes 64 MiB of base64.
	maxBucketBytes = 40 << 20
	maxBucketFiles = 2_000
	// firstBuckets is how many buckets are dealt into before one is full: as many as are sent at once.
	firstBuckets = parallelUploads
)

// bucket is the files of one upload call.
type bucket struct {
	files []*File
	bytes int64
}

func newBucket(files []*File) *bucket {
	b := &bucket{}
	for _, f := range files {
		b.add(f)
	}
	return b
}

func (b *bucket) fits(f *File) bool {
	return len(b.files) < maxBucketFiles && (b.bytes+f.Size <= maxBucketBytes || len(b.files) == 0)
}

func (b *bucket) add(f *File) {
	b.files = append(b.files, f)
	b.bytes += f.Size
}

// keys of the bucket's files, as check-missing takes them.
func (b *bucket) keys() []string {
	keys := make([]string, len(b.files))
	for i, f := range b.files {
		keys[i] = f.Key.String()
	}
	return keys
}

// distinct drops files whose bytes another one brings. A key alone does not tell: it hashes content and extension glued
// together, so two files are certainly equal only when the extension is the same too.
func distinct(files []*File) []*File {
	type identity struct {
		key manifest.AssetKey
		ext string
	}
	seen := make(map[identity]bool, len(files))
	var out []*File
	for _, f := range files {
		id := identity{f.Key, manifest.Extension(f.Path)}
		if !seen[id] {
			seen[id] = true
			out = append(out, f)
		}
	}
	return out
}

// deal puts files into buckets, the largest first and in turn, so that buckets sent side by side end together.
func deal(files []*File) []*bucket {
	sorted := slices.Clone(files)
	slices.SortStableFunc(sorted, func(a, b *File) int { return cmp.Compare(b.Size, a.Size) })
	buckets := make([]*bucket, firstBuckets)
	for i := range buckets {
		buckets[i] = &bucket{}
	}
	turn := 0
	for _, f := range sorted {
		placed := false
		for i := range buckets {
			b := buckets[(turn+i)%len(buckets)]
			if b.fits(f) {
				b.add(f)
				turn = (turn + i + 1) % len(buckets)
				placed = true
				break
			}
		}
		if !placed {
			b := &bucket{}
			b.add(f)
			buckets = append(buckets, b)
			turn = len(buckets) - 1
		}
	}
	return slices.DeleteFunc(buckets, func(b *bucket) bool { return len(b.files) == 0 })
}
