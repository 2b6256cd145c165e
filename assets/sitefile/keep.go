package sitefile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	off = "off"
	day = 24 * time.Hour
	// maxKeep is far beyond any use, and far below where durations overflow.
	maxKeep = 36500 * day
)

var keepUnits = []struct {
	suffix byte
	size   time.Duration
}{{'d', day}, {'h', time.Hour}, {'m', time.Minute}}

// ParseKeep reads a value of keep_assets: "off", which is 0, or a time of days, hours and minutes in this order, such
// as "3d", "12h" or "1d12h".
func ParseKeep(text string) (time.Duration, error) {
	if text == off {
		return 0, nil
	}
	d, ok := parseTime(text)
	switch {
	case !ok:
		return 0, errors.New(`want "off" or a time in days, hours and minutes, such as "3d", "12h" or "1d12h"`)
	case d == 0:
		return 0, errors.New(`a time of nothing is written "off"`)
	case d > maxKeep:
		return 0, fmt.Errorf("want at most %s", FormatKeep(maxKeep))
	}
	return d, nil
}

func parseTime(text string) (sum time.Duration, ok bool) {
	rest := text
	for _, unit := range keepUnits {
		i := strings.IndexByte(rest, unit.suffix)
		if i < 0 {
			continue
		}
		n, err := strconv.ParseUint(rest[:i], 10, 64)
		if err != nil {
			return 0, false
		}
		// One more than the limit stays over it, and cannot overflow.
		sum += unit.size * time.Duration(min(n, uint64(maxKeep/unit.size)+1))
		rest = rest[i+1:]
	}
	return sum, rest == "" && text != ""
}

// FormatKeep writes a time as ParseKeep reads it. 0 and less is "off".
func FormatKeep(d time.Duration) string {
	switch {
	case d <= 0:
		return off
	case d%time.Minute != 0:
		return d.String() // no value of ours, but a server may have been given one
	}
	var b strings.Builder
	for _, unit := range keepUnits {
		if n := d / unit.size; n > 0 {
			fmt.Fprintf(&b, "%d%c", n, unit.suffix)
			d -= n * unit.size
		}
	}
	return b.String()
}

// CheckKeep says whether a site may have its files kept for d where the server's bound is limit; see Options.MaxKeep.
func CheckKeep(d, limit time.Duration) error {
	switch {
	case d <= 0 || limit == 0 || limit > 0 && d <= limit:
		return nil
	case limit < 0:
		return errors.New(`this server keeps no files of earlier deployments (--keep-assets): write "off", or leave it out`)
	}
	return fmt.Errorf(`this server keeps files of earlier deployments for %s at most (--keep-assets): write "%[1]s" or less`, FormatKeep(limit))
}
