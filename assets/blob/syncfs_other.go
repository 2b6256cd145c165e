//go:build !linux

package blob

import (
	"errors"
	"os"
)

func syncsReliably(*os.File) bool { return false }

func syncFileSystem(int) error { return errors.ErrUnsupported }
