package control

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"berth/router/hostkey"
	"berth/store"
)

const projectPath = "/accounts/{account}/pages/projects/{project}"

func (s *Service) projectEndpoints() []endpoint {
	return append([]endpoint{
		{"GET /accounts/{account}/pages/projects", needRead, s.listProjects},
		{"POST /accounts/{account}/pages/projects", needAccount, s.createProject},
		{"GET " + projectPath, needRead, s.showProject},
		{"PATCH " + projectPath, needAccount, s.patchProject},
		{"DELETE " + projectPath, needAccount, s.dropProject},
	}, s.domainEndpoints()...)
}

// projectObject is a project as the API shows it.
type projectObject struct {
	ID               string                    `json:"id"`
	Name             string                    `json:"name"`
	Subdomain        string                    `json:"subdomain"` // a host name
	Domains          []string                  `json:"domains"`
	Source           *struct{}                 `json:"source"` // null: no project is built from a repository
	ProductionBranch string                    `json:"production_branch"`
	CreatedOn        time.Time                 `json:"created_on"`
	ModifiedOn       time.Time                 `json:"modified_on"`
	Build            map[string]any            `json:"build_config"`
	Configs          map[string]map[string]any `json:"deployment_configs"`
	Site             siteObject                `json:"site"`           // as set; null: the default
	EffectiveSite    siteObject                `json:"site_effective"` // what holds for deployments that bring no settings
	Latest           *deploymentObject         `json:"latest_deployment"`
	Canonical        *deploymentObject         `json:"canonical_deployment"` // what production serves
}

func (s *Service) describeProject(rd *store.Reader, p store.Project) (projectObject, error) {
	set, err := decodeSettings(p.Settings)
	if err != nil {
		return projectObject{}, fmt.Errorf("project %s: %w", p.Name, err)
	}
	host := string(s.productionHost(p))
	o := projectObject{
		ID: p.UUID.String(), Name: p.Name, Subdomain: host, Domains: []string{host}, ProductionBranch: p.ProductionBranch,
		CreatedOn: p.Created, ModifiedOn: p.Modified, Configs: make(map[string]map[string]any),
		Build: map[string]any{"build_command": nil, "destination_dir": nil, "root_dir": nil},
		Site:  describeSite(p.Site), EffectiveSite: describeSite(s.siteOf(p, store.Deployment{})),
	}
	for name, raw := range set.Build {
		o.Build[name] = raw
	}
	for _, env := range environments() {
		name := environmentName(env)
		if o.Configs[name], err = s.describeEnvironment(p, env, set.Environments[name]); err != nil {
			return projectObject{}, err
		}
	}
	for d, err := range rd.Domains(p.No) {
		if err != nil {
			return projectObject{}, err
		}
		if d.Status == store.DomainActive {
			o.Domains = append(o.Domains, d.Host)
		}
	}
	if o.Latest, err = s.maybeDeployment(rd, p, p.Latest); err != nil {
		return projectObject{}, err
	}
	o.Canonical, err = s.maybeDeployment(rd, p, p.Live)
	return o, err
}

// maybeDeployment is nil for no deployment, and for one that was deleted after the project was read.
func (s *Service) maybeDeployment(rd *store.Reader, p store.Project, no store.DeploymentNo) (*deploymentObject, error) {
	if no == 0 {
		return nil, nil
	}
	d, err := rd.Deployment(no)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	o, err := s.describeDeployment(rd, p, d)
	return &o, err
}

// listProjects shows a page of them, by name. A cursor is the name that the page before ended with. As with deployments, what is left
// of very many is not counted.
func (s *Service) listProjects(c *call) (any, error) {
	page, err := pageOf(c.r, 20, 100)
	if err != nil {
		return nil, err
	}
	for p, err := range s.deps.Store.ProjectsOf(c.account.No, page.cursor) {
		if err != nil {
			return nil, err
		}
		if p.State != store.ProjectActive || !c.principal.MayRead(c.account.No, p.Name) {
			continue
		}
		if page.enough() {
			break
		}
		if !page.take() {
			continue
		}
		o, err := s.describeProject(&s.deps.Store.Reader, p)
		if err != nil {
			return nil, err
		}
		page.items, page.next = append(page.items, o), p.Name
	}
	c.info = page.info()
	return page.items, nil
}

