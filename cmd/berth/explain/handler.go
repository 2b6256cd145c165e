package explain

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"berth/store"
	"berth/store/control"
)

// Pattern is where the API answers Handle, below its prefix.
const Pattern = "GET /berth/explain"

// codeBadQuestion is the envelope's code for a question that cannot be understood; control uses it for bad requests.
const codeBadQuestion = 8000011

// Handle answers ?url=…&at=REVISION&method=…&header=Name: value&header=…. What belongs to a project that the caller may not read is explained as if it did
// not exist, to a word: whether a host is deployed is nobody else's business.
func (d Deps) Handle(ctx context.Context, p control.Principal, r *http.Request) (any, error) {
	q := r.URL.Query()
	at := uint64(0)
	if text := q.Get("at"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || n == 0 {
			return nil, &control.Error{Status: http.StatusBadRequest, Code: codeBadQuestion, Message: "at: want a revision, a number from 1"}
		}
		at = n
	}
	report, err := d.Explain(ctx, Question{URL: q.Get("url"), At: store.Revision(at), Method: q.Get("method"), Headers: q["header"]})
	if errors.Is(err, ErrURL) || errors.Is(err, ErrRequest) {
		return nil, &control.Error{Status: http.StatusBadRequest, Code: codeBadQuestion, Message: err.Error()}
	}
	if err != nil {
		return nil, err
	}
	return d.censor(report, p)
}

func (d Deps) censor(r *Report, p control.Principal) (*Report, error) {
	if p.AdministersServer() {
		return r, nil
	}
	if r.Record != nil {
		project, err := d.Store.Project(r.Record.ProjectNo)
		switch {
		case err == nil && p.MayRead(project.Account, project.Name):
			return r, nil
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
	}
	// Which router answers would say whether the site exists, too: by its opt-out, or the entry of a table.
	return &Report{
		URL: r.URL, Method: r.Method, Host: r.Host, Canonical: r.Canonical, Datacentre: r.Datacentre, Revision: r.Revision, Newest: r.Newest,
		Table: "hashed", Match: "none", Note: "no deployment that this token may read answers for this host",
	}, nil
}
