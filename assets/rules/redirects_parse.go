package rules

import (
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// ParseRedirects parses and compiles a _redirects file. Lines that are wrong are reported and left out; the others
// count. It never fails.
func ParseRedirects(text string, o Options) (*Redirects, Report) {
	p := parseRedirects(text, o.withDefaults())
	p.warnOfLoops()
	return p.out, p.report.Report
}

// CompileRedirects is ParseRedirects for those who have no use for the report: it does not look for what only that tells. Nothing of what
// it returns is a part of file, which must not change meanwhile.
func CompileRedirects(file []byte, o Options) *Redirects {
	return parseRedirects(unsafe.String(unsafe.SliceData(file), len(file)), o.withDefaults()).out
}

func parseRedirects(text string, o Options) *redirectParser {
	// Somebody waits for the first page of the site: what grows line by line takes three times the memory, most of it new to the process.
	room := strings.Count(text, "\n") + 1
	if limit := o.MaxRedirectsStatic + o.MaxRedirectsDynamic; limit >= 0 { // or it is as good as none
		room = min(room, limit)
	}
	p := &redirectParser{
		Options:  o,
		report:   reporter{file: RedirectsFile, limit: o.MaxProblems},
		out:      &Redirects{rules: make([]redirect, 0, room), static: newTable(room)},
		accepted: map[string]int{},
	}
	for n, line := range lines(text) {
		if !p.line(n, line) {
			p.report.add(n, DynamicLimit, line, "only %d rules are allowed from the first one with * or :name on; this and the %d lines below are ignored: move rules without * and :name above the first one that has them, join rules with placeholders, or ask the operator to raise --max-redirects-dynamic",
				p.MaxRedirectsDynamic, strings.Count(text, "\n")+1-n)
			break
		}
	}
	p.out.dynamic = newIndex('/', p.sources, numbers(len(p.sources)))
	p.out.fit(room)
	return p
}

// fit gives back the room of rules that turned out to be none, and the text of the file.
func (r *Redirects) fit(room int) {
	if len(r.rules) < room/2 {
		r.rules = slices.Clone(r.rules)
		static := newTable(r.static.n)
		for n := range int32(r.static.n) {
			static.add(r.rules, n)
		}
		r.static = static
	}
	borrowed := r.rules[:r.static.n] // all others have words of their own
	size := 0
	for i := range borrowed {
		size += len(borrowed[i].from)
		if borrowed[i].dest == nil {
			size += len(borrowed[i].to)
		}
	}
	var words strings.Builder
	words.Grow(size)
	keep := func(s string) string {
		words.WriteString(s)
		return words.String()[words.Len()-len(s):]
	}
	for i := range borrowed {
		rule := &borrowed[i]
		if rule.from = keep(rule.from); rule.dest == nil {
			rule.to = keep(rule.to)
		}
	}
}

type redirectParser struct {
	Options
	report   reporter
	out      *Redirects
	accepted map[string]int // line of each source that got as far as to be compared and is not in out.static; its keys may be parts of the file
	words    [3]string      // of the line
	els      []element      // of its source

	statics, dynamics int
	dynamicLine       bool      // a line with "*" or a placeholder was read: no line below is counted as static
	dynamicRule       bool      // and one was accepted: no rule below goes to the table
	sources           []pattern // of the rules in the dynamic list
}

// line parses one line. It reports false where the file has to end.
func (p *redirectParser) line(n int, line string) (more bool) {
	if longer(line, p.MaxRedirectLine) {
		p.report.add(n, LineTooLong, line, "the line is longer than %d characters, comment included: shorten it", p.MaxRedirectLine)
		return true
	}
	rule := redirect{line: int32(n), status: 302}
	tokens, ok := p.tokens(n, line)
	if !ok {
		return true
	}
	if rule.from, ok = p.source(n, tokens[0]); !ok {
		return true
	}
	if p.dynamicLine || strings.ContainsAny(rule.from, "*:") {
		rule.from = strings.Clone(rule.from) // of which els are parts
	}
	p.els = appendScanned(p.els[:0], rule.from, '/')
	els := p.els
	dynamic := len(captureNames(els)) > 0
	if p.dynamicLine = p.dynamicLine || dynamic; p.dynamicLine {
		if p.dynamics++; p.dynamics > p.MaxRedirectsDynamic {
			return false
		}
	} else if p.statics++; p.statics > p.MaxRedirectsStatic {
		p.report.add(n, StaticLimit, line, "only %d rules without * and :name are allowed; this one is ignored: join rules with a placeholder, or ask the operator to raise --max-redirects-static", p.MaxRedirectsStatic)
		return true
	}
	if !p.destination(&rule, tokens, captureNames(els)) {
		return true
	}
	p.dynamicRule = p.dynamicRule || dynamic
	if !checkPattern(&p.report, n, tokens[0], els) {
		p.accepted[rule.from] = n
		return true
	}
	p.keep(rule, els)
	return true
}

// plain does what tokens does for a line of two or three words of nothing but visible ASCII, without a comment: nearly all are.
func (p *redirectParser) plain(line string) ([]string, bool) {
	words, start := 0, -1
	for i := range len(line) {
		switch c := line[i]; {
		case c > '#' && c < 0x7f, c == '!', c == '"':
			if start < 0 {
				start = i
			}
		case c == ' ' || c == '\t':
			if start < 0 {
				continue
			}
			if words == len(p.words) {
				return nil, false
			}
			p.words[words] = line[start:i]
			words, start = words+1, -1
		default:
			return nil, false
		}
	}
	if start >= 0 && words < len(p.words) {
		p.words[words] = line[start:]
		words, start = words+1, -1
	}
	return p.words[:words], start < 0 && words >= 2
}

// tokens cuts a line into source, destination and perhaps status.
func (p *redirectParser) tokens(n int, line string) ([]string, bool) {
	if words, ok := p.plain(line); ok {
		return words, true
	}
	line = cutComment(line)
	words := 0
	for w := range strings.FieldsFuncSeq(line, isSpace) {
		if words < len(p.words) {
			p.words[words] = w
		}
		words++
	}
	tokens := p.words[:min(words, len(p.words))]
	switch {
	case words < 2:
		p.report.add(n, TokenCount, line, "a rule needs a source and a destination, and may have a status: write /from /to 301")
	case words > 3:
		p.report.add(n, TokenCount, line, "a rule has two or three words, this line has %d: write /from /to 301, with %%20 for a space in a path; conditions and query parameters are not supported", words)
	case !utf8.ValidString(line):
		p.report.add(n, InvalidUTF8, line, "the line is not valid UTF-8: save the file as UTF-8")
	case slices.ContainsFunc(tokens, hasControl):
		p.report.add(n, ControlCharacter, line, "the line holds a control character: remove it, or percent-encode it")
	default:
		return tokens, true
	}
	return nil, false
}

func (p *redirectParser) source(n int, token string) (string, bool) {
	if rest, ok := strings.CutPrefix(token, "https://"); ok && strings.Trim(rest, "/") != "" {
		p.report.add(n, AbsoluteSource, token, "a rule applies to all hosts of the site: write the source as a path, such as /from")
		return "", false
	}
	path, _, _ := splitReference(token)
	from := normalPath(path)
	if strings.Contains(from, `\`) {
		p.report.warn(n, NeverMatches, token, `a path never has a \ in it, a browser makes it a /: write /`)
	}
	return from, true
}

// destination fills in what rule leads to. The order of the checks is the original's: it decides which problem a line
// is told of, and whether a later line for the same source is a duplicate.
func (p *redirectParser) destination(rule *redirect, tokens []string, names []string) bool {
	n, token := int(rule.line), tokens[1]
	to, kind, ok := parseTo(token)
	if !ok {
		p.badURL(n, token)
		return false
	}
	if len(tokens) == 3 {
		if rule.status, ok = parseStatus(tokens[2]); !ok {
			p.report.add(n, BadStatus, tokens[2], "not a status: write 301, 302, 303, 307 or 308, or 200 to serve the destination without redirecting")
			return false
		}
	}
	if kind != secure && leadsToIndex(rule.from, to) {
		p.report.add(n, Loop, rule.from+" "+to, "this would never end, as index pages are themselves redirected to their directory: remove the rule (a site without a 404.html serves /index.html for every path), or name another page")
		return false
	}
	if first, again := p.first(rule.from); again {
		p.report.add(n, Duplicate, rule.from, "line %d has this source already and wins: remove one of them (the query of a source is ignored)", first)
		return false
	}
	if rule.status == 200 && kind == secure {
		p.accepted[rule.from] = n
		p.report.add(n, ProxyAbsolute, token, "status 200 serves a path of this site and does not proxy: write a path, or redirect with 302")
		return false
	}
	if rule.to = to; kind == local && !p.dynamicLine && !strings.ContainsAny(to, `?#\`) {
		return true // it is what newDestination would make of it
	}
	rule.to = strings.Clone(to) // of which the destination has parts
	dest, ok := newDestination(rule.to, kind, names)
	if !ok {
		p.accepted[rule.from] = n
		p.badURL(n, token)
		return false
	}
	if rule.dest = &dest; rule.status != 200 && dest.anyHost() {
		p.report.warn(n, OpenRedirect, token, "whoever makes the link chooses the host this leads to: write the end of the host's name, such as :name.example.com")
	}
	return true
}

// first is the line that has a source already.
func (p *redirectParser) first(from string) (line int, ok bool) {
	if id, ok := p.out.static.find(p.out.rules, from); ok {
		return int(p.out.rules[id].line), true
	}
	line, ok = p.accepted[from]
	return line, ok
}

func (p *redirectParser) badURL(line int, token string) {
	p.report.add(line, BadURL, token, "not a destination: write a path that starts with / or a URL that starts with https:// and a host")
}

// parseStatus knows the statuses in their one spelling: the original takes whatever JavaScript takes for such a number.
func parseStatus(token string) (int16, bool) {
	switch token {
	case "200":
		return 200, true
	case "301":
		return 301, true
	case "302":
		return 302, true
	case "303":
		return 303, true
	case "307":
		return 307, true
	case "308":
		return 308, true
	}
	return 0, false
}

// leadsToIndex recognises /* /index.html and its like, as the original does, for which the dot is any character.
func leadsToIndex(from, to string) bool {
	if !strings.HasSuffix(from, "/") && !strings.HasSuffix(from, "/*") {
		return false
	}
	if strings.HasSuffix(to, "/index") {
		return true
	}
	page, ok := strings.CutSuffix(to, "html")
	return ok && page != "" && strings.HasSuffix(page[:len(page)-1], "/index")
}

func (p *redirectParser) keep(rule redirect, els []element) {
	id := int32(len(p.out.rules))
	rule.source = int32(len(p.sources))
	p.out.rules = append(p.out.rules, rule)
	if p.dynamicRule {
		p.accepted[rule.from] = int(rule.line)
		p.sources = append(p.sources, compile(slices.Clone(els), '/'))
		p.out.order = append(p.out.order, id)
	} else {
		p.out.static.add(p.out.rules, id)
	}
}

// warnOfLoops finds redirects that lead to each other for ever. Only rules without placeholders in the destination are
// followed, each of them once.
func (p *redirectParser) warnOfLoops() {
	const unseen, done = 0, -1
	state := make([]int, len(p.out.rules))
	for i := range p.out.rules {
		trail := i + 1
		n, ok := i, true
		for ok && state[n] == unseen {
			state[n] = trail
			n, ok = p.next(n)
		}
		if ok && state[n] == trail {
			rule := p.out.Rule(n)
			p.report.warn(rule.Line, RedirectLoop, rule.From+" "+rule.To, "following this redirect leads back to it: change the destination, or remove one of the rules on the way")
		}
		for n, ok = i, true; ok && state[n] == trail; n, ok = p.next(n) {
			state[n] = done
		}
	}
}

// next is the rule that answers where rule n leads.
func (p *redirectParser) next(n int) (int, bool) {
	rule := &p.out.rules[n]
	switch dest := rule.dest; {
	case rule.status == 200:
	case dest == nil:
		return p.out.Find(rule.to)
	case dest.kind == local && dest.constant:
		return p.out.Find(dest.fixed)
	}
	return 0, false
}
