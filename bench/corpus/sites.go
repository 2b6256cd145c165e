package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"

	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/store"
)

// site is what a deployment needs of one.
type site struct {
	manifest store.FileRef
	bytes    uint64
}

// commitFiles is how many files become durable together.
const commitFiles = 2000

// writeSites stores the files of all sites and their manifests.
func (b *builder) writeSites(ctx context.Context) (err error) {
	blobs, err := blob.OpenDir(filepath.Join(b.Dir, "blobs"), blob.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	b.sites = make([]site, b.Sites)
	batch, files := blobs.NewBatch(), 0
	defer func() { batch.Abort() }()
	for n := range b.sites {
		if err := ctx.Err(); err != nil {
			return err
		}
		if files >= commitFiles {
			if err := batch.Commit(); err != nil {
				return err
			}
			batch, files = blobs.NewBatch(), 0
		}
		if b.sites[n], err = b.writeSite(batch, n); err != nil {
			return err
		}
		files += b.Files + 1
	}
	return batch.Commit()
}

func (b *builder) writeSite(batch *blob.Batch, n int) (s site, err error) {
	entries := make([]manifest.Entry, b.Files)
	content := make([]byte, b.FileBytes)
	rng := rand.NewChaCha8([32]byte{byte(b.Seed), byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
	for i := range entries {
		e := &entries[i]
		_, _ = rng.Read(content)
		copy(content, fmt.Sprintf("%08x\n", n))
		e.Path, e.Size = filePath(i), int64(len(content))
		if e.Digest, _, err = add(batch, content); err != nil {
			return s, err
		}
		if e.Key, err = manifest.ComputeAssetKey(bytes.NewReader(content), manifest.Extension(e.Path)); err != nil {
			return s, err
		}
		s.bytes += uint64(e.Size)
	}
	encoded, err := manifest.Encode(entries)
	if err == nil {
		s.manifest.Digest, s.manifest.Size, err = add(batch, encoded)
	}
	return s, err
}

// filePath is that of the i-th file of every site.
func filePath(i int) string {
	if i == 0 {
		return "/index.html"
	}
	return fmt.Sprintf("/assets/file-%d.bin", i)
}

func add(batch *blob.Batch, b []byte) (manifest.Digest, int64, error) {
	w, err := batch.Create()
	if err != nil {
		return manifest.Digest{}, 0, err
	}
	if _, err := w.Write(b); err != nil {
		return manifest.Digest{}, 0, err
	}
	return w.Finish()
}
