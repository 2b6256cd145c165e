package hints

import (
	"fmt"
	"strconv"
	"strings"
)

// A finding is remembered as its Link behind what else is known of it. A Link begins with "<", which no mark does.
const (
	markBased   = '='
	markCut     = '~'
	markDropped = '+' // and a number
)

// Remember writes a finding as a string, which is its Link unless there is more to say.
func (f Found) Remember() string {
	var b strings.Builder
	if f.Based {
		b.WriteByte(markBased)
	}
	if f.Cut {
		b.WriteByte(markCut)
	}
	if f.Dropped > 0 {
		b.WriteByte(markDropped)
		b.WriteString(strconv.Itoa(f.Dropped))
	}
	b.WriteString(f.Link)
	return b.String()
}

// Recall is the inverse of Remember. Its error is ErrCorrupt for a string that Remember does not write.
func Recall(s string) (Found, error) {
	rest := s
	var f Found
	mark := func(c byte) bool {
		if rest == "" || rest[0] != c {
			return false
		}
		rest = rest[1:]
		return true
	}
	f.Based, f.Cut = mark(markBased), mark(markCut)
	if mark(markDropped) {
		end := strings.IndexByte(rest, '<')
		if end < 0 {
			end = len(rest)
		}
		f.Dropped, _ = strconv.Atoi(rest[:end])
		rest = rest[end:]
	}
	f.Link = rest
	if f.Link != "" && !isValue(f.Link) || f.Based && f.Link == "" || f.Remember() != s {
		return Found{}, fmt.Errorf("%w: %.100q is not a finding", ErrCorrupt, s)
	}
	return f, nil
}
