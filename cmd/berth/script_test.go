package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	// A server starts this very program, under another name, to encode files, and a benchmark to have its parts as processes of
	// their own. They must not find themselves running all tests.
	if len(os.Args) == 2 && os.Args[1] == encodeWorker || len(os.Args) > 2 && os.Args[1] == "bench" && os.Args[2] == "stand-in" {
		os.Exit(realMain())
	}
	testscript.Main(m, map[string]func(){"berth": func() { os.Exit(realMain()) }})
}

// The scripts run this program, the real one, against `berth serve`, the real one, on ports that the system chose.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			data := filepath.Join(env.WorkDir, "data")
			env.Setenv("DATA", data)
			env.Setenv("BERTH_DATA", data)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(env.WorkDir))
			// What a script starts: two free ports, and a file that says when it serves.
			env.Setenv("PORTS", "--http=127.0.0.1:0")
			env.Setenv("SERVE", "--api=127.0.0.1:0")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"ready":        cmdReady,
			"fetch":        cmdFetch,
			"coded":        cmdCoded,
			"exits":        cmdExits,
			"json":         cmdJSON,
			"signal":       cmdSignal,
			"newer-format": cmdNewerFormat,
			"sparse":       cmdSparse,
			"await":        cmdAwait,
			"dns":          cmdDNS,
			"hold":         cmdHold,
			"line":         cmdLine,
			"migrated":     cmdMigrated,
		},
	})
}

const patience = 30 * time.Second

// poll asks until it is answered with true, or for too long.
func poll(ts *testscript.TestScript, what string, ok func() bool) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// cmdReady waits for a server's ready file, and sets BERTH_API, HTTP and PID from it. The file is removed.
func cmdReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready FILE")
	}
	path := ts.MkAbs(args[0])
	var st struct {
		HTTP   string `json:"http"`
		APIURL string `json:"api_url"`
		PID    int    `json:"pid"`
	}
	poll(ts, "wait for "+args[0], func() bool {
		text, err := os.ReadFile(path)
		return err == nil && json.Unmarshal(text, &st) == nil
	})
	ts.Check(os.Remove(path))
	ts.Setenv("BERTH_API", st.APIURL)
	ts.Setenv("HTTP", st.HTTP)
	ts.Setenv("PID", strconv.Itoa(st.PID))
}

// cmdFetch asks the edge: fetch STATUS HOST PATH [TEXT in the body].
func cmdFetch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: fetch STATUS HOST PATH [TEXT]")
	}
	host := args[1]
	if _, rest, ok := strings.Cut(host, "://"); ok {
		host = rest
	}
	host, _, _ = strings.Cut(host, ":")
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+ts.Getenv("HTTP")+args[2], nil)
	ts.Check(err)
	req.Host = host
	res, err := http.DefaultTransport.RoundTrip(req)
	ts.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	if strconv.Itoa(res.StatusCode) != args[0] {
		ts.Fatalf("GET %s%s: %s, want %s\n%s", host, args[2], res.Status, args[0], body)
	}
	if len(args) == 4 && !strings.Contains(string(body), args[3]) {
		ts.Fatalf("GET %s%s: %q is not in %q", host, args[2], args[3], body)
	}
}

// cmdExits runs a command and wants an exit status: exits STATUS command [args...].
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS command [args...]")
	}
	status := 0
	err := ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("%s: exit status %d, want %s", strings.Join(args[1:], " "), status, args[0])
	}
}

// cmdJSON reads the last line of standard output: json PATH want, or json PATH =VARIABLE. A path is keys and indexes
// with dots; len is the length of a list.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] json PATH VALUE|=VARIABLE")
	}
	lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	var v any
	dec := json.NewDecoder(strings.NewReader(lines[len(lines)-1]))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		ts.Fatalf("the last line of stdout is not JSON: %v", err)
	}
	for step := range strings.SplitSeq(args[0], ".") {
		v = descend(ts, v, step)
	}
	got := fmt.Sprint(v)
	if name, ok := strings.CutPrefix(args[1], "="); ok {
		ts.Setenv(name, got)
		return
	}
	if (got == args[1]) == neg {
		ts.Fatalf("%s is %q, want %q (negated: %v)", args[0], got, args[1], neg)
	}
}

func descend(ts *testscript.TestScript, v any, step string) any {
	switch at := v.(type) {
	case map[string]any:
		if step == "len" {
			return len(at)
		}
		return at[step]
	case []any:
		if step == "len" {
			return len(at)
		}
		if i, err := strconv.Atoi(step); err == nil && i < len(at) {
			return at[i]
		}
	}
	ts.Fatalf("there is no %q in %v", step, v)
	return nil
}

// cmdSignal sends HUP or TERM to the process that ready found.
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM}
	if neg || len(args) != 1 || signals[args[0]] == 0 {
		ts.Fatalf("usage: signal HUP|TERM")
	}
	pid, err := strconv.Atoi(ts.Getenv("PID"))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, signals[args[0]]))
}

// cmdAwait waits for a file to exist with a text in it: await FILE TEXT.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE TEXT")
	}
	poll(ts, "wait for "+args[1]+" in "+args[0], func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && strings.Contains(string(text), args[1])
	})
}

// cmdLine writes a file of one line: line FILE WORD...
func cmdLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: line FILE WORD...")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Join(args[1:], " ")+"\n"), 0o600))
}

// cmdNewerFormat makes a data directory one that a berth of the future wrote.
func cmdNewerFormat(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: newer-format DIR")
	}
	db, err := pebble.Open(filepath.Join(ts.MkAbs(args[0]), "db"), &pebble.Options{FormatMajorVersion: pebble.FormatTableFormatV6})
	ts.Check(err)
	ts.Check(db.Set([]byte("mformat"), []byte{99}, pebble.Sync))
	ts.Check(db.Close())
}

// cmdSparse makes a file of so many bytes that takes no room: sparse BYTES FILE.
func cmdSparse(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sparse BYTES FILE")
	}
	n, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	ts.Check(errors.Join(f.Truncate(n), f.Close()))
}
