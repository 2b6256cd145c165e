//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// snippet is a fenced block of the README.
type snippet struct {
	lang string // the whole info string, such as "sh server"
	text string
	line int
}

func readmeSnippets(t *testing.T) []snippet {
	t.Helper()
	b, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []snippet
	var open *snippet
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		switch fence, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "```"); {
		case ok && open == nil:
			open = &snippet{lang: fence, line: n}
		case ok:
			all, open = append(all, *open), nil
		case open != nil:
			open.text += line
		}
	}
	if open != nil {
		t.Fatalf("README.md:%d: the block is never closed", open.line)
	}
	return all
}

// reader is a newcomer who types the README into a shell, in a copy of the repository.
type reader struct {
	t      *testing.T
	dir    string
	server *exec.Cmd // what listens on the default addresses now
	log    *lockedBuffer
	nginx  string // the configuration block
}

// TestReadme runs every block of the README in order. It needs the default ports, as a newcomer does.
func TestReadme(t *testing.T) {
	r := &reader{t: t, dir: copyOfRepository(t)}
	for _, port := range []string{"8080", "8788", "8443", "8444"} {
		ln, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatalf("the README's commands use port %s: stop what listens there (%v)", port, err)
		}
		ln.Close()
	}
	defer r.stopServer()
	ran := 0
	for _, s := range readmeSnippets(t) {
		switch {
		case s.text == "make run\n":
			r.serve(s)
		case s.text == "make test\n":
			// This test is part of it.
			b, err := os.ReadFile("../../../.ci/run")
			if err != nil || !strings.Contains(string(b), "\nmake test\n") {
				t.Errorf("README.md:%d: .ci/run does not run the README's test command (%v)", s.line, err)
			}
		case s.lang == "sh":
			r.shell(s)
		case s.lang == "sh server":
			r.stopServer()
			r.serve(s)
			r.throughProxy()
		case s.lang == "yaml":
			r.action(s)
		case s.lang == "nginx":
			r.nginx = s.text
		default:
			t.Errorf("README.md:%d: nothing runs a block of %q", s.line, s.lang)
		}
		ran++
		if t.Failed() {
			t.FailNow()
		}
	}
	if ran < 8 {
		t.Errorf("only %d blocks were found", ran)
	}
}

// copyOfRepository copies what git tracks, or would, so that the commands leave nothing behind.
func copyOfRepository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command("bash", "-c", `git ls-files -z -co --exclude-standard | xargs -0 cp --parents -t "$0"`, dir)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("copy the repository: %v\n%s", err, out)
	}
	return dir
}

// env is a newcomer's, with an npx that runs the wrangler of the lock file.
func (r *reader) env() []string {
	r.t.Helper()
	bin := filepath.Join(r.dir, ".shims")
	script, err := filepath.Abs(wranglerScript)
	if err != nil {
		r.t.Fatal(err)
	}
	npx := "#!/bin/sh\n[ \"$1\" = wrangler@4.60.0 ] || { echo \"npx: the tests have only wrangler@4.60.0\" >&2; exit 1; }\nshift\nexec node " + script + " \"$@\"\n"
	if err := os.MkdirAll(bin, 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "npx"), []byte(npx), 0o755); err != nil {
		r.t.Fatal(err)
	}
	env := []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "CI=true", "WRANGLER_SEND_METRICS=false",
		"WRANGLER_SEND_ERROR_REPORTS=false", "WRANGLER_HIDE_BANNER=true", "npm_config_registry=http://127.0.0.1:9/"}
	for _, e := range os.Environ() {
		if strings.HasPrefix(e, "GO") {
			env = append(env, e)
		}
	}
	return env
}

func (r *reader) shell(s snippet) {
	r.t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", s.text)
	cmd.Dir, cmd.Env = r.dir, r.env()
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("README.md:%d: %v\n%s\n%s\nserver:\n%s", s.line, err, s.text, out, r.log)
	}
}

