//go:build e2e

package pagetest

import (
	"bytes"
	"flag"
	"testing"
	"time"

	"berth/bench"
	"berth/migrate/report/plot/plottest"
)

var shots = flag.String("shots", "", "keep the pictures that the test takes in this directory")

// Look has Chromium render a page of these reports, and finds fault with what is cut off, overlaps or is missing.
func Look(t *testing.T, name string, reports ...bench.Report) {
	t.Helper()
	drawings := 0
	for _, rep := range reports {
		drawings += len(rep.Figures())
	}
	var b bytes.Buffer
	if err := bench.WritePage(&b, "Berth, measured", "berth bench "+name, time.Now(), reports); err != nil {
		t.Fatal(err)
	}
	plottest.Page(plottest.Browser(t), t, name, b.String(), *shots, drawings)
}
