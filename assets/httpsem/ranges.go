package httpsem

import (
	"math"
	"strings"
)

// MaxRanges is how many ranges a Range field may ask for before it is ignored.
const MaxRanges = 16

// maxJoined is the size from which on a file is not served in several parts, whose total must fit an int64.
const maxJoined = math.MaxInt64 / 2

// Range is a run of bytes of a representation.
type Range struct {
	Offset int64
	Length int64 // at least 1
}

func (r Range) end() int64 { return r.Offset + r.Length }

// Ranges are the runs of bytes to send, none of which overlaps or touches another. The zero value holds none.
type Ranges struct {
	n   int
	all [MaxRanges]Range
}

// Len is the number of ranges.
func (rs *Ranges) Len() int { return rs.n }

// At is the i-th range, in the order of sending; i is below Len.
func (rs *Ranges) At(i int) Range { return rs.all[:rs.n][i] }

// RangeOutcome is what a Range field comes to.
type RangeOutcome uint8

const (
	RangeIgnored       RangeOutcome = iota // answer in full
	RangeSatisfiable                       // 206 with the ranges
	RangeUnsatisfiable                     // 416 with AppendUnsatisfiedRange
)

// ParseRanges reads the Range field of a GET for a representation of size bytes (RFC 9110 §14.1.2, §14.2). The field is
// ignored, which a server may always do, if
//
//   - its unit is not bytes (which §14.2 demands),
//   - it breaks the grammar, also in a range that counts down,
//   - it asks for more than MaxRanges ranges: many ranges are a sign of a broken client or of an attack,
//   - the representation is empty. There is no Content-Range for a part of nothing, and clients that send a Range with
//     every request are better served with an empty 200 than with an error.
//
// Ranges that overlap or touch become one (§15.3.7.2 permits it), so that an answer is never longer than the
// representation and its part headers, whatever was asked for; §14.2 would even let us refuse such fields. Otherwise the
// order is the client's. Ranges that begin behind the end are left out; if that leaves none, the field is unsatisfiable.
func ParseRanges(dst *Ranges, field string, size int64) RangeOutcome {
	dst.n = 0
	unit, set, _ := strings.Cut(trimOWS(field), "=")
	if len(unit) != len("bytes") || !strings.EqualFold(unit, "bytes") || size <= 0 {
		return RangeIgnored
	}
	specs := 0
	for set = nextElement(set); set != ""; set = nextElement(set) {
		var spec string
		spec, set, _ = strings.Cut(set, ",")
		r, ok := parseRange(trimOWS(spec), size)
		specs++
		if !ok || specs > MaxRanges {
			dst.n = 0
			return RangeIgnored
		}
		if r.Length > 0 {
			dst.add(r)
		}
	}
	switch {
	case specs == 0:
		return RangeIgnored
	case dst.n == 0:
		return RangeUnsatisfiable
	case dst.n > 1 && size > maxJoined:
		dst.n = 0
		return RangeIgnored
	}
	return RangeSatisfiable
}

// nextElement skips empty elements, which a recipient has to put up with (§5.6.1.2).
func nextElement(list string) string { return strings.TrimLeft(list, ows+",") }

// parseRange reads an int-range or a suffix-range. A valid one that cannot be satisfied has the length 0.
func parseRange(spec string, size int64) (r Range, ok bool) {
	first, last, ok := strings.Cut(spec, "-")
	if !ok {
		return Range{}, false
	}
	if first == "" {
		n, ok := parsePosition(last)
		n = min(n, size)
		return Range{Offset: size - n, Length: n}, ok
	}
	start, ok := parsePosition(first)
	end := int64(math.MaxInt64)
	if ok && last != "" {
		end, ok = parsePosition(last)
		ok = ok && !lessDecimal(last, first)
	}
	if !ok || start >= size {
		return Range{}, ok
	}
	return Range{Offset: start, Length: min(end, size-1) - start + 1}, true
}

// parsePosition reads a decimal number of any length, as §14.1.2 asks for. What exceeds an int64 also exceeds any size.
func parsePosition(s string) (n int64, ok bool) {
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		digit := int64(c - '0')
		if n > (math.MaxInt64-digit)/10 {
			n = math.MaxInt64
			continue
		}
		n = n*10 + digit
	}
	return n, s != ""
}

// lessDecimal compares strings of digits as numbers, also beyond an int64.
func lessDecimal(a, b string) bool {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

// add takes r up, at the place of the first range that it overlaps or touches and that it then replaces. One pass does: a
// range that was passed over can touch the union no more than it touched either part.
func (rs *Ranges) add(r Range) {
	at := rs.n
	for i := 0; i < rs.n; {
		old := rs.all[i]
		if old.Offset > r.end() || r.Offset > old.end() {
			i++
			continue
		}
		start := min(old.Offset, r.Offset)
		r = Range{Offset: start, Length: max(old.end(), r.end()) - start}
		copy(rs.all[i:], rs.all[i+1:rs.n])
		rs.n--
		at = min(at, i)
	}
	copy(rs.all[at+1:], rs.all[at:rs.n])
	rs.all[at] = r
	rs.n++
}
