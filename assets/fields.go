package assets

import (
	"slices"
	"strings"
)

// vary names the request fields that the response depends on, unless a rule has named them. One field line more is as
// good as one more member (RFC 9110 §5.3).
func (p *Plan) vary() {
	encoding := p.encoded && !p.variesOn("Accept-Encoding")
	dest := p.fallback && !p.variesOn("Sec-Fetch-Dest")
	switch {
	case encoding && dest:
		p.add("Vary", static("Accept-Encoding, Sec-Fetch-Dest"))
	case encoding:
		p.add("Vary", static("Accept-Encoding"))
	case dest:
		p.add("Vary", static("Sec-Fetch-Dest"))
	}
}

// variesOn says whether the Vary fields have a member, or "*", which stands for all.
func (p *Plan) variesOn(name string) bool {
	for i := range p.Fields {
		if p.Fields[i].Name != "Vary" {
			continue
		}
		for member := range strings.SplitSeq(view(p.Fields[i].Value), ",") {
			if member = strings.TrimSpace(member); member == "*" || strings.EqualFold(member, name) {
				return true
			}
		}
	}
	return false
}

func (p *Plan) add(name string, value []byte) {
	p.Fields = append(p.Fields, Field{Name: name, Value: value})
	if p.Trace != nil {
		p.Trace.originate(p.from)
	}
}

// removeOf drops the fields of a name, in its canonical spelling, among the first n, and says how many they were. Rules can
// change thousands of names: looking through all fields for each of them would take seconds.
func (p *Plan) removeOf(n int, name string) (removed int) {
	for i := n - 1; i >= 0; i-- {
		if p.Fields[i].Name != name {
			continue
		}
		removed++
		p.Fields = slices.Delete(p.Fields, i, i+1)
		if p.Trace != nil {
			p.Trace.Origins = slices.Delete(p.Trace.Origins, i, i+1)
		}
	}
	return removed
}

func (p *Plan) removeAll(is func(name string) bool) {
	kept := p.Fields[:0]
	for i, f := range p.Fields {
		if is(f.Name) {
			continue
		}
		if p.Trace != nil {
			p.Trace.Origins[len(kept)] = p.Trace.Origins[i]
		}
		kept = append(kept, f)
	}
	p.Fields = kept
	if p.Trace != nil {
		p.Trace.Origins = p.Trace.Origins[:len(kept)]
	}
}
