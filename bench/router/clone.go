package router

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"berth/bench/corpus"
)

// clone makes another data directory of a corpus that no process has open, for a workload that writes. Tables and blobs are never
// changed in place, so both have the same files of those.
func clone(c *corpus.Corpus, to string) (*corpus.Corpus, error) {
	err := filepath.WalkDir(c.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(c.Dir, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o700)
		case strings.HasSuffix(rel, ".sst") || strings.HasPrefix(rel, "blobs"+string(filepath.Separator)):
			return os.Link(path, target)
		}
		return copyFile(path, target)
	})
	if err != nil {
		return nil, fmt.Errorf("clone %s: %w", c.Dir, err)
	}
	out := *c
	out.Dir = to
	return &out, nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() // read only
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}
