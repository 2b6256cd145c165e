package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"berth/cmd/berth/publish"
)

// gitTimeout bounds one question to git: a huge work tree must not keep a deployment from starting for long.
const gitTimeout = 20 * time.Second

// describeCommit fills in what meta does not say from the git work tree of the current directory, as wrangler does.
// Whatever git cannot tell stays unknown: a deployment needs none of it. But no branch means production, so a work tree
// of which git says nothing (it is not installed, or the tree is another user's, as in many containers) is noted.
func (a *app) describeCommit(ctx context.Context, meta publish.Meta) publish.Meta {
	inside, err := git(ctx, "rev-parse", "--is-inside-work-tree")
	if inside != "true" {
		if meta.Branch == "" {
			meta.Branch = ciBranch(a.env)
		}
		if tree := workTree(); err != nil && meta.Branch == "" && tree != "" {
			a.note("git does not tell the branch of %s (%v): without --branch this is a production deployment", tree, err)
		}
		return meta
	}
	if meta.Branch == "" {
		meta.Branch = currentBranch(ctx, a.env)
	}
	if meta.CommitHash == "" {
		meta.CommitHash, _ = git(ctx, "rev-parse", "--verify", "--quiet", "HEAD")
	}
	if meta.CommitMessage == "" && meta.CommitHash != "" {
		meta.CommitMessage, _ = git(ctx, "show", "-s", "--format=%B", meta.CommitHash)
	}
	if meta.CommitDirty == nil {
		if changes, err := git(ctx, "status", "--porcelain", "--untracked-files=normal"); err == nil {
			dirty := changes != ""
			meta.CommitDirty = &dirty
		}
	}
	return meta
}

// currentBranch knows that CI checks out a commit and not a branch: git then says HEAD, and the CI's own variables say
// which branch it is. Without them HEAD is sent, as wrangler does: a preview, while no branch at all would be production.
func currentBranch(ctx context.Context, env func(string) (string, bool)) string {
	if branch, err := git(ctx, "symbolic-ref", "--quiet", "--short", "HEAD"); err == nil {
		return branch
	}
	if branch := ciBranch(env); branch != "" {
		return branch
	}
	return "HEAD"
}

// ciBranch is what the variables of a CI system say, "" if there are none.
func ciBranch(env func(string) (string, bool)) string {
	for _, name := range []string{
		"GITHUB_HEAD_REF", "GITHUB_REF_NAME", // GitHub and Gitea: of a pull request, of a push
		"CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_BRANCH", // GitLab
		"BITBUCKET_BRANCH", "CIRCLE_BRANCH", "BUILDKITE_BRANCH",
	} {
		if v, _ := env(name); v != "" {
			return v
		}
	}
	return ""
}

// workTree is the nearest directory with a .git that holds the current one, "" if there is none.
func workTree() string {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return ""
}

// git asks git. An error says that it does not know, or not in time, in the first line of its own words.
func git(ctx context.Context, args ...string) (answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && len(exit.Stderr) > 0 {
		line, _, _ := strings.Cut(string(exit.Stderr), "\n")
		err = errors.New(oneLine(line))
	}
	return strings.TrimSpace(string(out)), err
}
