package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestExposure(t *testing.T) {
	for addr, refused := range map[string]bool{
		"127.0.0.1:1": false, "127.9.9.9:1": false, "[::1]:1": false, "localhost:1": false, "[::ffff:127.0.0.1]:1": false,
		":1": true, "0.0.0.0:1": true, "[::]:1": true, "10.0.0.1:1": true, "example.org:1": true, "localhost.example.org:1": true,
	} {
		s := Defaults()
		s.API = addr
		_, err := s.check()
		if (err != nil) != refused {
			t.Errorf("--api %s: %v", addr, err)
		}
		s.APIInsecure = true
		if _, err := s.check(); err != nil {
			t.Errorf("--api %s --api-insecure: %v", addr, err)
		}
	}
}

func TestSettings(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Settings)
		want   string // "" is fine
	}{
		"defaults":            {func(*Settings) {}, ""},
		"the client's URL":    {func(s *Settings) { s.API = "http://127.0.0.1:8788" }, ""},
		"proxies":             {func(s *Settings) { s.TrustedProxies = []string{"10.0.0.0/8", "::1", "192.0.2.1"} }, ""},
		"resolver":            {func(s *Settings) { s.Resolver = "192.0.2.1" }, ""},
		"resolver with port":  {func(s *Settings) { s.Resolver = "[::1]:5353" }, ""},
		"no directory":        {func(s *Settings) { s.Data = "" }, "--data"},
		"no port":             {func(s *Settings) { s.HTTP = "127.0.0.1" }, "--http"},
		"port out of range":   {func(s *Settings) { s.HTTP = "127.0.0.1:70000" }, "--http"},
		"insecure and secure": {func(s *Settings) { s.APIInsecure, s.APICert, s.APIKey = true, "x", "y" }, "leave one of them out"},
		"datacentre":          {func(s *Settings) { s.Datacentre = "a b" }, "--datacentre"},
		"route cache":         {func(s *Settings) { s.RouteCache = -1 }, "--route-cache"},
		"memory":              {func(s *Settings) { s.Memory = 1 << 20 }, "--memory: want 128MiB"},
		"project cache":       {func(s *Settings) { s.ProjectCache = 1 }, "--project-cache"},
		"key filter":          {func(s *Settings) { s.KeyFilter = 1 }, "--key-filter"},
		"drain":               {func(s *Settings) { s.DrainTimeout = -time.Second }, "--drain-timeout"},
		"edge":                {func(s *Settings) { s.Edge.HeaderTimeout = -1 }, "HeaderTimeout"},
		"control":             {func(s *Settings) { s.Control.MaxUploadBytes = -1 }, "MaxUploadBytes"},
		"public URL":          {func(s *Settings) { s.PublicURL = "https:0" }, "public URL"},
		"log format":          {func(s *Settings) { s.LogFormat = "xml" }, "--log-format"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Defaults()
			c.change(&s)
			_, err := s.check()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestResolverAddress(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1:53", "192.0.2.1:99": "192.0.2.1:99", "dns.example": "dns.example:53", "::1": "[::1]:53", "[::1]": "[::1]:53", "[::1]:9": "[::1]:9",
		"": "", "host:": "",
	} {
		got, err := resolverAddress(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestLogFileGoesOnAfterRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	l, err := openLogFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(s string) {
		if _, err := l.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("two\n")
	if err := l.reopen(); err != nil {
		t.Fatal(err)
	}
	write("three\n")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, name := range []string{path, path + ".1"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got[filepath.Base(name)] = string(text)
	}
	if d := cmp.Diff(map[string]string{"access.log": "three\n", "access.log.1": "one\ntwo\n"}, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestWriteWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ready.json")
	for _, text := range []string{"one", "two"} {
		if err := writeWhole(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	left, _ := os.ReadDir(dir)
	if err != nil || string(text) != "two" || len(left) != 1 {
		t.Errorf("%q, %v, %d files", text, err, len(left))
	}
	if err := writeWhole(filepath.Join(dir, "none", "x"), nil); err == nil {
		t.Error("wrote into a directory that is not there")
	}
}

// started runs a server until the returned function is called, which gives its error.
func started(t *testing.T, change func(*Settings)) (Status, func() error) {
	t.Helper()
	s := Defaults()
	s.Data, s.HTTP, s.API = filepath.Join(t.TempDir(), "data"), "127.0.0.1:0", "127.0.0.1:0"
	if change != nil {
		change(&s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	ready, ended := make(chan Status, 1), make(chan error, 1)
	go func() {
		ended <- Run(ctx, s, Output{Stdout: io.Discard, Stderr: io.Discard, Started: func(st Status) error { ready <- st; return nil }})
	}()
	select {
	case st := <-ready:
		return st, func() error { cancel(); return <-ended }
	case err := <-ended:
		t.Fatal(err)
	}
	return Status{}, nil
}

func status(t *testing.T, url string) int {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

func TestRunDrainsAnAPICallInFlight(t *testing.T) {
	st, stop := started(t, nil)
	if got := status(t, st.APIURL+"/readyz"); got != http.StatusOK {
		t.Errorf("readyz: %d", got)
	}
	conn, err := net.Dial("tcp", st.API)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// Half a call: its body is announced and awaited.
	head := "POST /client/v4/accounts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + adminToken(t, st) +
		"\r\nContent-Length: 24\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n"
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 25)
	if _, err := io.ReadFull(conn, answer); err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 100 Continue")) {
		t.Fatalf("%q, %v", answer, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	waitRefused(t, st.HTTP) // it drains now
	if _, err := io.WriteString(conn, `{"id":"team","name":"T"}`); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(rest, []byte("HTTP/1.1 200")) || !bytes.Contains(rest, []byte(`"id":"team"`)) {
		t.Errorf("the call in flight got %q, %v", rest, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("a clean drain: %v", err)
	}
}

func adminToken(t *testing.T, st Status) string {
	t.Helper()
	text, err := os.ReadFile(st.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// waitRefused waits until nobody listens at the address.
func waitRefused(t *testing.T, addr string) {
	t.Helper()
	for t.Context().Err() == nil {
		conn, err := net.Dial("tcp", addr)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

// A client that never ends its call does not keep the server from ending.
func TestRunCutsOffAtTheTimeout(t *testing.T) {
	st, stop := started(t, func(s *Settings) { s.DrainTimeout = 100 * time.Millisecond })
	conn, err := net.Dial("tcp", st.API)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	head := "POST /client/v4/accounts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + adminToken(t, st) + "\r\nContent-Length: 24\r\nExpect: 100-continue\r\n\r\n"
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 25)); err != nil {
		t.Fatal(err)
	}
	if err := stop(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
}

// What cannot start leaves nothing open behind it.
func TestRunThatFailsReleasesEverything(t *testing.T) {
	st, stop := started(t, nil)
	s := Defaults()
	s.Data, s.HTTP, s.API = st.Data, "127.0.0.1:0", "127.0.0.1:0"
	if err := Run(t.Context(), s, Output{Stdout: io.Discard, Stderr: io.Discard}); err == nil {
		t.Error("two servers on one directory")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	refuse := errors.New("nobody is listening to me")
	err := Run(t.Context(), s, Output{Stdout: io.Discard, Stderr: io.Discard, Started: func(Status) error { return refuse }})
	if !errors.Is(err, refuse) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := Run(ctx, s, Output{Stdout: io.Discard, Stderr: io.Discard, Started: func(Status) error { cancel(); return nil }}); err != nil {
		t.Errorf("after both: %v", err)
	}
}
