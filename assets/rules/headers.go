package rules

import (
	"slices"
	"unsafe"
)

// Headers is a compiled _headers: immutable, safe for concurrent use.
type Headers struct {
	blocks []headerBlock
	paths  []pattern // of all blocks
	names  []string  // every field name, once, in canonical spelling

	anyHost index   // blocks that apply to every host
	hosts   index   // the others' hosts, each once
	ofHost  []index // blocks of each host
}

type headerBlock struct {
	HeaderRule
	host     *pattern // nil: every host
	captures int
	template bool // an op has placeholders
}

// HeaderRule is one block of the file.
type HeaderRule struct {
	Line int    // of the path
	Path string // percent-encoded, with https:// and the host if there is one
	Ops  []Op   // detaches first, then what is set, as they are to be carried out; not to be changed
}

// Op is one line of a block.
type Op struct {
	Line   int
	Name   string // canonical
	Detach bool   // remove the field
	Value  string // as it was written, placeholders included

	name  int32 // in Headers.names
	value []byte
	parts template // nil: the value has no placeholders
}

// Len is the number of rules.
func (h *Headers) Len() int {
	if h == nil {
		return 0
	}
	return len(h.blocks)
}

// OfHosts says that some rules are for certain hosts only.
func (h *Headers) OfHosts() bool { return h != nil && len(h.ofHost) > 0 }

// Rule returns the n-th rule, in the order in which they apply: that of the file, but that the last of several blocks
// for the same path stands for all of them, in the place of the first.
func (h *Headers) Rule(n int) HeaderRule { return h.blocks[n].HeaderRule }

// Match appends the numbers of the rules that match a canonical host and an encoded path, in the order in which they
// apply. It allocates nothing but for growing dst.
func (h *Headers) Match(dst []int32, host, path string) []int32 {
	if h == nil {
		return dst
	}
	start := len(dst)
	dst = h.anyHost.appendAll(dst, path)
	if len(h.hosts.nodes) > 0 {
		mark := len(dst)
		dst = h.hosts.appendAll(dst, host)
		groups := len(dst) - mark
		for i := range groups {
			dst = h.ofHost[dst[mark+i]].appendAll(dst, path)
		}
		dst = slices.Delete(dst, mark, mark+groups)
	}
	if len(dst)-start > 1 {
		slices.Sort(dst[start:])
	}
	return dst
}

// AppendValue appends what op of rule n, which matches host and path, sets: the value with its placeholders replaced.
// What they bring with it that must not be in a field is percent-encoded. Not ok is a value of more than 64 KiB, and
// leaves dst as it was.
func (h *Headers) AppendValue(dst []byte, n int, op *Op, host, path string) (out []byte, ok bool) {
	if op.parts == nil {
		return append(dst, op.value...), true
	}
	c := captures{host: host, path: path}
	h.blocks[n].capture(&h.paths[n], &c)
	out, ok = op.parts.expand(dst, &c, inValue, maxExpanded)
	if !ok {
		out = dst
	}
	return out, ok
}

// capture fills c, first from its host, then from its path.
func (b *headerBlock) capture(p *pattern, c *captures) {
	if b.host != nil {
		c.ofHost = len(b.host.names)
		b.host.match(c.host, c.spans[:c.ofHost])
	}
	p.match(c.path, c.spans[c.ofHost:b.captures])
}

// Weight is about the memory that h holds, in bytes.
func (h *Headers) Weight() int64 {
	if h == nil {
		return 0
	}
	w := int64(unsafe.Sizeof(*h)) + h.anyHost.weight() + h.hosts.weight()
	for i := range h.ofHost {
		w += int64(unsafe.Sizeof(index{})) + h.ofHost[i].treeWeight() // the patterns are those of anyHost
	}
	for i := range h.blocks {
		b := &h.blocks[i]
		w += int64(unsafe.Sizeof(*b)) + int64(len(b.Path))
		for j := range b.Ops {
			w += int64(unsafe.Sizeof(b.Ops[j])) + 2*int64(len(b.Ops[j].Value)) + b.Ops[j].parts.weight()
		}
	}
	for _, name := range h.names {
		w += int64(len(name)) + int64(unsafe.Sizeof(name))
	}
	return w
}
