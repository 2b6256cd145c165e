package load

import (
	"fmt"
	"strings"

	"berth/migrate/convert"
	"berth/store"
)

// Meaning says what the entries of tables were understood to mean, and in what their records differ from them.
type Meaning struct {
	Converted     int `json:"converted"`
	NeedsWildcard int `json:"needs_wildcard"` // converted, to wildcard records
	Shadowed      int `json:"shadowed"`       // left out: earlier entries answer all that they could
	CannotConvert int `json:"cannot_convert"` // stored as they are

	// How many entries have each sort of difference.
	LooseDot Difference `json:"loose_dot,omitzero"`
	FoldCase Difference `json:"fold_case,omitzero"`
	Port     Difference `json:"port,omitzero"`
	Wider    Difference `json:"wider,omitzero"`
	Crosses  Difference `json:"crosses,omitzero"`
	Dropped  Difference `json:"dropped,omitzero"`
}

// Difference counts entries, and has an example.
type Difference struct {
	Entries int    `json:"entries"`
	Pattern string `json:"pattern"`        // of the first one, cut
	Text    string `json:"text"`           // what is said of that
	Host    string `json:"host,omitempty"` // that shows it, if one can
}

func (d *Difference) add(e Difference) {
	if d.Entries == 0 {
		*d = e
		return
	}
	d.Entries += e.Entries
}

func (m *Meaning) of(kind convert.NoteKind) *Difference {
	switch kind {
	case convert.NoteLooseDot:
		return &m.LooseDot
	case convert.NoteFoldCase:
		return &m.FoldCase
	case convert.NotePort:
		return &m.Port
	case convert.NoteWider:
		return &m.Wider
	case convert.NoteCrosses:
		return &m.Crosses
	case convert.NoteDropped:
		return &m.Dropped
	}
	return nil // a shadow of some of its hosts, which is a problem of its own
}

var differences = [...]convert.NoteKind{
	convert.NoteLooseDot, convert.NoteFoldCase, convert.NotePort, convert.NoteWider, convert.NoteCrosses, convert.NoteDropped,
}

// entry counts one.
func (m *Meaning) entry(e *convert.Entry) {
	switch e.Class {
	case convert.Converted:
		m.Converted++
	case convert.NeedsWildcard:
		m.NeedsWildcard++
	case convert.Shadowed:
		m.Shadowed++
		return
	default:
		m.CannotConvert++
		return
	}
	counted := [len(differences)]bool{}
	for _, n := range e.Notes {
		d := m.of(n.Kind)
		if d == nil {
			continue
		}
		for i, kind := range differences {
			if kind == n.Kind && !counted[i] {
				counted[i] = true
				if d.Entries++; d.Entries == 1 {
					d.Pattern, d.Text, d.Host = strings.Clone(clip(e.Pattern)), clip(n.Text), n.Example
				}
			}
		}
	}
}

// Add sums up. Of the examples the first one stays.
func (m *Meaning) Add(n Meaning) {
	m.Converted, m.NeedsWildcard = m.Converted+n.Converted, m.NeedsWildcard+n.NeedsWildcard
	m.Shadowed, m.CannotConvert = m.Shadowed+n.Shadowed, m.CannotConvert+n.CannotConvert
	for _, kind := range differences {
		m.of(kind).add(*n.of(kind))
	}
}

// Lines says for people in what records differ from the entries, one line for each sort that there is.
func (m *Meaning) Lines() (lines []string) {
	for _, k := range []struct {
		kind convert.NoteKind
		text string
	}{
		{convert.NoteLooseDot, "entries have unescaped dots, which are read as dots; the tables also answered hosts with any other character there"},
		{convert.NoteFoldCase, "entries ignored case, as Berth does"},
		{convert.NotePort, "entries answered some ports only, and Berth answers on all"},
		{convert.NoteWider, "entries become wildcards that answer more hosts than they did"},
		{convert.NoteCrosses, "entries could also match in the paths of other hosts, which is not kept"},
		{convert.NoteDropped, "entries have alternatives that are no hosts, which are left out"},
	} {
		d := m.of(k.kind)
		if d.Entries == 0 {
			continue
		}
		line := fmt.Sprintf("%d %s [%s]; the first is %s", d.Entries, k.text, k.kind, d.Pattern)
		if d.Host != "" {
			line += ", for " + d.Host
		}
		lines = append(lines, line)
	}
	return lines
}

// LoadMeaning sums up the tables that were loaded, once Complete is true.
func LoadMeaning(r *store.Reader) (Meaning, error) {
	var s importState
	_, err := getDocument(r, stateDocument, &s)
	return s.Meaning, err
}
