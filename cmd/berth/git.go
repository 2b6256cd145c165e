package main

import (
	"context"
	"os/exec"
	"strings"
	"time"

	"berth/cmd/berth/publish"
)

// gitTimeout bounds one question to git: a huge work tree must not keep a deployment from starting for long.
const gitTimeout = 20 * time.Second

// describeCommit fills in what meta does not say from the git work tree of the current directory, as wrangler does.
// Whatever git cannot tell stays unknown: a deployment needs none of it.
func describeCommit(ctx context.Context, meta publish.Meta, env func(string) (string, bool)) publish.Meta {
	if inside, _ := git(ctx, "rev-parse", "--is-inside-work-tree"); inside != "true" {
		return meta
	}
	if meta.Branch == "" {
		meta.Branch = currentBranch(ctx, env)
	}
	if meta.CommitHash == "" {
		meta.CommitHash, _ = git(ctx, "rev-parse", "--verify", "--quiet", "HEAD")
	}
	if meta.CommitMessage == "" && meta.CommitHash != "" {
		meta.CommitMessage, _ = git(ctx, "show", "-s", "--format=%B", meta.CommitHash)
	}
	if meta.CommitDirty == nil {
		if changes, ok := git(ctx, "status", "--porcelain", "--untracked-files=normal"); ok {
			dirty := changes != ""
			meta.CommitDirty = &dirty
		}
	}
	return meta
}

// currentBranch knows that CI checks out a commit and not a branch: git then says HEAD, and the CI's own variables say
// which branch it is. Without them HEAD is sent, as wrangler does: a preview, while no branch at all would be production.
func currentBranch(ctx context.Context, env func(string) (string, bool)) string {
	if branch, ok := git(ctx, "symbolic-ref", "--quiet", "--short", "HEAD"); ok {
		return branch
	}
	for _, name := range []string{
		"GITHUB_HEAD_REF", "GITHUB_REF_NAME", // GitHub and Gitea: of a pull request, of a push
		"CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_BRANCH", // GitLab
		"BITBUCKET_BRANCH", "CIRCLE_BRANCH", "BUILDKITE_BRANCH",
	} {
		if v, _ := env(name); v != "" {
			return v
		}
	}
	return "HEAD"
}

// git asks git; ok is false if it does not know, or not in time.
func git(ctx context.Context, args ...string) (answer string, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	return strings.TrimSpace(string(out)), err == nil
}
