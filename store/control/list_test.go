package control

import (
	"fmt"
	"testing"
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
