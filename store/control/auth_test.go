package control

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/store"
)

// otherAccount makes account "other" with project "theirs" and returns its admin's token.
func otherAccount(a *api) string {
	a.t.Helper()
	a.must("POST", "/accounts", map[string]string{"id": "other", "name": "Other team"})
	a.must("POST", "/accounts/other/pages/projects", map[string]string{"name": "theirs"})
	var made TokenObject
	a.must("POST", "/accounts/other/berth/tokens", TokenRequest{Scope: "account"}).into(a.t, &made)
	return made.Token
}

func TestWhoMayDoWhat(t *testing.T) {
	a := newTestService(t, nil).api(t)
	a.project("docs")
	a.project("blog")
	tokens := map[string]string{
		"server": a.token, "account": a.mint("account"), "deploy": a.mint("deploy", "docs"), "read": a.mint("read"),
		"other": otherAccount(a), "none": "", "wrong": "berth_0123456789abcdef_" + strings.Repeat("0", 64),
	}
	order := []string{"server", "account", "deploy", "read", "other", "none", "wrong"}
	const ok, auth, no = 0, codeAuth, codeForbidden
	for _, tt := range []struct {
		method, path, body string
		want               []int // by order
	}{
		{"GET", projectsPath, "", []int{ok, ok, ok, ok, no, auth, auth}},
		{"GET", projectsPath + "/docs", "", []int{ok, ok, ok, ok, no, auth, auth}},
		{"GET", projectsPath + "/blog", "", []int{ok, ok, no, ok, no, auth, auth}},
		{"GET", projectsPath + "/none", "", []int{codeProjectMissing, codeProjectMissing, no, codeProjectMissing, no, auth, auth}},
		{"GET", projectsPath + "/theirs", "", []int{codeProjectMissing, codeProjectMissing, no, codeProjectMissing, no, auth, auth}},
		{"GET", projectsPath + "/docs/upload-token", "", []int{ok, ok, ok, no, no, auth, auth}},
		{"GET", projectsPath + "/blog/upload-token", "", []int{ok, ok, no, no, no, auth, auth}},
		{"PATCH", projectsPath + "/docs", "{}", []int{ok, ok, no, no, no, auth, auth}},
		{"GET", projectsPath + "/docs/domains", "", []int{ok, ok, ok, ok, no, auth, auth}},
		{"GET", "/accounts/default/berth/tokens", "", []int{ok, ok, no, no, no, auth, auth}},
		{"GET", "/accounts/nowhere/pages/projects", "", []int{codeNotFound, no, no, no, no, auth, auth}},
		{"POST", "/accounts", `{"id":"default"}`, []int{codeConflict, no, no, no, no, auth, auth}},
		{"POST", projectsPath, `{"name":"docs"}`, []int{codeProjectExists, codeProjectExists, no, no, no, auth, auth}},
	} {
		for i, who := range order {
			t.Run(who+" "+tt.method+" "+tt.path, func(t *testing.T) {
				ans := a.as(tokens[who]).do(tt.method, tt.path, tt.body)
				if ans.code() != tt.want[i] || ans.Success != (tt.want[i] == 0) {
					t.Errorf("got %d %s, want code %d", ans.Status, ans.Raw, tt.want[i])
				}
			})
		}
	}
}

// Other packages ask a Principal themselves, with no path's account checked before.
func TestPrincipal(t *testing.T) {
	const mine, theirs = 1, 2
	type may struct{ Server, Admin, Deploy, Read, Reach bool }
	ask := func(sc store.Scope, a store.AccountNo, project string) may {
		p := Principal{store.Token{Account: mine, Scope: sc, Projects: []string{"docs"}}}
		return may{p.AdministersServer(), p.Administers(a), p.MayDeploy(a, project), p.MayRead(a, project), p.reaches(a)}
	}
	for _, tt := range []struct {
		scope   store.Scope
		account store.AccountNo
		project string
		want    may
	}{
		{store.ScopeServerAdmin, theirs, "blog", may{true, true, true, true, true}},
		{store.ScopeAccountAdmin, mine, "blog", may{false, true, true, true, true}},
		{store.ScopeAccountAdmin, theirs, "docs", may{}},
		{store.ScopeDeploy, mine, "docs", may{false, false, true, true, true}},
		{store.ScopeDeploy, mine, "blog", may{false, false, false, false, true}},
		{store.ScopeDeploy, theirs, "docs", may{}},
		{store.ScopeRead, mine, "blog", may{false, false, false, true, true}},
		{store.ScopeRead, theirs, "docs", may{}},
		{0, mine, "docs", may{}}, // nobody
	} {
		if d := cmp.Diff(tt.want, ask(tt.scope, tt.account, tt.project)); d != "" {
			t.Errorf("scope %d, account %d, project %s: %s", tt.scope, tt.account, tt.project, d)
		}
	}
}

