// Package peers starts the servers that Berth is measured against, each configured for its best by what its own manual says. The
// configurations are beside this file. All of them serve the same folders and send the same header fields.
package peers

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"text/template"
	"time"

	"golang.org/x/sys/unix"

	"berth/bench/machine"
	"berth/bench/sites"
)

//go:embed *.conf Caddyfile
var configs embed.FS

// Setup is what a server is started with.
type Setup struct {
	Dir     string // its own, for its configuration and logs; it must be there
	Folders string // a folder for each site, with the name of its host
	Sites   sites.Config
	At      machine.Placement
}

// Server is one that answers.
type Server struct {
	Addr       string
	API, Token string // Berth's alone
	*machine.Process
}

// Peer is a program that serves folders.
type Peer struct {
	Name    string
	About   string
	Install string // what to do where it is missing
	// KeepsOpen says that every file it has served stays open for seconds: asked for more files than may be open it fails.
	KeepsOpen bool
	program   string
	config    string
	args      func(config, dir string) []string
	more      func(Setup) error // writes what the configuration includes
}

// All are the peers in the order in which they are shown.
func All() []Peer {
	nginx := func(config, dir string) []string { return []string{"-c", config, "-p", dir} }
	return []Peer{
		{Name: "nginx-map", About: "nginx, a map of all hosts to folders, sendfile", Install: ".ci/need nginx", program: "nginx", config: "nginx-map.conf", args: nginx, more: writeMap},
		{Name: "nginx-copy", About: "the same, without sendfile", Install: ".ci/need nginx", program: "nginx", config: "nginx-copy.conf", args: nginx, more: writeMap},
		{Name: "nginx-root", About: "nginx, root /sites/$host", Install: ".ci/need nginx", program: "nginx", config: "nginx-root.conf", args: nginx},
		{Name: "lighttpd", About: "lighttpd, a folder by host name", Install: ".ci/need lighttpd", KeepsOpen: true, program: "lighttpd", config: "lighttpd.conf",
			args: func(config, _ string) []string { return []string{"-D", "-f", config} }},
		{Name: "caddy", About: "Caddy, a folder by host name", Install: ".ci/need caddy", program: "caddy", config: "Caddyfile",
			args: func(config, _ string) []string { return []string{"run", "--adapter", "caddyfile", "--config", config} }},
	}
}

// ErrMissing says that a program is not installed.
var ErrMissing = errors.New("not installed")

// Path is where the peer's program is: on PATH, where Debian keeps servers, or in bin below the working directory.
func (p Peer) Path() (string, error) {
	if path, err := exec.LookPath(p.program); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "./bin"} {
		if path, err := exec.LookPath(dir + "/" + p.program); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", fmt.Errorf("%s is %w: %s installs it", p.program, ErrMissing, p.Install)
}

// Start starts the peer and waits until it answers for the first site.
func (p Peer) Start(ctx context.Context, s Setup) (*Server, error) {
	path, err := p.Path()
	if err != nil {
		return nil, err
	}
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(s.Dir, p.config)
	if err := p.configure(s, addr, config); err != nil {
		return nil, fmt.Errorf("configure %s: %w", p.Name, err)
	}
	cmd := exec.Command(path, p.args(config, s.Dir)...)
	said, err := os.Create(filepath.Join(s.Dir, "error.log")) // a server opens it again once it has read its configuration
	if err != nil {
		return nil, err
	}
	defer said.Close()
	cmd.Stderr = said
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+s.Dir, "XDG_CONFIG_HOME="+s.Dir)
	proc, err := machine.Start(cmd, s.At)
	if err != nil {
		return nil, err
	}
	srv := &Server{Addr: addr, Process: proc}
	if err := srv.Await(ctx); err != nil {
		proc.Stop()
		log, _ := os.ReadFile(filepath.Join(s.Dir, "error.log")) // what there is of it
		return nil, fmt.Errorf("start %s: %w\n%s", p.Name, err, log)
	}
	return srv, nil
}

// Await waits until the server accepts connections.
func (s *Server) Await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-s.Done():
			return fmt.Errorf("it ended: %w", errors.Join(s.Wait(), err))
		case <-ctx.Done():
			return fmt.Errorf("it does not listen on %s: %w", s.Addr, err)
		case <-tick.C:
		}
	}
}

// FreeAddr is an address of this machine that nobody listens on just now: most servers cannot be asked to choose one.
func FreeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// values are what the configurations leave open.
type values struct {
	User, Dir, Folders, Addr, Host, Port string
	Sites, MapSize                       int
	Files, CachedFiles                   int
}

func (p Peer) configure(s Setup, addr, file string) error {
	text, err := template.ParseFS(configs, p.config)
	if err != nil {
		return err
	}
	v := values{Dir: s.Dir, Folders: s.Folders, Addr: addr, Sites: s.Sites.Sites, MapSize: powerOfTwo(4 * s.Sites.Sites)}
	if v.Host, v.Port, err = net.SplitHostPort(addr); err != nil {
		return err
	}
	if os.Getuid() == 0 {
		v.User = "root" // or its workers could not read what only root may
	}
	if v.Files, err = MaxOpenFiles(); err != nil {
		return err
	}
	v.CachedFiles = max(v.Files-4096, 256) // the others are for connections
	if err := os.MkdirAll(filepath.Join(s.Dir, "tmp"), 0o755); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := text.Execute(&b, v); err != nil {
		return err
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		return err
	}
	if p.more == nil {
		return nil
	}
	return p.more(s)
}

// MaxOpenFiles is how many a process may have open here.
func MaxOpenFiles() (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("ask how many files may be open: %w", err)
	}
	return int(min(limit.Max, 1<<20)), nil
}

func powerOfTwo(least int) int {
	n := 2048
	for n < least {
		n *= 2
	}
	return n
}

func writeMap(s Setup) error {
	f, err := os.Create(filepath.Join(s.Dir, "hosts.map"))
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for site := range s.Sites.Sites {
		host := sites.Host(site)
		if _, err := w.WriteString(host + " " + strconv.Quote(host) + ";\n"); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(w.Flush(), f.Close())
}
