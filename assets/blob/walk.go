package blob

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"berth/assets/manifest"
)

// All yields every blob, ordered by the first byte of the digest only, in bounded memory. Blobs that come or go meanwhile
// may or may not be among them. An error stands for one blob or one shard that could not be read; iteration goes on after
// it. Files that are not ours are passed over: see Foreign.
func (d *Dir) All() iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for i := range shards {
			if !d.allOf(byte(i), yield) {
				return
			}
		}
	}
}

func (d *Dir) allOf(shard byte, yield func(Info, error) bool) bool {
	for e, err := range d.fs.list(shardName(shard)) {
		if err != nil {
			return yield(Info{}, fmt.Errorf("list blobs: %w", err))
		}
		g, ok := parseName(shard, e.name)
		if !ok || !e.mode.IsRegular() {
			continue
		}
		fi, err := d.see(g)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			err = fmt.Errorf("list blob %s: %w", label(g), err)
		}
		if !yield(infoFor(g, fi, err), err) {
			return false
		}
	}
	return true
}

func infoFor(g manifest.Digest, fi fileInfo, err error) Info {
	if err != nil {
		return Info{}
	}
	return Info{Digest: g, Size: fi.size, Touched: fi.mtime}
}

// Foreign yields the names, relative to the directory, of what is in it and not ours: somebody's notes, a lost+found.
// Nothing here reads or removes them.
func (d *Dir) Foreign() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var ours []string
		for i := range shards {
			ours = append(ours, shardName(byte(i)))
		}
		isOurs := func(e dirEntry) bool {
			return e.name == tmpDir || e.name == parcelDir || e.name == lockFile || slices.Contains(ours, e.name)
		}
		if !d.foreignIn("", isOurs, yield) {
			return
		}
		for i, shard := range ours {
			isBlob := func(e dirEntry) bool {
				_, ok := parseName(byte(i), e.name)
				return ok && e.mode.IsRegular()
			}
			if !d.foreignIn(shard, isBlob, yield) {
				return
			}
		}
	}
}

func (d *Dir) foreignIn(dir string, ours func(dirEntry) bool, yield func(string, error) bool) bool {
	for e, err := range d.fs.list(dir) {
		if err != nil {
			return yield("", fmt.Errorf("list foreign files: %w", err))
		}
		if ours(e) {
			continue
		}
		name := e.name
		if dir != "" {
			name = dir + "/" + name
		}
		if !yield(name, nil) {
			return false
		}
	}
	return true
}
