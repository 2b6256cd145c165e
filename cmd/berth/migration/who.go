package migration

import (
	"context"
	"fmt"

	"berth/cmd/berth/explain"
	"berth/migrate"
	"berth/migrate/load"
	"berth/router"
	"berth/router/rollout"
)

// Who says which router answers a question now, and by which rule: what `berth explain` shows.
func (s *Service) Who(ctx context.Context, q *router.Query) (explain.Who, error) {
	e := s.engine.Load()
	if e == nil || s.machine.State().Phase == migrate.Retired {
		return explain.Who{Table: rollout.Hashed.String()}, nil
	}
	reason := e.rollout.Why(q.Host)
	w := explain.Who{Table: reason.Side.String(), Why: reason.Rule.String()}
	if reason.Side == rollout.Hashed {
		if _, err := e.hashed.Resolve(ctx, q); err == nil || reason.Mode == rollout.ModeHashed {
			return w, nil
		}
		w.Table, w.Why = rollout.Legacy.String(), w.Why+", and then fallback: hashed has no route"
	}
	return s.byTable(ctx, e, q, w)
}

func (s *Service) byTable(ctx context.Context, e *engine, q *router.Query, w explain.Who) (explain.Who, error) {
	t, err := e.legacy.Explain(ctx, q)
	if err != nil {
		return w, err
	}
	if t.Line.Pattern != "" {
		w.Line = fmt.Sprintf("stored piece %d, entry %d of it: %s -> %s", t.Line.Piece, t.Line.Index, t.Line.Pattern, t.Line.ScriptHash)
	}
	if t.Found {
		w.Decision = &t.Decision
		return w, nil
	}
	complete, err := load.Complete(&s.deps.Store.Reader)
	if err == nil && !complete {
		w.Table, w.Why = rollout.Hashed.String(), "the import, which is not complete"
	}
	return w, err
}
