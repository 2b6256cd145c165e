package router

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// files lists the tables of a database.
func files(dir string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "db", "*.sst"))
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("no tables in %s", dir)
	}
	return names, err
}

// eachFile calls fn with every table of a database, open for reading.
func eachFile(dir string, fn func(*os.File) error) error {
	names, err := files(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // a compaction has just replaced it
		}
		if err != nil {
			return err
		}
		if err := errors.Join(fn(f), f.Close()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// dropPages makes the kernel forget what it has of a database's tables, and of nothing else.
func dropPages(dir string) error {
	return eachFile(dir, func(f *os.File) error {
		if err := f.Sync(); err != nil { // pages that are not written yet stay
			return err
		}
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
}

// readPages makes the kernel have all of them.
func readPages(dir string) error {
	return eachFile(dir, func(f *os.File) error {
		_, err := io.Copy(io.Discard, f)
		return err
	})
}

// bareReads measures what the machine takes to read one block at random of the largest table, in nanoseconds: what is left of a
// look-up if all else were free.
func bareReads(dir string, n int, rng *rand.Rand) (took []float64, err error) {
	names, err := files(dir)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(names[rng.IntN(len(names))])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_RANDOM); err != nil {
		return nil, err
	}
	block := make([]byte, 4096)
	for range n {
		at := rng.Int64N(max(st.Size()-int64(len(block)), 1))
		began := time.Now()
		if _, err := f.ReadAt(block, at); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		took = append(took, float64(time.Since(began).Nanoseconds()))
	}
	return took, nil
}
