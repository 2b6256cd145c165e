package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// maxFileBytes bounds a configuration file: one is a few hundred bytes.
const maxFileBytes = 1 << 20

// File is a read configuration file. Keys at the top apply to every command that has such a flag; those in a table
// apply to the command of that name ([serve], [token.create]) and win over the ones at the top.
type File struct {
	entries []entry
}

// entry is one key of the file: which command it is for ("" all) and what it says.
type entry struct {
	command string
	key     string
	value   value
}

// Load reads path and checks every key against the flags that the commands below root have.
func Load(path string, root *cobra.Command) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("read configuration %s: %d bytes is more than the %d that are read", path, info.Size(), maxFileBytes)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return parse(path, text, root)
}

func parse(path string, text []byte, root *cobra.Command) (*File, error) {
	// The decoder knows all of TOML's rules (a key twice, say); the parser below knows where each key stands.
	var whole map[string]any
	if err := toml.Unmarshal(text, &whole); err != nil {
		var de *toml.DecodeError
		if errors.As(err, &de) {
			line, _ := de.Position()
			return nil, fmt.Errorf("%s:%d: %s", path, line, strings.TrimPrefix(de.Error(), "toml: "))
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	entries, err := collect(path, text)
	if err != nil {
		return nil, err
	}
	known := knownFlags(root)
	var faults []error
	for _, e := range entries {
		if err := known.check(e); err != nil {
			faults = append(faults, err)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &File{entries: entries}, nil
}

// collect lists the keys with their lines.
func collect(path string, text []byte) ([]entry, error) {
	var p unstable.Parser
	p.Reset(text)
	var all []entry
	table := ""
	for p.NextExpression() {
		node := p.Expression()
		switch node.Kind {
		case unstable.Table:
			table = joinKey(node.Key())
		case unstable.ArrayTable:
			return nil, fmt.Errorf("%s: [[%s]]: a list of tables means nothing here; write [%[2]s]", path, joinKey(node.Key()))
		case unstable.KeyValue:
			all = append(all, newEntry(&p, path, table, node))
		}
	}
	return all, p.Error()
}

func newEntry(p *unstable.Parser, path, table string, node *unstable.Node) entry {
	key := joinKey(node.Key())
	first := node.Key()
	first.Next()
	line := p.Shape(first.Node().Raw).Start.Line
	command := table
	// serve.http = "…" at the top is [serve] http = "…".
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		command, key = strings.Trim(table+"."+key[:i], "."), key[i+1:]
	}
	return entry{
		command: strings.ReplaceAll(command, ".", " "),
		key:     key,
		value:   newValue(node.Value(), fmt.Sprintf("%s:%d", path, line)),
	}
}

func joinKey(it unstable.Iterator) string {
	var parts []string
	for it.Next() {
		parts = append(parts, string(it.Node().Data))
	}
	return strings.Join(parts, ".")
}

// flagIndex says which flags each command has, by its path without the program's name.
type flagIndex map[string]map[string]bool

func knownFlags(root *cobra.Command) flagIndex {
	idx := flagIndex{}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		names := map[string]bool{}
		add := func(f *pflag.Flag) {
			if !notInFile[f.Name] && f.Annotations[CommandLine] == nil {
				names[f.Name] = true
			}
		}
		c.LocalFlags().VisitAll(add)
		c.InheritedFlags().VisitAll(add)
		idx[commandName(c)] = names
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	return idx
}

// commandName is "token create" for `berth token create`.
func commandName(c *cobra.Command) string {
	_, name, _ := strings.Cut(c.CommandPath(), " ")
	return name
}

func (idx flagIndex) check(e entry) error {
	if e.command != "" {
		flags, ok := idx[e.command]
		switch {
		case !ok:
			return fmt.Errorf("%s: there is no command %q for this table", e.value.where, e.command)
		case !flags[e.key]:
			return fmt.Errorf("%s: unknown key %q: berth %s has no flag --%[2]s that a file can set", e.value.where, e.key, e.command)
		}
		return nil
	}
	for _, flags := range idx {
		if flags[e.key] {
			return nil
		}
	}
	return fmt.Errorf("%s: unknown key %q: no command has a flag --%[2]s that a file can set", e.value.where, e.key)
}

// valuesFor is what the file says to one command; a table's word comes after the top's and replaces it.
func (f *File) valuesFor(cmd *cobra.Command) map[string]value {
	if f == nil {
		return nil
	}
	values := map[string]value{}
	name := commandName(cmd)
	for _, scope := range []string{"", name} {
		for _, e := range f.entries {
			if e.command == scope {
				values[e.key] = e.value
			}
		}
	}
	return values
}
