package hints

import "iter"

// attributes are the names and values in the text of a start tag, as they are written: the tokenizer would decode the
// character references in them. Where a name or a value ends is as in HTML §13.2.5.32 and on.
func attributes(tag []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		rest := tag[skipTo(tag, 0, endsName):]
		for {
			at := skipWhile(rest, 0, betweenAttributes)
			if at >= len(rest) || rest[at] == '>' {
				return
			}
			end := skipTo(rest, at+1, endsKey) // a name may begin with "="
			name := rest[at:end]
			var value []byte
			if next := skipWhile(rest, end, isBlank); next < len(rest) && rest[next] == '=' {
				value, end = attributeValue(rest, skipWhile(rest, next+1, isBlank))
			}
			if !yield(name, value) {
				return
			}
			rest = rest[end:]
		}
	}
}

// attributeValue is the value that begins at an offset, and where the tag goes on.
func attributeValue(tag []byte, at int) (value []byte, next int) {
	if at >= len(tag) {
		return nil, at
	}
	if quote := tag[at]; quote == '"' || quote == '\'' {
		end := skipTo(tag, at+1, func(c byte) bool { return c == quote })
		return tag[at+1 : end], min(end+1, len(tag))
	}
	end := skipTo(tag, at, func(c byte) bool { return isBlank(c) || c == '>' })
	return tag[at:end], end
}

// skipTo is the first offset from at on that stop says yes to, or the end.
func skipTo(b []byte, at int, stop func(byte) bool) int {
	for at < len(b) && !stop(b[at]) {
		at++
	}
	return min(at, len(b))
}

func skipWhile(b []byte, at int, more func(byte) bool) int {
	return skipTo(b, at, func(c byte) bool { return !more(c) })
}

func isBlank(c byte) bool           { return isSpace(rune(c)) }
func betweenAttributes(c byte) bool { return isBlank(c) || c == '/' }
func endsName(c byte) bool          { return betweenAttributes(c) || c == '>' }
func endsKey(c byte) bool           { return endsName(c) || c == '=' }

// is compares a name with one in lower case, as HTML does.
func is(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