// What a foreign account's path answers must not tell whether that account exists.
func TestForeignAccountsAreAllAlike(t *testing.T) {
	a := newTestService(t, nil).api(t)
	other := a.as(otherAccount(a))
	real := other.do("GET", "/accounts/default/pages/projects/docs", nil)
	made := other.do("GET", "/accounts/nowhere/pages/projects/docs", nil)
	if real.Status != made.Status || strings.ReplaceAll(real.Raw, "default", "nowhere") != made.Raw {
		t.Errorf("an account that exists answers %d %s, one that does not %d %s", real.Status, real.Raw, made.Status, made.Raw)
	}
}

// A token's answers must not tell which part of it was wrong.
func TestWrongTokensAreAllAlike(t *testing.T) {
	a := newTestService(t, nil).api(t)
	good := a.mint("account")
	last := "0"
	if strings.HasSuffix(good, "0") {
		last = "1"
	}
	want := ""
	for name, token := range map[string]string{
		"wrong secret": good[:len(good)-1] + last,
		"unknown id":   "berth_0123456789abcdef_" + good[len("berth_0123456789abcdef_"):],
		"upper case":   strings.ToUpper(good),
		"short":        good[:len(good)-2],
		"long":         good + "00",
		"foreign form": "v1.0-1234567890",
		"only prefix":  "berth_",
		"half":         "berth_0123456789abcdef",
		"not hex":      "berth_../../../../.._" + strings.Repeat("z", 64),
	} {
		ans := a.as(token).refused("GET", projectsPath, nil, 401, codeAuth)
		if want == "" {
			want = ans.Raw
		}
		if ans.Raw != want {
			t.Errorf("%s answers %s, others %s", name, ans.Raw, want)
		}
		if ans.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", name)
		}
	}
	a.as(good).must("GET", projectsPath, nil)
}

func TestTokenByHeader(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	for name, tt := range map[string]struct {
		header map[string]string
		ok     bool
	}{
		"bearer":            {map[string]string{"Authorization": "Bearer " + s.admin}, true},
		"bearer lower case": {map[string]string{"Authorization": "bearer  " + s.admin}, true},
		"key and mail":      {map[string]string{"X-Auth-Key": s.admin, "X-Auth-Email": "ci@example.com"}, true},
		"key wins":          {map[string]string{"X-Auth-Key": "wrong", "Authorization": "Bearer " + s.admin}, false},
		"basic":             {map[string]string{"Authorization": "Basic " + s.admin}, false},
		"nothing":           {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			req := a.request("GET", apiPrefix+projectsPath, nil)
			for k, v := range tt.header {
				req.Header.Set(k, v)
			}
			if ans := a.send(req); ans.Success != tt.ok {
				t.Errorf("got %d %s", ans.Status, ans.Raw)
			}
		})
	}
}

func TestTokenLife(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	var made TokenObject
	a.must("POST", "/accounts/default/berth/tokens", TokenRequest{
		Name: "ci", Scope: "deploy", Projects: []string{"docs"}, ExpiresOn: s.clock.Now().Add(time.Hour),
	}).into(t, &made)
	ci := a.as(made.Token)
	ci.must("GET", projectsPath+"/docs", nil)

	if ans := a.must("GET", "/accounts/default/berth/tokens", nil); strings.Contains(ans.Raw, made.Token) {
		t.Error("the list shows a token's text")
	}
	if err := s.flushTokenUses(t.Context()); err != nil {
		t.Fatal(err)
	}
	stored, err := s.deps.Store.Token(made.ID)
	if err != nil || !stored.LastUsed.Equal(s.clock.Now()) {
		t.Errorf("last used %v, %v; want %v", stored.LastUsed, err, s.clock.Now())
	}
	if strings.Contains(made.Token, string(stored.Hash[:])) {
		t.Error("the secret itself is stored")
	}

	s.clock.advance(59 * time.Minute)
	ci.must("GET", projectsPath+"/docs", nil)
	s.clock.advance(time.Minute)
	if ans := ci.refused("GET", projectsPath+"/docs", nil, 401, codeAuth); !strings.Contains(ans.message(), "expired") {
		t.Errorf("an expired token is told %q", ans.message())
	}

	read := a.mint("read")
	id, _ := tokenID(read)
	a.as(read).must("GET", projectsPath, nil)
	a.must("DELETE", "/accounts/default/berth/tokens/"+id, nil)
	a.as(read).refused("GET", projectsPath, nil, 401, codeAuth)
	a.refused("DELETE", "/accounts/default/berth/tokens/"+id, nil, 404, codeNotFound)
	if err := s.flushTokenUses(t.Context()); err != nil { // its last use was pending when it was revoked
		t.Fatal(err)
	}
	a.as(read).refused("GET", projectsPath, nil, 401, codeAuth)
}

