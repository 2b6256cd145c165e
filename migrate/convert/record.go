package convert

import (
	"strings"

	"berth/router/hostkey"
)

// fewHosts are searched one by one; an index for each of a million patterns with one host would cost more than it saves.
const fewHosts = 16

// maxShown bounds what a walk keeps only to tell.
const maxShown = 4

// answers says which requests to a host match: by port, and those of them that match only with some paths.
type answers struct {
	full, partial portBits
}

type portBits uint8

const (
	withoutPort portBits = 1 << iota
	withSomePort
	withAnyPort
)

// hostReading is one host that a pattern answers.
type hostReading struct {
	host    hostkey.Host
	loose   string // offsets of its unescaped dots, one byte each
	answers answers
}

// wildReading is all hosts that end in a dot and parent, and begin with run.
type wildReading struct {
	parent  hostkey.Host
	run     run
	loose   string // offsets of unescaped dots in "." + parent
	answers answers
	widens  bool // an earlier entry with the same script_hash answers some of it, by the same record
}

// oddSpelling is a host that no client spells like the pattern.
type oddSpelling struct {
	spelled string
	host    hostkey.Host
}

// record keeps what one way through the pattern led to: a host, answered with every path if full.
func (w *walker) record(s state, full bool) {
	if s.n > 0 && w.loose[s.n-1] {
		w.failAny(s)
		return
	}
	if s.n == 0 {
		if s.wild != nil {
			w.fail(ReasonEveryHost, "it says nothing of the host but that there is one; list the hosts, or a wildcard such as [^.]+\\.example\\.com")
		}
		return // the empty host is in no request
	}
	bits := answers{partial: bitOf(s.port)}
	if full {
		bits = answers{full: bitOf(s.port)}
	}
	if s.wild != nil {
		w.recordWild(s, bits)
		return
	}
	w.recordHost(s, bits)
}

func bitOf(p portState) portBits {
	switch p {
	case noPort, portBegun: // "host:" is the default port, too
		return withoutPort
	case anyPort:
		return withAnyPort
	default:
		return withSomePort
	}
}

func (a *answers) merge(b answers) { a.full |= b.full; a.partial |= b.partial }

func (w *walker) recordHost(s state, bits answers) {
	if at := w.find(w.buf[:s.n]); at >= 0 {
		w.hosts[at].answers.merge(bits)
		w.hosts[at].loose = union(w.hosts[at].loose, w.offsets(s))
		return
	}
	name := string(w.buf[:s.n])
	host, err := hostkey.Canonical(name)
	switch {
	case err != nil:
		if len(w.invalid) < maxShown {
			w.invalid = append(w.invalid, err.Error())
		}
		return
	case spelled(host) != name:
		w.recordOdd(name, host)
		return
	case len(w.hosts)+len(w.wilds) >= w.options.MaxHosts:
		w.fail(ReasonTooManyHosts, "it stands for more than %d hosts (Options.MaxHosts), among them %s; list those that exist", w.options.MaxHosts, name)
		return
	}
	w.hosts = append(w.hosts, hostReading{host: host, loose: w.offsets(s), answers: bits})
	w.index(name)
}

// recordOdd keeps all of them, up to the bound of hosts: each must turn out to be spelled rightly by another way.
func (w *walker) recordOdd(name string, host hostkey.Host) {
	if len(w.odd) >= w.options.MaxHosts {
		w.fail(ReasonTooManyHosts, "it stands for more than %d hosts (Options.MaxHosts), among them %s; list those that exist", w.options.MaxHosts, name)
		return
	}
	w.odd = append(w.odd, oddSpelling{spelled: name, host: host})
}

// spelled is how a client sends a host.
func spelled(h hostkey.Host) string {
	if strings.IndexByte(string(h), ':') >= 0 {
		return "[" + string(h) + "]"
	}
	return string(h)
}

func (w *walker) find(name []byte) int {
	if w.byName != nil {
		if at, ok := w.byName[string(name)]; ok {
			return at
		}
		return -1
	}
	for i := range w.hosts {
		if h := string(w.hosts[i].host); h == string(name) || name[0] == '[' && spelled(w.hosts[i].host) == string(name) {
			return i
		}
	}
	return -1
}

func (w *walker) index(name string) {
	switch {
	case w.byName != nil:
		w.byName[name] = len(w.hosts) - 1
	case len(w.hosts) > fewHosts:
		w.byName = make(map[string]int, 2*len(w.hosts))
		for i := range w.hosts {
			w.byName[spelled(w.hosts[i].host)] = i
		}
	}
}

func (w *walker) recordWild(s state, bits answers) {
	name := "*" + string(w.buf[:s.n])
	parent, _, err := hostkey.CanonicalPattern(name)
	switch {
	case err != nil:
		w.fail(ReasonNotAHost, "it stands for %s, which cannot be a wildcard: %v", clip(name), err)
		return
	case "*."+string(parent) != name:
		w.fail(ReasonSpelling, "it stands for %s, but clients send *.%s; write it so", clip(name), parent)
		return
	}
	for i := range w.wilds {
		if v := &w.wilds[i]; v.parent == parent && v.run == *s.wild {
			v.answers.merge(bits)
			v.loose = union(v.loose, w.offsets(s))
			return
		}
	}
	if len(w.wilds) >= fewHosts {
		w.fail(ReasonTooManyHosts, "it stands for more than %d wildcards; split it", fewHosts)
		return
	}
	w.wilds = append(w.wilds, wildReading{parent: parent, run: *s.wild, loose: w.offsets(s), answers: bits})
}

// offsets returns where the unescaped dots are. A host is short enough for bytes.
func (w *walker) offsets(s state) string {
	var at []byte
	for i, loose := range w.loose[:s.n] {
		if loose {
			at = append(at, byte(i))
		}
	}
	return string(at)
}

func union(a, b string) string {
	if a == b {
		return a
	}
	var seen [256]bool
	for _, s := range []string{a, b} {
		for i := range len(s) {
			seen[s[i]] = true
		}
	}
	var out []byte
	for i, is := range seen {
		if is {
			out = append(out, byte(i))
		}
	}
	return string(out)
}

// settle judges what was found once every way is known.
func (w *walker) settle() {
	for i := range w.hosts {
		w.judge(string(w.hosts[i].host), w.hosts[i].answers)
	}
	for i := range w.wilds {
		w.judge("*."+string(w.wilds[i].parent), w.wilds[i].answers)
	}
	for _, o := range w.odd {
		if w.find([]byte(spelled(o.host))) < 0 {
			w.fail(ReasonSpelling, "it matches %q, but clients send %q, so it answers nobody; write it so, if it shall, or remove it", clip(o.spelled), o.host)
			return
		}
	}
	switch {
	case len(w.hosts)+len(w.wilds) > 0:
	case len(w.invalid) > 0:
		w.fail(ReasonNotAHost, "no client can ask for it: %s", w.invalid[0])
	default:
		w.fail(ReasonNeverMatches, "nothing that a client sends matches it; %s", w.hint())
	}
}

func (w *walker) hint() string {
	if w.options.Subject == HostPath {
		return "it is tested against host[:port]/path, which always has a slash"
	}
	return "it is tested against a host, which has no slash"
}

func (w *walker) judge(name string, a answers) {
	switch {
	case a.partial&^a.full != 0:
		w.fail(ReasonPath, "it answers %s with some paths only, and a route has no path; serve those paths from one site, or let everything behind the slash match: (.*)", name)
	case a.full&withoutPort == 0:
		w.fail(ReasonPort, "it answers %s with a port only, and a route has no port; write (?::[0-9]+)?", name)
	}
}
