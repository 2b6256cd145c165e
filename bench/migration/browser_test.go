//go:build e2e

package migration

import (
	"flag"
	"testing"

	"berth/migrate/report/plot/plottest"
)

var shotDir = flag.String("shots", "", "keep the pictures that the test takes in this directory")

func TestPageInBrowser(t *testing.T) {
	plottest.Page(plottest.Browser(t), t, "bench", page(t, everything(t)), *shotDir, 11)
}
