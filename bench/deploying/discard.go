package deploying

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// discard is the server that no server can be faster than: it answers `wrangler pages deploy` as it must be answered,
// reads every body and forgets it. What a deploy to it takes is the client's own work and the wire's.
type discard struct {
	*httptest.Server
	uploaded atomic.Int64 // bytes of upload bodies

	mu   sync.Mutex // guards live
	live time.Time  // when the last deployment was answered
}

func newDiscard() *discard {
	d := &discard{}
	mux := http.NewServeMux()
	const project = "/client/v4/accounts/{account}/pages/projects/{project}"
	mux.HandleFunc("GET "+project, answering(`{"name":"bench","production_branch":"main","deployment_configs":{"production":{},"preview":{}}}`))
	mux.HandleFunc("GET "+project+"/upload-token", answering(fmt.Sprintf(`{"jwt":%q}`, discardToken())))
	mux.HandleFunc("POST /client/v4/pages/assets/check-missing", allMissing)
	mux.HandleFunc("POST /client/v4/pages/assets/upload", func(w http.ResponseWriter, r *http.Request) {
		r.Body = io.NopCloser(&counter{r.Body, &d.uploaded})
		answering("null")(w, r)
	})
	mux.HandleFunc("POST /client/v4/pages/assets/upsert-hashes", answering("null"))
	const deployment = `{"id":"d","url":"http://d.invalid","latest_stage":{"name":"deploy","status":"success"},"aliases":[]}`
	mux.HandleFunc("POST "+project+"/deployments", func(w http.ResponseWriter, r *http.Request) {
		answering(deployment)(w, r)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.live = time.Now()
	})
	mux.HandleFunc("GET "+project+"/deployments/{id}", answering(deployment))
	d.Server = httptest.NewServer(mux)
	return d
}

func (d *discard) lastLive() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.live
}

// complete says whether everything was sent: what sends less is no limit. Content is sent in base64.
func (d *discard) complete(bytes int64) error {
	if got := d.uploaded.Load(); got < bytes*4/3 {
		return fmt.Errorf("only %d bytes came of a site of %d", got, bytes)
	}
	return nil
}

// counter counts what is read.
type counter struct {
	io.Reader
	n *atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// discardToken is a JWT as far as wrangler looks: it reads the claims and verifies nothing.
func discardToken() string {
	claims := fmt.Sprintf(`{"exp":%d,"max_file_count_allowed":1000000}`, time.Now().Add(24*time.Hour).Unix())
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".e30"
}

func answering(result string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return // the client went: nobody is left to tell
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"success":true,"errors":[],"messages":[],"result":`+result+`}`)
	}
}

// allMissing asks for everything, so that everything is sent.
func allMissing(w http.ResponseWriter, r *http.Request) {
	var in struct{ Hashes json.RawMessage }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(strings.NewReader(""))
	answering(string(in.Hashes))(w, r)
}
