package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth/cmd/berth/check"
)

// functionsDir is where wrangler compiles functions from: beside the site, not in it.
const functionsDir = "functions"

func newCheckCommand(a *app) *cobra.Command {
	var limits check.Limits
	var strict bool
	c := a.verb("check", []string{"DIR"}, "Find what is wrong with a site before it is deployed", `Reads _headers, _redirects, _routes.json and berth.toml in DIR as the server would, and looks for files that are too
large, too many, named as nothing can be deployed, or compressed from something else than the file that they stand
beside. It needs no server: if yours has other limits than the usual, say them here too.
Every finding is printed as FILE:LINE: MESSAGE. A problem is a line or a file that is refused or has no effect; with
one of these the exit status is 1. A warning is about what has an effect, but hardly the one that was meant: with
--strict it counts too.`,
		func(ctx context.Context, args []string) error {
			found, err := runCheck(ctx, args[0], limits)
			if err != nil {
				return err
			}
			problems, warnings := found.Count()
			failed := problems > 0 || strict && warnings > 0
			err = a.print(found.Problems, func(w io.Writer) {
				for _, p := range found.Problems {
					fmt.Fprintln(w, oneLine(check.Line(p)))
				}
				if !failed {
					fmt.Fprintf(w, "%s: %s, %s\n", printable(args[0]), count(found.Files, "file"), findings(problems, warnings))
				}
			})
			if err == nil && failed {
				err = fmt.Errorf("%s in %s", findings(problems, warnings), args[0])
			}
			return err
		})
	f := c.Flags()
	f.BoolVar(&strict, "strict", false, "fail on warnings too")
	f.Var(byteSize[int64]{&limits.MaxFileBytes}, "max-file-bytes", "one file; default 25MiB")
	addCheckFlags(f, &limits)
	return c
}

// addCheckFlags is a flag for each of the server's limits that a site is checked against, but for the size of a file.
func addCheckFlags(f *pflag.FlagSet, l *check.Limits) {
	f.IntVar(&l.MaxFiles, "max-files", 0, "files of a deployment (default 20000)")
	f.Var(byteSize[int64]{&l.MaxRuleFileBytes}, "max-rule-file-bytes", "_headers, _redirects, _routes.json; default 1MiB each")
	f.Var(keepFlag{&l.KeepAssets}, "keep-assets", "longest `time` that keep_assets may say, off for none; default 7d")
	addRuleFlags(f, &l.Rules)
}

func runCheck(ctx context.Context, dir string, l check.Limits) (check.Report, error) {
	if err := l.Validate(); err != nil {
		return check.Report{}, &usageError{err: inFlags(err)}
	}
	return check.Dir(ctx, dir, functionsDir, l)
}

// checkFirst is the check of a strict deployment. What is found goes to standard error: standard output is for the result.
func (a *app) checkFirst(ctx context.Context, dir string, l check.Limits) error {
	found, err := runCheck(ctx, dir, l)
	if err != nil {
		return err
	}
	for _, p := range found.Problems {
		a.note("%s", oneLine(check.Line(p)))
	}
	if problems, _ := found.Count(); problems > 0 {
		return fmt.Errorf("%s in %s; with --strict nothing was sent", count(problems, "problem"), dir)
	}
	return nil
}

func findings(problems, warnings int) string {
	text := "no problems"
	if problems > 0 {
		text = count(problems, "problem")
	}
	if warnings > 0 {
		text += ", " + count(warnings, "warning")
	}
	return text
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
