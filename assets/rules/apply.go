package rules

// Change is what all matching rules together do to one field of a response.
type Change struct {
	Name    string // canonical
	Replace bool   // remove what the response has of this field; set on the first Change of each name
	Add     bool   // then add a field with Value
	Value   []byte // may be empty, and must not be written to
	Rule    int    // the last rule that had a part in it
	Line    int    // and its line
}

// Changes are what the rules do to a response, in order. A zero Changes is ready for use; reuse keeps its buffers.
type Changes struct {
	List []Change // valid until the next use

	rules []int32
	sets  []set   // values in the order in which they are set
	last  []int32 // for each name: its entry in heads, plus one; all zero between uses
	heads []head
	buf   []byte // grows only while Changes are made, so that views of it stay good
}

// head is a field that a rule has named.
type head struct {
	name        int32
	first, last int32 // in sets, plus one; 0: none
	set         bool  // some rule has set it: the response's own value is gone, and the next one is appended
	rule        int32
	line        int
}

type set struct {
	value []byte
	next  int32 // of the same field, plus one
}

// joiner separates the values of a list in one field line (RFC 9110 §5.3).
const joiner = ", "

// Apply finds the rules that match and carries them out in order: in each first the fields it detaches, then those it
// sets. The first value that any rule sets for a name replaces what the response has of it, later ones are appended,
// and that a name was set is remembered when it is detached. Several values become one field line, but for Set-Cookie,
// which must not be joined (RFC 6265 §3).
//
// Where no rule matches, nothing is allocated, and dst.List is empty. Values that placeholders would make longer than
// 64 KiB together are left out.
func (h *Headers) Apply(dst *Changes, host, path string) {
	dst.List, dst.sets, dst.heads = dst.List[:0], dst.sets[:0], dst.heads[:0]
	if h == nil {
		return
	}
	dst.rules = h.Match(dst.rules[:0], host, path)
	if len(dst.rules) == 0 {
		return
	}
	dst.reset(len(h.names))
	for _, n := range dst.rules {
		dst.apply(h, n, host, path)
	}
	for i := range dst.heads {
		dst.finish(h, &dst.heads[i])
		dst.last[dst.heads[i].name] = 0
	}
}

func (c *Changes) reset(names int) {
	if cap(c.buf) > 2*maxExpanded { // append makes more room than is asked for
		c.buf = nil
	}
	c.buf = c.buf[:0]
	if len(c.last) < names {
		c.last = make([]int32, names)
	}
}

// apply carries out one rule.
func (c *Changes) apply(h *Headers, n int32, host, path string) {
	b := &h.blocks[n]
	held := captures{host: host, path: path}
	if b.template {
		b.capture(&h.paths[n], &held)
	}
	for i := range b.Ops {
		op := &b.Ops[i]
		value := op.value
		if op.parts != nil {
			mark, ok := len(c.buf), false
			if c.buf, ok = op.parts.expand(c.buf, &held, inValue, maxExpanded-mark); !ok {
				c.buf = c.buf[:mark]
				continue
			}
			value = c.buf[mark:len(c.buf):len(c.buf)]
		}
		f := c.head(op.name)
		f.rule, f.line = n, op.Line
		if op.Detach {
			f.first, f.last = 0, 0
			continue
		}
		f.set = true
		c.sets = append(c.sets, set{value: value})
		at := int32(len(c.sets))
		if f.last > 0 {
			c.sets[f.last-1].next = at
		} else {
			f.first = at
		}
		f.last = at
	}
}

// head is the entry of a name.
func (c *Changes) head(name int32) *head {
	if c.last[name] == 0 {
		c.heads = append(c.heads, head{name: name})
		c.last[name] = int32(len(c.heads))
	}
	return &c.heads[c.last[name]-1]
}

// finish lists what is to be done to one field.
func (c *Changes) finish(h *Headers, f *head) {
	change := Change{Name: h.names[f.name], Replace: true, Rule: int(f.rule), Line: f.line}
	switch {
	case f.first == 0:
	case f.first == f.last:
		change.Add, change.Value = true, c.sets[f.first-1].value
	case change.Name == setCookie:
		change.Add = true
		for at := f.first; at != f.last; at = c.sets[at-1].next {
			change.Value = c.sets[at-1].value
			c.List = append(c.List, change)
			change.Replace = false
		}
		change.Value = c.sets[f.last-1].value
	default:
		mark := len(c.buf)
		for at := f.first; at != 0; at = c.sets[at-1].next {
			if at != f.first {
				c.buf = append(c.buf, joiner...)
			}
			c.buf = append(c.buf, c.sets[at-1].value...)
		}
		change.Add, change.Value = true, c.buf[mark:len(c.buf):len(c.buf)]
	}
	c.List = append(c.List, change)
}
