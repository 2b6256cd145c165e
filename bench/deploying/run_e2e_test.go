//go:build e2e

package deploying

import (
	"flag"
	"path/filepath"
	"testing"

	"berth/bench"
	"berth/bench/pagetest"
)

var (
	berth    = flag.String("berth", "../../bin/berth", "the program to deploy to, and with")
	wrangler = flag.String("wrangler", "../../testdata/wrangler/node_modules/wrangler/bin/wrangler.js", "wrangler's script")
)

// Every side deploys, and what is reported of it is of one piece.
func TestRun(t *testing.T) {
	c := Config{Files: 40, Size: 500, Rounds: 1}
	for into, path := range map[*string]string{&c.Berth: *berth, &c.Wrangler: *wrangler} {
		var err error
		if *into, err = filepath.Abs(path); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.First) != 4 || len(r.Changed) != 2 || r.PeakRSS == 0 {
		t.Fatalf("%+v", r)
	}
	for _, f := range r.First {
		if len(f.Took) != 1 || f.Live.Median() <= 0 || f.Live.Median() > f.Took.Median() || f.Client.Median() <= 0 {
			t.Errorf("%+v", f)
		}
		if (len(f.Server) == 0) != discards(f.Side) {
			t.Errorf("%s has a server's time of %v", f.Side, f.Server)
		}
	}
	for _, ch := range r.Changed {
		if len(ch.Live) != 1 || ch.Server.Median() <= 0 || ch.Own.Median() <= 0 || len(ch.Calls) < 5 {
			t.Errorf("%+v", ch)
		}
	}
	var _ bench.Report = r
	if len(r.Rows()) != 6 || len(r.Figures()) != 2 {
		t.Errorf("%d rows, %d figures", len(r.Rows()), len(r.Figures()))
	}
	pagetest.Look(t, "deploying", r)
}
