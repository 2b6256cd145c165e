package nginx

import (
	"strings"

	"berth/migrate/convert"
)

// hostMap is one map block that is about the host.
type hostMap struct {
	at      Position
	title   string // "map $host $root"
	subject convert.Subject
	pairs   []pair
}

// pair is one line of a map.
type pair struct {
	name
	value     string
	hostnames bool // wildcards mean something
	plain     bool // a name, even if it looks like a parameter
}

// hostMap reads a map if its source is the host.
func (b *builder) hostMap(d *directive) {
	if len(d.args) != 2 {
		b.problem(d.at, "a map takes two parameters: map $host $variable { … }; it is passed over")
		return
	}
	m := hostMap{at: d.at, title: "map " + d.args[0] + " " + d.args[1]}
	switch source := strings.NewReplacer("{", "", "}", "").Replace(d.args[0]); {
	case source == "$host", source == "$ssl_server_name":
		m.subject = convert.Host
	case source == "$http_host":
		m.subject = convert.Authority
	case strings.Contains(source, "host"):
		b.problem(d.at, "%s depends on more than the host; it is passed over", m.title)
		return
	default:
		return
	}
	hostnames := false
	for i := range d.block {
		c := &d.block[i]
		switch {
		case len(c.args) == 0 && c.name == "hostnames":
			hostnames = true
		case len(c.args) == 0 && c.name == "volatile":
		case len(c.args) != 1 || c.opens:
			b.problem(c.at, "a line of a map is a name and a value, then ;; it is passed over")
		default:
			text, plain := strings.CutPrefix(c.name, `\`)
			m.pairs = append(m.pairs, pair{name{c.at, text}, c.args[0], hostnames, plain})
		}
	}
	b.maps = append(b.maps, m)
}
