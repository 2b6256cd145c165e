package edge

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/store"
)

// twins are two servers of one world: one with prepared answers, and one on which fasthttp serves everything.
func twins(t *testing.T, w *world, opts Options) (fast, plain *running) {
	t.Helper()
	fast = start(t, w, opts)
	opts.PlainOnly = true
	return fast, start(t, w, opts)
}

// exchangeAll sends requests, all at once if they are pipelined, over as few connections as the server allows.
func (r *running) exchangeAll(t *testing.T, requests []string, pipelined bool) (replies []string) {
	t.Helper()
	for len(replies) < len(requests) {
		rest := requests[len(replies):]
		c := r.dial(t)
		if pipelined {
			go func() { _, _ = c.Conn.Write([]byte(strings.Join(rest, ""))) }() // the server may close before it has read all
		}
		for _, request := range rest {
			if !pipelined {
				if _, err := c.Conn.Write([]byte(request)); err != nil {
					break
				}
			}
			got, err := c.read(strings.HasPrefix(request, "HEAD "))
			if err != nil {
				if len(replies) == len(requests)-len(rest) {
					t.Fatalf("%q: %v", request, err)
				}
				break // closed behind an answer
			}
			i := slices.IndexFunc(got.fields, func(f string) bool { return strings.HasPrefix(f, "Date: ") })
			if i < 0 || len(got.fields[i]) != len("Date: ")+dateLen {
				t.Fatalf("%q: no date in %q", request, got.fields)
			}
			got.fields[i] = "Date: now"
			replies = append(replies, fmt.Sprintf("%s\n%s\n\n%s", got.status, strings.Join(got.fields, "\n"), got.body))
			if slices.Contains(got.fields, "Connection: close") {
				break
			}
		}
		c.Close()
	}
	return replies
}

// Each request is sent three times in a row, so that the last ones find what the first one left.
func thrice(requests []string) (out []string) {
	for _, r := range requests {
		out = append(out, r, r, r)
	}
	return out
}

func compareTwins(t *testing.T, fast, plain *running, requests []string) {
	t.Helper()
	for _, pipelined := range []bool{false, true} {
		got, want := fast.exchangeAll(t, requests, pipelined), plain.exchangeAll(t, requests, pipelined)
		for i, request := range requests {
			if diff := cmp.Diff(want[i], got[i]); diff != "" {
				t.Errorf("pipelined %v: %q (-plain +prepared):\n%s", pipelined, request, diff)
			}
		}
	}
}

