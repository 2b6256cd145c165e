package rules

import "strings"

// span is where in a string something is.
type span struct{ from, to int32 }

// captures is what the placeholders of a rule hold: places, and not texts, so that it stays on the stack.
type captures struct {
	spans  [maxCaptures]span
	ofHost int // so many of the first are places in host, the others in path
	host   string
	path   string
}

func (c *captures) text(n int) string {
	at := c.spans[n]
	if n < c.ofHost {
		return c.host[at.from:at.to]
	}
	return c.path[at.from:at.to]
}

// match reports whether s as a whole matches, and fills captures, which has room for as many as p.names or is nil.
func (p *pattern) match(s string, captures []span) bool {
	if p.glob != nil {
		return matchGlob(p.glob, s)
	}
	r := reader{s: s, sep: p.sep, captures: captures, left: len(captures)}
	if !p.splat {
		return r.whole(p.head, 0, len(s))
	}
	end, ok := r.read(p.after, 0, len(s))
	if !ok {
		return false
	}
	if end, ok = r.single(end, 0); !ok { // "*:x": the "*" leaves one character
		return false
	}
	splatEnd, slot := end, r.left-1
	r.left = slot
	// The last separator of head is that separator of s which has as many before it.
	start := 0
	for range p.seps {
		n := strings.IndexByte(s[start:end], p.sep)
		if n < 0 {
			return false
		}
		start += n + 1
	}
	if n := strings.IndexByte(s[start:end], p.sep); n >= 0 {
		end = start + n
	}
	end, ok = r.movable(p.tail, start, end)
	if !ok || !r.whole(p.head, 0, start) {
		return false
	}
	if slot >= 0 {
		captures[slot] = span{int32(end), int32(splatEnd)}
	}
	return true
}

// movable reads els, which have no separator, from start on and as far right as they can be before end. It returns
// where they end.
func (r *reader) movable(els []element, start, end int) (int, bool) {
	switch n := len(els); {
	case n == 0:
		return start, true
	case n == 1 && els[0].kind == literal:
		return start + len(els[0].text), strings.HasPrefix(r.s[start:end], els[0].text)
	case els[n-1].kind == literal:
		at := lastIndex(r.s[start:end], els[n-1].text)
		if at < 0 {
			return 0, false
		}
		end = start + at + len(els[n-1].text)
	}
	return end, r.whole(els, start, end)
}

// reader reads elements from right to left.
type reader struct {
	s        string
	sep      byte
	open     bool   // a placeholder has been read, and where it begins is not known yet
	captures []span // nil, or filled from the last to the first
	left     int    // captures still to fill
}

func (r *reader) capture(start, end int) {
	r.open = false
	if r.left > 0 {
		r.left--
		r.captures[r.left] = span{int32(start), int32(end)}
	}
}

// whole matches els against all of s[lo:hi]. A text that they begin with has its place at lo.
func (r *reader) whole(els []element, lo, hi int) bool {
	if len(els) > 0 && els[0].kind == literal {
		if !strings.HasPrefix(r.s[lo:hi], els[0].text) {
			return false
		}
		lo += len(els[0].text)
		els = els[1:]
	}
	end, ok := r.read(els, lo, hi)
	if !ok || !r.open {
		return ok && end == lo
	}
	if end == lo || strings.IndexByte(r.s[lo:end], r.sep) >= 0 {
		return false
	}
	r.capture(lo, end)
	return true
}

// single closes an open placeholder with the one character before end.
func (r *reader) single(end, lo int) (int, bool) {
	if !r.open {
		return end, true
	}
	if end == lo || r.s[end-1] == r.sep {
		return 0, false
	}
	r.capture(end-1, end)
	return end - 1, true
}

// read places els in s[lo:hi], the last at its end, every literal as far right as it can be, and returns where the first
// of them begins. If that is a placeholder it is left open, and the result is where it ends.
func (r *reader) read(els []element, lo, hi int) (end int, ok bool) {
	end = hi
	segment := hi + 1 // where the path segment begins that ends at end or goes on behind it; above end: not known
	for i := len(els) - 1; i >= 0; i-- {
		e := &els[i]
		switch {
		case e.kind == placeholder: // of two in a row the left one is the longer
			if end, ok = r.single(end, lo); !ok {
				return 0, false
			}
			r.open = true
		case !r.open:
			if !strings.HasSuffix(r.s[lo:end], e.text) {
				return 0, false
			}
			end -= len(e.text)
		default:
			if segment > end {
				segment = lo + strings.LastIndexByte(r.s[lo:end], r.sep) + 1
			}
			at := r.place(e, lo, end, segment)
			if at < 0 {
				return 0, false
			}
			r.capture(at+len(e.text), end)
			end = at
		}
	}
	return end, true
}

// place finds the last place for a literal so that at least one character, and no separator, is between it and end.
func (r *reader) place(e *element, lo, end, segment int) int {
	if e.sep < 0 {
		if segment >= end {
			return -1
		}
		at := lastIndex(r.s[segment:end-1], e.text)
		if at < 0 {
			return -1
		}
		return segment + at
	}
	// Its last separator can only be the last one there is.
	stop := segment + len(e.text) - 1 - e.sep
	if stop >= end || !strings.HasSuffix(r.s[lo:stop], e.text) {
		return -1
	}
	return stop - len(e.text)
}

// lastIndex is strings.LastIndex for texts of up to maxBetween bytes, made to miss fast: that one hashes its way through
// s byte by byte, while strings.Index, which looks at pieces of s here from the last to the first, is many times
// faster for texts so short.
func lastIndex(s, text string) int {
	const step = 512
	for end := len(s); end >= len(text); end -= step {
		start := max(0, end-len(text)-step+1) // where the earliest occurrence that this piece is to find begins
		if strings.Contains(s[start:end], text) {
			return start + strings.LastIndex(s[start:end], text)
		}
	}
	return -1
}

// matchGlob matches the texts between the "*"s of a pattern without placeholders, each at the first place that fits:
// what a later one needs is then never taken.
func matchGlob(texts []string, s string) bool {
	last := len(texts) - 1
	if last == 0 {
		return s == texts[0]
	}
	s, ok := strings.CutPrefix(s, texts[0])
	if !ok {
		return false
	}
	s, ok = strings.CutSuffix(s, texts[last])
	if !ok {
		return false
	}
	for _, text := range texts[1:last] {
		at := strings.Index(s, text)
		if at < 0 {
			return false
		}
		s = s[at+len(text):]
	}
	return true
}
