package server

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// logFile is the access log's file, which rotation moves away and SIGHUP opens again.
type logFile struct {
	path string

	mu   sync.Mutex // guards file
	file *os.File
}

func openLogFile(path string) (*logFile, error) {
	l := &logFile{path: path}
	if err := l.reopen(); err != nil {
		return nil, err
	}
	return l, nil
}

// reopen goes on in a new file if it can, else in the old one.
func (l *logFile) reopen() error {
	file, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("--access-log: %w", err)
	}
	l.mu.Lock()
	old := l.file
	l.file = file
	l.mu.Unlock()
	if old != nil {
		return old.Close()
	}
	return nil
}

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Write(p)
}

func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

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
