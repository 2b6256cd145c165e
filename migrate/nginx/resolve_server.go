package nginx

import (
	"fmt"
	"strings"

	"berth/migrate/convert"
)

// claimed is one name of one server on the way to its answer.
type claimed struct {
	server  int
	pattern string
	fold    bool
}

func (b *builder) resolveServers() ([]Entry, error) {
	o := b.options.Convert
	o.Subject = convert.Host
	c, err := convert.New(o)
	if err != nil {
		return nil, err
	}
	entries, from, err := b.claims()
	if err != nil {
		return nil, err
	}
	sockets := map[string][]int{} // indices of entries
	var order []string
	for i := range entries {
		for _, socket := range entries[i].Listen {
			if sockets[socket] == nil {
				order = append(order, socket)
			}
			sockets[socket] = append(sockets[socket], i)
		}
	}
	for _, socket := range order {
		resolveSocket(c, entries, from, sockets[socket])
	}
	b.compareSockets(entries, from)
	for i := range entries {
		entries[i].settle()
	}
	return entries, nil
}

// claims returns an entry for each name of each server, and beside it where it is from.
func (b *builder) claims() (entries []Entry, from []claimed, err error) {
	names := 0
	for i := range b.servers {
		s := &b.servers[i]
		if names += len(s.names) * len(s.listen); names > b.options.MaxNames {
			return nil, nil, &Error{Position: s.at, Message: fmt.Sprintf("the servers have more than %d names, counted for each socket (Options.MaxNames)", b.options.MaxNames)}
		}
		for _, e := range s.entries() {
			cl := claimed{server: i}
			if e.Kind == Regex {
				_, cl.pattern, _ = classify(e.Name, true)
				// nginx ignores case exactly where upper case is written, since hosts have none.
				cl.fold = strings.ToLower(cl.pattern) != cl.pattern
			}
			entries, from = append(entries, e), append(from, cl)
		}
	}
	return entries, from, nil
}

func resolveSocket(c *convert.Converter, entries []Entry, from []claimed, indices []int) {
	s := scope{entries: entries}
	for _, i := range indices {
		if e := &entries[i]; e.Reason == "" {
			s.items = append(s.items, e.items(i, from[i].pattern, from[i].fold)...)
		}
	}
	s.resolve(c)
}

// entries returns one for each name, and one for what a default server answers beside them.
func (s *server) entries() (all []Entry) {
	for _, n := range s.names {
		e := Entry{Position: n.at, Source: "server", Listen: s.listen, Name: n.text, Action: s.action, Value: s.value}
		e.Kind, _, _ = classify(n.text, true)
		e.check(true)
		if e.Reason == "" {
			s.refuseValue(&e)
		}
		all = append(all, e)
	}
	if s.standard {
		e := Entry{Position: s.at, Source: "server", Listen: s.listen, Name: "default_server", Kind: Default, Action: s.action, Value: s.value}
		e.refuse(ReasonDefault, Position{}, "the server answers every other host too; Berth answers those with 404, so list the hosts, or leave them to what stands before Berth")
		all = append(all, e)
	}
	return all
}

func (s *server) refuseValue(e *Entry) {
	switch {
	case s.https:
	case s.action == "":
		e.pending = refusal{ReasonNoValue, "the server says neither root nor proxy_pass nor return; say what it serves"}
	case s.action == "return" || s.action == "rewrite":
		e.pending = refusal{ReasonRedirect, fmt.Sprintf("the server only answers %q; a route leads to a deployment: let one with a _redirects file do it, or what stands before Berth", s.action+" "+s.value)}
	default:
		primary := ""
		if len(s.names) > 0 && !strings.ContainsAny(s.names[0].text, "*~") {
			primary = strings.TrimPrefix(s.names[0].text, ".")
		}
		e.fix(primary)
	}
}

// compareSockets finds hosts that two sockets answer. A route has no port.
func (b *builder) compareSockets(entries []Entry, from []claimed) {
	owner := map[string]int{}
	for _, https := range []bool{false, true} { // a redirect to https gives way, wherever it stands
		for i := range entries {
			e := &entries[i]
			if e.Reason != "" || e.pending.reason != "" || b.servers[from[i].server].https != https {
				continue
			}
			b.compare(entries, owner, i, https)
		}
	}
}

func (b *builder) compare(entries []Entry, owner map[string]int, i int, https bool) {
	e := &entries[i]
	hosts, wildcards := e.Hosts, e.Wildcards
	e.Hosts, e.Wildcards = nil, nil
	var twin, other Position
	taken := func(name string) bool {
		by, ok := owner[name]
		if !ok {
			owner[name] = i
			return false
		}
		if twin = entries[by].Position; !https && entries[by].key() != e.key() {
			other = twin
		}
		return true
	}
	for _, h := range hosts {
		if !taken(string(h)) {
			e.Hosts = append(e.Hosts, h)
		}
	}
	for _, w := range wildcards {
		if !taken(w) {
			e.Wildcards = append(e.Wildcards, w)
		}
	}
	switch left := len(e.Hosts) + len(e.Wildcards); {
	case other != Position{}:
		e.refuse(convert.ReasonPort, other, fmt.Sprintf("%s answers it on another socket and does something else; a route has no port: give one of them another name", other))
	case https && left > 0:
		e.refuse(ReasonRedirect, Position{}, "the server only redirects to https, and no other server that is converted answers the name; convert the one that it redirects to")
	case https && twin != Position{}:
		e.Class, e.Reason, e.By, e.Notes = convert.Shadowed, ReasonHTTPSTwin, twin, nil
		e.Why = fmt.Sprintf("it only redirects to https, where %s answers; what terminates TLS makes such redirects", twin)
	case twin != Position{}:
		e.By = twin
	}
}
