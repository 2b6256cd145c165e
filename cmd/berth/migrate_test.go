package main

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/cmd/berth/migration"
	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/load"
)

func TestMigrateUsageFaults(t *testing.T) {
	for args, want := range map[string]string{
		"migrate":                                                     "berth migrate what? One of diffs, failures, finish, import",
		"migrate strat":                                               "did you mean start?",
		"migrate import":                                              "nothing to import: give --tables, --nginx or --deployments",
		"migrate start":                                               "--why is missing",
		"migrate rate many --why x":                                   `"many" is no rate`,
		"migrate rate -1 --why x":                                     `"-1" is no rate: want entries a second`,
		"migrate rate NaN --why x":                                    `"NaN" is no rate`,
		"migrate rate --why x":                                        "nothing to change: give N, --yield-commit or --yield-p99",
		"migrate rate --yield-p99 -1s --why x":                        "yield-p99 -1s: want a time such as 250ms, up to 1h0m0s, or 0 for never",
		"migrate rate --yield-p99 2h --why x":                         "yield-p99 2h0m0s: want a time",
		"migrate rate 5 --yield-commit fast --why x":                  `invalid argument "fast" for "--yield-commit"`,
		"migrate rate --yield-commit 1s --job verify --why x":         "--yield-commit is for the backfill",
		"migrate start --rate -5 --why x":                             "rate -5: want entries a second",
		"migrate start --rate NaN --why x":                            "rate NaN: want entries a second",
		"migrate import --tables x --max-replaced 0":                  "--max-replaced 0: want 1 to 1000000 entries",
		"migrate import --tables x --max-replaced 1000001":            "--max-replaced 1000001: want 1 to",
		"migrate rollout run --p99-floor -1ms --why x":                `--p99-floor "-1ms": want a time such as 1ms`,
		"migrate rollout run --p99-floor 5 --why x":                   `--p99-floor "5": want a time`,
		"migrate pause":                                               "--why is missing",
		"migrate finish --grace soon --why x":                         `--grace: "soon" is not an age`,
		"migrate failures retry --why x":                              "or --all",
		"migrate failures skip a --all --why x":                       "or --all",
		"migrate report":                                              "--html is missing",
		"migrate shadow 2 --why x":                                    `"2" is not a share`,
		"migrate status --watch --every 1ms":                          "want 100ms or more",
		"migrate rollout set --why x":                                 "nothing to set",
		"migrate rollout set --percent -1 --why x":                    "want a number from 0 to 100",
		"migrate rollout set --percent NaN --why x":                   "want a number from 0 to 100",
		"migrate rollout set --site a=b --why x":                      "want NAME=hashed or NAME=legacy",
		"migrate rollout set --datacentre =legacy --why x":            "want NAME=hashed or NAME=legacy",
		"migrate rollout set --opt-out a --opt-in a --why x":          "--opt-out a and --opt-in a: want one of them",
		"migrate rollout set --site a=hashed --site a=legacy --why x": "--site a=hashed and --site a=legacy: want one of them",
		"migrate rollout set --site a=hashed --unpin a --why x":       "--site a=hashed and --unpin a: want one of them",
		"migrate rollout set --datacentre a=hashed,a=legacy --why x":  "--datacentre a=hashed and --datacentre a=legacy: want one of them",
		"migrate rollout run --steps 0,5 --why x":                     `--steps "0"`,
		"migrate rollout run --soak soon --why x":                     "--soak",
		"migrate rollout run --min-samples 0 --why x":                 "silence is not health",
		"migrate rollout run --max-diff lots --why x":                 `--max-diff: "lots" is not a share`,
		"serve --legacy-parse twice":                                  `--legacy-parse "twice": want each or once`,
		"serve --legacy-cache 1":                                      "--legacy-cache: want 1MiB or more",
		"serve --shadow 101%":                                         `"101%" is not a share`,
	} {
		t.Run(args, func(t *testing.T) {
			status, stdout, stderr := runHere(t, strings.Fields(args)...)
			if status != exitUsage || !strings.Contains(stderr, want) || stdout != "" {
				t.Errorf("exit status %d, want %q in\n%s", status, want, stderr)
			}
		})
	}
}

