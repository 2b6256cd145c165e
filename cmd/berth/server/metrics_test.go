package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func TestMetrics(t *testing.T) {
	s := open(t, t.TempDir())
	for _, tt := range []struct {
		name, method, token string
		want                int
	}{
		{"an administrator", http.MethodGet, s.admin, http.StatusOK},
		{"an account's administrator", http.MethodGet, s.tenant, http.StatusForbidden},
		{"nobody", http.MethodGet, "", http.StatusUnauthorized},
		{"another method", http.MethodPost, s.admin, http.StatusNotFound},
	} {
		w := s.ask(tt.method, metricsPath, tt.token)
		if w.Code != tt.want {
			t.Errorf("%s: %d, want %d: %s", tt.name, w.Code, tt.want, w.Body)
		}
		if tt.want == http.StatusOK {
			lacks(t, w.Body.String())
		}
	}
	if w := s.ask(http.MethodGet, "//metrics", ""); w.Code == http.StatusMovedPermanently {
		t.Error("a path with two slashes is led elsewhere")
	}
	families, err := s.n.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("names that Prometheus would not have: %v, %v", problems, err)
	}
}

// lacks complains of series that are not there. One of each part will do: they are written together.
func lacks(t *testing.T, text string) {
	t.Helper()
	for _, series := range []string{
		`berth_requests_total{class="2xx"} 0`, `berth_cache_hits_total{cache="route"}`, `berth_cache_weight{cache="file"}`, "berth_catalog_loads_total",
		"berth_store_commits_total", "berth_store_up 1", "berth_key_filter_bytes", `berth_migration_phase{phase="retired"} 1`, "go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(text, "\n"+series) {
			t.Errorf("no %s in\n%s", series, text)
		}
	}
	if strings.Contains(text, "berth_function_calls") {
		t.Error("there are counts of functions, which do not run here")
	}
}
