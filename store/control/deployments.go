package control

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"berth/store"
)

const (
	deploymentsPath = projectPath + "/deployments"
	deploymentPath  = deploymentsPath + "/{deployment}"
)

// deploymentEndpoints is what wrangler and the command line do with deployments.
func (s *Service) deploymentEndpoints() []endpoint {
	return []endpoint{
		{"POST " + deploymentsPath, needDeploy, s.createDeployment},
		{"GET " + deploymentsPath, needRead, s.listDeployments},
		{"DELETE " + deploymentsPath, needDeploy, s.deleteDeployments},
		{"GET " + deploymentPath, needRead, s.showDeployment},
		{"DELETE " + deploymentPath, needDeploy, s.dropDeployment},
		{"GET " + deploymentPath + "/history/logs", needRead, s.showLog},
		{"GET " + deploymentPath + "/files/{file}", needRead, s.showFile},
		{"POST " + deploymentPath + "/rollback", needDeploy, s.rollBack},
		{"POST " + deploymentPath + "/promote", needDeploy, s.promote},
		{"POST " + deploymentPath + "/retry", needDeploy, s.retryDeployment},
		{"POST " + deploymentPath + "/tails", needRead, s.createTail},
		{"DELETE " + deploymentPath + "/tails/{tail}", needRead, s.createTail},
		{"POST " + projectPath + "/purge", needDeploy, s.purgeKept},
	}
}

// deploymentOf finds the deployment that the path names, by its UUID or by the 8 digits that its host begins with.
func (s *Service) deploymentOf(c *call) (store.Deployment, error) {
	id := strings.ToLower(c.r.PathValue("deployment"))
	d, err := findDeployment(&s.deps.Store.Reader, c.project.No, id)
	if errors.Is(err, store.ErrNotFound) {
		return d, noDeployment(id, c.project)
	}
	return d, err
}

func noDeployment(id string, p store.Project) *Error {
	return refuse(http.StatusNotFound, codeNotFound, "project %q has no deployment %q", p.Name, clip(id))
}

func findDeployment(rd *store.Reader, p store.ProjectNo, id string) (store.Deployment, error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	var uuid store.UUID
	switch {
	case err != nil:
		return store.Deployment{}, store.ErrNotFound
	case len(id) == 2*4 && len(raw) == 4:
		return rd.DeploymentByLabel(p, id)
	case copy(uuid[:], raw) != len(uuid) || len(raw) != len(uuid) || uuid.String() != id:
		return store.Deployment{}, store.ErrNotFound
	}
	d, err := rd.DeploymentByUUID(uuid)
	if err == nil && d.Project != p {
		return store.Deployment{}, store.ErrNotFound
	}
	return d, err
}

func (s *Service) showDeployment(c *call) (any, error) {
	d, err := s.deploymentOf(c)
	if err != nil {
		return nil, err
	}
	return s.describeDeployment(&s.deps.Store.Reader, c.project, d)
}

// deploymentFilter picks deployments of a project.
type deploymentFilter struct {
	env    store.Environment // 0: any
	branch string            // "": any
}

func filterOf(r *http.Request, envName string) (f deploymentFilter, err error) {
	q := r.URL.Query()
	f.branch = q.Get("branch")
	switch text := q.Get(envName); text {
	case "":
	case environmentName(store.Production):
		f.env = store.Production
	case environmentName(store.Preview):
		f.env = store.Preview
	default:
		return f, refuse(http.StatusBadRequest, codeBadRequest, "%s=%q: want production or preview", envName, clip(text))
	}
	return f, nil
}

func (f deploymentFilter) matches(d store.Deployment) bool {
	return (f.env == 0 || d.Environment == f.env) && (f.branch == "" || d.Branch == f.branch)
}

// listDeployments shows a page of them, newest first. wrangler asks for one page only and names no size. What is left of a
// project with very many is not counted: a page then has no total_count, and one that is not full is the last.
func (s *Service) listDeployments(c *call) (any, error) {
	f, err := filterOf(c.r, "env")
	if err != nil {
		return nil, err
	}
	page, err := pageOf(c.r, 25, 100)
	if err != nil {
		return nil, err
	}
	after, ok := store.DeploymentNo(0), true
	if page.cursor != "" {
		if after, ok = s.cursors.open(c.project.No, page.cursor); !ok {
			return nil, badCursor(page)
		}
	}
	if err := s.pageOfDeployments(c.project, f, page, after); err != nil {
		return nil, fmt.Errorf("list deployments of %s: %w", c.project.Name, err)
	}
	c.info = page.info()
	return page.items, nil
}

