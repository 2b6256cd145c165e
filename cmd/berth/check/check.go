// Package check finds what is wrong with a built site before any of it is uploaded: what a deployment would be refused
// for, and what it would silently do without.
package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"berth/assets/rules"
	"berth/assets/sitefile"
	"berth/cmd/berth/publish"
)

// Limits are the server's. Zero means the server's default.
type Limits struct {
	MaxFileBytes     int64         // one file
	MaxFiles         int           // of a deployment
	MaxRuleFileBytes int64         // _headers, _redirects and _routes.json, each
	KeepAssets       time.Duration // longest keep_assets; negative: the server keeps nothing
	Rules            rules.Options
}

const (
	defaultRuleFileBytes = 1 << 20
	defaultKeepAssets    = 7 * 24 * time.Hour
	// maxProblems bounds what is told of one file. Whoever has more mends these first.
	maxProblems = 10_000
)

func (l Limits) withDefaults() Limits {
	l.MaxFileBytes = cmp.Or(l.MaxFileBytes, publish.DefaultFileBytes)
	l.MaxFiles = cmp.Or(l.MaxFiles, publish.DefaultFiles)
	l.MaxRuleFileBytes = cmp.Or(l.MaxRuleFileBytes, defaultRuleFileBytes)
	l.KeepAssets = cmp.Or(l.KeepAssets, defaultKeepAssets)
	l.Rules.MaxProblems = maxProblems
	return l
}

// Validate names every limit that is none.
func (l Limits) Validate() error {
	var faults []error
	for _, v := range []struct {
		name string
		n    int64
	}{
		{"MaxFileBytes", l.MaxFileBytes}, {"MaxFiles", int64(l.MaxFiles)}, {"MaxRuleFileBytes", l.MaxRuleFileBytes},
		{"MaxRedirectsStatic", int64(l.Rules.MaxRedirectsStatic)}, {"MaxRedirectsDynamic", int64(l.Rules.MaxRedirectsDynamic)},
		{"MaxRedirectLine", int64(l.Rules.MaxRedirectLine)}, {"MaxHeaderRules", int64(l.Rules.MaxHeaderRules)},
		{"MaxHeaderLine", int64(l.Rules.MaxHeaderLine)}, {"MaxHeadersBytes", int64(l.Rules.MaxHeadersBytes)},
		{"MaxRoutesRules", int64(l.Rules.MaxRoutesRules)}, {"MaxRouteLength", int64(l.Rules.MaxRouteLength)},
	} {
		if v.n < 0 {
			faults = append(faults, fmt.Errorf("%s is negative", v.name))
		}
	}
	return errors.Join(faults...)
}

// Kinds of problems beside those of the rule files.
const (
	CannotDeploy   rules.Kind = "cannot-deploy"
	FileTooLarge   rules.Kind = "file-too-large"
	TooManyFiles   rules.Kind = "too-many-files"
	NothingToServe rules.Kind = "nothing-to-serve"
	SiblingDiffers rules.Kind = "sibling-differs"
	More           rules.Kind = "more" // there are others that are not listed

	// Warnings.
	NotAFile      rules.Kind = "not-a-file"
	SiblingAlone  rules.Kind = "sibling-alone"
	SiblingLarger rules.Kind = "sibling-larger"
	RoutesIgnored rules.Kind = "routes-ignored"
)

// Report is what was found.
type Report struct {
	Files    int
	Problems []rules.Problem // never nil
}

// Count says how many problems there are, and how many warnings beside them.
func (r Report) Count() (problems, warnings int) {
	for _, p := range r.Problems {
		if p.Warning {
			warnings++
		} else {
			problems++
		}
	}
	return problems, warnings
}

// Line is a problem for people: FILE:LINE: what is wrong, and the text that is.
func Line(p rules.Problem) string {
	if p.Warning {
		p.Message = "warning: " + p.Message
	}
	return p.String()
}

// checker collects the problems of one directory.
type checker struct {
	ctx    context.Context
	site   *publish.Site
	limits Limits
	Report
}

// Dir checks a directory as `berth deploy`, or wrangler, would deploy it. functionsDir is where functions would be
// compiled from, "" nowhere. An error means that it could not be looked at.
func Dir(ctx context.Context, dir, functionsDir string, l Limits) (Report, error) {
	site, err := publish.Survey(ctx, dir)
	if err != nil {
		return Report{}, err
	}
	c := &checker{ctx: ctx, site: site, limits: l.withDefaults(), Report: Report{Files: len(site.Files), Problems: []rules.Problem{}}}
	for _, step := range []func() error{func() error { return c.empty(functionsDir) }, c.unreadable, c.files, c.ruleFiles, func() error { return c.routes(functionsDir) }, c.settings, c.siblings} {
		if err := step(); err != nil {
			return Report{}, err
		}
	}
	return c.Report, nil
}

func (c *checker) add(file string, kind rules.Kind, format string, args ...any) {
	c.Problems = append(c.Problems, rules.Problem{File: strings.TrimPrefix(file, "/"), Kind: kind, Message: fmt.Sprintf(format, args...)})
}

func (c *checker) warn(file string, kind rules.Kind, format string, args ...any) {
	c.add(file, kind, format, args...)
	c.Problems[len(c.Problems)-1].Warning = true
}

// report takes over what a parser found.
func (c *checker) report(file string, r rules.Report) {
	c.Problems = append(c.Problems, r.Problems...)
	if r.More > 0 {
		c.add(file, More, "%d more problems; mend these first", r.More)
	}
}

