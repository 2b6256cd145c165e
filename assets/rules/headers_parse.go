package rules

import (
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// ParseHeaders parses and compiles a _headers file. Lines that are wrong are reported and left out; the others count.
// It never fails.
func ParseHeaders(text string, o Options) (*Headers, Report) {
	p := parseHeaders(text, o.withDefaults())
	return p.compile(), p.report.Report
}

// CompileHeaders is to ParseHeaders what CompileRedirects is to ParseRedirects.
func CompileHeaders(file []byte, o Options) *Headers {
	return parseHeaders(unsafe.String(unsafe.SliceData(file), len(file)), o.withDefaults()).compile()
}

func parseHeaders(text string, o Options) *headerParser {
	p := &headerParser{Options: o, report: reporter{file: HeadersFile, limit: o.MaxProblems}}
	const usual = 100
	p.rules = make([]parsedBlock, 0, min(o.MaxHeaderRules, usual, strings.Count(text, "\n/")+1)) // those for a host apart
	for n, line := range lines(text) {
		if !p.line(n, line) {
			p.report.add(n, RuleLimit, line, "only %d rules are allowed; this and the %d lines below are ignored: join rules with *, or ask the operator to raise --max-header-rules",
				p.MaxHeaderRules, strings.Count(text, "\n")+1-n)
			break
		}
	}
	p.store()
	return p
}

type headerParser struct {
	Options
	report  reporter
	rules   []parsedBlock // in the order of the file, duplicates and all
	block   *parsedBlock  // the one being read, or nil
	swallow bool          // its path was refused: its lines go with it
	bytes   int
}

// parsedBlock is a block as the file has it.
type parsedBlock struct {
	line     int
	text     string
	host     string // as it was written; empty: every host
	path     string
	hostEls  []element
	pathEls  []element
	dead     bool // it can never match
	detaches []Op
	sets     []Op
	refused  bool // a line of it was refused for what it says, so that it is no empty block
}

func (b *parsedBlock) key() string {
	if b.host != "" {
		return "https://" + b.host + b.path
	}
	return b.path
}

// line parses one line. It reports false where the file has to end.
func (p *headerParser) line(n int, line string) (more bool) {
	switch {
	case longer(line, p.MaxHeaderLine):
		advice := "shorten it, or give the field in several lines"
		if looksLikePath(line) {
			advice = "shorten it; the lines below it count for the rule above it"
		}
		p.report.add(n, LineTooLong, line, "the line is longer than %d characters: %s", p.MaxHeaderLine, advice)
	case looksLikePath(line):
		// As in the original, the rule being read is counted only when the next one begins.
		if len(p.rules) >= p.MaxHeaderRules {
			return false
		}
		p.store()
		p.path(n, line)
	case p.swallow:
	case strings.Contains(line, ":"):
		p.field(n, line)
	case p.block == nil:
		p.report.add(n, ExpectedPath, line, "a rule begins with a path: write a line such as /* above this one")
	case strings.HasPrefix(line, "! "):
		p.detach(n, line)
	default:
		p.report.add(n, ExpectedPair, line, "not a field: write Name: value to set it, or ! Name to remove it")
	}
	return true
}

// looksLikePath recognises the first line of a block: a slash, or anything without white space before "://".
func looksLikePath(line string) bool {
	if line[0] == '/' {
		return true
	}
	scheme, _, ok := strings.Cut(line, "://")
	return ok && scheme != "" && !strings.ContainsFunc(scheme, isSpace)
}

// store ends the block being read.
func (p *headerParser) store() {
	b := p.block
	p.block, p.swallow = nil, false
	switch {
	case b == nil:
	case len(b.sets)+len(b.detaches) > 0:
		p.rules = append(p.rules, *b)
	case !b.refused:
		p.report.add(b.line, NoHeaders, b.text, "the rule has no fields: write lines such as Name: value below it, or remove it")
	}
}

// path begins a block.
func (p *headerParser) path(n int, line string) {
	b := &parsedBlock{line: n, text: line}
	p.swallow = true
	if !utf8.ValidString(line) {
		p.report.add(n, InvalidUTF8, line, "the path is not valid UTF-8: save the file as UTF-8")
		return
	}
	if hasControl(line) {
		p.report.add(n, ControlCharacter, line, "the path holds a control character: remove it, or percent-encode it")
		return
	}
	if !p.splitURL(b, n, line) {
		return
	}
	b.host, b.path = strings.Clone(b.host), strings.Clone(b.path)
	b.hostEls, b.pathEls = scan(b.host, '.'), scan(b.path, '/')
	names := append(captureNames(b.hostEls), captureNames(b.pathEls)...)
	switch stars := strings.Count(b.host, "*") + strings.Count(b.path, "*"); {
	case stars > 1:
		p.report.add(n, MultipleWildcards, line, "a rule can have one *: use :name for what is one path segment")
		return
	case stars == 1 && splats(names) > 1:
		p.report.add(n, WildcardAndSplat, line, "* is :splat already: give the placeholder another name")
		return
	}
	p.swallow, p.block = false, b
	b.dead = !checkPattern(&p.report, n, line, slices.Concat(b.hostEls, b.pathEls))
	if strings.Contains(b.path, `\`) {
		p.report.warn(n, NeverMatches, line, `a path never has a \ in it, a browser makes it a /: write /`)
	}
	if plain := comparedHost(b); plain != b.host {
		p.report.warn(n, NeverMatches, line, "a host is compared in lower case and in ASCII: write %s", plain)
	}
}

func splats(names []string) int {
	n := 0
	for _, name := range names {
		if name == "splat" {
			n++
		}
	}
	return n
}

// comparedHost is the host of b as it would have to be written to match anything.
func comparedHost(b *parsedBlock) string {
	host := strings.Clone(b.host)
	for _, e := range b.hostEls {
		if e.kind != literal {
			continue
		}
		if plain, err := domains.ToASCII(e.text); err == nil {
			host = strings.ReplaceAll(host, e.text, plain)
		}
	}
	return host
}

// splitURL takes host and path from the first line of a block.
func (p *headerParser) splitURL(b *parsedBlock, n int, line string) bool {
	rest, isURL := strings.CutPrefix(line, "https://")
	if isURL {
		b.host, rest, _ = strings.Cut(strings.TrimLeft(rest, "/"), "/")
		rest = oneSlash("/" + rest)
		if at := strings.LastIndexByte(b.host, ':'); at >= 0 && at+1 < len(b.host) && strings.Trim(b.host[at+1:], "0123456789") == "" {
			p.report.add(n, Port, line, "ports are not compared: write https://%s%s", b.host[:at], rest)
			return false
		}
		if host := b.host; strings.ContainsFunc(host, isSpace) || strings.ContainsAny(host, `?#\@%`) || host == "" {
			p.report.add(n, BadURL, line, "not a host: write https://, a host name without user and escapes, and a path")
			return false
		}
	} else if line[0] != '/' {
		p.report.add(n, BadURL, line, "not a path: write one that starts with /, or https:// and a host; a field whose value is a URL needs a space behind the colon")
		return false
	}
	path, _, _ := splitReference(rest)
	b.path = normalPath(path)
	return true
}

