// Package publish turns a directory into a deployment: it walks and hashes the files, uploads those that the server
// lacks, and creates the deployment, through whatever the network does meanwhile.
package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"berth/cmd/berth/client"
)

// Reporter is told what happens. Its methods may be called from several goroutines.
type Reporter interface {
	Step(line string)                 // something worth a line
	Uploading(files int, bytes int64) // this much will be sent
	Sent(files int, bytes int64)      // more was sent; less, if negative
	Uploaded()                        // the sending is over, well or not
}

// Options say what to publish, where, and how it is told.
type Options struct {
	API     *client.Client
	Project string
	Dir     string
	Meta    Meta
	// ProductionBranch is for a project that has to be made. "": main.
	ProductionBranch string
	// StaticOnly deploys a site's files though it has functions, which only wrangler can bundle.
	StaticOnly   bool
	AllowEmpty   bool   // deploys a directory in which there is nothing to serve
	FunctionsDir string // where functions would be compiled from, "" nowhere
	MaxFileBytes int64  // 0: 25 MiB
	Attempts     int    // of each call while the network or the server fails, 0: DefaultAttempts
	Report       Reporter
	Wait         func(context.Context, time.Duration) error // nil: time
	Now          func() time.Time                           // nil: time.Now
}

// Result is what was done.
type Result struct {
	Deployment    json.RawMessage // the API's object
	Files         int
	UploadedFiles int   // distinct contents that were sent
	SkippedFiles  int   // all other files: stored before, or the same as one that was sent
	UploadedBytes int64 // raw bytes of the sent
	Created       bool  // the project was made
}

type publisher struct {
	Options
	api    *client.Client
	report Reporter
	wait   func(context.Context, time.Duration) error
	tokens *tokens
	sent   tally
}

