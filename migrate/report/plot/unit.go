package plot

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Unit says what the numbers of an axis are, and so how they are written.
type Unit uint8

const (
	Count    Unit = iota // things
	Bytes                // powers of 1,024
	Seconds              // a duration
	Share                // 0 to 1, written in per cent
	Time                 // seconds since 1970, written in UTC
	Quantile             // a share of observations, drawn so that 99 %, 99.9 % and 99.99 % are as far apart as they are rare
)

// Unix is a moment on an axis of Time.
func Unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// Format writes a value with three digits.
func (u Unit) Format(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	switch u {
	case Bytes:
		return prefixed(v, 1024, []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"})
	case Seconds:
		return duration(v)
	case Share:
		return digits(v*100, 3) + " %"
	case Quantile:
		return quantileName(v)
	case Time:
		return time.UnixMilli(int64(v * 1000)).UTC().Format("2 Jan 2006 15:04:05")
	}
	return countName(v)
}

// Whole writes a number of things in full, in groups of three digits.
func Whole(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// countName writes 999 and 12,345 in full, more in thousands and millions.
func countName(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e9:
		return digits(v/1e9, 3) + " G"
	case a >= 1e6:
		return digits(v/1e6, 3) + " M"
	case a >= 1e5:
		return digits(v/1e3, 3) + " k"
	case a >= 1000:
		s := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
		return s[:len(s)-3] + "," + s[len(s)-3:]
	}
	return digits(v, 3)
}

func prefixed(v, base float64, names []string) string {
	i := 0
	for math.Abs(v) >= base && i < len(names)-1 {
		v /= base
		i++
	}
	return digits(v, 3) + " " + names[i]
}

func duration(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a < 1e-6:
		return digits(v*1e9, 3) + " ns"
	case a < 1e-3:
		return digits(v*1e6, 3) + " µs"
	case a < 1:
		return digits(v*1e3, 3) + " ms"
	case a < 120:
		return digits(v, 3) + " s"
	case a < 2*3600:
		return digits(v/60, 3) + " min"
	case a < 48*3600:
		return digits(v/3600, 3) + " h"
	}
	return digits(v/86400, 3) + " d"
}

// quantileName writes 0.5 as p50 and 0.999 as p99.9.
func quantileName(q float64) string {
	return "p" + strconv.FormatFloat(math.Round(q*1e8)/1e6, 'f', -1, 64)
}

// digits writes n significant digits at most, never in exponents.
func digits(v float64, n int) string {
	if v == 0 {
		return "0"
	}
	whole := int(math.Floor(math.Log10(math.Abs(v)))) + 1
	s := strconv.FormatFloat(v, 'f', max(0, min(n-whole, 12)), 64)
	if strings.ContainsRune(s, '.') {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// timeLayout writes moments so far apart.
func timeLayout(step time.Duration) string {
	switch {
	case step < time.Minute:
		return "15:04:05"
	case step < 24*time.Hour:
		return "15:04"
	}
	return "2 Jan"
}

// span says in words from when to when.
func span(lo, hi float64) string {
	return fmt.Sprintf("from %s to %s UTC", Time.Format(lo), Time.Format(hi))
}