// detach reads a line "! Name".
func (p *headerParser) detach(n int, line string) {
	name := strings.TrimFunc(line[2:], isSpace)
	if name = p.name(n, line, name); name != "" && p.fits(n, line, len(name)) {
		p.block.detaches = append(p.block.detaches, Op{Line: n, Name: name, Detach: true})
	}
}

// field reads a line "Name: value".
func (p *headerParser) field(n int, line string) {
	name, value, _ := strings.Cut(line, ":")
	name, value = strings.TrimFunc(name, isSpace), strings.TrimFunc(value, isSpace)
	switch {
	case strings.HasPrefix(name, "! "):
		p.report.add(n, NameHasSpace, line, "a field name has no spaces: to remove the field write %s, without a colon", name)
	case strings.Contains(name, " "):
		p.report.add(n, NameHasSpace, line, "a field name has no spaces: write Name: value")
	case name == "":
		p.report.add(n, NoName, line, "the field has no name: write Name: value")
	case value == "":
		p.report.add(n, NoValue, line, "the field has no value: write Name: value, or ! %s to remove the field", name)
	case p.block == nil:
		p.report.add(n, HeaderBeforePath, line, "a field belongs to a rule: write a line such as /* above this one")
	case !utf8.ValidString(value):
		p.refuse(n, InvalidUTF8, line, "the value is not valid UTF-8: save the file as UTF-8")
	case hasControl(value):
		p.refuse(n, ControlCharacter, line, "the value holds a control character, such as a line break, which would end the field: remove it")
	default:
		if name = p.name(n, line, name); name != "" && p.fits(n, line, len(name)+len(value)) {
			p.block.sets = append(p.block.sets, Op{Line: n, Name: name, Value: strings.Clone(value)})
		}
	}
}

func (p *headerParser) refuse(n int, kind Kind, line, format string, args ...any) {
	p.block.refused = true
	p.report.add(n, kind, line, format, args...)
}

// name checks a field name and returns its canonical spelling, or nothing.
func (p *headerParser) name(n int, line, name string) string {
	canonical, ok := canonicalName(name)
	if !ok {
		p.refuse(n, BadName, line, "%q is not a field name: it can have letters, digits and any of !#$%%&'*+-.^_`|~ (RFC 9110 §5.6.2)", clip(name))
		return ""
	}
	if why := whyForbidden(canonical); why != "" {
		p.refuse(n, ForbiddenName, line, "%s is not for a site to set or remove: %s", canonical, why)
		return ""
	}
	return strings.Clone(canonical)
}

// fits counts what the file holds.
func (p *headerParser) fits(n int, line string, size int) bool {
	if size += fieldOverhead; p.bytes+size <= p.MaxHeadersBytes {
		p.bytes += size
		return true
	}
	p.refuse(n, HeadersLimit, line, "the fields of all rules together are over %d bytes (with 32 for each line): write a field that many paths have once, for /*, or ask the operator to raise --max-headers-bytes", p.MaxHeadersBytes)
	return false
}
