package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseAge is time.ParseDuration with days and weeks, the units in which deployments and tokens grow old.
func parseAge(s string) (time.Duration, error) {
	for suffix, unit := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		digits, ok := strings.CutSuffix(s, suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil || time.Duration(n) > math.MaxInt64/unit {
			break
		}
		return time.Duration(n) * unit, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not an age: write 30d, 2w, 12h or 90m", s)
	}
	return d, nil
}
