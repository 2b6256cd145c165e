package publish

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Functions names what of the site would need bundling: a root _worker.js that is not empty, or a directory with a
// function in it. "" if nothing does; dir is where they would be, "" nowhere.
func (s *Site) Functions(dir string) (string, error) {
	if s.Worker != "" {
		info, err := os.Stat(s.Worker)
		if err != nil {
			return "", fmt.Errorf("read the site: %w", err)
		}
		if info.IsDir() || info.Size() > 0 {
			return s.Worker, nil
		}
	}
	if dir == "" {
		return "", nil
	}
	return functionIn(dir)
}

// maxFunctionFiles bounds the look for a function: a directory called functions may be anything.
const maxFunctionFiles = 2_000

var errFound = errors.New("found")

// functionIn finds the first file below dir that exports a request handler. Wrangler, too, takes a functions directory
// without one for something else and deploys a static site.
func functionIn(dir string) (string, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", nil // there is none
	}
	found, seen := "", 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "node_modules":
			return fs.SkipDir
		case !d.Type().IsRegular() || !isSource(path):
			return nil
		}
		if seen++; seen > maxFunctionFiles {
			return fs.SkipAll
		}
		text, err := readBounded(path)
		if err == nil && bytes.Contains(text, []byte("onRequest")) {
			found = path
			return errFound
		}
		return nil
	})
	if err != nil && !errors.Is(err, errFound) {
		return "", fmt.Errorf("look for functions: %w", err)
	}
	return found, nil
}

func isSource(path string) bool {
	switch filepath.Ext(path) {
	case ".js", ".mjs", ".ts", ".mts", ".jsx", ".tsx":
		return true
	}
	return false
}
