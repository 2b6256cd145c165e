package control

import (
	"net/http"
	"strings"
	"testing"
)

// What a deployment may call its branch, a domain and the production branch may too, and no more.
func TestBranchNamesHaveOneLimit(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	long := strings.Repeat("b", 1024)
	d := a.deploy("docs", long, site{"/a.txt": "a"})
	a.must("POST", docsDomains, map[string]string{"name": "www.example.com", "branch": long})
	ts.wantServes(t, map[string]string{"www.example.com": d.ID, "docs.pages.localhost": ""})
	a.must("PATCH", projectsPath+"/docs", map[string]string{"production_branch": long})
	live := a.deploy("docs", long, site{"/a.txt": "b"})
	ts.wantServes(t, map[string]string{"www.example.com": live.ID, "docs.pages.localhost": live.ID})
	ts.clean(t)
	a.refused("POST", docsDomains, map[string]string{"name": "b.example.com", "branch": long + "b"}, http.StatusBadRequest, codeBadRequest)
	a.refused("PATCH", projectsPath+"/docs", map[string]string{"production_branch": long + "b"}, http.StatusBadRequest, codeBadRequest)
	if ans := a.postForm("docs", field{"branch", long + "b"}, field{"manifest", "{}"}); ans.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", ans.Status, ans.Raw)
	}
}
