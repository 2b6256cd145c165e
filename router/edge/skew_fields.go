package edge

import (
	"bytes"
	"strings"

	"berth/assets"
)

func field(name string, value []byte) assets.Field { return assets.Field{Name: name, Value: value} }

// varyOn names what the choice of a deployment looked at, found or not: a shared cache that kept an answer given without a
// cookie must not give it to who has one. The query is part of every cache's key.
func varyOn(k *skew) assets.Field {
	vary := "X-Deployment-Id"
	switch {
	case k.cookie:
		vary = "X-Deployment-Id, Sec-Fetch-Dest, Cookie"
	case k.dest:
		vary = "X-Deployment-Id, Sec-Fetch-Dest"
	}
	return field("Vary", bytesOf(vary))
}

// keepPrivate lets nobody but the browser keep the answer, for as long as it might have before.
func (x *exchange) keepPrivate() {
	from, noStore := len(x.text), false
	x.text = append(x.text, "private"...)
	fields := x.plan.Fields[:0]
	for _, f := range x.plan.Fields {
		switch {
		case strings.EqualFold(f.Name, "Cache-Control"):
			noStore = x.appendDirectives(f.Value) || noStore
		case !assets.ForSharedCaches(f.Name):
			fields = append(fields, f)
		}
	}
	if noStore { // stronger, and nobody is to think that a "private" beside it allowed more
		from += len("private, ")
	}
	x.plan.Fields = append(fields, field("Cache-Control", x.text[from:len(x.text):len(x.text)]))
}

// keepNothing lets nobody keep the answer. It is what the host serves in the place of the deployment that was named; were
// that one released next, caches would go on giving out, by its name, the files of another.
func (x *exchange) keepNothing() {
	fields := x.plan.Fields[:0]
	for _, f := range x.plan.Fields {
		if !strings.EqualFold(f.Name, "Cache-Control") && !assets.ForSharedCaches(f.Name) {
			fields = append(fields, f)
		}
	}
	x.plan.Fields = append(fields, field("Cache-Control", bytesOf("no-store")))
}

// appendDirectives appends those of a Cache-Control value but for "public", and "private", which may be limited to some
// fields. It reports whether one of them is "no-store".
func (x *exchange) appendDirectives(value []byte) (noStore bool) {
	for len(value) > 0 {
		var directive []byte
		directive, value = cutDirective(value)
		name, _, _ := bytes.Cut(directive, []byte{'='})
		switch name = trimSpace(name); {
		case len(name) == 0, len(name) == 6 && foldEqual(name, "public"), len(name) == 7 && foldEqual(name, "private"):
			continue
		case len(name) == 8 && foldEqual(name, "no-store"):
			noStore = true
		}
		x.text = append(append(x.text, ", "...), directive...)
	}
	return noStore
}

// cutDirective cuts the first element of a list whose elements may have quoted arguments (RFC 9110 section 5.6.4).
func cutDirective(list []byte) (first, rest []byte) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted:
			return trimSpace(list[:i]), list[i+1:]
		}
	}
	return trimSpace(list), nil
}