// Publish does it all. When it returns without an error the deployment is live.
func Publish(ctx context.Context, o Options) (Result, error) {
	if o.Attempts == 0 {
		o.Attempts = DefaultAttempts
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &publisher{Options: o, api: o.API, report: o.Report, wait: o.Wait}
	if p.wait == nil {
		p.wait = sleep
	}
	p.tokens = &tokens{api: o.API, project: o.Project, now: o.Now}

	site, err := p.read(ctx)
	if err != nil {
		return Result{}, err
	}
	created, err := p.ensureProject(ctx)
	if err != nil {
		return Result{}, err
	}
	if err := p.checkCount(ctx, site); err != nil {
		return Result{}, err
	}
	if err := p.hash(ctx, site); err != nil {
		return Result{}, err
	}
	deployment, err := p.deploy(ctx, site)
	if err != nil {
		return Result{}, err
	}
	sent := p.sent.total()
	return Result{
		Deployment: deployment, Created: created, Files: len(site.Files),
		UploadedFiles: sent.files, SkippedFiles: len(site.Files) - sent.files, UploadedBytes: sent.bytes,
	}, nil
}

// read is all that can be found wrong without the server.
func (p *publisher) read(ctx context.Context) (*Site, error) {
	site, err := Walk(ctx, p.Dir)
	if err != nil {
		return nil, err
	}
	for _, s := range site.Skipped {
		p.report.Step(s.Why)
	}
	functions, err := site.Functions(p.FunctionsDir)
	if err != nil {
		return nil, err
	}
	switch {
	case functions != "" && !p.StaticOnly:
		return nil, fmt.Errorf("%s has functions, and berth deploy does not bundle code: deploy with `wrangler pages deploy %s --project-name %s`, "+
			"or deploy the static files alone with --static-only", functions, p.Dir, p.Project)
	case functions != "":
		p.report.Step(fmt.Sprintf("--static-only: %s is left out; functions need `wrangler pages deploy`", functions))
	case site.Empty() && !p.AllowEmpty:
		return nil, fmt.Errorf("%s holds no file to deploy, and the site would say 404 to everything: is it what the build writes to, and did the build run? "+
			"To deploy it all the same, give --allow-empty", shown(p.Dir))
	case site.Routes != "":
		p.report.Step("_routes.json is left out: it says where functions run, and this site has none")
	}
	return site, site.CheckSizes(p.MaxFileBytes)
}

func (p *publisher) hash(ctx context.Context, site *Site) error {
	if err := Hash(ctx, site.Files); err != nil {
		return err
	}
	return site.CheckSizes(p.MaxFileBytes) // a file may have grown since the walk
}

// ensureProject looks the project up, and makes it if there is none. A server that cannot be reached is told at once:
// nothing was sent yet that a retry would save.
func (p *publisher) ensureProject(ctx context.Context) (created bool, err error) {
	_, err = p.api.Do(ctx, client.Request{Method: http.MethodGet, Path: p.api.Project(p.Project)})
	if err == nil {
		return false, nil
	}
	if !client.HasCode(err, client.CodeProjectMissing) {
		return false, fmt.Errorf("look up project %q: %w", p.Project, err)
	}
	branch := p.ProductionBranch
	if branch == "" {
		branch = "main"
	}
	_, err = p.api.Do(ctx, client.Request{
		Method: http.MethodPost, Path: p.api.Account("pages", "projects"),
		JSON: map[string]string{"name": p.Project, "production_branch": branch},
	})
	switch {
	case client.HasCode(err, client.CodeProjectExists):
		// Two first deployments at once, or a name that somebody else holds: the next call tells which.
		return false, nil
	case err != nil:
		return false, fmt.Errorf("project %q does not exist, and making it failed: %w", p.Project, err)
	}
	p.report.Step(fmt.Sprintf("made project %s (production branch %s)", p.Project, branch))
	return true, nil
}

func (p *publisher) checkCount(ctx context.Context, site *Site) error {
	limit := 0
	err := p.retry(ctx, "start the upload", func() error {
		token, err := p.tokens.get(ctx, "")
		if err == nil {
			limit = token.files
		}
		return err
	})
	if err != nil {
		return err
	}
	return site.CheckCount(limit)
}

// deploy uploads and creates. A server may refuse to believe files that it said it had (somebody uploaded other bytes
// under their name); it then wants them again, so one refusal is answered by asking once more what is missing.
func (p *publisher) deploy(ctx context.Context, site *Site) (json.RawMessage, error) {
	for round := 1; ; round++ {
		if err := p.sendMissing(ctx, site.Files); err != nil {
			return nil, err
		}
		if err := p.keep(ctx, site.Files); err != nil {
			return nil, err
		}
		deployment, err := p.create(ctx, site)
		if err == nil || round == 2 || !refused(err) || !p.wanted(ctx, site) {
			return deployment, err
		}
		p.report.Step("the server asks for files again: " + firstLine(err))
	}
}

// wanted says whether the server now lacks a file that it had.
func (p *publisher) wanted(ctx context.Context, site *Site) bool {
	var lacking []*File
	err := p.withToken(ctx, func(jwt string) (err error) {
		lacking, err = p.missing(ctx, jwt, distinct(site.Files))
		return err
	})
	return err == nil && len(lacking) > 0
}

// create makes the deployment. An attempt whose answer was lost may have succeeded; the next one then makes a second
// deployment of the same content, which is harmless, while taking another's for ours would not be.
func (p *publisher) create(ctx context.Context, site *Site) (json.RawMessage, error) {
	body, err := form(site, p.Meta)
	if err != nil {
		return nil, err
	}
	var answer client.Answer
	err = p.retry(ctx, "create the deployment", func() (err error) {
		answer, err = p.api.Do(ctx, client.Request{Method: http.MethodPost, Path: p.api.Project(p.Project, "deployments"), Body: body})
		return err
	})
	if err != nil {
		return nil, err
	}
	var d client.Deployment
	if err := json.Unmarshal(answer.Result, &d); err != nil || d.ID == "" {
		return nil, errors.New("create the deployment: the server's answer holds no deployment: is it another version?")
	}
	if d.LatestStage.Status == "failure" {
		return nil, fmt.Errorf("deployment %s failed: see `berth deployment show %s --project %s`", d.ID, d.ID, p.Project)
	}
	return answer.Result, nil
}
