package load

import (
	"fmt"

	"berth/migrate/convert"
)

// Class says what sort of problem there is with a table or an entry.
type Class string

// The classes of problems.
const (
	BadTable     Class = "table"      // it is not a table, or too large: nothing of it is loaded
	NoProject    Class = "project"    // there is no such project: nothing of its table is loaded
	Changed      Class = "changed"    // another table of the project was loaded before: nothing of this one is
	NotConverted Class = "convert"    // an entry that only the old table can answer by
	Shadowed     Class = "shadowed"   // an entry that earlier ones shadow, at least for some of its hosts
	Dangling     Class = "deployment" // its script_hash names no deployment of the project: it answers nobody
	Foreign      Class = "foreign"    // hosts that the project has no say in
	Claimed      Class = "claimed"    // hosts that another project has
	Moved        Class = "moved"      // a domain that serves what neither production nor a branch does
	Known        Class = "known"      // hosts that have an entry of Berth's
	Replaced     Class = "replaced"   // hosts that Berth served something else at: now they serve what the table says
	Stays        Class = "stays"      // hosts that Berth goes on serving, because their entries answer nobody
	Unowned      Class = "unowned"    // custom hosts without a project: they answer 404 until somebody adds them
	Left         Class = "left"       // domains that the table before named, and this one does not
	Part         Class = "part"       // hosts that an entry answers for some paths only; Berth answers the others
	BadLine      Class = "line"       // a line of another file that says nothing
)

// Problem is something that the operator has to know.
type Problem struct {
	Class   Class  `json:"class"`
	Place   string `json:"place"` // file, or file:line
	Project string `json:"project,omitempty"`
	Entry   int    `json:"entry"`            // in the table, from 0, or -1
	Offset  int64  `json:"offset,omitempty"` // in bytes, of the entry in its table
	Text    string `json:"text"`
}

func (p Problem) String() string {
	s := p.Place
	if p.Project != "" {
		s += ": project " + p.Project
	}
	if p.Entry >= 0 {
		s += fmt.Sprintf(": entry %d at byte %d", p.Entry, p.Offset)
	}
	return s + ": " + p.Text
}

// ProjectReport is what became of one table.
type ProjectReport struct {
	Project string `json:"project"`
	Place   string `json:"place"`

	Unchanged bool `json:"unchanged,omitempty"` // it was loaded before
	Failed    bool `json:"failed,omitempty"`    // nothing of it was loaded
	Entries   int  `json:"entries"`             // of the table as it came
	Stored    int  `json:"stored"`              // now: by this call, if it went on with another
	Hosts     int  `json:"hosts"`               // that are known to be answered
	Wildcards int  `json:"wildcards"`
	Domains   int  `json:"domains"` // custom hosts that were given to the project

	Meaning Meaning `json:"meaning,omitzero"` // of all its entries, those that were stored before included

	ByClass  map[Class]int `json:"by_class,omitempty"` // all problems
	Problems []Problem     `json:"problems,omitempty"` // the first ones
}

// Report sums up an import. Of its problems only so many are kept as MaxProblems for each project, for at most MaxProblemProjects projects.
type Report struct {
	Projects  int           `json:"projects"` // tables that were loaded, now or before
	Unchanged int           `json:"unchanged"`
	Failed    int           `json:"failed"`
	Entries   int           `json:"entries"`
	Stored    int           `json:"stored"`
	Hosts     int           `json:"hosts"`
	Wildcards int           `json:"wildcards"`
	Domains   int           `json:"domains"`
	Meaning   Meaning       `json:"meaning"`
	ByClass   map[Class]int `json:"by_class,omitempty"`
	// With are the reports of projects that have problems, the first ones.
	With []ProjectReport `json:"with_problems,omitempty"`
}

// MaxProblemProjects bounds Report.With.
const MaxProblemProjects = 1000

func (r *Report) add(p ProjectReport) {
	switch {
	case p.Failed:
		r.Failed++
	case p.Unchanged:
		r.Projects++
		r.Unchanged++
	default:
		r.Projects++
	}
	r.Entries += p.Entries
	r.Stored += p.Stored
	r.Hosts += p.Hosts
	r.Wildcards += p.Wildcards
	r.Domains += p.Domains
	r.Meaning.Add(p.Meaning)
	for class, n := range p.ByClass {
		if r.ByClass == nil {
			r.ByClass = map[Class]int{}
		}
		r.ByClass[class] += n
	}
	if len(p.Problems) > 0 && len(r.With) < MaxProblemProjects {
		r.With = append(r.With, p)
	}
}

// tellMost bounds the problems of one project.
type teller struct {
	most   int
	report *ProjectReport
}

func (t teller) problem(class Class, f *convert.Filter, format string, args ...any) {
	p := Problem{Class: class, Place: t.report.Place, Project: t.report.Project, Entry: -1, Text: fmt.Sprintf(format, args...)}
	if f != nil {
		p.Entry, p.Offset = f.Index, f.Offset
	}
	if t.report.ByClass == nil {
		t.report.ByClass = map[Class]int{}
	}
	t.report.ByClass[class]++
	if len(t.report.Problems) < t.most {
		t.report.Problems = append(t.report.Problems, p)
	}
}
