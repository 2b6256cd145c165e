package rules

import "unsafe"

// Redirects is a compiled _redirects: immutable, safe for concurrent use.
type Redirects struct {
	rules   []redirect
	static  table   // rules above the first dynamic one: the first of all
	dynamic index   // all others, in order
	order   []int32 // the numbers of those
}

// redirect is small: a site may have thousands, and the first request waits until all are in memory that is new to the process.
type redirect struct {
	from, to string
	dest     *destination // nil: to is a path of the site, with nothing to be replaced
	line     int32
	source   int32 // in dynamic.patterns; not used for those in the table
	status   int16
}

// onSite is what dest is without.
var onSite = destination{kind: local, constant: true}

// Redirect is one rule.
type Redirect struct {
	Line   int    // in the file, from 1
	From   string // source as it is matched, percent-encoded
	To     string // destination as it was written, percent-encoded
	Status int    // 200, 301, 302, 303, 307 or 308
}

// Len is the number of rules.
func (r *Redirects) Len() int {
	if r == nil {
		return 0
	}
	return len(r.rules)
}

// Rule returns the n-th rule of those that the parser accepted, in the order of the file.
func (r *Redirects) Rule(n int) Redirect {
	rule := &r.rules[n]
	return Redirect{Line: int(rule.line), From: rule.from, To: rule.to, Status: int(rule.status)}
}

// Statics is how many rules are in the table that goes before all others.
func (r *Redirects) Statics() int {
	if r == nil {
		return 0
	}
	return r.static.n
}

// Find returns the number of the rule that decides about a path: encoded, as a URL parser leaves it, without query.
// It allocates nothing.
func (r *Redirects) Find(path string) (n int, ok bool) {
	if r == nil {
		return 0, false
	}
	if n, ok := r.static.find(r.rules, path); ok {
		return int(n), true
	}
	id, ok := r.dynamic.first(path)
	if !ok {
		return 0, false
	}
	return int(r.order[id]), true
}

// Request is what a redirect has to know of a request.
type Request struct {
	Scheme string // "http" or "https", as the client used it
	Host   string // canonical, without port
	Path   string // encoded, as it was given to Find
	Query  string // without "?", as it came
}

// Answer appends what rule n, which Find returned for req.Path, makes of the request: for status 200 the encoded path
// to go on with, for every other the value of the Location field. It reads like the request's own URL with the
// destination resolved against it: the query is the destination's, or if that has none the request's; a destination on
// this host is written without scheme and host.
//
// What was written as a path leads to a path of this site, whatever the placeholders hold. Nothing appended is a
// control character or outside ASCII.
//
// Not ok means that the rule has no answer for this path: what its placeholders hold does not make a host, or makes
// something longer than 64 KiB. The request then goes on as if no rule had matched.
func (r *Redirects) Answer(dst []byte, n int, req *Request) (out []byte, ok bool) {
	rule := &r.rules[n]
	a := answer{dest: &onSite, fixed: rule.to, req: req, out: dst, start: len(dst)}
	if rule.dest != nil {
		a.dest, a.fixed = rule.dest, rule.dest.fixed
	}
	if !a.dest.constant {
		source := &r.dynamic.patterns[rule.source]
		if a.captures.path = req.Path; !source.match(req.Path, a.captures.spans[:len(source.names)]) {
			return dst, false
		}
	}
	if rule.status == 200 {
		ok = a.rewrite()
	} else {
		ok = a.location()
	}
	if !ok {
		return dst, false
	}
	return a.out, true
}

// Weight is about the memory that r holds, in bytes.
func (r *Redirects) Weight() int64 {
	if r == nil {
		return 0
	}
	w := int64(unsafe.Sizeof(*r)) + r.dynamic.weight() + int64(cap(r.rules))*int64(unsafe.Sizeof(redirect{})) + int64(unsafe.Sizeof(slot{}))*int64(len(r.static.slots)) + 4*int64(len(r.order))
	for i := range r.rules {
		rule := &r.rules[i]
		w += int64(len(rule.from) + len(rule.to))
		if rule.dest != nil {
			w += rule.dest.weight()
		}
	}
	return w
}

func (ix *index) weight() int64 {
	w := ix.treeWeight()
	for i := range ix.patterns {
		w += ix.patterns[i].weight()
	}
	return w
}

// treeWeight is weight without the patterns.
func (ix *index) treeWeight() int64 {
	w := int64(len(ix.nodes))*int64(unsafe.Sizeof(node{})) + 4*int64(len(ix.ids))
	for i := range ix.nodes {
		w += int64(len(ix.nodes[i].keys))
		w += int64(len(ix.nodes[i].label))
	}
	return w
}

func (p *pattern) weight() int64 {
	w := int64(unsafe.Sizeof(*p)) + int64(unsafe.Sizeof(element{}))*int64(len(p.head)+len(p.tail)+len(p.after)) + 16*int64(len(p.names)+len(p.glob))
	for _, text := range p.glob {
		w += int64(len(text))
	}
	return w
}
