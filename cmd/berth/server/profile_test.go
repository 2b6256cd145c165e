package server

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"berth/store/control"
)

// served is a server whose parts are open, and two tokens for it.
type served struct {
	c             *checked
	n             *node
	admin, tenant string
}

func open(t *testing.T, data string) served {
	t.Helper()
	s := Defaults()
	s.Data = data
	c, err := s.check()
	if err != nil {
		t.Fatal(err)
	}
	n, err := c.open(t.Context(), c.newLog(io.Discard), "http")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	})
	if err := n.control.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	admin, err := os.ReadFile(filepath.Join(s.Data, tokenFile))
	if err != nil {
		t.Fatal(err)
	}
	account, err := n.data.Store.AccountByID(control.DefaultAccount)
	if err != nil {
		t.Fatal(err)
	}
	other, err := n.control.CreateToken(t.Context(), account, control.TokenRequest{Name: "ci", Scope: "account"})
	if err != nil {
		t.Fatal(err)
	}
	return served{&c, n, string(bytes.TrimSpace(admin)), other.Token}
}

func (s served) ask(method, path, token string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	(&running{checked: *s.c, node: s.n}).apiHandler().ServeHTTP(w, r)
	return w
}

// Profiles are for administrators, for no longer than the bound, and not there unless the operator said so.
func TestProfiles(t *testing.T) {
	s := open(t, t.TempDir())
	root := s.admin
	ask := func(pprof bool, path, token string) *httptest.ResponseRecorder {
		s.c.Pprof = pprof
		return s.ask(http.MethodGet, path, token)
	}
	for _, tt := range []struct {
		name, path, token string
		on                bool
		want              int
	}{
		{"an administrator", profilePath + "heap?debug=1", root, true, http.StatusOK},
		{"nobody", profilePath + "heap", "", true, http.StatusUnauthorized},
		{"an account's administrator", profilePath + "heap", s.tenant, true, http.StatusForbidden},
		{"a wrong token", profilePath + "heap", root + "x", true, http.StatusUnauthorized},
		{"for too long", profilePath + "profile?seconds=301", root, true, http.StatusBadRequest},
		{"the command line", profilePath + "cmdline", root, true, http.StatusNotFound},
		{"no such profile", profilePath + "nothing", root, true, http.StatusNotFound},
		{"not asked for", profilePath + "heap", root, false, http.StatusNotFound},
		{"the API beside it", "/healthz", "", true, http.StatusOK},
	} {
		w := ask(tt.on, tt.path, tt.token)
		if w.Code != tt.want {
			t.Errorf("%s: %d, want %d: %s", tt.name, w.Code, tt.want, w.Body)
		}
	}
	if w := ask(true, profilePath+"heap?debug=1", root); !bytes.Contains(w.Body.Bytes(), []byte("# Mallocs = ")) {
		t.Error("the heap's profile does not say how much was allocated")
	}
}
