package nginx

import (
	"fmt"
	"strings"
	"unicode"

	"berth/migrate/convert"
	"berth/router/hostkey"
)

func (b *builder) resolveMap(m *hostMap) []Entry {
	o := b.options.Convert
	o.Subject = m.subject
	c, err := convert.New(o)
	if err != nil {
		b.problem(m.at, "%v", err) // withDefaults has looked for it already
		return nil
	}
	var s scope
	for _, p := range m.pairs {
		e := Entry{Position: p.at, Source: m.title, Name: p.text, Action: "value", Value: p.value}
		var pattern string
		var fold bool
		switch {
		case p.text == "default" && !p.plain:
			e.Kind = Default
			e.refuse(ReasonDefault, Position{}, "it is the value for every other host; Berth answers those with 404, so list the hosts, or leave them to what stands before Berth")
		default:
			e.Kind, pattern, fold = classify(p.text, p.hostnames)
			if e.Kind == Regex && strings.HasPrefix(pattern, "*") {
				pattern, fold = pattern[1:], true
			}
			e.check(p.hostnames)
		}
		e.fix("")
		s.add(e, pattern, fold)
	}
	s.resolve(c)
	for i := range s.entries {
		e := &s.entries[i]
		if m.subject == convert.Authority && e.Kind != Regex && e.Reason == "" && len(e.Hosts)+len(e.Wildcards) > 0 {
			e.Notes = append(e.Notes, convert.Note{Kind: convert.NotePort, Text: "$http_host has the port in it, so the map answers without one only; Berth answers on every port"})
		}
		e.settle()
	}
	return s.entries
}

// add takes an entry, and its items unless it is refused already.
func (s *scope) add(e Entry, pattern string, fold bool) {
	s.entries = append(s.entries, e)
	if e.Reason == "" {
		s.items = append(s.items, e.items(len(s.entries)-1, pattern, fold)...)
	}
}

// check refuses names that cannot be hosts, with a reason that says what they are.
func (e *Entry) check(hostnames bool) {
	if e.Kind == Regex {
		return
	}
	switch {
	case e.Kind == NoHost:
		e.refuse(ReasonNoHost, Position{}, fmt.Sprintf("%q is no host that a client asks for", e.Name))
	case e.Kind == Exact && !hostnames && (strings.Contains(e.Name, "*") || strings.HasPrefix(e.Name, ".")):
		e.refuse(ReasonNoHostnames, Position{}, fmt.Sprintf("%q is compared as it stands and matches no host; write hostnames; at the top of the map", e.Name))
	case e.Kind == Exact && strings.Contains(e.Name, "*"):
		e.refuse(convert.ReasonNotAHost, Position{}, fmt.Sprintf("%q has a wildcard within; nginx does not start with it: write a regular expression", e.Name))
	case strings.HasSuffix(e.Name, ".") || strings.ContainsFunc(e.Name, func(r rune) bool { return r > unicode.MaxASCII }):
		if h, wildcard, err := hostkey.CanonicalPattern(e.Name); err == nil {
			if wildcard {
				h = "*." + h
			}
			e.refuse(convert.ReasonSpelling, Position{}, fmt.Sprintf("nginx compares hosts without a trailing dot, and clients send names beyond ASCII in their xn-- form, so %q answers nobody; write %s", e.Name, h))
		}
	case e.Kind == Exact && strings.Contains(e.Name, ":"):
		if _, err := hostkey.Canonical(e.Name); err == nil && !strings.HasSuffix(e.Name, "]") {
			e.refuse(convert.ReasonPort, Position{}, fmt.Sprintf("%q is of one port, and a route has no port; write it without", e.Name))
		}
	}
}
