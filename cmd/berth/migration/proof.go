package migration

import (
	"context"
	"errors"
	"net/http"
	"time"

	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/shadow"
	"berth/migrate/verify"
	"berth/store"
	"berth/store/control"
)

// Why is the body of a call that wants nothing but a reason.
type Why struct {
	Why string `json:"why"`
}

// Verification is how far a comparison of all tables with all records is, and what it found.
type Verification struct {
	verify.Report
	There bool   `json:"there"`           // one was begun, ever
	Waits string `json:"waits,omitempty"` // what it waits for
	Done  bool   `json:"done"`            // it has a result
	Clean bool   `json:"clean"`           // and that is that both sides agree on every host

	Limit    float64       `json:"limit"`     // entries a second; 0: none
	YieldP99 time.Duration `json:"yield_p99"` // the edge's, above which it gives way; 0: never
}

func (s *Service) verification() (*Verification, error) {
	r, there, waits, err := s.verify.Status()
	if err != nil {
		return nil, err
	}
	v := &Verification{Report: r, There: there, Waits: waits, Done: there && r.Done(), Clean: there && r.Clean()}
	v.Limit, v.YieldP99, err = s.verify.Pace()
	return v, err
}

func (s *Service) getVerify(context.Context, control.Principal, *http.Request) (any, error) {
	return s.verification()
}

func (s *Service) postVerify(ctx context.Context, p control.Principal, r *http.Request) (any, error) {
	var q Why
	if err := readJSON(r, &q); err != nil {
		return nil, err
	}
	if err := checkWhy(q.Why); err != nil {
		return nil, err
	}
	if err := s.verify.Start(ctx, who(p), q.Why); err != nil {
		return nil, err
	}
	return s.verification()
}

// checkVerified wants a comparison of this epoch that found no difference, and that began when the backfill was through: what is copied later was
// not compared.
func checkVerified(r *store.Reader, p *Plan) error {
	v, err := compared(r, p)
	if err != nil || v == nil {
		return err
	}
	bad := v.Hosts[verify.Missing] + v.Hosts[verify.Extra] + v.Hosts[verify.Different] + v.Hosts[verify.Error]
	p.check("verify", v.Clean(), "of all hosts, %d agree and %d do not; %d entries cannot be converted", v.Hosts[verify.Agree], bad, v.Hosts[verify.Unconvertible])
	return nil
}

// checkNothingMissing wants no host to be left that only the tables answer. What else a comparison may find is in force since cutover, and failures
// are decided about by themselves.
func checkNothingMissing(r *store.Reader, p *Plan) error {
	v, err := compared(r, p)
	if err != nil || v == nil {
		return err
	}
	missing := v.Hosts[verify.Missing]
	p.check("verify", missing == 0, "of all hosts that the tables answer, %d have no record", missing)
	return nil
}

// compared is the comparison that holds; nil: there is none, and the plan says why.
func compared(r *store.Reader, p *Plan) (*verify.Report, error) {
	copied, err := backfill.FinishedAt(r)
	state, serr := migrate.Load(r)
	v, there, verr := verify.Load(r)
	switch err := errors.Join(err, serr, verr); {
	case err != nil:
		return nil, err
	case !there || v.Epoch != state.Epoch:
		p.check("verify", false, "nothing was compared since the backfill began: run `berth migrate verify`")
	case v.Aborted != "":
		p.check("verify", false, "the comparison ended without a result: %s; run `berth migrate verify`", v.Aborted)
	case copied == 0:
		p.check("verify", false, "the backfill is not through, and what it has not copied yet was not compared: see `berth migrate status`")
	case v.Run < copied:
		p.check("verify", false, "the comparison began before the backfill was through, and says nothing of what was copied later: run `berth migrate verify`")
	case !v.Done():
		p.check("verify", false, "the comparison is not through: see `berth migrate status`")
	default:
		return &v, nil
	}
	return nil, nil
}

// Diffs are hosts on which the two sides differ.
type Diffs struct {
	Shadow      []shadow.Diff `json:"shadow"`       // found by comparing live requests
	ShadowTotal int           `json:"shadow_total"` // that are kept
	Sites       []verify.Site `json:"sites"`        // found by verify
	SitesTotal  int           `json:"sites_total"`
}

// getDiffs lists them, with ?class= and ?limit=.
func (s *Service) getDiffs(_ context.Context, _ control.Principal, r *http.Request) (any, error) {
	limit, err := limitOf(r, 100)
	if err != nil {
		return nil, err
	}
	class := r.URL.Query().Get("class")
	if err := checkDiffClass(class); err != nil {
		return nil, err
	}
	out := Diffs{Shadow: []shadow.Diff{}, Sites: []verify.Site{}}
	for d, err := range shadow.Diffs(&s.deps.Store.Reader, "") {
		if err != nil {
			return nil, err
		}
		if class != "" && class != string(d.Class) {
			continue
		}
		if out.ShadowTotal++; len(out.Shadow) < limit {
			out.Shadow = append(out.Shadow, d)
		}
	}
	for site, err := range verify.Sites(&s.deps.Store.Reader) {
		if err != nil {
			return nil, err
		}
		if class != "" && site.Hosts[verify.Class(class)] == 0 {
			continue
		}
		if out.SitesTotal++; len(out.Sites) < limit {
			out.Sites = append(out.Sites, site)
		}
	}
	return out, nil
}
