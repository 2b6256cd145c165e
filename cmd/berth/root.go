package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth/cmd/berth/config"
)

// app is what every command shares.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	env            func(string) (string, bool)

	json       bool
	configFile string
	server     serverFlags
}

func newRoot(a *app) *cobra.Command {
	root := a.noun("berth", "Host static sites at their own hostnames", `Berth hosts static sites. CI uploads an immutable deployment, the deployment gets a hostname of its own.

Every flag may also be given as an environment variable (BERTH_ and its name, dashes as underscores), or in the
TOML file that --config names. The command line wins over the environment, and that over the file.
Exit status: 0 done, 1 failed, 2 wrong usage.`)
	root.Version = version()
	root.SetVersionTemplate("berth {{.Version}}\n")
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentFlags().StringVar(&a.configFile, "config", "", "read flags from this TOML `file`")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print one JSON value as the last line of standard output")
	root.PersistentPreRunE = a.configure
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage(c, err) })
	root.AddCommand(
		newServeCommand(a), newDeployCommand(a), newCheckCommand(a),
		newProjectCommand(a), newDeploymentCommand(a), newDomainCommand(a), newTokenCommand(a), newAccountCommand(a),
		newAliasCommand(a), newExplainCommand(a), newMigrateCommand(a), newFsckCommand(a), newPurgeCommand(a), newSweepCommand(a), newBenchCommand(a), newVersionCommand(a), newEncodeWorkerCommand(a),
	)
	return root
}

// correctCobras makes the commands that cobra adds refuse what they do not know: of themselves they show a help text
// and exit with 0. The output of root must be set before: cobra takes note of it here.
func correctCobras(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			c.Args, c.RunE = cobra.ArbitraryArgs, onlyVerbs
		case "help":
			c.RunE = help
		}
	}
}

// help shows the help of the command that args name.
func help(c *cobra.Command, args []string) error {
	about, rest, err := c.Root().Find(args)
	if err != nil {
		return usage(c.Root(), err)
	}
	if len(rest) > 0 && about.HasSubCommands() {
		return onlyVerbs(about, rest)
	}
	return about.Help()
}

// configure gives the flags what the command line did not say.
func (a *app) configure(c *cobra.Command, _ []string) error {
	if isCobras(c) {
		return nil
	}
	src := config.Sources{Env: a.env}
	if err := src.ApplyOne(c, "config"); err != nil {
		return usage(c, err)
	}
	if a.configFile != "" {
		file, err := config.Load(a.configFile, c.Root())
		if err != nil {
			return usage(c, err)
		}
		src.File = file
	}
	if err := src.Apply(c); err != nil {
		return usage(c, err)
	}
	return a.checkRequired(c)
}

// isCobras is true of the commands that cobra adds, which have flags of their own meaning.
func isCobras(c *cobra.Command) bool {
	for ; c.HasParent(); c = c.Parent() {
		switch c.Name() {
		case "help", "completion", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd:
			return true
		}
	}
	return false
}

func usage(c *cobra.Command, err error) error {
	if _, ok := errors.AsType[*usageError](err); ok {
		return err
	}
	return &usageError{err: err, command: c.CommandPath()}
}

// noun is a command that only has verbs.
func (a *app) noun(name, short, long string) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short, Long: long, Args: cobra.ArbitraryArgs, SuggestionsMinimumDistance: 2}
	c.RunE = onlyVerbs
	return c
}

// onlyVerbs refuses a noun without a verb, or with one that it does not have.
func onlyVerbs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usage(c, fmt.Errorf("%s what? One of %s", c.CommandPath(), strings.Join(verbs(c), ", ")))
	}
	err := fmt.Errorf("there is no command \"%s %s\"", c.CommandPath(), args[0])
	if like := c.SuggestionsFor(args[0]); len(like) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(like, " or "))
	}
	return usage(c, err)
}

func verbs(c *cobra.Command) []string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" && sub.Name() != "completion" {
			names = append(names, sub.Name())
		}
	}
	return names
}

// verb is a command that does something. args are the names of its arguments; each must be given, but one in brackets. The
// last one may stand for any number ("[PATH...]").
func (a *app) verb(name string, args []string, short, long string, run func(ctx context.Context, args []string) error) *cobra.Command {
	needed := 0
	use := name
	for _, arg := range args {
		use += " " + arg
		if !strings.HasPrefix(arg, "[") {
			needed++
		}
	}
	c := &cobra.Command{Use: use, Short: short, Long: long}
	c.Args = func(c *cobra.Command, given []string) error {
		switch {
		case len(given) < needed:
			return usage(c, fmt.Errorf("%s is missing", args[len(given)]))
		case len(given) > len(args) && !strings.HasSuffix(use, "...]"):
			return usage(c, fmt.Errorf("%q is one argument too many", given[len(args)]))
		}
		if i := slices.Index(given, ""); i >= 0 {
			return usage(c, fmt.Errorf("%s is empty", args[min(i, len(args)-1)]))
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		err := run(c.Context(), args)
		if u, ok := errors.AsType[*usageError](err); ok && u.command == "" {
			u.command = c.CommandPath()
		}
		return err
	}
	return c
}

// wrong is a usage error found while a command runs.
func wrong(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...)}
}

const requiredAnnotation = "berth_required"

// require marks flags that must have a value, from wherever it comes.
func require(c *cobra.Command, flags ...string) {
	for _, name := range flags {
		f := c.Flags().Lookup(name)
		f.Usage += " (required)"
		annotate(f, requiredAnnotation, "true")
	}
}

func annotate(f *pflag.Flag, key string, values ...string) {
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[key] = values
}

func (a *app) checkRequired(c *cobra.Command) error {
	var faults []error
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Annotations[requiredAnnotation] != nil && f.Value.String() == f.DefValue {
			faults = append(faults, fmt.Errorf("--%s is missing (or %s in the environment)", f.Name, config.EnvName(f.Name)))
		}
	})
	if len(faults) > 0 {
		return usage(c, errors.Join(faults...))
	}
	return nil
}
