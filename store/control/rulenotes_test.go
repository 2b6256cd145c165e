package control

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/assets/rules"
)

func TestRuleProblemsAreLogged(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/index.html": "x"}, field{"_redirects", "/a /b\n/c /d 999\n"}, field{"_headers", "/*\n  X-A: b\n  Connection: close\n"})
	log := a.logOf("docs", d.ID)
	for _, want := range []string{"_redirects: 1 redirect in effect, 1 problem:\n", "\n_redirects:2: ", "_headers: header rules for 1 path in effect, 1 problem:\n", "\n_headers:3: "} {
		if !strings.Contains(log, want) {
			t.Errorf("log does not say %q:\n%s", want, log)
		}
	}
}

// Without functions a _routes.json says nothing: right or wrong it is left out, and the log says so.
func TestRoutesWithoutFunctions(t *testing.T) {
	a := newTestService(t, nil).api(t)
	a.project("docs")
	for text, also := range map[string]string{`{"version":1,"include":["/*"],"exclude":[]}`: "", `{"version":9}`: "_routes.json: \"version\" has to be 1"} {
		d := a.deploy("docs", "", site{"/index.html": "x"}, field{"_routes.json", text})
		if log := a.logOf("docs", d.ID); len(d.RuleFiles) != 0 || !strings.Contains(log, "_routes.json is ignored: ") || !strings.Contains(log, also) {
			t.Errorf("%s: %v\n%s", text, d.RuleFiles, log)
		}
	}
}

func TestRuleNotesAreBounded(t *testing.T) {
	lines := notesOf("_redirects", strings.Repeat("/a /b 999\n", 10*listedProblems), rules.Options{})
	if len(lines) != listedProblems+2 || lines[0] != "_redirects: 0 redirects in effect, 500 problems:" || lines[len(lines)-1] != "_redirects: 450 problems more; mend these first." {
		t.Errorf("%d lines, from %q to %q", len(lines), lines[0], lines[len(lines)-1])
	}
	if diff := cmp.Diff([]string{"_headers: header rules for 0 paths in effect."}, notesOf("_headers", "\n", rules.Options{})); diff != "" {
		t.Error(diff)
	}
}
