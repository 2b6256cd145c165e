package httpsem

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func (rs *Ranges) slice() []Range { return slices.Clone(rs.all[:rs.n]) }

func TestParseRanges(t *testing.T) {
	const (
		ok, no, ignored = RangeSatisfiable, RangeUnsatisfiable, RangeIgnored
		big             = math.MaxInt64
	)
	for _, c := range []struct {
		section, field string
		size           int64
		outcome        RangeOutcome
		want           []Range
	}{
		// The examples of the section, of 10,000 bytes.
		{"14.1.2", "bytes=0-499", 10000, ok, []Range{{0, 500}}},
		{"14.1.2", "bytes=500-999", 10000, ok, []Range{{500, 500}}},
		{"14.1.2", "bytes=-500", 10000, ok, []Range{{9500, 500}}},
		{"14.1.2", "bytes=9500-", 10000, ok, []Range{{9500, 500}}},
		{"14.1.2", "bytes=0-0,-1", 10000, ok, []Range{{0, 1}, {9999, 1}}},
		{"14.1.2", "bytes= 0-999, 4500-5499, -1000", 10000, ok, []Range{{0, 1000}, {4500, 1000}, {9000, 1000}}},
		{"14.1.2", "bytes=500-600,601-999", 10000, ok, []Range{{500, 500}}},
		{"14.1.2", "bytes=500-700,601-999", 10000, ok, []Range{{500, 500}}},

		// Bounds.
		{"14.1.2", "bytes=0-", 10, ok, []Range{{0, 10}}}, // a player's first request
		{"14.1.2", "bytes=0-9", 10, ok, []Range{{0, 10}}},
		{"14.1.2", "bytes=0-10", 10, ok, []Range{{0, 10}}},
		{"14.1.2", "bytes=9-9", 10, ok, []Range{{9, 1}}},
		{"14.1.2", "bytes=10-", 10, no, nil},
		{"14.1.2", "bytes=10-10", 10, no, nil},
		{"14.1.2", "bytes=-10", 10, ok, []Range{{0, 10}}},
		{"14.1.2", "bytes=-11", 10, ok, []Range{{0, 10}}},
		{"14.1.2", "bytes=-0", 10, no, nil},
		{"14.1.2", "bytes=-0,-00", 10, no, nil},
		{"14.1.2", "bytes=-0,3-3", 10, ok, []Range{{3, 1}}},
		{"14.1.2", "bytes=20-30,3-3", 10, ok, []Range{{3, 1}}},
		{"14.1.2", "bytes=00000000000000000000000001-2", 10, ok, []Range{{1, 2}}},

		// Numbers beyond an int64.
		{"14.1.2", "bytes=0-9223372036854775807", 10, ok, []Range{{0, 10}}},
		{"14.1.2", "bytes=0-9223372036854775808", 10, ok, []Range{{0, 10}}},
		{"14.1.2", "bytes=9223372036854775808-", 10, no, nil},
		{"14.1.2", "bytes=-9223372036854775808", 10, ok, []Range{{0, 10}}},
		{"14.1.2", "bytes=18446744073709551616-18446744073709551617", 10, no, nil},
		{"14.1.2", "bytes=18446744073709551617-18446744073709551616", 10, ignored, nil}, // counts down
		{"14.1.2", "bytes=9223372036854775808-1", 10, ignored, nil},
		{"14.1.2", "bytes=0-" + strings.Repeat("9", 8<<10), 10, ok, []Range{{0, 10}}},
		{"14.1.2", "bytes=0-", big, ok, []Range{{0, big}}},
		{"14.1.2", "bytes=9223372036854775806-", big, ok, []Range{{big - 1, 1}}},
		{"14.1.2", "bytes=-9223372036854775807", big, ok, []Range{{0, big}}},
		{"14.1.2", "bytes=0-0,2-2", big, ignored, nil}, // no length could say how much that is
		{"14.1.2", "bytes=0-0,2-2", maxJoined, ok, []Range{{0, 1}, {2, 1}}},

		// Nothing to take a part of.
		{"14.1.2", "bytes=0-", 0, ignored, nil},
		{"14.1.2", "bytes=-5", 0, ignored, nil},
		{"14.1.2", "bytes=0-0", -1, ignored, nil},

		// Units.
		{"14.1", "BYTES=0-0", 10, ok, []Range{{0, 1}}},
		{"14.2", "items=0-0", 10, ignored, nil},
		{"14.2", "byte=0-0", 10, ignored, nil},
		{"14.2", "byteſ=0-0", 10, ignored, nil},
		{"14.2", "bytes", 10, ignored, nil},
		{"14.2", "", 10, ignored, nil},
		{"14.2", "=0-0", 10, ignored, nil},
		{"14.2", "bytes =0-0", 10, ignored, nil},
		{"14.2", "none=0-0", 10, ignored, nil},

		// White space and empty elements.
		{"5.6.1", "bytes=0-0 ,\t2-2", 10, ok, []Range{{0, 1}, {2, 1}}},
		{"5.6.1.2", "bytes=,, 0-0,,2-2 , ,", 10, ok, []Range{{0, 1}, {2, 1}}},
		{"5.6.1.2", " bytes=0-0 ", 10, ok, []Range{{0, 1}}},
		{"5.6.1", "bytes=", 10, ignored, nil},
		{"5.6.1", "bytes=,, ,", 10, ignored, nil},
		{"5.6.1", "bytes=0 -0", 10, ignored, nil},
		{"5.6.1", "bytes=0- 0", 10, ignored, nil},
		{"5.6.1", "bytes=0-0 2-2", 10, ignored, nil},

		// One range that breaks the grammar spoils all.
		{"14.1.1", "bytes=5-4", 10, ignored, nil},
		{"14.1.1", "bytes=0-0,5-4", 10, ignored, nil},
		{"14.1.1", "bytes=0-0,x", 10, ignored, nil},
		{"14.1.1", "bytes=-", 10, ignored, nil},
		{"14.1.1", "bytes=--1", 10, ignored, nil},
		{"14.1.1", "bytes=1--1", 10, ignored, nil},
		{"14.1.1", "bytes=0-1-2", 10, ignored, nil},
		{"14.1.1", "bytes=+1-2", 10, ignored, nil},
		{"14.1.1", "bytes=0x1-0x2", 10, ignored, nil},
		{"14.1.1", "bytes=1.0-2", 10, ignored, nil},
		{"14.1.1", "bytes=٣-٤", 10, ignored, nil},
		{"14.1.1", "bytes=5", 10, ignored, nil},
		{"14.1.1", "bytes=0-0;1-1", 10, ignored, nil},
		{"14.1.1", "bytes=bytes=0-0", 10, ignored, nil},
		{"14.1.1", "bytes=0-0\x00", 10, ignored, nil},

		// Coalescing keeps the client's order.
		{"15.3.7.2", "bytes=8-8,0-1,4-4", 10, ok, []Range{{8, 1}, {0, 2}, {4, 1}}},
		{"15.3.7.2", "bytes=0-1,4-5", 10, ok, []Range{{0, 2}, {4, 2}}}, // a gap is not filled
		{"15.3.7.2", "bytes=0-1,2-3", 10, ok, []Range{{0, 4}}},
		{"15.3.7.2", "bytes=2-3,0-1", 10, ok, []Range{{0, 4}}},
		{"15.3.7.2", "bytes=0-,0-,0-,-5", 10, ok, []Range{{0, 10}}},
		{"15.3.7.2", "bytes=0-0,4-4,2-2,8-9,3-3,1-1", 10, ok, []Range{{0, 5}, {8, 2}}},
		{"15.3.7.2", "bytes=9-9,0-0,2-2,1-1", 10, ok, []Range{{9, 1}, {0, 3}}},
		{"15.3.7.2", "bytes=0-0,8-8,2-2,1-1", 10, ok, []Range{{0, 3}, {8, 1}}},
		{"15.3.7.2", "bytes=6-7,0-0,4-5", 10, ok, []Range{{4, 4}, {0, 1}}},
	} {
		var got Ranges
		if outcome := ParseRanges(&got, c.field, c.size); outcome != c.outcome {
			t.Errorf("§%s: %.60q of %d: %v, want %v", c.section, c.field, c.size, outcome, c.outcome)
		} else if diff := cmp.Diff(c.want, got.slice()); diff != "" && got.Len()+len(c.want) > 0 {
			t.Errorf("§%s: %.60q of %d: %s", c.section, c.field, c.size, diff)
		}
	}
}

