package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// values are a test command's flags.
type values struct {
	Name  string
	Count int
	On    bool
	List  []string
}

func newCommand(v *values) (root, verb *cobra.Command) {
	root = &cobra.Command{Use: "prog"}
	root.PersistentFlags().String("config", "", "")
	noun := &cobra.Command{Use: "noun"}
	verb = &cobra.Command{Use: "verb", RunE: func(*cobra.Command, []string) error { return nil }}
	f := verb.Flags()
	f.StringVar(&v.Name, "name", "default", "")
	f.IntVar(&v.Count, "max-count", 1, "")
	f.BoolVar(&v.On, "on", false, "")
	f.StringSliceVar(&v.List, "list", nil, "")
	f.SetAnnotation("name", EnvAlias, []string{"OTHER_NAME"})
	other := &cobra.Command{Use: "other", RunE: verb.RunE}
	other.Flags().String("only-other", "", "")
	noun.AddCommand(verb)
	root.AddCommand(noun, other)
	return root, verb
}

func TestPrecedence(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		file string
		want values
	}{
		"defaults":                 {want: values{Name: "default", Count: 1}},
		"file":                     {file: "name = 'f'\nmax-count = 2\non = true\nlist = ['a', 'b']", want: values{"f", 2, true, []string{"a", "b"}}},
		"environment over file":    {env: map[string]string{"BERTH_NAME": "e", "BERTH_MAX_COUNT": "3"}, file: "name = 'f'\non = true", want: values{Name: "e", Count: 3, On: true}},
		"command line over all":    {args: []string{"--name", "c"}, env: map[string]string{"BERTH_NAME": "e"}, file: "name = 'f'", want: values{Name: "c", Count: 1}},
		"an alias variable":        {env: map[string]string{"OTHER_NAME": "a"}, file: "name = 'f'", want: values{Name: "a", Count: 1}},
		"own variable first":       {env: map[string]string{"OTHER_NAME": "a", "BERTH_NAME": "e"}, want: values{Name: "e", Count: 1}},
		"an empty variable is not": {env: map[string]string{"BERTH_NAME": "", "OTHER_NAME": "a"}, want: values{Name: "a", Count: 1}},
		"a list in a variable":     {env: map[string]string{"BERTH_LIST": "a,b"}, want: values{Name: "default", Count: 1, List: []string{"a", "b"}}},
		"the command's table wins": {file: "name = 'top'\n[noun.verb]\nname = 'table'\n", want: values{Name: "table", Count: 1}},
		"a dotted key":             {file: "noun.verb.name = 'dotted'\n", want: values{Name: "dotted", Count: 1}},
		"another command's table":  {file: "[other]\nonly-other = 'x'\n", want: values{Name: "default", Count: 1}},
		"another command's key":    {file: "only-other = 'x'\n", want: values{Name: "default", Count: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var got values
			root, verb := newCommand(&got)
			if err := verb.ParseFlags(c.args); err != nil {
				t.Fatal(err)
			}
			file, err := parse("f.toml", []byte(c.file), root)
			if err != nil {
				t.Fatal(err)
			}
			src := Sources{File: file, Env: func(k string) (string, bool) { v, ok := c.env[k]; return v, ok }}
			if err := src.Apply(verb); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestFaultsOfFiles(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"unknown key":          {"name = 'x'\n\nnmae = 'y'\n", `f.toml:3: unknown key "nmae"`},
		"unknown key in table": {"[noun.verb]\nonly-other = 1\n", `f.toml:2: unknown key "only-other": berth noun verb`},
		"unknown table":        {"[verb]\nname = 'x'\n", `f.toml:2: there is no command "verb"`},
		"several at once":      {"aa = 1\nbb = 2\n", "f.toml:1: unknown key \"aa\": no command has a flag --aa that a file can set\nf.toml:2: "},
		"config in config":     {"config = 'x'\n", `f.toml:1: unknown key "config"`},
		"a key twice":          {"name = 'x'\nname = 'y'\n", "f.toml:2: "},
		"no TOML":              {"name = 'x'\nwhat is this\n", "f.toml:2: "},
		"list of tables":       {"[[noun]]\nname = 'x'\n", "write [noun]"},
	} {
		t.Run(name, func(t *testing.T) {
			root, _ := newCommand(new(values))
			_, err := parse("f.toml", []byte(c.file), root)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestFaultsOfValues(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		file string
		want string
	}{
		"number in variable": {env: map[string]string{"BERTH_MAX_COUNT": "many"}, want: `environment variable BERTH_MAX_COUNT="many"`},
		"number in file":     {file: "\nmax-count = 'many'", want: `f.toml:2: key "max-count"`},
		"string for bool":    {file: "on = 'yes'", want: `f.toml:1: key "on": takes true or false`},
		"bool for string":    {file: "name = true", want: "takes a string, not true or false"},
		"number for string":  {file: "name = 5", want: "put it in quotes"},
		"list for one":       {file: "name = ['a']", want: "takes one string, not a list"},
		"list of numbers":    {file: "list = [1]", want: "must hold strings"},
		"a date":             {file: "name = 2020-01-01", want: "is not a value for a flag"},
		"a table":            {file: "name = {a = 1}", want: "is not a value for a flag"},
	} {
		t.Run(name, func(t *testing.T) {
			root, verb := newCommand(new(values))
			file, err := parse("f.toml", []byte(c.file), root)
			if err != nil {
				t.Fatal(err)
			}
			src := Sources{File: file, Env: func(k string) (string, bool) { v, ok := c.env[k]; return v, ok }}
			if err := src.Apply(verb); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestAllFaultsAreReported(t *testing.T) {
	_, verb := newCommand(new(values))
	src := Sources{Env: func(k string) (string, bool) { return "no", k == "BERTH_MAX_COUNT" || k == "BERTH_ON" }}
	err := src.Apply(verb)
	if err == nil || !strings.Contains(err.Error(), "BERTH_MAX_COUNT") || !strings.Contains(err.Error(), "BERTH_ON") {
		t.Errorf("got %v, want both variables", err)
	}
}

func TestLoad(t *testing.T) {
	root, _ := newCommand(new(values))
	if _, err := Load(filepath.Join(t.TempDir(), "none"), root); err == nil {
		t.Error("a missing file was read")
	}
	path := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(path, make([]byte, maxFileBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, root); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a large file: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"name = 'x'", "[noun.verb]\nlist = ['a', 1]", "a.b.c = {x = 1}", "[[a]]", "name = 'x'\nname = 'y'", "\"\" = 1", "[noun]\nverb.name=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		root, verb := newCommand(new(values))
		file, err := parse("f", []byte(text), root)
		if err == nil {
			_ = Sources{File: file, Env: os.LookupEnv}.Apply(verb)
		}
	})
}

// A flag of the command line only is set by nothing else, though a variable and a file name it for another command.
func TestCommandLineOnly(t *testing.T) {
	var got values
	root, verb := newCommand(&got)
	if err := verb.Flags().SetAnnotation("name", CommandLine, []string{"true"}); err != nil {
		t.Fatal(err)
	}
	root.PersistentFlags().String("name", "", "") // another command's
	file, err := parse("f.toml", []byte("name = 'file'\n"), root)
	if err != nil {
		t.Fatal(err)
	}
	env := func(name string) (string, bool) { return "env", name == "BERTH_NAME" || name == "OTHER_NAME" }
	if err := (Sources{Env: env, File: file}).Apply(verb); err != nil || got.Name != "" && got.Name != "default" {
		t.Errorf("name is %q, %v", got.Name, err)
	}
	if _, err := parse("f.toml", []byte("[noun.verb]\nname = 'file'\n"), root); err == nil {
		t.Error("a file may set it")
	}
}
