package client

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBaseURL(t *testing.T) {
	for in, want := range map[string]string{
		"http://127.0.0.1:8788":             "http://127.0.0.1:8788/client/v4",
		"127.0.0.1:8788":                    "http://127.0.0.1:8788/client/v4",
		"https://pages.example.org/":        "https://pages.example.org/client/v4",
		"https://x.org/berth/client/v4/":    "https://x.org/berth/client/v4",
		"http://127.0.0.1:8788/client/v4":   "http://127.0.0.1:8788/client/v4",
		"http://[::1]:8788":                 "http://[::1]:8788/client/v4",
		"ftp://x":                           "",
		"http://":                           "",
		"http://x/?q=1":                     "",
		"http://user:secret@127.0.0.1:8788": "",
		"":                                  "",
	} {
		got, err := baseURL(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("baseURL(%q) = %q, %v; want %q", in, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

func TestDo(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		result string
		want   string // in the error
	}{
		"success":            {200, `{"success":true,"errors":[],"messages":[],"result":{"a":1}}`, `{"a":1}`, ""},
		"success with a 500": {500, `{"success":true,"result":1}`, `1`, ""},
		"no result":          {200, `{"success":true}`, `null`, ""},
		"no content":         {204, ``, `null`, ""},
		"refused with a 200": {200, `{"success":false,"errors":[{"code":7,"message":"no"},{"code":8,"message":"never"}],"result":null}`, "", "no [code: 7]; never [code: 8]"},
		"token":              {401, `{"success":false,"errors":[{"code":10000,"message":"who?"}]}`, "", "--token or BERTH_API_TOKEN"},
		"not allowed":        {403, `{"success":false,"errors":[{"code":9109,"message":"no"}]}`, "", "wider scope"},
		"not an API":         {200, `<html>hello`, "", "is this address a Berth API?"},
		"other JSON":         {200, `{"hello":"you"}`, "", "is this address a Berth API?"},
		"empty":              {200, ``, "", "200 OK"},
		"gateway":            {502, `<html>`, "", "a proxy before it, is in trouble"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer srv.Close()
			got, err := newClient(t, Options{API: srv.URL}).Do(t.Context(), Request{Method: http.MethodGet, Path: "/x"})
			if string(got.Result) != c.result {
				t.Errorf("result %s, want %s", got.Result, c.result)
			}
			if c.want == "is this address a Berth API?" && !strings.Contains(err.Error(), srv.URL+"/client/v4/x") {
				t.Errorf("error %v does not say which address", err)
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestRequest(t *testing.T) {
	type seen struct{ Path, Query, Auth, Agent, Type, Body string }
	var got seen
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got = seen{r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("Authorization"), r.UserAgent(), r.Header.Get("Content-Type"), string(text)}
		_, _ = io.WriteString(w, `{"success":true}`)
	}))
	defer srv.Close()
	c := newClient(t, Options{API: srv.URL, Token: "tok", Account: "acc", UserAgent: "berth/1"})
	_, err := c.Do(t.Context(), Request{Method: http.MethodPost, Path: c.Project("a/b", "deployments"), Query: url.Values{"q": {"ä"}}, JSON: map[string]int{"n": 1}})
	if err != nil {
		t.Fatal(err)
	}
	want := seen{"/client/v4/accounts/acc/pages/projects/a%2Fb/deployments", "q=%C3%A4", "Bearer tok", "berth/1", "application/json", `{"n":1}`}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	_, err = c.Do(t.Context(), Request{Method: http.MethodPost, Path: "/up", Bearer: "jwt", Body: &Body{ContentType: "text/x", Length: 2,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("hi")), nil }}})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(seen{"/client/v4/up", "", "Bearer jwt", "berth/1", "text/x", "hi"}, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestNetworkErrors(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	_, err := newClient(t, Options{API: srv.URL}).Do(t.Context(), Request{Method: http.MethodGet, Path: "/x"})
	ne, ok := errors.AsType[*NetworkError](err)
	if !ok || !ne.Unsent || !Temporary(err) || !strings.Contains(err.Error(), "start `berth serve`") {
		t.Errorf("nobody listens: %v", err)
	}

	dead := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.Close()
	}))
	defer dead.Close()
	_, err = newClient(t, Options{API: dead.URL}).Do(t.Context(), Request{Method: http.MethodPost, Path: "/x", JSON: 1})
	if ne, ok := errors.AsType[*NetworkError](err); !ok || ne.Unsent || !Temporary(err) {
		t.Errorf("hung up: %v", err)
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if _, err = newClient(t, Options{API: dead.URL}).Do(ctx, Request{Method: http.MethodGet, Path: "/x"}); !errors.Is(err, why) || Temporary(err) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	srv := httptest.NewServer(http.RedirectHandler("https://elsewhere.example/client/v4/x", http.StatusMovedPermanently))
	defer srv.Close()
	_, err := newClient(t, Options{API: srv.URL, Token: "secret"}).Do(t.Context(), Request{Method: http.MethodPost, Path: "/x", JSON: 1})
	if err == nil || !strings.Contains(err.Error(), "redirected to https://elsewhere.example") {
		t.Errorf("got %v", err)
	}
}

// What is wrong with a body's source is neither the network's fault nor worth another attempt.
func TestBodyErrors(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer srv.Close()
	why := errors.New("file changed")
	_, err := newClient(t, Options{API: srv.URL}).Do(t.Context(), Request{Method: http.MethodPost, Path: "/x", Body: &Body{Length: 1 << 20,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(badReader{&BodyError{why}}), nil }}})
	if !errors.Is(err, why) || Temporary(err) {
		t.Errorf("got %v", err)
	}
}

type badReader struct{ err error }

func (b badReader) Read([]byte) (int, error) { return 0, b.err }

func TestPrivateAuthority(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"success":true}`) }))
	defer srv.Close()
	_, err := newClient(t, Options{API: srv.URL}).Do(t.Context(), Request{Method: http.MethodGet, Path: "/x"})
	if _, ok := errors.AsType[*NetworkError](err); !ok || Temporary(err) || !strings.Contains(err.Error(), "--api-ca") {
		t.Errorf("unknown authority: %v", err)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Errorf("the cause is lost: %v", err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newClient(t, Options{API: srv.URL, CAFile: file}).Do(t.Context(), Request{Method: http.MethodGet, Path: "/x"}); err != nil {
		t.Error(err)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	_, err = newClient(t, Options{API: strings.Replace(plain.URL, "http:", "https:", 1)}).Do(t.Context(), Request{Method: http.MethodGet, Path: "/x"})
	if err == nil || Temporary(err) {
		t.Errorf("https to an http server: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bad, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"no authority in the file": {API: "http://x", CAFile: bad},
		"no such file":             {API: "http://x", CAFile: bad + "x"},
		"line break in token":      {API: "http://x", Token: "a\nb"},
		"no address":               {API: ""},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestList(t *testing.T) {
	all := []string{"1", "2", "3", "4", "5"}
	for name, c := range map[string]struct {
		info  func(page int) string
		limit int
		want  int
		calls int
	}{
		"with totals": {func(p int) string {
			return `,"result_info":{"page":` + string(rune('0'+p)) + `,"per_page":2,"count":2,"total_count":5}`
		}, 0, 5, 3},
		"limited": {func(p int) string {
			return `,"result_info":{"page":` + string(rune('0'+p)) + `,"per_page":2,"count":2,"total_count":5}`
		}, 3, 3, 2},
		"unpaged": {func(int) string { return "" }, 0, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls++
				page := int(r.URL.Query().Get("page")[0] - '0')
				from, to := min(2*(page-1), 5), min(2*page, 5)
				_, _ = io.WriteString(w, `{"success":true,"result":[`+strings.Join(all[from:to], ",")+`]`+c.info(page)+`}`)
			}))
			defer srv.Close()
			got, err := newClient(t, Options{API: srv.URL}).List(t.Context(), "/x", nil, 2, c.limit)
			if err != nil || len(got) != c.want || calls != c.calls {
				t.Errorf("%d items in %d calls, %v; want %d in %d", len(got), calls, err, c.want, c.calls)
			}
		})
	}
}
