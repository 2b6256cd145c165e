package deploying

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Call is one API request of a deploy.
type Call struct {
	Method, Path string
	Began, Ended time.Time
}

// callTap is a proxy before the API that times every call.
type callTap struct {
	*httptest.Server
	mu    sync.Mutex // guards calls
	calls []Call
}

func newCallTap(api string) (*callTap, error) {
	target, err := url.Parse(api)
	if err != nil {
		return nil, err
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	t := &callTap{}
	t.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		proxy.ServeHTTP(w, r)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.calls = append(t.calls, Call{r.Method, strings.TrimPrefix(r.URL.Path, "/client/v4"), began, time.Now()})
	}))
	return t, nil
}

// take returns the calls since the last take, as they began.
func (t *callTap) take() []Call {
	t.mu.Lock()
	defer t.mu.Unlock()
	calls := t.calls
	t.calls = nil
	slices.SortFunc(calls, func(a, b Call) int { return a.Began.Compare(b.Began) })
	return calls
}

// untilLive is when the call that makes the deployment ended, and how long until then any call was under way. Calls that
// overlap count once.
func untilLive(calls []Call) (live time.Time, busy time.Duration) {
	var covered time.Time
	for _, c := range calls {
		from := c.Began
		if from.Before(covered) {
			from = covered
		}
		if c.Ended.After(from) {
			busy += c.Ended.Sub(from)
			covered = c.Ended
		}
		if c.Method == http.MethodPost && strings.HasSuffix(c.Path, "/deployments") {
			return c.Ended, busy
		}
	}
	return live, busy
}