// What is sent does not depend on who renders it, for the requests of the conformance corpus.
func TestPreparedAnswersCorpus(t *testing.T) {
	const corpus = "../../testdata/conformance"
	w, dir := diskWorld(t)
	names, err := os.ReadDir(filepath.Join(corpus, "sites"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		w.add(n.Name()+".pages.dev", compileSite(t, dir, readSite(t, filepath.Join(corpus, "sites", n.Name(), "files"))))
	}
	fast, plain := twins(t, w, Options{})
	f, err := os.Open(filepath.Join(corpus, "cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var requests []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var c struct {
			Site, Method, Target string
			Headers              [][2]string
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if c.Target == "" || c.Method == "POST" || c.Method == "PUT" || c.Method == "PATCH" || c.Method == "CONNECT" {
			continue
		}
		request := c.Method + " " + c.Target + " HTTP/1.1\r\nHost: " + c.Site + ".pages.dev\r\n"
		for _, h := range c.Headers {
			if !strings.Contains(h[1], "{{") && !strings.EqualFold(h[0], "host") {
				request += h[0] + ": " + h[1] + "\r\n"
			}
		}
		requests = append(requests, request+"\r\n")
	}
	if len(requests) < 500 {
		t.Fatalf("only %d requests", len(requests))
	}
	compareTwins(t, fast, plain, thrice(requests))
	if s := fast.Stats(); s.Prepared < 500 || plain.Stats().Prepared != 0 {
		t.Errorf("%d of the answers had been prepared, and %d on the plain side", s.Prepared, plain.Stats().Prepared)
	}
}

func readSite(t *testing.T, dir string) files {
	t.Helper()
	all := files{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		switch rel, _ := filepath.Rel(dir, name); {
		case rel == "_headers" || rel == "_redirects":
			all[rel] = string(content)
		case !strings.HasPrefix(rel, "_") && !strings.Contains(rel, " "):
			all["/"+filepath.ToSlash(rel)] = string(content)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Sizes around each bound on the way of a body, and all that may be said of how it is wanted.
func TestPreparedAnswersSizes(t *testing.T) {
	w, dir := diskWorld(t)
	random := rand.New(rand.NewPCG(1, 2))
	text := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return string(b)
	}
	site, targets := files{"/app.js": text(3000), "/app.js br": text(500), "/app.js gzip": text(700), "/big.js": text(60_000), "/big.js br": text(20_000)},
		[]string{"/app.js", "/big.js", "/app.js?v=1", "/none", "/app.js#part", "/%61pp.js", "//app.js"}
	for _, n := range []int{0, 1, 1024, 12<<10 - 1, 12 << 10, 12<<10 + 1, 16 << 10, 64<<10 + 1, 1 << 20} {
		name := fmt.Sprintf("/f%d.bin", n)
		site[name], targets = text(n), append(targets, name)
	}
	w.add("a.example", compileSite(t, dir, site))
	for _, bound := range []int64{0, 1 << 10, 256 << 10} {
		t.Run(fmt.Sprintf("bound=%d", bound), func(t *testing.T) {
			fast, plain := twins(t, w, Options{BodyCacheMaxItem: bound, BodyCache: 4 << 20, AnswerCache: 2 << 20})
			tags := map[string]string{}
			for _, target := range targets {
				tags[target], _ = plain.dial(t).send(get("a.example", target)).mustRead().field("ETag")
			}
			var requests []string
			for _, target := range targets {
				for _, extra := range []string{
					"", "Accept-Encoding: br\r\n", "Accept-Encoding: gzip, br;q=0.5\r\n", "Accept-Encoding: identity;q=0\r\n", "accept-encoding: gzip\r\nAccept-Encoding: br\r\n",
					"If-None-Match: " + tags[target] + "\r\n", "If-None-Match: W/" + tags[target] + "\r\n", "If-None-Match: *\r\n", "If-None-Match: \"x\"\r\n",
					"If-None-Match: \"x\", " + tags[target] + "\r\n", "If-None-Match: " + tags[target] + "\r\nAccept-Encoding: br\r\n",
					"Range: bytes=0-9\r\n", "Range: bytes=-5\r\n", "Range: bytes=1-2,4-5\r\n", "Range: bytes=9999999-\r\n",
					"If-Match: \"x\"\r\n", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "Authorization: Basic x\r\n", "Cookie: a=b\r\n", "Sec-Fetch-Dest: image\r\n",
					"Connection: keep-alive\r\n", "Connection: close\r\n", "X: a\tb\r\n", "X: \xff\r\n", "X-Empty:\r\n",
				} {
					requests = append(requests, "GET "+target+" HTTP/1.1\r\nHost: a.example\r\n"+extra+"\r\n")
				}
				requests = append(requests, get("b.example", target), "HEAD "+target+" HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET "+target+" HTTP/1.1\r\nHost: A.Example.:80\r\n\r\n",
					"GET http://a.example"+target+" HTTP/1.1\r\nHost: b.example\r\n\r\n", "GET "+target+" HTTP/1.1\r\nhost:a.example\r\n\r\n", "\r\n\r\n"+get("a.example", target))
			}
			compareTwins(t, fast, plain, thrice(requests))
			random.Shuffle(len(requests), func(i, j int) { requests[i], requests[j] = requests[j], requests[i] })
			compareTwins(t, fast, plain, requests)
			if s := fast.Stats(); s.Prepared < 300 {
				t.Errorf("only %d of the answers had been prepared", s.Prepared)
			}
			fast.checkOpenFiles(t)
		})
	}
}

// checkOpenFiles makes sure that nobody holds a file but the cache.
func (r *running) checkOpenFiles(t *testing.T) {
	t.Helper()
	s := r.Stats()
	if s.Files.Entries == 0 {
		t.Error("no file was sent from the disk")
	}
	eventually(t, "requests over", func() bool { return r.Stats().OpenConns == 0 })
	r.files.cache.DropAll()
	if n := r.files.open.Load(); n != 0 {
		t.Errorf("%d files are open", n)
	}
}

// What is not a plain GET to the letter is fasthttp's to judge, whatever was prepared.
func TestOddRequestsAreNotAnsweredHere(t *testing.T) {
	w, dir := diskWorld(t)
	w.add("a.example", compileSite(t, dir, files{"/f": "content"}))
	fast, plain := twins(t, w, Options{HeaderTimeout: time.Second}) // some are never complete
	ask := func(r *running, request string) (string, error) {
		c := r.dial(t)
		if _, err := c.Conn.Write([]byte(request)); err != nil {
			return "", err
		}
		got, err := c.read(strings.HasPrefix(request, "HEAD"))
		return got.status + got.body, err
	}
	if got, err := ask(fast, get("a.example", "/f")); err != nil || got != "200 OKcontent" {
		t.Fatal(got, err)
	}
	for _, request := range []string{
		"GET /f HTTP/1.1\r\n\r\n", "GET /f HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n", "GET /f HTTP/1.1\r\nHost : a.example\r\n\r\n",
		"GET /f HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc", "GET /f HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n",
		"GET /f HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "GET /f HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
		"GET /f HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\n\r\n", "GET /f HTTP/1.0\r\nHost: a.example\r\n\r\n", "GET /f HTTP/1.2\r\nHost: a.example\r\n\r\n",
		"GET /f HTTP/2.0\r\nHost: a.example\r\n\r\n", "GET  /f HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET /f  HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET /f HTTP/1.1 \r\nHost: a.example\r\n\r\n",
		"get /f HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET /f HTTP/1.1\nHost: a.example\n\n", "GET /f HTTP/1.1\r\nHost: a.example\nX: y\r\n\r\n",
		"GET /f HTTP/1.1\r\nHost: a.example\r\n X: folded\r\n\r\n", "GET /f HTTP/1.1\r\nHost: a.example\r\nX: a\x00b\r\n\r\n", "GET /f HTTP/1.1\r\nHost: a.example\r\nX: a\rb\r\n\r\n",
		"GET /f HTTP/1.1\r\nHost: a.example\r\nX\x01: b\r\n\r\n", "GET /f HTTP/1.1\r\nHost: a.example\r\nX(y): b\r\n\r\n", "GET /f HTTP/1.1\r\nHost: a.example\r\n: b\r\n\r\n",
		"GET /f HTTP/1.1\r\nHost: a.example\r\nnothing\r\n\r\n", "GET /f\x00 HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET /f\x7f HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET /f HTTP/1.1\r\nHost: a.example\r\nTrailer: Content-Length\r\n\r\n", "GET /f HTTP/1.1\r\nHost: a_b@c\r\n\r\n", "GET /f HTTP/1.1\r\nHost: a.example:99999\r\n\r\n",
		"GET /f HTTP/1.1\r\nHost: a.example:\r\n\r\n", "GET /f HTTP/1.1\r\nHost: a.example:8x\r\n\r\n", "GET /f HTTP/1.1\r\nHost: \r\n\r\n", "GET /f HTTP/1.1\r\nHost: b.example\r\n\r\n",
		"GET /f HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n", "GET /f HTTP/1.1\r\nHost: a.example\r\nConnection: foo, CLOSE\r\n\r\n",
		"POST /f HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET * HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET /" + strings.Repeat("f", 9000) + " HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET /f HTTP/1.1\r\nHost: a.example\r\nX: " + strings.Repeat("y", 17<<10) + "\r\n\r\n",
	} {
		before := fast.Stats().Prepared
		got, err := ask(fast, request)
		want, wantErr := ask(plain, request)
		if got != want || (err == nil) != (wantErr == nil) || errors.Is(err, errClosed) != errors.Is(wantErr, errClosed) {
			t.Errorf("%.200q: %q, %v; plain %q, %v", request, got, err, want, wantErr)
		}
		if n := fast.Stats().Prepared - before; n != 0 && !strings.Contains(request, "Host: a.example:") {
			t.Errorf("%.200q was answered by what is prepared", request)
		}
	}
}

// Production moves while it is asked for: an answer is of one deployment, head and body, and of none that was replaced before the
// request was sent.
func TestProductionMovesUnderPreparedAnswers(t *testing.T) {
	dir, err := blob.OpenDir(t.TempDir(), blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	l := newLiveOn(t, dir, store.SiteSettings{}, Options{})
	m := &mover{live: l}
	m.deploy()
	stop := make(chan struct{})
	var readers sync.WaitGroup
	defer readers.Wait()
	defer close(stop)
	for range 4 {
		readers.Go(func() { m.readUntil(t, stop) })
	}
	for range 25 {
		before := l.Stats().Prepared
		var writers sync.WaitGroup
		for range 2 {
			writers.Go(m.deploy)
		}
		writers.Wait()
		eventually(t, "prepared", func() bool { return t.Failed() || l.Stats().Prepared > before+20 })
	}
}

// mover deploys the contents of one number after the other.
type mover struct {
	*live
	last    atomic.Int64 // number that somebody has begun to deploy
	mu      sync.Mutex   // held while production moves
	current atomic.Int64 // what is served: never less from now on
}

// A small file leaves with its head; a large one is sent from the disk.
func smallOf(n int64) string { return strings.Repeat(fmt.Sprintf("%06d ", n), 30) }
func largeOf(n int64) string { return strings.Repeat(fmt.Sprintf("%06d ", n), 20_000) }

func (m *mover) deploy() {
	n := m.last.Add(1)
	no := m.upload(files{"/page.txt": smallOf(n), "/large.txt": largeOf(n)}, store.SiteSettings{})
	m.mu.Lock()
	defer m.mu.Unlock()
	if n > m.current.Load() { // else a later one was faster
		m.move(no)
		m.current.Store(n)
	}
}

// readUntil asks for several files at once, and once more for one that it has.
func (m *mover) readUntil(t *testing.T, stop chan struct{}) {
	c := m.dial(t)
	has := int64(1)
	for {
		select {
		case <-stop:
			return
		default:
		}
		least := m.current.Load()
		again := fmt.Sprintf("GET /page.txt HTTP/1.1\r\nHost: %s\r\nIf-None-Match: %s\r\n\r\n", productionHost, tagOf(smallOf(has)))
		if _, err := c.Conn.Write([]byte(get(productionHost, "/page.txt") + get(productionHost, "/large.txt") + again)); err != nil {
			t.Error(err)
			return
		}
		for i, of := range []func(int64) string{smallOf, largeOf, smallOf} {
			got, err := c.read(false)
			if err != nil {
				t.Error(err)
				return
			}
			n := has
			if i < 2 || got.status[:3] != "304" {
				_, _ = fmt.Sscanf(got.body, "%d", &n)
				if got.body != of(n) {
					t.Errorf("answer %d is of several deployments, or of none: %s, %.20q", i, got.status, got.body)
					return
				}
			}
			if tag, _ := got.field("ETag"); n < least || tag != tagOf(of(n)) {
				t.Errorf("answer %d: %s, deployment %d with the tag %s, while %d was served", i, got.status, n, tag, least)
				return
			}
			if i != 1 {
				has = n
			}
		}
	}
}

func tagOf(content string) string {
	g := manifest.DigestOf([]byte(content))
	return fmt.Sprintf("\"%x\"", g[:16])
}

// An answer has the date of when it is sent, not of when it was prepared.
func TestPreparedAnswerHasTheDateOfNow(t *testing.T) {
	const first = "HTTP/1.1 200 OK\r\nDate: "
	w, _ := diskWorld(t)
	c, l := &conn{srv: start(t, w, Options{}).Server}, &lane{out: make([]byte, 0, 4096)}
	p := prepared{status: 200, head: []byte(first + "Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"), date: len(first), body: []byte("x"), size: 1}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{now, now.Add(999 * time.Millisecond), now.Add(time.Second), now.Add(-time.Hour)} {
		l.out = l.out[:0]
		l.now = at
		c.sendPrepared(0, l, &p, nil)
		if want := first + at.Format(http.TimeFormat) + "\r\n\r\nx"; string(l.out) != want {
			t.Errorf("%q, want %q", l.out, want)
		}
	}
}

// Caches that hold a fraction of what is asked for keep what is asked for often, and every answer is right, kept or not.
func TestPreparedAnswersCachesTooSmall(t *testing.T) {
	w, dir := diskWorld(t)
	site, requests := files{"/hot.bin": strings.Repeat("hot", 300)}, []string(nil)
	for i := range 400 {
		name := fmt.Sprintf("/f%d.bin", i)
		site[name] = strings.Repeat(fmt.Sprintf("%d ", i), 300)
		if i%4 == 0 {
			requests = append(requests, get("a.example", "/hot.bin"))
		}
		requests = append(requests, get("a.example", name))
	}
	w.add("a.example", compileSite(t, dir, site))
	fast, plain := twins(t, w, Options{BodyCache: 64 << 10, AnswerCache: 64 << 10})
	compareTwins(t, fast, plain, thrice(requests))
	before := fast.Stats()
	compareTwins(t, fast, plain, requests)
	after := fast.Stats()
	if n := after.Prepared - before.Prepared; n < 100 {
		t.Errorf("%d of the answers had been prepared: a hundred requests are for one file", n)
	}
	if n := after.Answers.Evicted - before.Answers.Evicted; n > 100 {
		t.Errorf("%d answers made room for files that are asked for once", n)
	}
}