func TestShareFlag(t *testing.T) {
	for text, want := range map[string]float64{"1%": 0.01, "0.01": 0.01, "100%": 1, "0": 0, "0.25%": 0.0025, "1": 1} {
		var got float64
		if err := (share{&got}).Set(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "%", "-1%", "101%", "2", "NaN", "1 %", "x"} {
		if err := (share{new(float64)}).Set(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	v := 0.0025
	if got := (share{&v}).String(); got != "0.25%" {
		t.Errorf("written as %s", got)
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 14000000: "14,000,000", -1234: "-1,234"} {
		if got := number(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestPhaseBefore(t *testing.T) {
	for from, want := range map[migrate.Phase]migrate.Phase{migrate.DualWrite: migrate.Legacy, migrate.Cutover: migrate.Ramp, migrate.Legacy: "", migrate.Retired: ""} {
		if got, err := before(from); got != want || (err == nil) != (want != "") {
			t.Errorf("before %s: %s, %v", from, got, err)
		}
	}
}

// A share of nothing is no share, and what is not done is never a hundred percent.
func TestProgressLine(t *testing.T) {
	for _, tt := range []struct {
		done, total int64
		want        string
	}{
		{0, 0, "nothing to copy: the tables have no entries"},
		{0, 7, "[........................] 0.0%, 0 of 7 entries"},
		{1_999_999, 2_000_000, "[#######################.] 99.9%, 1,999,999 of 2,000,000 entries"},
		{7, 7, "[########################] 100.0%, 7 of 7 entries"},
	} {
		if got := progressLine(&backfill.Status{Done: tt.done, Total: tt.total}); got != tt.want {
			t.Errorf("%d of %d: %s", tt.done, tt.total, got)
		}
	}
}

// Problems of a part are told with the lines of the whole file, and those of a table with the file that it is of.
func TestPlacesOfAnUpload(t *testing.T) {
	all := &load.NamesReport{}
	addNames(all, &load.NamesReport{Lines: 2, Bad: 1, Problems: []load.Problem{{Place: "d.csv:3", Text: "a"}}}, 0)
	addNames(all, &load.NamesReport{Lines: 5, Bad: 1, Problems: []load.Problem{{Place: "d.csv:1", Text: "b"}}}, 7)
	want := &load.NamesReport{Lines: 7, Bad: 2, Problems: []load.Problem{{Place: "d.csv:3", Text: "a"}, {Place: "d.csv:8", Text: "b"}}}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	b := &tableBatch{places: []string{"a.json", "b.json"}}
	sum := &load.Report{ByClass: map[load.Class]int{}}
	b.add(sum, &load.Report{Projects: 1, Failed: 1, ByClass: map[load.Class]int{load.BadTable: 1},
		With: []load.ProjectReport{{Place: "upload:2", Problems: []load.Problem{{Place: "upload:2"}, {Place: "upload:9"}}}}})
	got := []string{sum.With[0].Place, sum.With[0].Problems[0].Place, sum.With[0].Problems[1].Place}
	if diff := cmp.Diff([]string{"b.json", "b.json", "upload:9"}, got); diff != "" || sum.ByClass[load.BadTable] != 1 {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTableLine(t *testing.T) {
	table := func(text string) load.Table {
		return load.Table{Project: "docs", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
	}
	got, err := tableLine(table("{\"filters\":[\r\n],\n\"v\":1}\n"))
	if want := `{"project":"docs","table":{"filters":[  ], "v":1} }` + "\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := tableLine(table(`{"filters":[`)); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("of half a table: %v", err)
	}
	long := strings.Repeat(" ", migration.MaxTableBytes) + "{}"
	if _, err := tableLine(table(long)); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("of a long one: %v", err)
	}
	if _, err := tableLine(load.Table{Fault: errors.New("no table")}); err == nil {
		t.Error("a fault was sent")
	}
}
