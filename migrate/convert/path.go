package convert

import "regexp/syntax"

// anyPath reports whether what stands behind the slash surely matches every path.
func anyPath(k *rest) bool {
	var nodes []*syntax.Regexp
	for ; k != nil; k = k.next {
		nodes = append(nodes, k.re)
	}
	all, _ := everything(nodes)
	return all
}

// everything reports whether a sequence that may begin anywhere in the path matches whatever follows. Without $ it
// does if it can match nothing at all; with it, something before $ must be able to take everything. Wide says that it
// was so.
func everything(nodes []*syntax.Regexp) (all, wide bool) {
	for i, re := range nodes {
		switch {
		case re.Op == syntax.OpEndText || re.Op == syntax.OpEndLine:
			return wide && nullables(nodes[i+1:]), wide
		case universal(re):
			wide = true
		case !nullable(re):
			return false, false
		}
	}
	return true, wide
}

// universal reports whether re surely matches every path from wherever it begins, to its end.
func universal(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpCapture, syntax.OpQuest, syntax.OpPlus:
		return universal(re.Sub[0])
	case syntax.OpStar:
		return pathChars(re.Sub[0]) || universal(re.Sub[0])
	case syntax.OpRepeat:
		return re.Max < 0 && re.Min == 0 && pathChars(re.Sub[0])
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if universal(sub) {
				return true
			}
		}
	case syntax.OpConcat:
		all, wide := everything(re.Sub)
		return all && wide
	}
	return false
}

// pathChars reports whether re matches any one character that a path has: all but white space, '?' and '#'.
func pathChars(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpCapture:
		return pathChars(re.Sub[0])
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	case syntax.OpCharClass:
		next := rune('!') // the first that is not yet covered
		for i := 0; i+1 < len(re.Rune); i += 2 {
			for next == '#' || next == '?' || next == 0x7f {
				next++
			}
			if re.Rune[i] <= next && next <= re.Rune[i+1] {
				next = re.Rune[i+1] + 1
			}
		}
		return next > 0x10FFFF
	}
	return false
}

// nullable reports whether re matches the empty text, wherever it stands.
func nullable(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpStar, syntax.OpQuest:
		return true
	case syntax.OpCapture, syntax.OpPlus:
		return nullable(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min == 0 || nullable(re.Sub[0])
	case syntax.OpConcat:
		return nullables(re.Sub)
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if nullable(sub) {
				return true
			}
		}
	}
	return false
}

func nullables(nodes []*syntax.Regexp) bool {
	for _, re := range nodes {
		if !nullable(re) && re.Op != syntax.OpEndText && re.Op != syntax.OpEndLine {
			return false
		}
	}
	return true
}

// allNullable is for what stands behind $, where nothing is left to match.
func allNullable(k *rest) bool {
	for ; k != nil; k = k.next {
		if !nullables([]*syntax.Regexp{k.re}) {
			return false
		}
	}
	return true
}
