package migration

import (
	"context"
	"net/http"
	"strings"
	"time"

	"berth/migrate"
	"berth/migrate/backfill"
	"berth/store/control"
)

// Backfill asks something of the job that copies the tables, or of the one that compares them. Exactly one of the first three, or some of
// Pace, is given.
type Backfill struct {
	Pause   bool `json:"pause,omitempty"`
	Resume  bool `json:"resume,omitempty"`
	Restart bool `json:"restart,omitempty"`
	Pace
	Job string `json:"job,omitempty"` // backfill, the default, or verify
	Why string `json:"why"`
}

// job is what both of them take.
type job interface {
	Pause(ctx context.Context, who, why string) error
	Resume(ctx context.Context, who, why string) error
	Tune(ctx context.Context, t migrate.Tuning, who, why string) error
}

func (s *Service) postBackfill(ctx context.Context, p control.Principal, r *http.Request) (any, error) {
	var q Backfill
	if err := readJSON(r, &q); err != nil {
		return nil, err
	}
	asked := 0
	for _, is := range []bool{q.Pause, q.Resume, q.Restart, q.Pace != Pace{}} {
		if is {
			asked++
		}
	}
	if asked != 1 {
		return nil, bad("want exactly one of pause, resume, restart, and a pace: rate, yield_commit, yield_p99")
	}
	if err := checkWhy(q.Why); err != nil {
		return nil, err
	}
	if err := s.operate(ctx, &q, who(p)); err != nil {
		return nil, err
	}
	return s.Status()
}

func (s *Service) operate(ctx context.Context, q *Backfill, who string) error {
	var j job = s.backfill
	switch q.Job {
	case "", "backfill":
	case "verify":
		j = s.verify
	default:
		return bad("job %.20q: want backfill or verify", q.Job)
	}
	switch {
	case q.Pause:
		return j.Pause(ctx, who, q.Why)
	case q.Resume:
		return j.Resume(ctx, who, q.Why)
	case q.Restart && q.Job == "verify":
		return bad("a comparison is begun again by POST /berth/migrate/verify")
	case q.Restart:
		return s.backfill.Restart(ctx, who, q.Why)
	case q.YieldCommit != nil && q.Job == "verify":
		return bad("yield_commit is the backfill's: a comparison hardly writes")
	}
	t, err := q.tuning()
	if err != nil {
		return err
	}
	return j.Tune(ctx, t, who, q.Why)
}

// Failure is an entry of a table that has no record.
type Failure struct {
	ID         string    `json:"id"`
	Class      string    `json:"class"`
	Project    string    `json:"project"` // its name; "#" and its number if there is none of that number
	Piece      uint32    `json:"piece"`
	Line       int       `json:"line"`
	Entry      int       `json:"entry"` // in the whole table as the server has it, from 0; -1: all of the piece
	Pattern    string    `json:"pattern,omitempty"`
	ScriptHash string    `json:"script_hash,omitempty"`
	Host       string    `json:"host,omitempty"`
	Why        string    `json:"why"`
	Attempts   int       `json:"attempts"`
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
	Next       time.Time `json:"next,omitzero"`
	Skipped    bool      `json:"skipped"`
}

// Failures is a part of the queue.
type Failures struct {
	Failures []Failure `json:"failures"`
	Total    int       `json:"total"`
}

// getFailures lists the queue, with ?class=, ?project= and ?limit=.
func (s *Service) getFailures(_ context.Context, _ control.Principal, r *http.Request) (any, error) {
	limit, err := limitOf(r, 100)
	if err != nil {
		return nil, err
	}
	class, project := r.URL.Query().Get("class"), r.URL.Query().Get("project")
	if err := checkFailureClass(class); err != nil {
		return nil, err
	}
	if project != "" && !strings.HasPrefix(project, "#") { // which is how failures without a project are listed
		if err := s.checkProject(project); err != nil {
			return nil, err
		}
	}
	out, names := Failures{Failures: []Failure{}}, namesIn(&s.deps.Store.Reader)
	for f, err := range backfill.Failures(&s.deps.Store.Reader) {
		if err != nil {
			return nil, err
		}
		if class != "" && class != string(f.Class) {
			continue
		}
		name := names.of(f.Project)
		if project != "" && project != name {
			continue
		}
		if out.Total++; len(out.Failures) < limit {
			out.Failures = append(out.Failures, Failure{
				ID: f.ID, Class: string(f.Class), Project: name, Piece: f.Piece, Line: f.Line, Entry: f.Entry, Pattern: f.Pattern, ScriptHash: f.ScriptHash,
				Host: f.Host, Why: f.Why, Attempts: f.Attempts, First: f.First, Last: f.Last, Next: f.Next, Skipped: f.Skipped,
			})
		}
	}
	return out, nil
}

// Choice names failures.
type Choice struct {
	IDs []string `json:"ids"` // none with All
	All bool     `json:"all,omitempty"`
	Why string   `json:"why"`
}

// Chosen says how many there were.
type Chosen struct {
	Failures int `json:"failures"`
}

func (s *Service) postRetry(ctx context.Context, p control.Principal, r *http.Request) (any, error) {
	return s.choose(ctx, p, r, s.backfill.Retry)
}

func (s *Service) postSkip(ctx context.Context, p control.Principal, r *http.Request) (any, error) {
	return s.choose(ctx, p, r, s.backfill.Skip)
}

func (s *Service) choose(ctx context.Context, p control.Principal, r *http.Request, do func(context.Context, string, string, ...string) (int, error)) (any, error) {
	var c Choice
	if err := readJSON(r, &c); err != nil {
		return nil, err
	}
	if err := checkWhy(c.Why); err != nil {
		return nil, err
	}
	if c.All == (len(c.IDs) > 0) || len(c.IDs) > maxIDs {
		return nil, bad("name failures by their IDs, at most %d, or say all", maxIDs)
	}
	n, err := do(ctx, who(p), c.Why, c.IDs...)
	return Chosen{n}, err
}
