package assets

import (
	"fmt"
	"net/http"
	"strings"

	"berth/assets/httpsem"
	"berth/assets/rules"
)

// Trace is how a Plan came about, for people. Set a Plan's Trace to an empty one to have it filled.
type Trace struct {
	Steps   []Step   // in the order in which they were made
	Origins []Origin // of each of the Plan's Fields, in their order
	File    string   // path of the file that the answer is about, among those of its deployment; "": none
}

// Step is one thing that was tried and what it came to.
type Step struct {
	What Stage
	Said string // printable
	File string // the rule file that had a say; "": none
	Line int    // and its line, from 1
}

// Stage names a part of the evaluation.
type Stage string

// The stages, in the order of evaluation.
const (
	StageTarget    Stage = "target"
	StageRedirects Stage = "redirects"
	StageMethod    Stage = "method"
	StageFile      Stage = "file"
	StageKept      Stage = "kept file"
	StageMissing   Stage = "not found"
	StageNegotiate Stage = "negotiation"
	StageHeaders   Stage = "headers"
)

// Origin says what a field of a Plan comes from.
type Origin struct {
	From  string // "redirect", "method", "file", "move", "kept file", "404 page", "fallback", "default", "rule" or "server"
	File  string // of a rule
	Lines []int  // of the file, all that have a part in the value
}

// source is an Origin that is no line of _headers. It is noted for every request, and read for a Trace.
type source uint8

const (
	fromRedirect source = iota
	fromMethod
	fromFile
	fromMove
	fromKept
	fromNotFoundPage
	fromFallback
	fromDefaults
	fromServer
)

func (s source) String() string {
	return [...]string{"redirect", "method", "file", "move", "kept file", "404 page", "fallback", "default", "server"}[s]
}

// say notes a step. Callers that have nothing to note but for a Trace look for one first: their arguments cost.
func (t *Trace) say(what Stage, format string, args ...any) {
	t.Steps = append(t.Steps, Step{What: what, Said: fmt.Sprintf(format, args...)})
}

// sayLine is say for what a line of a rule file decided.
func (t *Trace) sayLine(what Stage, file string, line int, format string, args ...any) {
	t.say(what, format, args...)
	last := &t.Steps[len(t.Steps)-1]
	last.File, last.Line = file, line
}

func (t *Trace) reset() {
	if t != nil {
		t.Steps, t.Origins, t.File = t.Steps[:0], t.Origins[:0], ""
	}
}

// originate notes where the field that was just added comes from.
func (t *Trace) originate(from source) {
	t.Origins = append(t.Origins, Origin{From: from.String()})
}

// redirected notes the rule that decided, which is where the fields so far come from.
func (t *Trace) redirected(rule rules.Redirect, to []byte) {
	verb := "redirects to"
	if rule.Status == http.StatusOK {
		verb = "goes on with"
	}
	t.sayLine(StageRedirects, rules.RedirectsFile, rule.Line, "%s %s %d %s %s", rule.From, rule.To, rule.Status, verb, to)
	for i := range t.Origins {
		t.Origins[i].File, t.Origins[i].Lines = rules.RedirectsFile, []int{rule.Line}
	}
}

// resolved notes what a decoded path came to.
func (t *Trace) resolved(s *Site, path string, r *resolution) {
	switch r.outcome {
	case found:
		t.say(StageFile, "%q is the file %q", path, s.files.PathAt(r.entry))
	case moved:
		t.say(StageFile, "%q has a canonical form: 308", path)
	default:
		t.say(StageFile, "no file answers for %q", path)
	}
}

// negotiated notes what was chosen of what there is.
func (t *Trace) negotiated(p *Plan, fields *httpsem.RequestFields, f *file) {
	t.File = strings.Clone(f.Path)
	for e := range httpsem.Encoding(httpsem.NumEncodings) {
		if p.stored.Set.Has(e) {
			tag := httpsem.ETag{Key: p.stored.Keys[e], Encoding: e}
			t.say(StageNegotiate, "stored as %s: %d bytes, ETag %s", e, p.stored.Sizes[e], tag.Append(nil))
		}
	}
	for _, f := range [...]struct{ name, value string }{
		{"Accept-Encoding", fields.AcceptEncoding}, {"If-Match", fields.IfMatch}, {"If-None-Match", fields.IfNoneMatch},
		{"If-Range", fields.IfRange}, {"Range", fields.Range},
	} {
		if f.value != "" {
			t.say(StageNegotiate, "the request says %s: %q", f.name, f.value)
		}
	}
	switch p.Status {
	case http.StatusNotAcceptable:
		t.say(StageNegotiate, "406: the client refuses every stored form")
	case http.StatusPreconditionFailed:
		t.say(StageNegotiate, "412: If-Match names another form")
	default:
		t.say(StageNegotiate, "%d with %s", p.Status, p.answer.ETag.Encoding)
	}
}

// traceHeaders notes every rule that matches, and for each name the lines that have a part in its value: those that set
// it after the last that detaches it.
func (s *Site) traceHeaders(p *Plan, req *Request, path string) map[string][]int {
	lines := map[string][]int{}
	matched := s.headers.Match(nil, req.Host, path)
	for _, n := range matched {
		rule := s.headers.Rule(int(n))
		p.Trace.sayLine(StageHeaders, rules.HeadersFile, rule.Line, "%q matches", rule.Path)
		for _, op := range rule.Ops {
			if op.Detach {
				delete(lines, op.Name)
				p.Trace.sayLine(StageHeaders, rules.HeadersFile, op.Line, "removes %s", op.Name)
			} else {
				lines[op.Name] = append(lines[op.Name], op.Line)
				p.Trace.sayLine(StageHeaders, rules.HeadersFile, op.Line, "sets %s", op.Name)
			}
		}
	}
	if len(matched) == 0 {
		p.Trace.say(StageHeaders, "none of %d rules matches", s.headers.Len())
	}
	return lines
}

// originateRule notes the lines that the field that was just added comes from. Several fields of one name, which only
// Set-Cookie has, are of a line each.
func (t *Trace) originateRule(c *rules.Change, lines map[string][]int) {
	o := &t.Origins[len(t.Origins)-1]
	o.From, o.File, o.Lines = "rule", rules.HeadersFile, lines[c.Name]
	if c.Name == "Set-Cookie" && len(o.Lines) > 1 {
		o.Lines, lines[c.Name] = o.Lines[:1], o.Lines[1:]
	}
}
