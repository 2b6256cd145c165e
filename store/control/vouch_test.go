package control

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"berth/store"
)

// Who administers the server adds a domain that its owner has added before and cannot prove: it goes live at once.
func TestVouchingForAPendingDomain(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	p := serve(t, s, "docs")
	owner := a.as(a.mint("account"))
	pending := owner.domain(docsDomains, "www.example.com")
	owner.refused("POST", docsDomains, map[string]string{"name": "www.example.com"}, http.StatusConflict, codeConflict)
	if got := routeOf(t, s, "www.example.com"); pending.Status != "pending" || got != 0 {
		t.Fatalf("%+v serves %d", pending, got)
	}
	got := a.domain(docsDomains, "www.example.com")
	if got.Status != "active" || got.ID != pending.ID || got.Validation.TXTValue != pending.Validation.TXTValue {
		t.Errorf("vouched: %+v, was %+v", got, pending)
	}
	if routeOf(t, s, "www.example.com") != p.Live {
		t.Error("it does not serve")
	}
	if due := s.domains.due(s.now().Add(time.Hour)); len(due) != 0 {
		t.Errorf("still looked up: %v", due)
	}
	a.refused("POST", docsDomains, map[string]string{"name": "www.example.com"}, http.StatusConflict, codeConflict)

	// The branch stays unless another is named.
	for name, branch := range map[string]string{"a.example.com": "", "b.example.com": "next"} {
		owner.must("POST", docsDomains, map[string]string{"name": name, "branch": "dev"})
		var d domainObject
		a.must("POST", docsDomains, map[string]string{"name": name, "branch": branch}).into(t, &d)
		if want := map[string]string{"": "dev", "next": "next"}[branch]; d.Branch != want || d.Status != "active" {
			t.Errorf("%s: %+v, want branch %s", name, d, want)
		}
	}
}

// Vouching takes no host from another project.
func TestVouchingTakesNoHeldHost(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	a.project("other")
	owner := a.as(a.mint("account"))
	owner.domain(docsDomains, "www.example.com")
	a.domain(projectsPath+"/other/domains", "www.example.com")
	a.refused("POST", docsDomains, map[string]string{"name": "www.example.com"}, http.StatusConflict, codeConflict)
	p, err := s.deps.Store.ProjectByName("docs")
	if err != nil {
		t.Fatal(err)
	}
	if d, err := s.deps.Store.Domain(p.No, "www.example.com"); err != nil || d.Status != store.DomainPending {
		t.Errorf("%+v, %v", d, err)
	}
	if o, err := s.deps.Store.HostOwner("www.example.com"); errors.Is(err, store.ErrNotFound) || o.Project == p.No {
		t.Errorf("%+v, %v", o, err)
	}
}
