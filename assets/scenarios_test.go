package assets

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// scenario is a site whose production moves between requests.
type scenario struct {
	ID, Site, Severity string
	Steps              []scenarioStep
}

type scenarioStep struct {
	Op, Deployment, Method, Target, Host string
	Headers                              [][2]string
}

type scenarioResult struct {
	ID      string
	Results []recorded
}

// elsewhere are the steps in which we differ from the original on purpose, by scenario and number of the step, and why, whatever the site. Its
// edge keeps what it has sent, URL by URL; we keep what the deployment before had, non-HTML, by path. All of them are of
// severity "infra".
var elsewhere = map[string]string{
	"S1/4": "a kept file is cached as any other file is, not for a week: it may be withdrawn",
	"S1/5": "kept by path, whatever the query: the deployment had the file for every query",
	"S1/6": "kept for every host that moved, also one that nobody asked before",
	"S2/4": "a page is not kept: what replaced it is its 404",
	"S2/9": "nor is it for who has it in a cache",
	"S4/3": "as in S1: cached as any other file",
}

func TestScenarios(t *testing.T) {
	want := map[string][]recorded{}
	for _, r := range readJSONLines[scenarioResult](t, "scenarios.expected.jsonl") {
		want[r.ID] = r.Results
	}
	steps, differ := 0, map[string]bool{}
	for _, sc := range readJSONLines[scenario](t, "scenarios.jsonl") {
		host := movingHost{site: sc.Site, tags: map[string]string{}}
		for i, step := range sc.Steps {
			if step.Op == "activate" {
				host.activate(t, step.Deployment)
				continue
			}
			steps++
			c, at := conformanceCase{ID: sc.ID, Site: sc.Site, Severity: sc.Severity}, fmt.Sprintf("%s/%d", strings.TrimPrefix(sc.ID, sc.Site+"-"), i)
			diffs := c.compare(want[sc.ID][i], host.ask(t, step))
			if differ[at] = len(diffs) > 0; differ[at] && (elsewhere[at] == "" || sc.Severity != "infra") {
				t.Errorf("%s %s %s\n\t%s", at, step.Method, step.Target, strings.Join(diffs, "\n\t"))
			}
		}
	}
	for at, why := range elsewhere {
		if !differ[at] {
			t.Errorf("%s passes, though %s: take it off elsewhere", at, why)
		}
	}
	if steps < 15 {
		t.Errorf("only %d requests", steps)
	}
}

// The README has a reason for each.
func TestScenarioDifferencesAreDocumented(t *testing.T) {
	readme := readREADME(t)
	for at := range elsewhere {
		if !strings.Contains(readme, "-"+at) {
			t.Errorf("README.md does not name %s", at)
		}
	}
}

func readREADME(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(readme)
}

// movingHost is a site's production, and whatever else moves with it.
type movingHost struct {
	site  string
	now   int64
	no    uint64
	live  testSite
	index []byte
	tags  map[string]string // of the answers so far, by target
}

// activate moves the host a day later, which extends its index by what the deployment before had: by deployment, not by
// traffic.
func (h *movingHost) activate(t *testing.T, deployment string) {
	t.Helper()
	h.now += 24 * 3600
	for _, d := range readSite(t, h.site).Deployments {
		if d.ID != deployment {
			continue
		}
		next := siteFromDir(t, filepath.Join(*corpus, "sites", h.site, d.Dir))
		if h.no > 0 {
			h.index = replace(t, h.live, h.no, next, h.index, h.now)
		}
		h.live, h.no = next, h.no+1
		return
	}
	t.Fatalf("%s has no deployment %s", h.site, deployment)
}

func (h *movingHost) ask(t *testing.T, step scenarioStep) recorded {
	t.Helper()
	req := Request{Method: step.Method, Target: step.Target, Host: step.Host, Scheme: "http", Kept: openKept(t, h.index), Now: h.now}
	for _, field := range step.Headers {
		if field[0] != "If-None-Match" {
			t.Fatalf("a scenario sends %s", field[0])
		}
		target := strings.TrimSuffix(strings.TrimPrefix(field[1], "{{lastetag:"), "}}")
		req.IfNoneMatch = h.tags[target]
	}
	var p Plan
	h.live.Plan(&p, &req)
	got := recorded{Status: p.Status, Body: h.live.body(t, &p)}
	for _, f := range p.Fields {
		got.Headers = append(got.Headers, [2]string{f.Name, string(f.Value)})
	}
	if tag := p.get("ETag"); tag != "" {
		h.tags[step.Target] = tag
	}
	sum := sha256.Sum256([]byte(got.Body))
	got.BodyLen, got.BodySHA256 = len(got.Body), hex.EncodeToString(sum[:])
	return got
}
