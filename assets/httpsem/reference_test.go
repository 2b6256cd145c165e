package httpsem

import (
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The grammars of RFC 9110, written down once more: slow, with regular expressions and big numbers, so that they share no mistake
// with the parsers they are compared with.
var (
	refRanges  = regexp.MustCompile(`(?i)^bytes=([\t ,]*)((\d+-\d*|-\d+)([ \t]*,[\t ,]*(\d+-\d*|-\d+))*)[ \t,]*$`)
	refRange   = regexp.MustCompile(`(\d+)-(\d*)|-(\d+)`)
	refWeight  = regexp.MustCompile(`^(0(\.[0-9]*)?|1(\.0*)?)$`)
	refTagList = regexp.MustCompile(`^([\t ,]*)((W/)?"[\x21\x23-\x7e\x80-\xff]*"[ \t]*(,|$))`)
)

// referenceRanges marks the bytes of a small representation that a Range field asks for.
func referenceRanges(field string, size int) (marks []bool, outcome RangeOutcome) {
	marks = make([]bool, size)
	m := refRanges.FindStringSubmatch(strings.Trim(field, ows))
	if m == nil || size == 0 {
		return marks, RangeIgnored
	}
	specs := refRange.FindAllStringSubmatch(m[2], -1)
	number := func(s string) *big.Int {
		n, _ := new(big.Int).SetString(s, 10)
		return n
	}
	outcome = RangeUnsatisfiable
	for _, spec := range specs {
		if spec[1] != "" && spec[2] != "" && number(spec[1]).Cmp(number(spec[2])) > 0 {
			return make([]bool, size), RangeIgnored
		}
		for i := range marks {
			at := big.NewInt(int64(i))
			in := false
			if spec[3] != "" {
				in = big.NewInt(int64(size-i)).Cmp(number(spec[3])) <= 0
			} else {
				in = at.Cmp(number(spec[1])) >= 0 && (spec[2] == "" || at.Cmp(number(spec[2])) <= 0)
			}
			if in {
				marks[i], outcome = true, RangeSatisfiable
			}
		}
	}
	if len(specs) > MaxRanges {
		return make([]bool, size), RangeIgnored
	}
	return marks, outcome
}

// referenceWeights are the weights of "identity", "gzip", "zstd", "br" as multiples of 1/1000, rounded towards zero but
// not to it; identity has 0.5 where it is acceptable without having been named, and -1 is refused.
func referenceWeights(field string) map[string]float64 {
	found := map[string]float64{}
	elements := strings.Split(field, ",")
	for _, element := range elements[:min(len(elements), maxCodings)] {
		parts := strings.Split(element, ";")
		name := strings.Trim(parts[0], ows)
		if isASCII(name) {
			name = strings.ToLower(name)
		}
		if name == "x-gzip" {
			name = "gzip"
		}
		q := "1"
		if i := slices.IndexFunc(parts[1:], func(p string) bool {
			param, _, _ := strings.Cut(p, "=")
			return strings.EqualFold(strings.Trim(param, ows), "q")
		}); i >= 0 {
			_, q, _ = strings.Cut(parts[1+i], "=")
		}
		w, ok := referenceWeight(strings.Trim(q, ows))
		if !ok && name == "identity" {
			w, ok = 0.5, true
		}
		if old, twice := found[name]; ok && (!twice || old < w) {
			found[name] = w
		}
	}
	weights := map[string]float64{"identity": 0.5, "gzip": -1, "zstd": -1, "br": -1}
	for name := range weights {
		if w, ok := found["*"]; ok {
			weights[name] = w
		}
		if w, ok := found[name]; ok {
			weights[name] = w
		}
	}
	return weights
}

func referenceWeight(q string) (float64, bool) {
	if !refWeight.MatchString(q) {
		return 0, false
	}
	f, err := strconv.ParseFloat(q, 64)
	if err != nil {
		panic(err)
	}
	if strings.Trim(q, "0.") == "" {
		return -1, true
	}
	if q[0] == '1' {
		return 1000, true
	}
	digits := (q[2:] + "000")[:3]
	n, err := strconv.Atoi(digits)
	if err != nil || f <= 0 && len(q) < 300 { // a long fraction may round to zero
		panic(q)
	}
	return max(float64(n), 1), true
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7f }) < 0
}

// referenceTags are the entity tags of a list up to the first element that is malformed.
func referenceTags(field string) (tags []string) {
	for {
		m := refTagList.FindStringSubmatch(latin1(field))
		if m == nil {
			return tags
		}
		length := len([]rune(m[0]))
		tags = append(tags, strings.TrimRight(field[len([]rune(m[1])):length], ows+","))
		field = field[length:]
	}
}

// latin1 makes every byte a character, which the regular expressions take for it.
func latin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}
