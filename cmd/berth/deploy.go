package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth/cmd/berth/check"
	"berth/cmd/berth/client"
	"berth/cmd/berth/publish"
)

func newDeployCommand(a *app) *cobra.Command {
	var (
		meta         publish.Meta
		dirty        string
		project      string
		production   string
		staticOnly   bool
		allowEmpty   bool
		maxFileBytes int64
		retries      int
		strict       bool
		limits       check.Limits
	)
	c := a.withServer(a.verb("deploy", []string{"DIR"}, "Deploy a directory: when it exits 0, the site is live", `Uploads the files of DIR that the server lacks and makes a deployment of them. Left out, as wrangler does:
_worker.js, _routes.json, functions and .wrangler at the root; .DS_Store, node_modules and .git anywhere. _headers and
_redirects at the root are rules, berth.toml there holds settings of the site. In a git work tree, branch and commit are
taken from it unless the flags say them; where git knows no branch, the variables of GitHub, GitLab and other CI systems
are asked.
A deployment of the production branch, or of no branch, is production; any other is a preview.
With --strict the site is checked first, as berth check does, whose flags for the server's limits it takes too; if there
are problems nothing is sent. Without, the server's findings are shown once the site is live.`,
		func(ctx context.Context, args []string) error {
			if err := parseDirty(dirty, &meta); err != nil {
				return err
			}
			if maxFileBytes < 1 {
				return wrong("--max-file-bytes %d: want at least 1", maxFileBytes)
			}
			if retries < 0 {
				return wrong("--retries %d: want 0 or more", retries)
			}
			if err := limits.Validate(); err != nil {
				return &usageError{err: inFlags(err)}
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			if limits.MaxFileBytes = maxFileBytes; strict {
				if err := a.checkFirst(ctx, args[0], limits); err != nil {
					return err
				}
			}
			return a.deploy(ctx, publish.Options{
				API: api, Project: project, Dir: args[0], Meta: a.describeCommit(ctx, meta), ProductionBranch: production,
				StaticOnly: staticOnly, AllowEmpty: allowEmpty, FunctionsDir: functionsDir, MaxFileBytes: maxFileBytes, Attempts: retries + 1,
			})
		}))
	f := c.Flags()
	f.StringVar(&project, "project", "", "`project` to deploy to; it is created if the token may")
	f.StringVar(&meta.Branch, "branch", "", "`branch` that is deployed")
	f.StringVar(&meta.CommitHash, "commit-hash", "", "`hash` of the commit")
	f.StringVar(&meta.CommitMessage, "commit-message", "", "`message` of the commit")
	f.StringVar(&dirty, "commit-dirty", "", "whether the work tree had other changes: true or false")
	f.StringVar(&production, "production-branch", "main", "production `branch` of a project that is created")
	f.BoolVar(&staticOnly, "static-only", false, "deploy the files though the site has functions, which need wrangler")
	f.BoolVar(&allowEmpty, "allow-empty", false, "deploy a directory without a file: the site says 404 to everything")
	f.Int64Var(&maxFileBytes, "max-file-bytes", publish.DefaultFileBytes, "largest file, in `bytes`; the server has its own bound")
	f.IntVar(&retries, "retries", publish.DefaultAttempts-1, "how `often` a call is tried again when the network or the server fails")
	f.BoolVar(&strict, "strict", false, "check the site first, and send nothing if there are problems")
	own := pflag.NewFlagSet("limits", pflag.ContinueOnError)
	addCheckFlags(own, &limits)
	own.VisitAll(func(limit *pflag.Flag) { limit.Hidden = true }) // berth check --help explains them
	f.AddFlagSet(own)
	require(c, "project")
	return c
}

func parseDirty(s string, meta *publish.Meta) error {
	if s == "" {
		return nil
	}
	v, err := strconv.ParseBool(s)
	if err != nil {
		return wrong("--commit-dirty %q: want true or false", s)
	}
	meta.CommitDirty = &v
	return nil
}

func (a *app) deploy(ctx context.Context, o publish.Options) error {
	o.Report = a.newProgress()
	done, err := publish.Publish(ctx, o)
	if err != nil {
		return err
	}
	d := decode[client.Deployment](done.Deployment)
	if !a.json {
		a.showLog(ctx, o, d.ID)
	}
	whole, err := withCounts(done)
	if err != nil {
		return err
	}
	return a.print(whole, func(w io.Writer) { writeDeployed(w, o, done, d) })
}

// withCounts is the API's deployment with what was uploaded for it.
func withCounts(done publish.Result) (map[string]any, error) {
	var whole map[string]any
	if err := json.Unmarshal(done.Deployment, &whole); err != nil {
		return nil, fmt.Errorf("read the deployment: %w", err)
	}
	whole["uploaded_files"] = done.UploadedFiles
	whole["skipped_files"] = done.SkippedFiles
	whole["uploaded_bytes"] = done.UploadedBytes
	return whole, nil
}

// showLog prints what the server noted, above all the problems of the rule files. The site is live whether or not it can
// be read.
func (a *app) showLog(ctx context.Context, o publish.Options, id string) {
	lines, err := deploymentLog(ctx, o.API, o.Project, id)
	if err != nil {
		a.note("the deployment's log cannot be read: %v", err)
		return
	}
	for _, line := range lines {
		if !repeats(line) {
			a.note("%s", oneLine(line))
		}
	}
}

// repeats is true of the lines of every log, which say what the command's own result says. Whatever else a server notes
// is worth a look.
func repeats(line string) bool {
	return strings.HasPrefix(line, "Received ") || strings.HasPrefix(line, "Deployed branch ") || strings.HasSuffix(line, " now serves this deployment.")
}

func writeDeployed(w io.Writer, o publish.Options, done publish.Result, d client.Deployment) {
	fmt.Fprintf(w, "Deployed %s (%s): %d files, %d uploaded (%s), %d already there\n", oneLine(o.Project), oneLine(d.Environment),
		done.Files, done.UploadedFiles, publish.Bytes(done.UploadedBytes), done.SkippedFiles)
	fmt.Fprintf(w, "  %s\n", oneLine(d.URL))
	for _, alias := range d.Aliases {
		fmt.Fprintf(w, "  %s\n", oneLine(alias))
	}
}
