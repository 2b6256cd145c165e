package backfill

import (
	"time"

	"berth/migrate"
	"berth/migrate/tables"
	"berth/store"
)

// Activity is what the job does.
type Activity string

const (
	Stopped  Activity = "stopped"          // Run is not running
	Waiting  Activity = "waiting"          // for a phase in which it may work
	Paused   Activity = "paused"           // by an operator
	Counting Activity = "counting"         // how much there is
	Copying  Activity = "copying"          // or keeping to its rate
	Yielding Activity = "yielding"         // to a server that is busy
	NoRoom   Activity = "waiting for room" // on the disk; it goes on by itself
	Failing  Activity = "failing"          // an error that it tries again after
	Done     Activity = "done"             // but for failures that are not due yet
)

// Status is how far the job is.
type Status struct {
	Phase    migrate.Phase `json:"phase"`
	Epoch    store.Epoch   `json:"epoch"`
	Activity Activity      `json:"activity"`
	Why      string        `json:"why,omitempty"`
	Total    int64         `json:"total"`   // entries
	Done     int64         `json:"done"`    // of them
	Written  int64         `json:"written"` // records
	Present  int64         `json:"present"` // hosts that had one
	Rate     float64       `json:"rate"`    // entries a second, of late
	Limit    float64       `json:"limit"`   // 0: none
	ETA      time.Duration `json:"eta"`     // 0: not known, or done
	Started  time.Time     `json:"started,omitzero"`
	Finished time.Time     `json:"finished,omitzero"`
	Commit   time.Duration `json:"commit"` // latency, of late
	// The job gives way when Commit, or the edge's p99, is above these; 0: never.
	YieldCommit time.Duration `json:"yield_commit"`
	YieldP99    time.Duration `json:"yield_p99"`

	Failures map[tables.Class]int `json:"failures"`
	Queued   int                  `json:"queued"`
	Overflow int                  `json:"overflow"` // failures for which the queue had no room
}

// Status reads the documents and adds what the running job knows.
func (j *Job) Status() (Status, error) {
	s, err := j.situation()
	if err != nil {
		return Status{}, err
	}
	p := s.point
	st := Status{Phase: s.state.Phase, Epoch: s.state.Epoch, Total: max(p.Total, p.Done), Done: p.Done, Written: p.Written, Present: p.Present,
		Limit: j.limiter.Rate(), Started: p.Started, Finished: p.Finished, Commit: j.commits.Value(),
		Failures: p.Failures, Queued: p.Queued, Overflow: p.Overflow}
	st.YieldCommit, st.YieldP99 = s.control.YieldOr(j.opts.MaxCommit, j.opts.MaxP99)
	j.mu.Lock()
	defer j.mu.Unlock()
	st.Activity, st.Why = j.live.state, j.live.why
	if !j.live.running {
		st.Activity, st.Why = Stopped, ""
	}
	if !p.Finished.IsZero() {
		st.Total = p.Done
		return st, nil
	}
	st.Rate = j.live.meter.rate(j.deps.Clock.Now())
	if st.Rate > 0 {
		st.ETA = time.Duration(float64(st.Total-st.Done) / st.Rate * float64(time.Second))
	}
	return st, nil
}

func (j *Job) setRunning(is bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.live.running = is
}

// setState reports whether that is news.
func (j *Job) setState(a Activity, why string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	news := j.live.state != a
	j.live.state, j.live.why = a, why
	return news
}

func (j *Job) progress(now time.Time, lines int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.live.meter.add(now, int64(lines))
}

// meter measures a rate over the last few seconds. Its zero value is ready.
type meter struct {
	marks [meterMarks]mark // a ring
	n     int              // marks that were made
	sum   int64
}

type mark struct {
	at  time.Time
	sum int64
}

const (
	meterMarks = 16
	meterEvery = 500 * time.Millisecond
	meterStale = 30 * time.Second
)

func (m *meter) add(now time.Time, n int64) {
	m.sum += n
	if m.n == 0 || now.Sub(m.marks[(m.n-1)%meterMarks].at) >= meterEvery {
		m.marks[m.n%meterMarks] = mark{now, m.sum}
		m.n++
	}
}

func (m *meter) rate(now time.Time) float64 {
	if m.n < 2 {
		return 0
	}
	first, last := m.marks[max(0, m.n-meterMarks)%meterMarks], m.marks[(m.n-1)%meterMarks]
	if now.Sub(last.at) > meterStale {
		return 0
	}
	return float64(last.sum-first.sum) / last.at.Sub(first.at).Seconds()
}
