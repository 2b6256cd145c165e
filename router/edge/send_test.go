package edge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/assets/manifest"
)

// largeFile is a site with a large file whose answer is prepared, and where that file is.
func largeFile(t *testing.T, opts Options, size int) (r *running, content, path string) {
	t.Helper()
	w, dir := diskWorld(t)
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i >> 8)
	}
	content = string(b)
	w.add("a.example", compileSite(t, dir, files{"/large.bin": content}))
	r = start(t, w, opts)
	c := r.dial(t)
	for range 2 {
		if got := c.send(get("a.example", "/large.bin")).mustRead(); got.body != content {
			t.Fatalf("%d other bytes", len(got.body))
		}
	}
	eventually(t, "answered by what is prepared", func() bool { return r.Stats().Prepared == 1 }) // a file is counted when it was sent
	c.Close()
	g := manifest.DigestOf(b)
	name := fmt.Sprintf("%x", g[:])
	return r, content, filepath.Join(dir.path, name[:2], name[2:])
}

// A client that takes nothing is cut off after the time that it has for 64 KiB, and costs no open file.
func TestStalledClientOfAFile(t *testing.T) {
	var log logBuffer
	r, _, _ := largeFile(t, Options{WriteTimeout: time.Second, AccessLog: &log}, 32<<20)
	before := r.Stats()
	c := r.dial(t).send(get("a.example", "/large.bin"))
	eventually(t, "cut off", func() bool { s := r.Stats(); return s.Conns == before.Conns+1 && s.OpenConns == 0 })
	if s := r.Stats(); s.Prepared != before.Prepared+1 || s.BodyBytes-before.BodyBytes >= 32<<20 || s.Faults != before.Faults {
		t.Errorf("%+v", s)
	}
	eventually(t, "logged", func() bool { return strings.Contains(log.String(), `"aborted":true`) })
	c.Close()
	r.checkOpenFiles(t)
}

// One that is slow but never stops gets all of it, however long that takes.
func TestSlowClientOfAFile(t *testing.T) {
	r, content, _ := largeFile(t, Options{WriteTimeout: 2 * time.Second}, 24<<20) // 3 s in all
	c := r.dial(t)
	if err := c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	c.send(get("a.example", "/large.bin"))
	c.br = bufio.NewReaderSize(slowly{c.Conn, time.NewTicker(8 * time.Millisecond)}, 64<<10)
	if got := c.mustRead(); got.body != content {
		t.Errorf("%d bytes, or others", len(got.body))
	}
}

type slowly struct {
	io.Reader
	tick *time.Ticker
}

func (s slowly) Read(p []byte) (int, error) {
	<-s.tick.C
	return s.Reader.Read(p)
}

// A file that has become shorter than it was cannot be sent in full: the client is told by the connection's end, and the file is
// opened anew for the next one, who gets it whole if it was restored.
func TestFileCutShortWhileOpen(t *testing.T) {
	r, content, name := largeFile(t, Options{}, 1<<20)
	if err := os.Chmod(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 1<<19); err != nil {
		t.Fatal(err)
	}
	c := r.dial(t).send(get("a.example", "/large.bin"))
	got, err := c.read(false)
	if !errors.Is(err, io.ErrUnexpectedEOF) || got.body != content[:1<<19] {
		t.Errorf("%d bytes, %v", len(got.body), err)
	}
	eventually(t, "counted", func() bool { s := r.Stats(); return s.BadBlobs == 1 && s.Faults == 1 && s.OpenConns == 0 })
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := r.dial(t).send(get("a.example", "/large.bin")).mustRead(); got.body != content {
		t.Errorf("%d bytes after it was restored", len(got.body))
	}
}
