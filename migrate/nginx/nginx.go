package nginx

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"berth/migrate/convert"
	"berth/router/hostkey"
)

// Kind is what a name is to nginx.
type Kind uint8

const (
	Exact    Kind = iota // www.example.com
	Wildcard             // *.example.com
	Both                 // .example.com: the name, and all below it
	Suffix               // www.example.*
	Regex                // ~^…
	Default              // what answers all other hosts
	NoHost               // a name that is no host: _, "", $hostname
)

func (k Kind) String() string {
	names := []string{"exact", "wildcard", "name and wildcard", "suffix wildcard", "regex", "default", "no host"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Reasons beside those of package convert.
const (
	ReasonDefault     convert.Reason = "default"         // it answers whatever nothing else does
	ReasonNoHost      convert.Reason = "no-host"         // _ and the like
	ReasonSuffix      convert.Reason = "suffix-wildcard" // www.example.*
	ReasonNoHostnames convert.Reason = "no-hostnames"    // a wildcard in a map that does not say hostnames
	ReasonVariable    convert.Reason = "variable"        // its value is known only with the request
	ReasonNoValue     convert.Reason = "no-value"        // the server does not say what it serves
	ReasonRedirect    convert.Reason = "redirect"        // the server redirects elsewhere
	ReasonHTTPSTwin   convert.Reason = "https-twin"      // shadowed: it only redirects to https
)

// Entry is one name and what it becomes.
type Entry struct {
	Position
	Source string   // "server", or the map: "map $host $root"
	Listen []string // of a server
	Name   string   // as written, without quotes
	Kind   Kind
	Action string // what the value is: root, proxy_pass, return, … of a server; "value" of a map
	Value  string // stands for the deployment, as a script_hash does

	Class     convert.Class
	Reason    convert.Reason
	Why       string
	By        Position // of the other entry that is the reason, if there is one
	Hosts     []hostkey.Host
	Wildcards []string
	Notes     []convert.Note

	pending refusal // of the value; if nothing is left for the entry to answer, it does not matter
}

type refusal struct {
	reason convert.Reason
	why    string
}

func (e *Entry) refuse(reason convert.Reason, by Position, why string) {
	e.Class, e.Reason, e.By, e.Why = convert.CannotConvert, reason, by, why
	e.Hosts, e.Wildcards, e.Notes = nil, nil, nil
}

// Config is what a configuration says of hosts.
type Config struct {
	Entries  []Entry // servers first, then maps; each as they stand in the files
	Problems []Problem
	Files    []string // as read
}

// Counts returns how many entries are of each class.
func (c *Config) Counts() map[convert.Class]int {
	counts := map[convert.Class]int{}
	for i := range c.Entries {
		counts[c.Entries[i].Class]++
	}
	return counts
}

// Read reads the configuration whose main file is name. With a leading slash, name and includes are of the root of fsys,
// which then is os.DirFS("/") or stands for it; without, includes that begin with a slash are too.
func Read(fsys fs.FS, name string, o Options) (*Config, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &parser{fsys: fsys, options: o}
	if path.IsAbs(name) {
		p.root = "/"
	}
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	p.prefix = path.Dir(name)
	top, err := p.file(name, Position{})
	if err != nil {
		return nil, err
	}
	b := &builder{parser: p}
	b.top(top)
	entries, err := b.resolveServers()
	if err != nil {
		return nil, err
	}
	for i := range b.maps {
		entries = append(entries, b.resolveMap(&b.maps[i])...)
	}
	return &Config{Entries: entries, Problems: p.problems, Files: p.files}, nil
}

// builder finds servers and maps among directives.
type builder struct {
	*parser
	servers []server
	maps    []hostMap
}

// top reads a main file, or one of those that it would include in http.
func (b *builder) top(all []directive) {
	b.http(all)
	for i := range all {
		switch d := &all[i]; d.name {
		case "http":
			b.http(d.block)
		case "stream":
			if slices.ContainsFunc(d.block, func(d directive) bool { return d.name == "map" || d.name == "server" }) {
				b.problem(d.at, "the stream block is not read: Berth answers HTTP only")
			}
		}
	}
}

func (b *builder) http(all []directive) {
	root := ""
	for i := range all {
		if d := &all[i]; d.name == "root" && len(d.args) == 1 {
			root = d.args[0]
		}
	}
	for i := range all {
		switch d := &all[i]; {
		case d.name == "server" && d.opens:
			b.servers = append(b.servers, b.server(d, root))
		case d.name == "map" && d.opens:
			b.hostMap(d)
		}
	}
}
