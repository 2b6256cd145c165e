package migration

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"berth/store/control"
)

// A name that nobody has is a typing error, and nothing found for it is no good news.
func TestUnknownNamesAreRefused(t *testing.T) {
	w := newWorld(t)
	w.project("docs")
	w.tables(`{"project":"docs","table":{"filters":[],"v":1}}`)
	w.complete()
	for name, c := range map[string]struct {
		call        handler
		query, body string
		want        string // "": it is taken
	}{
		"pin":               {w.svc.postRollout, "", `{"sites":{"nosuch":"hashed"},"why":"x"}`, `no project "nosuch"`},
		"opt out":           {w.svc.postRollout, "", `{"opt_out":{"nosuch":true},"why":"x"}`, `no project "nosuch"`},
		"opt in":            {w.svc.postRollout, "", `{"opt_out":{"nosuch":false},"why":"x"}`, `no project "nosuch"`},
		"unpin":             {w.svc.postRollout, "", `{"sites":{"nosuch":""},"why":"x"}`, `no project "nosuch"`},
		"both":              {w.svc.postRollout, "", `{"opt_out":{"docs":true},"sites":{"docs":"hashed"},"why":"x"}`, "at once"},
		"a project":         {w.svc.postRollout, "", `{"opt_out":{"docs":true},"sites":{"docs":"legacy"},"why":"x"}`, ""},
		"diffs":             {w.svc.getDiffs, "class=nonsense", "", `class "nonsense": want one of missing,`},
		"diffs of a class":  {w.svc.getDiffs, "class=missing", "", ""},
		"failures":          {w.svc.getFailures, "class=nonsense", "", `class "nonsense": want one of unreadable-piece,`},
		"failures of one":   {w.svc.getFailures, "project=nosuch", "", `no project "nosuch"`},
		"failures of docs":  {w.svc.getFailures, "project=docs&class=foreign", "", ""},
		"conflicts":         {w.svc.getFailures, "class=conflict", "", ""},
		"of a gone project": {w.svc.getFailures, "project=%237", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/?"+c.query, strings.NewReader(c.body))
			_, err := c.call(context.Background(), control.Principal{}, r)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