// serve starts a block that keeps running and waits until the API is ready and has the site.
func (r *reader) serve(s snippet) {
	r.t.Helper()
	r.log = &lockedBuffer{}
	r.server = exec.Command("bash", "-euo", "pipefail", "-c", s.text)
	r.server.Dir, r.server.Env = r.dir, r.env()
	r.server.Stdout, r.server.Stderr = r.log, r.log
	r.server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := r.server.Start(); err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // the first build of a fresh machine is in it
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			r.t.Fatalf("README.md:%d: nothing serves http://hello.pages.localhost:8080/\n%s", s.line, r.log)
		case <-tick.C:
		}
		if answered("hello.pages.localhost") && answered("try-something.hello.pages.localhost") {
			return
		}
	}
}

func answered(host string) bool {
	req, _ := http.NewRequest(http.MethodGet, "http://127.0.0.1:8080/", nil)
	req.Host = host
	res, err := edgeClient.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// stopServer is Ctrl-C: the terminal sends it to the whole group. A clean end has status 0.
func (r *reader) stopServer() {
	if r.server == nil {
		return
	}
	_ = syscall.Kill(-r.server.Process.Pid, syscall.SIGINT)
	if err := r.server.Wait(); err != nil && !interrupted(err) {
		r.t.Errorf("after Ctrl-C: %v\n%s", err, r.log)
	}
	r.server = nil
}

// interrupted says that the shell, not the server, ended by the signal.
func interrupted(err error) bool {
	exit, ok := err.(*exec.ExitError)
	if !ok {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && (status.Signaled() && status.Signal() == syscall.SIGINT || status.ExitStatus() == 130)
}

var (
	actionCommand = regexp.MustCompile(`(?m)^\s*command: (.*)$`)
	actionBase    = regexp.MustCompile(`(?m)^\s*CLOUDFLARE_API_BASE_URL: https://berth\.example\.org(/\S+)$`)
)

// action does what the GitHub Action does with the block: wrangler with these variables and this command.
func (r *reader) action(s snippet) {
	r.t.Helper()
	command, base := actionCommand.FindStringSubmatch(s.text), actionBase.FindStringSubmatch(s.text)
	if command == nil || base == nil {
		r.t.Fatalf("README.md:%d: no command or base URL in the action", s.line)
	}
	s.text = "export CLOUDFLARE_API_TOKEN=$(cat ci.token) CLOUDFLARE_ACCOUNT_ID=default CLOUDFLARE_API_BASE_URL=http://127.0.0.1:8788" + base[1] +
		"\nnpx wrangler@4.60.0 " + strings.ReplaceAll(command[1], "${{ github.ref_name }}", "main")
	r.shell(s)
}

// throughProxy runs nginx with the README's configuration before the server and asks both sides of it.
func (r *reader) throughProxy() {
	if r.nginx == "" {
		return
	}
	r.t.Helper()
	conf := "daemon off; pid nginx.pid; error_log stderr;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;\n" + r.nginx + "}\n"
	if err := os.WriteFile(filepath.Join(r.dir, "nginx.conf"), []byte(conf), 0o644); err != nil {
		r.t.Fatal(err)
	}
	var log bytes.Buffer
	nginx := exec.Command("nginx", "-p", r.dir, "-c", "nginx.conf")
	nginx.Dir, nginx.Stderr = r.dir, &log
	if err := nginx.Start(); err != nil {
		r.t.Fatalf("nginx: %v; `.ci/need nginx` installs it", err)
	}
	defer func() { _ = nginx.Process.Signal(syscall.SIGTERM); _ = nginx.Wait() }()
	r.shell(snippet{text: `
for i in $(seq 100); do curl -sk -o /dev/null https://127.0.0.1:8444/ && break; sleep 0.1; done
curl --fail --silent --show-error --cacert api-cert.pem --connect-to ::127.0.0.1:8444 -H 'Host: docs.pages.localhost:8444' https://localhost:8444/about | grep -q 'About this site'
export NODE_EXTRA_CA_CERTS=$PWD/api-cert.pem CLOUDFLARE_API_BASE_URL=https://localhost:8443/client/v4
export CLOUDFLARE_API_TOKEN=$(cat ci.token) CLOUDFLARE_ACCOUNT_ID=default
npx wrangler@4.60.0 pages deploy testdata/sites/hello --project-name docs --branch main | grep -E 'https://[0-9a-f]{8}\.docs\.pages\.localhost:8444'
`})
	if r.t.Failed() {
		r.t.Log(log.String())
	}
}
