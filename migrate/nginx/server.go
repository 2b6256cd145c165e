package nginx

import (
	"slices"
	"strings"
)

// server is one server block.
type server struct {
	at       Position
	listen   []string // sockets; at least one
	standard bool     // default_server of one of them
	names    []name
	action   string
	value    string
	https    bool // does nothing but redirect to https
}

// name is one parameter of server_name, or the left side of a map.
type name struct {
	at   Position
	text string
}

func (b *builder) server(d *directive, root string) server {
	s := server{at: d.at}
	for i := range d.block {
		switch c := &d.block[i]; {
		case c.name == "server_name":
			for _, text := range c.args {
				s.names = append(s.names, name{c.at, text})
			}
		case c.name == "listen" && len(c.args) > 0:
			s.listens(c.args)
		}
	}
	if len(s.listen) == 0 {
		s.listen = []string{"80"}
	}
	s.acts(d.block, root)
	b.conditions(&s, d.block)
	return s
}

func (s *server) listens(args []string) {
	socket := strings.TrimPrefix(args[0], "*:")
	if !slices.Contains(s.listen, socket) {
		s.listen = append(s.listen, socket)
	}
	if slices.Contains(args[1:], "default_server") || slices.Contains(args[1:], "default") {
		s.standard = true
	}
}

// acts finds what the server does: itself, else in the location of everything, else by its root.
func (s *server) acts(block []directive, root string) {
	for i := range block {
		if d := &block[i]; d.name == "return" && len(d.args) > 0 {
			s.action, s.value = d.name, strings.Join(d.args, " ")
			return
		}
		if d := &block[i]; d.name == "rewrite" && len(d.args) > 1 && strings.Contains(d.args[1], "://") {
			s.action, s.value = d.name, strings.Join(d.args, " ")
			return
		}
	}
	if s.location(block) {
		return
	}
	for i := range block {
		if d := &block[i]; d.name == "root" && len(d.args) == 1 {
			root = d.args[0]
		}
	}
	if root != "" {
		s.action, s.value = "root", root
	}
}

// location looks into location /. Others serve a part of the server.
func (s *server) location(block []directive) bool {
	for i := range block {
		d := &block[i]
		if d.name != "location" || len(d.args) == 0 || d.args[len(d.args)-1] != "/" || d.args[0] == "=" {
			continue
		}
		for _, want := range []string{"return", "proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "alias", "root"} {
			for j := range d.block {
				if c := &d.block[j]; c.name == want && len(c.args) > 0 {
					s.action, s.value = c.name, strings.Join(c.args, " ")
					return true
				}
			}
		}
	}
	return false
}

// conditions reads if blocks about the host: what makes certificates writes redirects to https so. Others it tells of.
func (b *builder) conditions(s *server, block []directive) {
	s.https = toHTTPS(s.action, s.value, s.names)
	for i := range block {
		d := &block[i]
		if d.name != "if" || len(d.args) == 0 || !strings.Contains(strings.Join(d.args, " "), "host") {
			continue
		}
		if len(d.block) == 1 && toHTTPS(d.block[0].name, strings.Join(d.block[0].args, " "), s.names) && (s.action != "root" && s.action != "proxy_pass") {
			s.https = true
			continue
		}
		b.problem(d.at, "a condition on the host is not read; what it does for some hosts is not in the entries of its server")
	}
}

// toHTTPS reports whether a directive only sends clients to the same host by https.
func toHTTPS(action, value string, names []name) bool {
	if action != "return" && action != "rewrite" {
		return false
	}
	_, rest, found := strings.Cut(value, "https://")
	if !found {
		return false
	}
	target, _, _ := strings.Cut(strings.NewReplacer("{", "", "}", "").Replace(rest), "/")
	target, _, _ = strings.Cut(target, " ")
	target = strings.TrimSuffix(strings.TrimSuffix(target, "$request_uri"), "$uri")
	switch target = strings.TrimSuffix(target, "$request_uri?"); target {
	case "$host", "$http_host", "$server_name":
		return true
	}
	return len(names) == 1 && names[0].text == target
}
