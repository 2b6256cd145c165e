package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdMigrated waits for a field of `berth migrate status --json`: migrated PATH VALUE.
func cmdMigrated(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: migrated PATH VALUE")
	}
	poll(ts, "wait for "+args[0]+" to be "+args[1], func() bool {
		ts.Check(ts.Exec("berth", "migrate", "status", "--json"))
		var v any
		ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
		for step := range strings.SplitSeq(args[0], ".") {
			at, _ := v.(map[string]any)
			v = at[step]
		}
		return fmt.Sprint(v) == args[1]
	})
}
