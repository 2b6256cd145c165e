package control

import (
	"errors"
	"fmt"
	"time"

	"berth/store"
)

// deploymentObject is a deployment as the API shows it. Strings are never null: wrangler and the GitHub Action read them
// without asking.
type deploymentObject struct {
	ID                 string         `json:"id"`
	ShortID            string         `json:"short_id"`
	ProjectID          string         `json:"project_id"`
	ProjectName        string         `json:"project_name"`
	Environment        string         `json:"environment"` // production or preview
	URL                string         `json:"url"`
	Aliases            []string       `json:"aliases"` // what else serves it now
	CreatedOn          time.Time      `json:"created_on"`
	ModifiedOn         time.Time      `json:"modified_on"`
	LatestStage        stageObject    `json:"latest_stage"`
	Stages             []stageObject  `json:"stages"`
	DeploymentTrigger  triggerObject  `json:"deployment_trigger"`
	ProductionBranch   string         `json:"production_branch"`
	UsesFunctions      bool           `json:"uses_functions"`
	IsSkipped          bool           `json:"is_skipped"`
	Source             *struct{}      `json:"source"` // null: not built from a repository
	EnvVars            map[string]any `json:"env_vars"`
	BuildConfig        map[string]any `json:"build_config"`
	WranglerConfigHash string         `json:"wrangler_config_hash,omitempty"`
	// What the original does not tell.
	Live      bool         `json:"live"` // production serves it
	Files     uint32       `json:"files"`
	Bytes     uint64       `json:"bytes"`
	RuleFiles []ruleObject `json:"rule_files"`
	Site      siteObject   `json:"site_settings"` // of its berth.toml
}

type stageObject struct {
	Name      string     `json:"name"`
	Status    string     `json:"status"`
	StartedOn *time.Time `json:"started_on"`
	EndedOn   *time.Time `json:"ended_on"`
}

type triggerObject struct {
	Type     string         `json:"type"`
	Metadata metadataObject `json:"metadata"`
}

type metadataObject struct {
	Branch        string `json:"branch"`
	CommitHash    string `json:"commit_hash"`
	CommitMessage string `json:"commit_message"`
	CommitDirty   bool   `json:"commit_dirty"`
}

type ruleObject struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// describeDeployment shows d as it is in rd: its aliases are the hosts that serve it there.
func (s *Service) describeDeployment(rd *store.Reader, p store.Project, d store.Deployment) (deploymentObject, error) {
	aliases, err := s.aliasesOf(rd, p, d)
	if err != nil {
		return deploymentObject{}, err
	}
	stages := stagesOf(d)
	o := deploymentObject{
		ID: d.UUID.String(), ShortID: shortID(d.UUID), ProjectID: p.UUID.String(), ProjectName: p.Name,
		Environment: environmentName(d.Environment), URL: s.hostURL(s.deploymentHost(p, d)), Aliases: aliases,
		CreatedOn: d.Created, ModifiedOn: d.Created, LatestStage: stages[len(stages)-1], Stages: stages,
		DeploymentTrigger: triggerObject{Type: "ad_hoc", Metadata: metadataObject{
			Branch: d.Branch, CommitHash: d.CommitHash, CommitMessage: d.CommitMessage, CommitDirty: d.CommitDirty}},
		ProductionBranch: p.ProductionBranch, UsesFunctions: d.UsesFunctions, EnvVars: map[string]any{},
		BuildConfig:        map[string]any{"build_command": nil, "destination_dir": d.BuildOutputDir, "root_dir": nil},
		WranglerConfigHash: d.WranglerConfigHash,
		Live:               p.Live == d.No, Files: d.Files, Bytes: d.Bytes, RuleFiles: []ruleObject{},
		Site: describeSite(d.Site),
	}
	for _, f := range ruleFiles(d) {
		o.RuleFiles = append(o.RuleFiles, ruleObject{f.Name, f.Ref.Size})
	}
	return o, nil
}

// stagesOf is the story that clients expect of a deployment. All of ours happens in the call that creates it. Only a last
// stage called deploy ends the client's polling with a clear result.
func stagesOf(d store.Deployment) []stageObject {
	status := "success"
	if d.Status == store.StatusFailure {
		status = "failure"
	}
	var stages []stageObject
	for _, name := range []string{"queued", "initialize", "clone_repo", "build", "deploy"} {
		at := d.Created
		stages = append(stages, stageObject{Name: name, Status: "success", StartedOn: &at, EndedOn: &at})
	}
	stages[len(stages)-1].Status = status
	return stages
}

// aliasesOf lists the URLs besides its own that serve d: production and the domains that follow it first, then the aliases
// of its branch, the plain one before the exact one, and the domains that name the branch.
func (s *Service) aliasesOf(rd *store.Reader, p store.Project, d store.Deployment) ([]string, error) {
	var production, branch []string
	if p.Live == d.No {
		production = append(production, s.hostURL(s.productionHost(p)))
	}
	b, err := rd.Branch(p.No, d.Branch)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("branch %q: %w", d.Branch, err)
	}
	newest := err == nil && b.Latest == d.No
	if newest {
		for _, label := range labels(b) {
			branch = append(branch, s.hostURL(s.labelHost(p, label)))
		}
	}
	if p.Live != d.No && !newest {
		return []string{}, nil
	}
	for dom, err := range rd.Domains(p.No) {
		if err != nil {
			return nil, fmt.Errorf("list domains of %s: %w", p.Name, err)
		}
		h, wildcard := splitWildcard(dom.Host)
		switch {
		case dom.Status != store.DomainActive || wildcard: // a wildcard is no URL
		case dom.Branch == "" && p.Live == d.No:
			production = append(production, s.hostURL(h))
		case dom.Branch != "" && dom.Branch == d.Branch && newest:
			branch = append(branch, s.hostURL(h))
		}
	}
	return append(append([]string{}, production...), branch...), nil
}