// root is how the directory itself is named.
const root = "."

// empty tells of a directory of which nothing would be served.
func (c *checker) empty(functionsDir string) error {
	if !c.site.Empty() || len(c.site.Faults) > 0 {
		return nil
	}
	functions, err := c.site.Functions(functionsDir)
	if err == nil && functions == "" {
		c.add(root, NothingToServe, "there is no file to deploy, and the site would say 404 to everything: is it what the build writes to, and did the build run?")
	}
	return err
}

// unreadable tells of files that the upload would end at, and leaves them to nothing that follows. The mode of a file does
// not say it: there are lists of access, and root.
func (c *checker) unreadable() error {
	shut := 0
	c.site.Files = slices.DeleteFunc(c.site.Files, func(f *publish.File) bool {
		in, err := os.Open(f.Disk)
		if err == nil {
			in.Close() // read only: nothing to lose
			return false
		}
		if shut++; shut <= maxProblems {
			c.add(f.Path, CannotDeploy, "it cannot be read: %v", err)
		}
		return true
	})
	if shut > maxProblems {
		c.add(root, More, "%d more files cannot be read", shut-maxProblems)
	}
	return context.Cause(c.ctx)
}

func (c *checker) files() error {
	for _, f := range c.site.Faults {
		c.add(cmp.Or(strings.Trim(f.Path, "/"), root), CannotDeploy, "%v", f.Err)
	}
	if c.site.More > 0 {
		c.add(root, More, "%d more files cannot be deployed; mend these first", c.site.More)
	}
	for _, s := range c.site.Skipped {
		c.warn(s.Path, NotAFile, "%s", s.Why)
	}
	over := 0
	for _, f := range c.site.Files {
		if f.Size <= c.limits.MaxFileBytes {
			continue
		}
		if over++; over <= maxProblems {
			c.add(f.Path, FileTooLarge, "%s are over the limit of %s a file (--max-file-bytes of the server)", publish.Bytes(f.Size), publish.Bytes(c.limits.MaxFileBytes))
		}
	}
	if over > maxProblems {
		c.add(root, More, "%d more files are over the limit", over-maxProblems)
	}
	if n := c.Files; n > c.limits.MaxFiles {
		c.add(root, TooManyFiles, "%d files are more than the %d of one deployment (--max-files of the server)", n, c.limits.MaxFiles)
	}
	return nil
}

// text reads a file that is parsed. ok is false if it was told that it cannot be.
func (c *checker) text(name, disk string, limit int64) (text string, ok bool) {
	if disk == "" {
		return "", false
	}
	raw, err := readUpTo(disk, limit)
	switch {
	case err != nil:
		c.add(name, CannotDeploy, "it cannot be read: %v", err)
		return "", false
	case int64(len(raw)) > limit:
		c.add(name, FileTooLarge, "the file is over the limit of %s (--max-rule-file-bytes of the server)", publish.Bytes(limit))
		return "", false
	}
	return string(raw), true
}

// readUpTo reads a file, and of one that is larger than limit one byte more than that.
func readUpTo(disk string, limit int64) ([]byte, error) {
	f, err := os.Open(disk)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only: nothing to lose
	return io.ReadAll(io.LimitReader(f, limit+1))
}

func (c *checker) ruleFiles() error {
	if text, ok := c.text(rules.RedirectsFile, c.site.Redirects, c.limits.MaxRuleFileBytes); ok {
		_, r := rules.ParseRedirects(text, c.limits.Rules)
		c.report(rules.RedirectsFile, r)
	}
	if text, ok := c.text(rules.HeadersFile, c.site.Headers, c.limits.MaxRuleFileBytes); ok {
		_, r := rules.ParseHeaders(text, c.limits.Rules)
		c.report(rules.HeadersFile, r)
	}
	return nil
}

// routes checks _routes.json. Beside functions a wrong one fails the deployment; without them it says nothing.
func (c *checker) routes(functionsDir string) error {
	text, ok := c.text(rules.RoutesFile, c.site.Routes, c.limits.MaxRuleFileBytes)
	if !ok {
		return nil
	}
	functions, err := c.site.Functions(functionsDir)
	if err != nil {
		return err
	}
	_, r := rules.ParseRoutes(text, c.limits.Rules)
	if functions == "" {
		c.warn(rules.RoutesFile, RoutesIgnored, "the file is ignored: it says where Functions run, and this site has none")
		for i := range r.Problems {
			r.Problems[i].Warning = true
		}
	}
	c.report(rules.RoutesFile, r)
	return nil
}

// settings checks berth.toml.
func (c *checker) settings() error {
	for _, f := range c.site.Files {
		if f.Path != sitefile.Path {
			continue
		}
		raw, err := readUpTo(f.Disk, sitefile.MaxBytes)
		if err != nil {
			c.add(sitefile.Name, CannotDeploy, "it cannot be read: %v", err)
			return nil
		}
		problems := sitefile.CheckSize(max(f.Size, int64(len(raw))))
		if problems == nil {
			_, problems = sitefile.Parse(raw, sitefile.Options{MaxKeep: c.limits.KeepAssets})
		}
		for _, p := range problems {
			c.Problems = append(c.Problems, rules.Problem{File: sitefile.Name, Line: p.Line, Kind: rules.Kind(p.Kind), Text: p.Text, Message: p.Message})
		}
	}
	return nil
}
