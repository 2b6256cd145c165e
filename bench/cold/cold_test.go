package cold

import (
	"strings"
	"testing"
)

// Every kind is asked for as often as promised, and the steps make up the whole.
func TestRunBySteps(t *testing.T) {
	r, err := Run(t.Context(), Config{Hosts: 500, Files: 50, Rounds: 2})
	if err != nil {
		t.Fatal(err)
	}
	checkReport(t, r, 0)
	if r.Hosts != 500+3*2*(filled+2) {
		t.Errorf("%d hosts", r.Hosts)
	}
}

// checkReport is of two rounds.
func checkReport(t *testing.T, r *Report, byHTTP int) {
	t.Helper()
	var kinds []string
	for _, k := range r.Kinds {
		kinds = append(kinds, k.Kind)
		if len(k.Bare) != 2 || k.Bytes < 1 {
			t.Errorf("%s: %d bare reads of %d bytes", k.Kind, len(k.Bare), k.Bytes)
		}
		if len(k.Total) != 2 || len(k.Fresh) != filled || len(k.HTTP) != byHTTP {
			t.Errorf("%s: %d by steps, %d fresh, %d by HTTP", k.Kind, len(k.Total), len(k.Fresh), len(k.HTTP))
		}
		for i, total := range k.Total {
			sum := 0.0
			for _, s := range k.Steps {
				sum += s.Took[i]
			}
			if sum <= 0 || sum-total > 1e-9 || total-sum > 1e-9 {
				t.Errorf("%s: steps of %v make %v", k.Kind, sum, total)
			}
		}
	}
	if got := strings.Join(kinds, " "); got != "plain coded rules" {
		t.Errorf("kinds %q", got)
	}
	if want := 3 * (2 + 2 + byHTTP); len(r.Rows()) != want || len(r.Figures()) != 1 {
		t.Errorf("%d rows, %d figures, want %d rows", len(r.Rows()), len(r.Figures()), want)
	}
}

func TestConfigTellsAllFaults(t *testing.T) {
	_, err := Run(t.Context(), Config{Hosts: -1, Files: -1, Rounds: -1})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v, want three faults", err)
	}
}
