package migration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/load"
	"berth/store"
	"berth/store/control"
)

// Plan is what the next phase would do, and what speaks against entering it. Making one changes nothing.
type Plan struct {
	Phase  migrate.Phase `json:"phase"`
	Next   migrate.Phase `json:"next"` // "": there is none
	Does   string        `json:"does"`
	Tables Tables        `json:"tables"`
	Checks []Check       `json:"checks"`
	Ready  bool          `json:"ready"` // no check failed
	Back   string        `json:"back"`  // what reverting from the next phase loses
	Notes  []string      `json:"notes"` // what the import changed, or could not do; none of it is in the way
}

// Tables is what there is of the old design.
type Tables struct {
	Projects int   `json:"projects"`
	Pieces   int   `json:"pieces"`
	Entries  int64 `json:"entries"`
	Bytes    int64 `json:"bytes"` // of their text
}

// Check is a condition of entering a phase.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Hard   bool   `json:"hard,omitempty"` // --force does not help
}

func (s *Service) getPlan(context.Context, control.Principal, *http.Request) (any, error) {
	p, err := s.plan(&s.deps.Store.Reader, s.machine.State().Phase)
	if err != nil {
		return nil, err
	}
	if p.Tables, err = countTables(&s.deps.Store.Reader); err != nil {
		return nil, err
	}
	return p, s.noteImport(p)
}

// noteImport says what the import did to hosts that were served before it, and which are served by nobody. While the tables answer,
// an operator can still do something about each of them.
func (s *Service) noteImport(p *Plan) error {
	if p.Phase == migrate.Retired {
		return nil
	}
	o, err := load.LoadOutcome(&s.deps.Store.Reader)
	if err != nil {
		return err
	}
	note := func(n int, format string, args ...any) {
		if n > 0 {
			p.Notes = append(p.Notes, fmt.Sprintf(format, append([]any{n}, args...)...))
		}
	}
	m, err := load.LoadMeaning(&s.deps.Store.Reader)
	if err != nil {
		return err
	}
	if m != (load.Meaning{}) {
		p.Notes = append(p.Notes, fmt.Sprintf("of the entries that were imported %d are converted, %d need a wildcard, %d are shadowed by earlier ones, and %d cannot be converted",
			m.Converted, m.NeedsWildcard, m.Shadowed, m.CannotConvert))
		p.Notes = append(p.Notes, m.Lines()...)
	}
	note(o.Replaced, "%d hosts that Berth served before the import serve what their table says since, which is something else; the import's report lists them")
	note(o.Stays, "%d hosts go on serving what Berth served before the import, because their entries name no deployment; the same import again, with --deployments, has the tables decide")
	note(o.Part, "%d hosts are answered by an entry for some paths or ports, and by Berth for the others")
	unowned, err := s.unowned(o)
	if err != nil {
		return err
	}
	note(unowned, "%d custom hosts that the tables name belong to no project and answer 404 until `berth domain add HOST --project P`: %s", o.UnownedBy)
	note(o.Opaque, "%d entries do not say which hosts they answer; custom hosts that nothing else names answer 404 until `berth domain add`. The import's report lists the entries")
	return nil
}

// unowned counts the hosts that still have no project, of those that are kept by name.
func (s *Service) unowned(o load.Outcome) (n int, err error) {
	n = o.Unowned
	for _, host := range strings.Fields(o.UnownedBy) {
		_, err := s.deps.Store.HostOwner(host)
		if err == nil {
			n--
		} else if !errors.Is(err, store.ErrNotFound) {
			return 0, err
		}
	}
	return n, nil
}

// plan is made without reading the tables, from what r sees.
func (s *Service) plan(r *store.Reader, from migrate.Phase) (*Plan, error) {
	p := &Plan{Phase: from, Next: from.Next(), Checks: []Check{}, Ready: true, Notes: []string{}}
	var err error
	switch p.Next {
	case migrate.DualWrite:
		p.Does = fmt.Sprintf("begins epoch %d: route records written before it count as absent; from then on every change goes to the tables and to the records, and the tables answer", s.deps.Store.Epoch()+1)
		p.Back, err = "nothing: changes go to the tables all the time", checkTables(r, p)
	case migrate.Backfill:
		p.Does = "copies every entry of the tables that has no route record yet; the tables answer"
		p.Back = "nothing; copying goes on where it was when the phase is entered again, unless it begins a new epoch"
	case migrate.Verify:
		p.Does = "recomputes from the tables what every route must be and compares; the tables answer"
		p.Back, err = "nothing", checkBackfill(r, p)
	case migrate.Ramp:
		p.Does = "lets `berth migrate rollout` choose the sites that are answered from the records; none unless it was told so. Sites with entries that have no record are kept on the tables by name"
		p.Back, err = "nothing: the tables are still written", errors.Join(checkVerified(r, p), checkKept(r, p))
	case migrate.Cutover:
		p.Does = "answers every site from the records, but for those that are kept on the tables by name; the tables are still written"
		p.Back, err = "nothing: the tables are still written", checkRollout(r, p)
	case migrate.Retired:
		p.Does = "is entered by `berth migrate finish`: the tables are no longer written, nor asked, and then deleted"
		p.Back, err = "there is no way back from it", errors.Join(s.checkFinish(r, p), checkNothingMissing(r, p))
	default:
		p.Does = "nothing: the migration is over, or never began. `berth migrate import` begins one"
	}
	return p, err
}

func (p *Plan) check(name string, ok bool, detail string, args ...any) {
	p.Checks = append(p.Checks, Check{Name: name, OK: ok, Detail: fmt.Sprintf(detail, args...)})
	p.Ready = p.Ready && ok
}

// checkTables wants all of the hosts to be in the tables: in the next phase's epoch no record of before counts.
func checkTables(r *store.Reader, p *Plan) error {
	complete, err := load.Complete(r)
	if err != nil {
		return err
	}
	p.check("import", complete, "the import is complete")
	if !complete {
		c := &p.Checks[len(p.Checks)-1]
		c.Detail, c.Hard = "the import is not complete: run it again as before, with its `berth migrate import --tables …` (and --nginx, --deployments if it had them); it goes on where it stopped", true
	}
	return nil
}

func checkBackfill(r *store.Reader, p *Plan) error {
	finished, failures, err := backfill.Finished(r)
	if err != nil {
		return err
	}
	if finished {
		p.check("backfill", true, "every entry was looked at; %d of them have no record", failures)
		return nil
	}
	p.check("backfill", false, "the backfill is not through: see `berth migrate status`")
	return nil
}

func countTables(r *store.Reader) (t Tables, err error) {
	last := store.ProjectNo(0)
	for c, err := range r.AllTableChunks(0, 0) {
		if err != nil {
			return t, fmt.Errorf("count the tables: %w", err)
		}
		if c.Project != last {
			last = c.Project
			t.Projects++
		}
		t.Pieces++
		t.Bytes += int64(len(c.JSON))
		t.Entries += int64(bytes.Count(c.JSON, []byte(`"pattern"`))) // in JSON a key's quotes cannot stand bare in a string
	}
	return t, nil
}
