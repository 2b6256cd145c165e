package rules

import (
	"slices"
	"strings"
)

// compile makes Headers of what was parsed.
func (p *headerParser) compile() *Headers {
	h := &Headers{}
	nameIDs := map[string]int32{}
	hostIDs := map[string]int32{}
	var hosts []pattern
	var everywhere []int32
	var ofHost [][]int32
	blocks := p.effective()
	h.blocks, h.paths = make([]headerBlock, 0, len(blocks)), make([]pattern, 0, len(blocks))
	for _, b := range blocks {
		id := int32(len(h.blocks))
		h.blocks = append(h.blocks, newHeaderBlock(b, h, nameIDs))
		h.paths = append(h.paths, compile(b.pathEls, '/'))
		if b.host == "" {
			everywhere = append(everywhere, id)
			continue
		}
		host, known := hostIDs[b.host]
		if !known {
			host = int32(len(hosts))
			hostIDs[b.host] = host
			hosts, ofHost = append(hosts, compile(b.hostEls, '.')), append(ofHost, nil)
		}
		ofHost[host] = append(ofHost[host], id)
	}
	h.anyHost = newIndex('/', h.paths, everywhere)
	for i, ids := range ofHost {
		h.ofHost = append(h.ofHost, newIndex('/', h.paths, ids))
		for _, id := range ids {
			h.blocks[id].host = &hosts[i]
		}
	}
	h.hosts = newIndex('.', hosts, numbers(len(hosts)))
	return h
}

// effective lists the blocks that count: of several for the same path the last one, in the place of the first.
func (p *headerParser) effective() []parsedBlock {
	place := map[string]int{}
	blocks := make([]parsedBlock, 0, len(p.rules))
	for _, b := range p.rules {
		if b.dead {
			continue
		}
		if i, again := place[b.key()]; again {
			p.report.warn(blocks[i].line, BlockReplaced, b.text, "line %d has this path again, and replaces this rule with all its fields: join the two", b.line)
			blocks[i] = b
			continue
		}
		place[b.key()] = len(blocks)
		blocks = append(blocks, b)
	}
	return blocks
}

func newHeaderBlock(b parsedBlock, h *Headers, nameIDs map[string]int32) headerBlock {
	names := append(captureNames(b.hostEls), captureNames(b.pathEls)...)
	out := headerBlock{
		HeaderRule: HeaderRule{Line: b.line, Path: strings.Clone(b.key()), Ops: slices.Concat(b.detaches, b.sets)},
		captures:   len(names),
	}
	for i := range out.Ops {
		op := &out.Ops[i]
		id, known := nameIDs[op.Name]
		if !known {
			id = int32(len(h.names))
			nameIDs[op.Name], h.names = id, append(h.names, op.Name)
		}
		op.Name, op.name = h.names[id], id
		if parts := newTemplate(op.Value, names); !parts.constant() {
			op.parts, out.template = parts, true
		} else if !op.Detach {
			op.value = []byte(op.Value)
		}
	}
	return out
}
