// Package config gives a command's flags their values: from the command line, else the environment, else a strict TOML
// file, else the default.
package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// EnvAlias is the annotation of a flag that lists further environment variables, asked after BERTH_<FLAG> in order.
const EnvAlias = "berth_env_alias"

// CommandLine is the annotation of a flag that only the command line sets: what is said of one thing at one moment, where
// a variable or a file that is there for another command must not say it too.
const CommandLine = "berth_command_line"

// notInFile are the flags that a file cannot set: they decide whether and how the file is read, or what a person asked
// for at this moment.
var notInFile = map[string]bool{"config": true, "help": true, "version": true}

// Sources are the places besides the command line where a flag's value may stand.
type Sources struct {
	Env  func(string) (string, bool)
	File *File // nil: none
}

// EnvName is the variable that a flag reads.
func EnvName(flag string) string {
	return "BERTH_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Apply sets every flag of cmd that the command line left alone and that another source names. It reports all faults.
func (src Sources) Apply(cmd *cobra.Command) error {
	return src.apply(cmd.Flags(), cmd)
}

// ApplyOne does it for one flag: the one that names the file, before there is a file.
func (src Sources) ApplyOne(cmd *cobra.Command, flag string) error {
	set := pflag.NewFlagSet(flag, pflag.ContinueOnError)
	set.AddFlag(cmd.Flags().Lookup(flag))
	return src.apply(set, cmd)
}

func (src Sources) apply(set *pflag.FlagSet, cmd *cobra.Command) error {
	var faults []error
	values := src.File.valuesFor(cmd)
	set.VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "help" || f.Annotations[CommandLine] != nil {
			return
		}
		if err := applyFlag(set, f, src.Env, values); err != nil {
			faults = append(faults, err)
		}
	})
	return errors.Join(faults...)
}

func applyFlag(set *pflag.FlagSet, f *pflag.Flag, env func(string) (string, bool), file map[string]value) error {
	for _, name := range append([]string{EnvName(f.Name)}, f.Annotations[EnvAlias]...) {
		// An empty variable is an unset one: CI systems export a missing secret as "".
		if v, ok := env(name); ok && v != "" {
			if err := set.Set(f.Name, v); err != nil {
				return fmt.Errorf("environment variable %s=%q: %w", name, v, err)
			}
			return nil
		}
	}
	v, ok := file[f.Name]
	if !ok {
		return nil
	}
	if err := v.set(set, f); err != nil {
		return fmt.Errorf("%s: key %q: %w", v.where, f.Name, err)
	}
	return nil
}
