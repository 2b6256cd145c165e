package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
)

// logFile is the access log's file, which rotation moves away and SIGHUP opens again. No lock is held while it is
// written: a pipe that nobody reads blocks a write for ever, and only Close can end that.
type logFile struct {
	path string
	file atomic.Pointer[os.File]
}

func openLogFile(path string) (*logFile, error) {
	l := &logFile{path: path}
	if err := l.reopen(); err != nil {
		return nil, err
	}
	return l, nil
}

// reopen goes on in a new file if it can, else in the old one. Opening does not block either: a pipe without a reader is
// an error.
func (l *logFile) reopen() error {
	file, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o640)
	if errors.Is(err, syscall.ENXIO) {
		return fmt.Errorf("--access-log %s: nobody reads this pipe: start its reader first", l.path)
	}
	if err != nil {
		return fmt.Errorf("--access-log: %w", err)
	}
	if old := l.file.Swap(file); old != nil {
		return old.Close()
	}
	return nil
}

// Write is called by one goroutine. A line that was on its way when the file was swapped goes to the new one.
func (l *logFile) Write(p []byte) (int, error) {
	for {
		file := l.file.Load()
		n, err := file.Write(p)
		if errors.Is(err, os.ErrClosed) && n == 0 && l.file.Load() != file {
			continue
		}
		return n, err
	}
}

func (l *logFile) Close() error { return l.file.Load().Close() }

// accessLog is where the edge writes its log: nil for nowhere.
func (c *checked) accessLog(stdout io.Writer) (io.Writer, *logFile, error) {
	switch c.AccessLog {
	case "":
		return nil, nil, nil
	case "-":
		return stdout, nil, nil
	}
	file, err := openLogFile(c.AccessLog)
	if err != nil {
		return nil, nil, err
	}
	return file, file, nil
}