// pageOfDeployments fills a page with those that are older than after. Without a filter what is not shown is counted by its keys.
func (s *Service) pageOfDeployments(p store.Project, f deploymentFilter, page *page, after store.DeploymentNo) (err error) {
	rd, all := &s.deps.Store.Reader, f == deploymentFilter{}
	if all && page.before() > 0 {
		if page.total, after, err = rd.SkipDeployments(p.No, after, page.before()); err != nil || page.total < page.before() {
			return err
		}
	}
	for d, err := range rd.DeploymentsOf(p.No, after) {
		if err != nil {
			return err
		}
		if all && len(page.items) == page.size {
			break
		}
		if f.matches(d) && page.enough() {
			return nil
		}
		if !f.matches(d) || !page.take() {
			continue
		}
		o, err := s.describeDeployment(rd, p, d)
		if err != nil {
			return err
		}
		page.items, page.next, after = append(page.items, o), s.cursors.after(p.No, d.No), d.No
	}
	if !all || len(page.items) < page.size {
		return nil
	}
	most := countBeyond + 1
	if page.cursor != "" {
		most = 1 // only whether there is one matters
	}
	left, _, err := rd.SkipDeployments(p.No, after, most)
	for range left {
		if page.enough() {
			break
		}
		page.take()
	}
	return err
}

type logObject struct {
	Total         int             `json:"total"`
	ContainerLogs bool            `json:"includes_container_logs"`
	Data          []logLineObject `json:"data"` // never empty: wrangler reads the last line of a failure unasked
}

type logLineObject struct {
	TS   string `json:"ts"`
	Line string `json:"line"`
}

// showLog shows the log, or its last ?size= lines.
func (s *Service) showLog(c *call) (any, error) {
	d, err := s.deploymentOf(c)
	if err != nil {
		return nil, err
	}
	lines, err := s.deps.Store.DeploymentLog(d.No)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("log of deployment %s: %w", d.UUID.String(), err)
	}
	if len(lines) == 0 {
		lines = logLines(d.Created, "This deployment has no log.")
	}
	o := logObject{Total: len(lines)}
	if text := c.r.URL.Query().Get("size"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, refuse(http.StatusBadRequest, codeBadRequest, "size=%q: want a number from 1", clip(text))
		}
		lines = lines[max(0, len(lines)-n):]
	}
	for _, l := range lines {
		o.Data = append(o.Data, logLineObject{TS: l.Time.Format(stampLayout), Line: l.Text})
	}
	return o, nil
}

const stampLayout = "2006-01-02T15:04:05.000Z07:00"

type fileObject struct {
	Name    string `json:"name"`
	Size    int64  `json:"size"`
	Content string `json:"content"`
}

// showFile shows one of the deployment's rule files as it came.
func (s *Service) showFile(c *call) (any, error) {
	d, err := s.deploymentOf(c)
	if err != nil {
		return nil, err
	}
	name := c.r.PathValue("file")
	for _, f := range ruleFiles(d) {
		if f.Name != name {
			continue
		}
		b, err := s.deps.Blobs.ReadAll(f.Ref.Digest, f.Ref.Size)
		if err != nil {
			return nil, fmt.Errorf("%s of deployment %s: %w", name, d.UUID.String(), err)
		}
		return fileObject{Name: name, Size: f.Ref.Size, Content: string(b)}, nil
	}
	return nil, refuse(http.StatusNotFound, codeNotFound, "deployment %s has no file %q (%s)", shortID(d.UUID), clip(name), "_headers, _redirects and _routes.json can be shown")
}

// ruleFiles are the files that say how the deployment is served.
func ruleFiles(d store.Deployment) []namedFileRef {
	var fs []namedFileRef
	for _, f := range namedFileRefs(d) {
		switch f.Name {
		case "_headers", "_redirects", "_routes.json":
			fs = append(fs, f)
		}
	}
	return fs
}

func (s *Service) retryDeployment(*call) (any, error) {
	return nil, refuse(http.StatusNotImplemented, codeNotImplemented,
		"a deployment cannot be retried: this server does not build, it publishes what is uploaded. Deploy again, or roll back to a deployment that worked")
}

func (s *Service) createTail(*call) (any, error) {
	return nil, refuse(http.StatusNotImplemented, codeNotImplemented,
		"this server cannot tail a deployment yet. Requests are in the server's access log, and what Functions say is in its own log, at the level debug")
}
