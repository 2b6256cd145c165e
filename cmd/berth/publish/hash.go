package publish

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/sync/errgroup"

	"berth/assets/manifest"
)

// Hash computes the asset key of every file, and takes the size that was read for the file's size.
func Hash(ctx context.Context, files []*File) error {
	g, ctx := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	queue := make(chan *File)
	for range workers {
		g.Go(func() error {
			for f := range queue {
				if err := f.hash(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(queue)
		for _, f := range files {
			select {
			case queue <- f:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	return g.Wait()
}

func (f *File) hash() error {
	file, err := os.Open(f.Disk)
	if err != nil {
		return fmt.Errorf("hash: %w", shownError(err))
	}
	defer file.Close()
	counter := &countingReader{r: file}
	key, err := manifest.ComputeAssetKey(counter, manifest.Extension(f.Path))
	if err != nil {
		return fmt.Errorf("hash %s: %w", shown(f.Disk), shownError(err))
	}
	f.Key, f.Size = key, counter.n
	return nil
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
