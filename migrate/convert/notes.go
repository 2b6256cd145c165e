package convert

import "fmt"

// allPorts reports whether a pattern for this subject answers all ports that there are.
func (o *Options) allPorts(a answers) bool {
	return o.Subject == Host || a.full&withAnyPort != 0
}

// notes are about what was found.
func (w *walker) notes() (notes []Note) {
	if n := looseNote(w.hosts, w.wilds); n.Kind != "" {
		notes = append(notes, n)
	}
	for _, h := range w.hosts {
		if !w.options.allPorts(h.answers) {
			notes = append(notes, Note{NotePort, "not all ports match; Berth answers on every port", spelled(h.host) + ":8080"})
			break
		}
	}
	for i := range w.wilds {
		notes = append(notes, w.wildNotes(&w.wilds[i])...)
	}
	if len(w.invalid) > 0 {
		notes = append(notes, Note{NoteDropped, "some of its alternatives cannot be hosts: " + w.invalid[0], ""})
	}
	return notes
}

func looseNote(hosts []hostReading, wilds []wildReading) Note {
	count, example := 0, ""
	for _, h := range hosts {
		if count += len(h.loose); h.loose != "" && example == "" {
			example = replaced(spelled(h.host), int(h.loose[0]))
		}
	}
	for _, v := range wilds {
		if count += len(v.loose); v.loose != "" && example == "" {
			example = "a" + replaced("."+string(v.parent), int(v.loose[0]))
		}
	}
	if count == 0 {
		return Note{}
	}
	return Note{NoteLooseDot, fmt.Sprintf("%d unescaped dots are read as dots; the pattern also matches hosts with any other character there", count), example}
}

func replaced(host string, at int) string { return host[:at] + "x" + host[at+1:] }

func (w *walker) wildNotes(v *wildReading) (notes []Note) {
	name := "*." + string(v.parent)
	wider := func(label, what string) {
		notes = append(notes, Note{NoteWider, fmt.Sprintf("%s also answers hosts with %s", name, what), label + "." + string(v.parent)})
	}
	switch {
	case !v.run.class.has('.'):
		wider("a.b", "more labels")
	case !v.run.class.has('-'):
		wider("a-b", "a '-' in them")
	case !v.run.class.has('_'):
		wider("a_b", "a '_' in them")
	}
	if v.run.crosses {
		notes = append(notes, Note{NoteCrosses, "the run before the dot also matches a slash, so it could match in paths of other hosts; this is not kept", ""})
	}
	if !w.options.allPorts(v.answers) {
		notes = append(notes, Note{NotePort, "not all ports match; Berth answers on every port", "a." + string(v.parent) + ":8080"})
	}
	return notes
}
