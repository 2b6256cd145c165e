package control

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/router/hostkey"
	"berth/store"
)

const docsDomains = projectsPath + "/docs/domains"

// domain adds a domain and returns it.
func (a *api) domain(path, name string) domainObject {
	a.t.Helper()
	var d domainObject
	a.must("POST", path, map[string]string{"name": name}).into(a.t, &d)
	return d
}

// check asks for a check of a domain and returns what came of it.
func (a *api) check(path, name string) domainObject {
	a.t.Helper()
	var d domainObject
	a.must("PATCH", path+"/"+name, nil).into(a.t, &d)
	return d
}

// serve gives a project something to serve.
func serve(t *testing.T, s *testService, name string) store.Project {
	t.Helper()
	var p store.Project
	_, err := s.deps.Store.Update(t.Context(), func(tx *store.Tx) (err error) {
		if p, err = tx.ProjectByName(name); err != nil {
			return err
		}
		if p.Live, err = tx.NextDeployment(); err != nil {
			return err
		}
		return tx.PutProject(p)
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// routeOf is the deployment that a domain's record serves, 0 if there is no record.
func routeOf(t *testing.T, s *testService, domain string) store.DeploymentNo {
	t.Helper()
	host, wildcard, err := hostkey.CanonicalPattern(domain)
	if err != nil {
		t.Fatal(err)
	}
	look := s.deps.Store.LookupRoute
	if wildcard {
		look = s.deps.Store.LookupWildcard
	}
	r, err := look(s.deps.Hasher.Key(host))
	if errors.Is(err, store.ErrNotFound) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return r.Deployment
}

func TestDomainIsProvedByTXT(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	p := serve(t, s, "docs")
	owner := a.as(a.mint("account"))

	d := owner.domain(docsDomains, "WWW.Example.COM.")
	if d.Name != "www.example.com" || d.Status != "pending" || d.Validation.TXTName != "_berth.www.example.com" || len(d.Validation.TXTValue) < 32 {
		t.Fatalf("added: %+v", d)
	}
	if got := owner.check(docsDomains, "www.example.com"); got.Status != "pending" || !strings.Contains(got.Validation.Error, "no TXT record") {
		t.Errorf("unproved: %+v", got)
	}
	s.names.set("_berth.www.example.com", "v=spf1", "berth-domain=another")
	if got := owner.check(docsDomains, "www.example.com"); got.Status != "pending" || !strings.Contains(got.Validation.Error, d.Validation.TXTValue) {
		t.Errorf("wrong proof: %+v", got)
	}
	if routeOf(t, s, "www.example.com") != 0 || len(a.show("docs")["domains"].([]any)) != 1 {
		t.Error("a pending domain serves")
	}
	s.names.set("_berth.www.example.com", "v=spf1", d.Validation.TXTValue)
	if got := owner.check(docsDomains, "www.EXAMPLE.com"); got.Status != "active" || got.Validation.Error != "" {
		t.Errorf("proved: %+v", got)
	}
	if routeOf(t, s, "www.example.com") != p.Live {
		t.Error("an active domain does not serve")
	}
	if d := cmp.Diff([]any{"docs.pages.localhost", "www.example.com"}, a.show("docs")["domains"]); d != "" {
		t.Error(d)
	}
	// Once proved, it stays: its check answers at once, whatever the name server says.
	s.names.set("_berth.www.example.com")
	if got := owner.check(docsDomains, "www.example.com"); got.Status != "active" {
		t.Errorf("later: %+v", got)
	}

	owner.must("DELETE", docsDomains+"/www.example.com", nil)
	if routeOf(t, s, "www.example.com") != 0 {
		t.Error("a removed domain serves")
	}
	if _, err := s.deps.Store.HostOwner("www.example.com"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a removed domain is held: %v", err)
	}
	owner.refused("GET", docsDomains+"/www.example.com", nil, 404, codeNotFound)
	owner.refused("DELETE", docsDomains+"/www.example.com", nil, 404, codeNotFound)
}

func TestServerAdminVouches(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	if d := a.domain(docsDomains, "*.example.com"); d.Status != "active" || d.Validation.TXTName != "_berth.example.com" {
		t.Errorf("%+v", d)
	}
	if routeOf(t, s, "*.example.com") != 0 {
		t.Error("it serves though nothing is deployed")
	}
	p := serve(t, s, "docs")
	a.domain(docsDomains, "*.example.org")
	if routeOf(t, s, "*.example.org") != p.Live || routeOf(t, s, "example.org") != 0 {
		t.Error("the wildcard's route is not as it should be")
	}
}

func TestDomainNames(t *testing.T) {
	s := newTestService(t, func(p *testParts) { p.opts.Domain, p.opts.MaxDomains = "pages.example.net", 4 })
	a := s.api(t)
	a.project("docs")
	for _, name := range []string{
		"", "com", "*.com", "*", "*.*.example.com", "www.*.com", "127.0.0.1", "[::1]", "*.127.0.0.1", "www.example.com:80",
		"a b.example.com", "pages.example.net", "docs.pages.example.net", "*.pages.example.net", "*.docs.pages.example.net", "*.example.net", "*.net",
		strings.Repeat("a", 64) + ".example.com", strings.Repeat("a.", 130) + "com", "www.example.com/path", "http://www.example.com",
	} {
		a.refused("POST", docsDomains, map[string]string{"name": name}, 400, codeBadRequest)
	}
	a.refused("POST", docsDomains, `{"name":"www.example.com","branch":"a\u0000b"}`, 400, codeBadRequest)
	for given, want := range map[string]string{
		"example.net": "example.net", "other.example.net": "other.example.net", "bücher.example": "xn--bcher-kva.example", "*.Sub.Example.COM": "*.sub.example.com",
	} {
		if d := a.domain(docsDomains, given); d.Name != want {
			t.Errorf("%s is stored as %s, want %s", given, d.Name, want)
		}
	}
	a.refused("POST", docsDomains, `{"name":"one.more.example"}`, 409, codeLimit)
	a.must("GET", docsDomains+"/b%C3%BCcher.example", nil)
	a.must("GET", docsDomains+"/*.sub.example.com", nil)
	a.must("DELETE", docsDomains+"/%2A.sub.example.com", nil)
}

func TestDomainConflicts(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	a.project("blog")
	otherToken := otherAccount(a)
	const blog, theirs = projectsPath + "/blog/domains", "/accounts/other/pages/projects/theirs/domains"
	a.domain(docsDomains, "www.example.com")
	a.domain(docsDomains, "*.wild.example.com")
	for _, tt := range []struct {
		path, name string
		ok         bool
	}{
		{docsDomains, "www.example.com", false}, // twice
		{blog, "www.example.com", false},        // another project's
		{theirs, "www.example.com", false},
		{blog, "*.wild.example.com", false},
		{blog, "a.wild.example.com", true},      // under one's own account's wildcard
		{theirs, "b.wild.example.com", false},   // under another account's
		{theirs, "b.c.wild.example.com", false}, // at any depth
		{theirs, "*.c.wild.example.com", false},
		{theirs, "*.example.com", false}, // over another account's
		{theirs, "wild.example.com", true},
		{theirs, "example.com", true},
		{theirs, "notwild.example.com", true},
		{blog, "*.b.wild.example.com", true},
		{docsDomains, "*.example.com", false}, // over theirs, now
	} {
		ans := a.do("POST", tt.path, map[string]string{"name": tt.name})
		if ans.Success != tt.ok || !tt.ok && (ans.Status != 409 || ans.code() != codeConflict) {
			t.Errorf("%s at %s: %d %s, want ok=%v", tt.name, tt.path, ans.Status, ans.Raw, tt.ok)
		}
		if tt.path == theirs && strings.Contains(ans.message(), "docs") {
			t.Errorf("%s: the refusal names another account's project: %s", tt.name, ans.message())
		}
	}

	// A pending domain holds nothing; the first to prove it gets it.
	owner, thief := a.as(a.mint("account")), a.as(otherToken)
	mine, his := owner.domain(docsDomains, "prize.example.org"), thief.domain(theirs, "prize.example.org")
	wild := thief.domain(theirs, "*.example.org")
	s.names.set("_berth.prize.example.org", mine.Validation.TXTValue, his.Validation.TXTValue)
	s.names.set("_berth.example.org", wild.Validation.TXTValue)
	if d := owner.check(docsDomains, "prize.example.org"); d.Status != "active" {
		t.Fatalf("%+v", d)
	}
	for _, name := range []string{"prize.example.org", "*.example.org"} {
		if d := thief.check(theirs, name); d.Status != "pending" || !strings.Contains(d.Validation.Error, "proved, but") {
			t.Errorf("%+v", d)
		}
	}
	owner.must("DELETE", docsDomains+"/prize.example.org", nil)
	if d := thief.check(theirs, "*.example.org"); d.Status != "active" {
		t.Errorf("after it was freed: %+v", d)
	}
}

// A domain may follow a branch, which need not exist yet.
func TestDomainOfABranch(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	serve(t, s, "docs")
	var d domainObject
	a.must("POST", docsDomains, `{"name":"next.example.com","branch":"feat/Next"}`).into(t, &d)
	if d.Branch != "feat/Next" || d.Status != "active" || routeOf(t, s, "next.example.com") != 0 {
		t.Errorf("%+v serves %d", d, routeOf(t, s, "next.example.com"))
	}
}

func TestPendingDomainsAreCheckedInTheBackground(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	owner := a.as(a.mint("account"))
	d := owner.domain(docsDomains, "www.example.com")
	gone := owner.domain(docsDomains, "gone.example.com")
	status := func() string {
		var got domainObject
		a.must("GET", docsDomains+"/www.example.com", nil).into(t, &got)
		return got.Status + " " + got.Validation.Error
	}
	s.checkDueDomains(t.Context())
	if got := status(); got != "pending " {
		t.Errorf("checked before it was due: %s", got)
	}
	s.clock.advance(domainFirstCheck)
	s.checkDueDomains(t.Context())
	if got := status(); !strings.Contains(got, "no TXT record") {
		t.Errorf("not checked when due: %s", got)
	}
	owner.must("DELETE", docsDomains+"/gone.example.com", nil)

	// A restart finds what is pending.
	s.domains.waiting = make(map[domainID]time.Time)
	if err := s.findPending(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.domains.waiting) != 1 {
		t.Errorf("waiting after a restart: %v; %s is gone", s.domains.waiting, gone.Name)
	}
	s.names.set(d.Validation.TXTName, d.Validation.TXTValue)
	s.clock.advance(domainFirstCheck)
	s.checkDueDomains(t.Context())
	if got := status(); got != "active " || len(s.domains.waiting) != 0 {
		t.Errorf("after the record was set: %s, waiting %v", got, s.domains.waiting)
	}
}

func TestDomainQueueBacksOff(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d := store.Domain{Project: 1, Host: "www.example.com", Created: start}
	q := domainQueue{waiting: make(map[domainID]time.Time)}
	for age, want := range map[time.Duration]time.Duration{
		0: domainFirstCheck, 10 * time.Minute: 150 * time.Second, 24 * time.Hour: domainLastCheck, domainPatience: domainLastCheck,
	} {
		q.wait(d, start.Add(age))
		if got := q.waiting[idOf(d)].Sub(start.Add(age)); got != want {
			t.Errorf("at the age of %v the next check is in %v, want %v", age, got, want)
		}
	}
	q.wait(d, start.Add(domainPatience+1))
	if len(q.waiting) != 0 {
		t.Error("a domain is checked for ever")
	}
	for i := range maxWaiting + 5 {
		q.wait(store.Domain{Project: store.ProjectNo(i), Created: start}, start)
	}
	if len(q.waiting) != maxWaiting {
		t.Errorf("%d wait, want the bound %d", len(q.waiting), maxWaiting)
	}
}

// A check that is broken off by shutdown or by its caller says nothing about the domain.
func TestBrokenOffCheck(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	a.as(a.mint("account")).domain(docsDomains, "www.example.com")
	p, err := s.deps.Store.ProjectByName("docs")
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.deps.Store.Domain(p.No, "www.example.com")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := s.deps.Store.Revision()
	if _, err := s.checkDomain(ctx, d); !errors.Is(err, context.Canceled) || s.deps.Store.Revision() != before {
		t.Errorf("got %v and revision %d, want canceled and %d", err, s.deps.Store.Revision(), before)
	}
}
