package convert

import (
	"errors"
	"fmt"
	"io"

	"berth/router/hostkey"
)

// Route is one host, or one wildcard, and what answers it.
type Route struct {
	Host       hostkey.Host // for a wildcard, the parent
	Wildcard   bool
	ScriptHash string
	Entry      int
}

// String is the host as people write it.
func (r Route) String() string {
	if r.Wildcard {
		return "*." + string(r.Host)
	}
	return string(r.Host)
}

// Report is what became of a table. Its size is bounded by Options.MaxExamples.
type Report struct {
	Entries   int
	Hosts     int
	Wildcards int
	ByClass   [numClasses]int // indexed by Class
	ByReason  map[Reason]int
	Notes     map[NoteKind]int // entries that have at least one
	Examples  []Entry          // the first ones of each class and reason, and of each kind of note; texts cut, three hosts at most
	Work      int64            // steps spent

	most int
	seen map[string]int
}

// Complete reports whether nothing of the table needs the old router.
func (r *Report) Complete() bool { return r.ByClass[CannotConvert] == 0 }

// NewReport returns an empty report that keeps so many examples of each sort.
func NewReport(examples int) *Report {
	return &Report{ByReason: map[Reason]int{}, Notes: map[NoteKind]int{}, most: examples, seen: map[string]int{}}
}

// Add counts an entry.
func (r *Report) Add(e *Entry) {
	r.Entries++
	r.Hosts += len(e.Hosts)
	r.Wildcards += len(e.Wildcards)
	r.ByClass[e.Class]++
	if e.Reason != "" {
		r.ByReason[e.Reason]++
	}
	wanted := r.wants(fmt.Sprint(e.Class, e.Reason))
	kinds := map[NoteKind]bool{}
	for _, n := range e.Notes {
		if !kinds[n.Kind] {
			kinds[n.Kind] = true
			r.Notes[n.Kind]++
			wanted = r.wants(string(n.Kind)) || wanted
		}
	}
	if wanted {
		r.Examples = append(r.Examples, shortened(*e))
	}
}

func (r *Report) wants(sort string) bool {
	r.seen[sort]++
	return r.seen[sort] <= r.most
}

func shortened(e Entry) Entry {
	const few = 3
	e.Pattern, e.ScriptHash, e.Why = clip(e.Pattern), clip(e.ScriptHash), clip(e.Why)
	e.Hosts = append([]hostkey.Host(nil), e.Hosts[:min(len(e.Hosts), few)]...)
	e.Wildcards = append([]string(nil), e.Wildcards[:min(len(e.Wildcards), few)]...)
	return e
}

// ErrStop ends Table early, without an error, when emit returns it.
var ErrStop = errors.New("convert: stop")

// Table converts one table. It calls emit for each host and wildcard, in the order of the entries, each host once.
// Whatever was emitted counts only if Table returns no error: the end of a table can be wrong. Emit may be nil, for
// the report alone. The report is of what was read until then.
func (c *Converter) Table(r io.Reader, emit func(Route) error) (*Report, error) {
	report := NewReport(c.options.MaxExamples)
	table, err := NewReader(r, c.options)
	if err != nil {
		return report, err
	}
	p := c.Project()
	for {
		f, err := table.Next()
		report.Work = p.Work()
		if err == io.EOF {
			return report, nil
		}
		if err != nil {
			return report, err
		}
		e := p.Add(f)
		report.Add(&e)
		if err := e.each(emit); err != nil {
			if errors.Is(err, ErrStop) {
				return report, nil
			}
			return report, fmt.Errorf("convert: filter %d: %w", e.Index, err)
		}
	}
}

func (e *Entry) each(emit func(Route) error) error {
	if emit == nil {
		return nil
	}
	for _, h := range e.Hosts {
		if err := emit(Route{Host: h, ScriptHash: e.ScriptHash, Entry: e.Index}); err != nil {
			return err
		}
	}
	for _, w := range e.Wildcards {
		if err := emit(Route{Host: hostkey.Host(w[len("*."):]), Wildcard: true, ScriptHash: e.ScriptHash, Entry: e.Index}); err != nil {
			return err
		}
	}
	return nil
}