func (s *Service) showProject(c *call) (any, error) {
	return s.describeProject(&s.deps.Store.Reader, c.project)
}

func (s *Service) createProject(c *call) (any, error) {
	in, err := s.readProject(c)
	if err != nil {
		return nil, err
	}
	if in.Name == nil {
		return nil, refuse(http.StatusBadRequest, codeBadRequest, "the project has no name")
	}
	if err := hostkey.ValidProjectName(*in.Name); err != nil {
		return nil, &Error{Status: http.StatusBadRequest, Code: codeBadRequest, Cause: err, Message: fmt.Sprintf("%q: %v", clip(*in.Name), err)}
	}
	p := store.Project{Account: c.account.No, Name: *in.Name, ProductionBranch: "main", State: store.ProjectActive, Created: s.now()}
	p.Modified = p.Created
	if p.UUID, err = s.newUUID(); err != nil {
		return nil, err
	}
	if err := s.merge(&p, in); err != nil {
		return nil, err
	}
	if _, err := s.deps.Store.Update(c.ctx, func(tx *store.Tx) error { return putNewProject(tx, &p) }); err != nil {
		return nil, err
	}
	return s.describeProject(&s.deps.Store.Reader, p)
}

// readProject reads settings. What cannot be stored is not even read: merging takes time, and everybody's changes wait
// for it.
func (s *Service) readProject(c *call) (in projectInput, err error) {
	if err := c.allowBody(2*int64(s.opts.MaxSettingsBytes), "a project's settings (--max-settings-bytes, twice)"); err != nil {
		return in, err
	}
	return in, c.readJSON(&in)
}

func putNewProject(tx *store.Tx, p *store.Project) error {
	old, err := tx.ProjectByName(p.Name)
	switch {
	case err == nil && old.State == store.ProjectDeleting:
		return refuse(http.StatusConflict, codeConflict, "a project %q is being deleted; its name is free when that is done", p.Name)
	case err == nil:
		return refuse(http.StatusConflict, codeProjectExists, "the project name %q is taken (names are unique on the server)", p.Name)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if p.No, err = tx.NextProject(); err != nil {
		return err
	}
	return tx.PutProject(*p)
}

// patchProject changes settings. A new production branch is for deployments to come: it moves nothing by itself.
func (s *Service) patchProject(c *call) (any, error) {
	in, err := s.readProject(c)
	if err != nil {
		return nil, err
	}
	if in.Name != nil && *in.Name != c.project.Name {
		return nil, refuse(http.StatusBadRequest, codeBadRequest, "project %q cannot be renamed: its hosts are made of its name", c.project.Name)
	}
	var p store.Project
	_, err = s.deps.Store.Update(c.ctx, func(tx *store.Tx) (err error) {
		if p, err = sameProject(tx, c.project); err != nil {
			return err
		}
		old := p.Site
		if err := s.merge(&p, in); err != nil {
			return err
		}
		p.Modified = s.now()
		if err := tx.PutProject(p); err != nil || p.Site == old {
			return err
		}
		return s.siteChanged(tx, p, old, p.Site)
	})
	if err != nil {
		return nil, err
	}
	return s.describeProject(&s.deps.Store.Reader, p)
}

// sameProject reads a project again inside an Update: it may have been changed or deleted since the call began.
func sameProject(tx *store.Tx, p store.Project) (store.Project, error) {
	now, err := tx.Project(p.No)
	if errors.Is(err, store.ErrNotFound) || err == nil && now.State != store.ProjectActive {
		return p, refuse(http.StatusConflict, codeConflict, "project %q was deleted meanwhile", p.Name)
	}
	return now, err
}

func (s *Service) dropProject(c *call) (any, error) {
	return nil, s.deleteProject(c.ctx, c.project)
}

// newUUID draws a random UUID (RFC 9562, version 4).
func (s *Service) newUUID() (store.UUID, error) {
	var id store.UUID
	if _, err := io.ReadFull(s.deps.Rand, id[:]); err != nil {
		return id, fmt.Errorf("draw a UUID: %w", err)
	}
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id, nil
}
