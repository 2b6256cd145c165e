package client

import "time"

// The types below are what this program reads of the API's objects; an answer's raw bytes hold the rest.

// Project is a project.
type Project struct {
	ID               string      `json:"id"`
	Name             string      `json:"name"`
	Subdomain        string      `json:"subdomain"`
	Domains          []string    `json:"domains"`
	ProductionBranch string      `json:"production_branch"`
	Created          time.Time   `json:"created_on"`
	Latest           *Deployment `json:"latest_deployment"`
	Canonical        *Deployment `json:"canonical_deployment"`
	Site             Site        `json:"site"`           // as set
	EffectiveSite    Site        `json:"site_effective"` // with the server's defaults
}

// Site is how a site is served, where that is not for its rule files to say. Nil: not set.
type Site struct {
	CORS           *bool   `json:"cors"`
	SkewProtection *bool   `json:"skew_protection"`
	KeepAssets     *string `json:"keep_assets"`
}

// Deployment is a deployment.
type Deployment struct {
	ID          string    `json:"id"`
	ShortID     string    `json:"short_id"`
	Project     string    `json:"project_name"`
	Environment string    `json:"environment"`
	URL         string    `json:"url"`
	Aliases     []string  `json:"aliases"`
	Created     time.Time `json:"created_on"`
	Trigger     struct {
		Metadata struct {
			Branch        string `json:"branch"`
			CommitHash    string `json:"commit_hash"`
			CommitMessage string `json:"commit_message"`
			CommitDirty   bool   `json:"commit_dirty"`
		} `json:"metadata"`
	} `json:"deployment_trigger"`
	LatestStage struct {
		Name   string `json:"name"`
		Status string `json:"status"`
	} `json:"latest_stage"`
	UsesFunctions bool `json:"uses_functions"`
	Site          Site `json:"site_settings"` // of its berth.toml
}

// Domain is a custom domain of a project.
type Domain struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Status  string    `json:"status"`
	Branch  string    `json:"branch"`
	Created time.Time `json:"created_on"`
}

// Account owns projects and tokens.
type Account struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}