// many is a field of n ranges of one byte each, with a gap behind each.
func many(n int) string {
	var b strings.Builder
	b.WriteString("bytes=")
	for i := range n {
		fmt.Fprintf(&b, "%d-%d,", 2*i, 2*i)
	}
	return b.String()
}

func TestManyRanges(t *testing.T) {
	var rs Ranges
	if got := ParseRanges(&rs, many(MaxRanges), 1<<20); got != RangeSatisfiable || rs.Len() != MaxRanges {
		t.Errorf("%v, %d ranges", got, rs.Len())
	}
	for name, field := range map[string]string{
		"one too many":     many(MaxRanges + 1),
		"1,000":            many(1000),
		"1,000 times all":  "bytes=" + strings.Repeat("0-,", 1000),
		"1,000 suffixes":   "bytes=" + strings.Repeat("-1,", 1000),
		"1,000 impossible": "bytes=" + strings.Repeat("9999999-,", 1000),
	} {
		rs.n = 3
		if got := ParseRanges(&rs, field, 1<<20); got != RangeIgnored || rs.Len() != 0 {
			t.Errorf("%s: %v, %d ranges", name, got, rs.Len())
		}
	}
}

func drawRangeField(t *rapid.T, size int64) string {
	position := rapid.OneOf(
		rapid.Map(rapid.Int64Range(0, max(size+2, 2)), func(n int64) string { return fmt.Sprint(n) }),
		rapid.SampledFrom([]string{"", "0", "00", "9223372036854775807", "9223372036854775808", "99999999999999999999"}),
	)
	spec := rapid.Custom(func(t *rapid.T) string { return position.Draw(t, "first") + "-" + position.Draw(t, "last") })
	separator := rapid.SampledFrom([]string{",", ", ", " ,\t", ",,"})
	var b strings.Builder
	b.WriteString("bytes=")
	for range rapid.IntRange(1, MaxRanges+1).Draw(t, "specs") {
		b.WriteString(spec.Draw(t, "spec") + separator.Draw(t, "separator"))
	}
	return b.String()
}

