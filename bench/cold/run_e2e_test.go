//go:build e2e

package cold

import (
	"flag"
	"path/filepath"
	"testing"

	"berth/bench/pagetest"
)

var berth = flag.String("berth", "../../bin/berth", "the program to measure")

func TestRunByHTTP(t *testing.T) {
	program, err := filepath.Abs(*berth)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), Config{Berth: program, Hosts: 500, Files: 50, Rounds: 2})
	if err != nil {
		t.Fatal(err)
	}
	checkReport(t, r, 2)
	pagetest.Look(t, "cold", r)
}