// Uses are stored apart from the calls, and not more often than said.
func TestTokenUseIsCoarse(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	before := s.deps.Store.Revision()
	for range 5 {
		a.must("GET", projectsPath, nil)
		if err := s.flushTokenUses(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.clock.advance(3 * time.Minute)
	}
	if n := s.deps.Store.Revision() - before; n != 2 {
		t.Errorf("5 uses in 12 minutes made %d commits, want 2", n)
	}
}

func TestTokenRequestsAreChecked(t *testing.T) {
	s := newTestService(t, func(p *testParts) { p.opts.MaxTokens = 4 })
	a := s.api(t)
	a.project("docs")
	account := a.as(a.mint("account"))
	const path = "/accounts/default/berth/tokens"
	for name, tt := range map[string]struct {
		client *api
		body   string
		status int
		code   int
	}{
		"no scope":          {a, `{}`, 400, codeBadRequest},
		"unknown scope":     {a, `{"scope":"root"}`, 400, codeBadRequest},
		"no projects":       {a, `{"scope":"deploy"}`, 400, codeBadRequest},
		"useless projects":  {a, `{"scope":"read","projects":["docs"]}`, 400, codeBadRequest},
		"unknown project":   {a, `{"scope":"deploy","projects":["dosc"]}`, 404, codeProjectMissing},
		"past":              {a, `{"scope":"read","expires_on":"2020-01-01T00:00:00Z"}`, 400, codeBadRequest},
		"bad time":          {a, `{"scope":"read","expires_on":"soon"}`, 400, codeBadRequest},
		"control character": {a, `{"scope":"read","name":"a\u0000b"}`, 400, codeBadRequest},
		"not JSON":          {a, `{"scope":`, 400, codeBadRequest},
		"wrong type":        {a, `{"scope":5}`, 400, codeBadRequest},
		"server by account": {account, `{"scope":"server"}`, 403, codeForbidden},
	} {
		t.Run(name, func(t *testing.T) { tt.client.refused("POST", path, tt.body, tt.status, tt.code) })
	}
	account.must("POST", path, `{"scope":"account"}`)
	a.must("POST", path, `{"scope":"server"}`)
	account.refused("POST", path, `{"scope":"read"}`, 409, codeLimit)

	foreign := a.as(otherAccount(a))
	accountID, _ := tokenID(account.token)
	foreign.refused("DELETE", "/accounts/other/berth/tokens/"+accountID, nil, 404, codeNotFound)
	account.must("GET", path, nil)

	// Who administers an account neither sees nor revokes server admins.
	adminID, _ := tokenID(s.admin)
	account.refused("DELETE", path+"/"+adminID, nil, 404, codeNotFound)
	if ans := account.must("GET", path, nil); strings.Contains(ans.Raw, adminID) {
		t.Error("an account admin sees the server admin's token")
	}
}

// The answers behind `wrangler whoami`, which wrangler also asks for after each authentication error.
func TestWhoAmI(t *testing.T) {
	a := newTestService(t, nil).api(t)
	other := a.as(otherAccount(a))
	stranger := a.as("not-a-token")

	stranger.refused("GET", "/user/tokens/verify", nil, 401, codeNotUserToken)
	stranger.refused("GET", "/user", nil, 403, codeForbidden)
	for _, path := range []string{"/accounts?page=1", "/memberships?page=1"} {
		if ans := stranger.must("GET", path, nil); string(ans.Result) != "[]" {
			t.Errorf("%s: a stranger sees %s", path, ans.Result)
		}
	}
	other.must("GET", "/user/tokens/verify", nil)
	var user struct{ Email string }
	if other.must("GET", "/user", nil).into(t, &user); user.Email == "" {
		t.Error("/user has no email")
	}
	ids := func(c *api, path string) (ids []string) {
		var list []struct {
			ID      string
			Account struct{ ID string }
		}
		ans := c.must("GET", path, nil)
		ans.into(t, &list)
		for _, x := range list {
			ids = append(ids, x.ID)
		}
		i := ans.ResultInfo
		return append(ids, fmt.Sprintf("{%d %d %d %d}", i.Page, i.PerPage, i.Count, *i.TotalCount))
	}
	for path, want := range map[string][]string{
		"/accounts?page=1":            {"default", "other", "{1 20 2 2}"},
		"/accounts?page=2&per_page=1": {"other", "{2 1 1 2}"},
		"/accounts?page=3":            {"{3 20 0 2}"},
		"/memberships":                {"default", "other", "{1 20 2 2}"},
	} {
		if d := cmp.Diff(want, ids(a, path)); d != "" {
			t.Errorf("%s: %s", path, d)
		}
	}
	if d := cmp.Diff([]string{"other", "{1 20 1 1}"}, ids(other, "/accounts")); d != "" {
		t.Error(d)
	}
	a.refused("GET", "/accounts?page=0", nil, 400, codeBadRequest)
	for _, id := range []string{"", "My.Team", strings.Repeat("a", 65), "a/b"} {
		a.refused("POST", "/accounts", map[string]string{"id": id}, 400, codeBadRequest)
	}
}
