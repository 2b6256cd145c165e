package rules

import "fmt"

// checkPattern refuses patterns that cannot match, which the original accepts without a word, and patterns beyond what
// the matcher promises to be fast for.
func checkPattern(r *reporter, line int, text string, els []element) bool {
	names := captureNames(els)
	if len(names) == 0 {
		return true
	}
	if len(names) > maxCaptures {
		r.add(line, TooComplex, text, "the rule has %d placeholders: use at most %d", len(names), maxCaptures)
		return false
	}
	if between := longestBetween(els); between > maxBetween {
		r.add(line, TooComplex, text, "the text between two placeholders of one path segment is %d bytes long: use at most %d", between, maxBetween)
		return false
	}
	seen := map[string]bool{}
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			continue
		}
		advice := fmt.Sprintf("give one of the two placeholders :%s another name", name)
		if name == "splat" {
			advice = "a rule can have one *, which is :splat: use :name for what is one path segment"
		}
		r.add(line, CapturesCollide, text, "the rule captures :%s twice and can never match: %s", name, advice)
		return false
	}
	return true
}

// longestBetween is the length of the longest text without a separator that has a placeholder on both sides: the only
// ones whose place is not known from their neighbours.
func longestBetween(els []element) int {
	longest := 0
	for i := 1; i+1 < len(els); i++ {
		if e := els[i]; e.kind == literal && e.sep < 0 && els[i-1].kind != literal && els[i+1].kind != literal {
			longest = max(longest, len(e.text))
		}
	}
	return longest
}
