package control

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A long listing is not counted for each page; walked page by page it is whole all the same.
func TestListManyDeployments(t *testing.T) {
	const deployments = countBeyond + 350
	ts := newTestService(t, inMemory(t))
	a := ts.api(t)
	a.project("docs")
	ts.fill(t, "docs", deployments, func(int) string { return "main" })
	seen := make(map[string]bool)
	for number := 1; ; number++ {
		ans := a.must("GET", fmt.Sprintf("%s/docs/deployments?per_page=100&page=%d", projectsPath, number), nil)
		var got []deploymentObject
		ans.into(t, &got)
		for _, d := range got {
			seen[d.ID] = true
		}
		counted := ans.ResultInfo.TotalCount != nil
		if want := deployments-100*number <= countBeyond; counted != want || counted && *ans.ResultInfo.TotalCount != deployments {
			t.Errorf("page %d: total count is %v, want one: %v", number, ans.ResultInfo.TotalCount, want)
		}
		if len(got) < 100 {
			break
		}
	}
	if len(seen) != deployments {
		t.Errorf("%d deployments of %d", len(seen), deployments)
	}
}

// walk follows the cursors of a list to its end and returns the IDs or names on it.
func (a *api) walk(path, field string) (got []string) {
	a.t.Helper()
	for cursor := ""; ; {
		ans := a.must("GET", path+"&cursor="+cursor, nil)
		var items []map[string]any
		ans.into(a.t, &items)
		for _, i := range items {
			got = append(got, i[field].(string))
		}
		if cursor != "" && ans.ResultInfo.TotalCount != nil {
			a.t.Errorf("a page at a cursor has a total count: %+v", ans.ResultInfo)
		}
		if cursor = ans.ResultInfo.Cursor; cursor == "" {
			return got
		}
		if len(got) > 1000 {
			a.t.Fatalf("%s has no end", path)
		}
	}
}

func TestListByCursor(t *testing.T) {
	ts := newTestService(t, inMemory(t))
	a := ts.api(t)
	a.project("docs")
	a.project("other")
	ts.fill(t, "other", 3, func(int) string { return "main" })
	ts.fill(t, "docs", 120, func(i int) string { return []string{"main", "dev", "feat/x"}[i%3] })
	var all, rest []deploymentObject
	a.must("GET", projectsPath+"/docs/deployments?per_page=100", nil).into(t, &all)
	a.must("GET", projectsPath+"/docs/deployments?per_page=100&page=2", nil).into(t, &rest)
	var want, wantDev []string
	for _, d := range append(all, rest...) {
		want = append(want, d.ID)
		if d.DeploymentTrigger.Metadata.Branch == "dev" {
			wantDev = append(wantDev, d.ID)
		}
	}
	for _, size := range []string{"1", "7", "60", "100"} { // 60 divides them: the last page is full
		if diff := cmp.Diff(want, a.walk(projectsPath+"/docs/deployments?per_page="+size, "id")); diff != "" {
			t.Errorf("%s to a page:\n%s", size, diff)
		}
		if diff := cmp.Diff(wantDev, a.walk(projectsPath+"/docs/deployments?branch=dev&per_page="+size, "id")); diff != "" {
			t.Errorf("of one branch, %s to a page:\n%s", size, diff)
		}
	}
	// A walk by page may go on by cursor, and a cursor is as good when what it was made from is deleted.
	info := a.must("GET", projectsPath+"/docs/deployments?per_page=10&page=2", nil).ResultInfo
	a.must("DELETE", projectsPath+"/docs/deployments/"+want[19], nil)
	var next []deploymentObject
	a.must("GET", projectsPath+"/docs/deployments?per_page=10&cursor="+info.Cursor, nil).into(t, &next)
	if len(next) != 10 || next[0].ID != want[20] {
		t.Errorf("after the twentieth was deleted the cursor leads to %+v", next)
	}
	for _, q := range []string{"cursor=x", "cursor=" + strings.Repeat("0", 32), "page=1&cursor=" + info.Cursor} {
		a.refused("GET", projectsPath+"/docs/deployments?"+q, nil, http.StatusBadRequest, codeBadRequest)
	}
	a.refused("GET", projectsPath+"/other/deployments?cursor="+info.Cursor, nil, http.StatusBadRequest, codeBadRequest)
}

func TestListProjectsByCursor(t *testing.T) {
	ts := newTestService(t, inMemory(t))
	a := ts.api(t)
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprintf("p%02d", i))
		a.project(want[i])
	}
	for _, size := range []string{"1", "5", "7", "25", "100"} {
		if diff := cmp.Diff(want, a.walk(projectsPath+"?per_page="+size, "name")); diff != "" {
			t.Errorf("%s to a page:\n%s", size, diff)
		}
	}
}
