// Package router measures the routing of large servers: finding hosts that are there and hosts that are not, in every state of the
// caches; the same while others write; what a whole server takes to start, on disk and in memory; and how everything that
// touches deployments grows with their number.
//
// Times of single threads are those that a thread had the processor, so that a busy machine falsifies them little. Where the disk or
// other threads are what is measured, time is the wall's, and what the machine itself takes for the same is printed beside it.
package router

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

func percent(v float64) string { return fmt.Sprintf("%.3g %%", 100*v) }

// quantile is that share of a sorted sample, 0 of none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func sorted(s []float64) []float64 { return slices.Sorted(slices.Values(s)) }

// workDir is dir, to be kept; or, if it is "", a new one that is removed by done.
func workDir(dir string) (path string, done func() error, err error) {
	if dir != "" {
		return dir, func() error { return nil }, os.MkdirAll(dir, 0o755)
	}
	path, err = os.MkdirTemp("", "berth-bench-")
	return path, func() error { return os.RemoveAll(path) }, err
}

// corpusDir is where the corpus of so many deployments is kept.
func corpusDir(dir string, deployments int) string {
	return filepath.Join(dir, fmt.Sprintf("deployments-%d", deployments))
}
