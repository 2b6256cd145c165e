package control

import (
	"errors"
	"net/http"
	"strings"

	"berth/store"
)

// authorised checks the caller before the endpoint sees the call, and answers with what it returns. Whoever may not
// call is refused without one of the slots that bound concurrent work.
func (s *Service) authorised(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{w: w, r: r, ctx: r.Context()}
		c.body, _ = r.Body.(*body)
		result, err := s.serve(e, c)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		reply(w, r, http.StatusOK, envelope{Success: true, Result: result, ResultInfo: c.info})
	})
}

func (s *Service) serve(e endpoint, c *call) (any, error) {
	if err := s.authorise(e.need, c); err != nil {
		return nil, err
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		c.w.Header().Set("Retry-After", "1")
		return nil, refuse(http.StatusServiceUnavailable, codeBusy, "the server works on %d calls already; try again in a moment", cap(s.slots))
	}
	return e.serve(c)
}

func (s *Service) authorise(n need, c *call) error {
	switch n {
	case needNothing:
		return nil
	case needUploadToken:
		return s.authoriseUpload(c)
	}
	p, err := s.authenticate(c.r)
	if err != nil {
		return err
	}
	c.principal = p
	if err := s.reachAccount(c); err != nil {
		return err
	}
	if name := c.r.PathValue("project"); name != "" {
		return s.reachProject(n, c, name)
	}
	return allow(n, c)
}

// reachAccount finds the account of the path. Another one's is answered alike whether it exists or not.
func (s *Service) reachAccount(c *call) error {
	id := c.r.PathValue("account")
	if id == "" {
		return nil
	}
	a, err := s.deps.Store.AccountByID(id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	switch {
	case err == nil && c.principal.reaches(a.No):
		c.account = a
		return nil
	case c.principal.AdministersServer():
		return refuse(http.StatusNotFound, codeNotFound, "there is no account %q", id)
	default:
		return refuse(http.StatusForbidden, codeForbidden, "this token is not for account %q", id)
	}
}

// allow checks what a call without a project needs.
func allow(n need, c *call) error {
	switch {
	case n == needServer && !c.principal.AdministersServer():
		return refuse(http.StatusForbidden, codeForbidden, "this needs a server admin's token")
	case n == needAccount && !c.principal.Administers(c.account.No):
		return refuse(http.StatusForbidden, codeForbidden, "this needs a token that administers account %q", c.account.ID)
	case n == needDeploy:
		return refuse(http.StatusForbidden, codeForbidden, "this needs a project") // an endpoint's pattern is wrong
	}
	return nil
}

// reachProject finds the project of the path, once the caller is known to be allowed to know.
func (s *Service) reachProject(n need, c *call, name string) error {
	if err := s.mayProject(n, c, name); err != nil {
		return err
	}
	p, err := s.deps.Store.ProjectByName(name)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && p.Account != c.account.No:
		return noProject(name, c.account)
	case err != nil:
		return err
	case p.State == store.ProjectDeleting && !deleting(n, c.r):
		return refuse(http.StatusConflict, codeConflict, "project %q is being deleted", name)
	}
	c.project = p
	return nil
}

// deleting says whether the call deletes the whole project: asking again for a deletion that a crash cut short is no
// conflict.
func deleting(n need, r *http.Request) bool {
	return n == needAccount && r.Method == http.MethodDelete && strings.HasSuffix(r.Pattern, "/{project}")
}

func (s *Service) mayProject(n need, c *call, name string) error {
	p, a := c.principal, c.account.No
	switch {
	case n == needRead && p.MayRead(a, name), n == needDeploy && p.MayDeploy(a, name), n == needAnyToken:
		return nil
	case n == needAccount || n == needServer:
		return allow(n, c)
	case p.Token.Scope == store.ScopeDeploy:
		return refuse(http.StatusForbidden, codeForbidden, "this token is for %s, not for project %q", plural(p.Token.Projects), name)
	default:
		return refuse(http.StatusForbidden, codeForbidden, "this token may read but not deploy")
	}
}

func plural(projects []string) string {
	if len(projects) == 1 {
		return "project " + projects[0]
	}
	return "projects " + strings.Join(projects, ", ")
}

func noProject(name string, a store.Account) *Error {
	return refuse(http.StatusNotFound, codeProjectMissing, "there is no project %q in account %q", name, a.ID)
}