// checkRanges holds what is promised of every Range field and every size.
func checkRanges(t interface{ Fatalf(string, ...any) }, rs *Ranges, field string, size int64, outcome RangeOutcome) {
	if (outcome == RangeSatisfiable) != (rs.Len() > 0) || rs.Len() > MaxRanges {
		t.Fatalf("%q of %d: %v with %d ranges", field, size, outcome, rs.Len())
	}
	sorted := rs.slice()
	slices.SortFunc(sorted, func(a, b Range) int { return int(min(max(a.Offset-b.Offset, -1), 1)) })
	end := int64(-1)
	for _, r := range sorted {
		if r.Length < 1 || r.Offset < 0 || r.Length > size || r.Offset > size-r.Length {
			t.Fatalf("%q of %d: %v is out of bounds", field, size, r)
		}
		if r.Offset <= end {
			t.Fatalf("%q of %d: %v touches the one before", field, size, r)
		}
		end = r.end()
	}
}

func TestRangesAreInBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.Int64Range(0, 40), rapid.Int64Range(0, math.MaxInt64)).Draw(t, "size")
		field := drawRangeField(t, min(size, math.MaxInt64-2))
		var rs Ranges
		checkRanges(t, &rs, field, size, ParseRanges(&rs, field, size))
	})
}

func TestRangesAreThoseOfTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(0, 30).Draw(t, "size")
		compareWithReference(t, drawRangeField(t, int64(size)), size)
	})
}

func compareWithReference(t interface{ Fatalf(string, ...any) }, field string, size int) {
	var rs Ranges
	outcome := ParseRanges(&rs, field, int64(size))
	checkRanges(t, &rs, field, int64(size), outcome)
	marks, want := referenceRanges(field, size)
	if outcome != want {
		t.Fatalf("%q of %d: %v, want %v", field, size, outcome, want)
	}
	got := make([]bool, size)
	for _, r := range rs.slice() {
		for i := r.Offset; i < r.end(); i++ {
			got[i] = true
		}
	}
	if !slices.Equal(got, marks) {
		t.Fatalf("%q of %d: %v, want %v", field, size, got, marks)
	}
}

// A download in pieces, in any order and of any lengths, puts the file together again.
func TestCoveringRangesJoinToTheFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		blob := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "blob")
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(blob)), 0, MaxRanges-1).Draw(t, "cuts")
		cuts = append(cuts, 0, len(blob))
		slices.Sort(cuts)
		cuts = slices.Compact(cuts)
		var specs []string
		for i := range len(cuts) - 1 {
			specs = append(specs, fmt.Sprintf("%d-%d", cuts[i], cuts[i+1]-1))
		}
		specs = rapid.Permutation(specs).Draw(t, "order")

		joined := make([]byte, len(blob))
		var rs Ranges
		for _, spec := range specs {
			if ParseRanges(&rs, "bytes="+spec, int64(len(blob))) != RangeSatisfiable || rs.Len() != 1 {
				t.Fatalf("%s of %d", spec, len(blob))
			}
			r := rs.At(0)
			copy(joined[r.Offset:r.end()], blob[r.Offset:r.end()])
		}
		if !slices.Equal(joined, blob) {
			t.Fatalf("%v joins to %v", specs, joined)
		}
		if ParseRanges(&rs, "bytes="+strings.Join(specs, ","), int64(len(blob))) != RangeSatisfiable || rs.Len() != 1 ||
			rs.At(0) != (Range{0, int64(len(blob))}) {
			t.Fatalf("%v coalesces to %v", specs, rs.slice())
		}
	})
}
