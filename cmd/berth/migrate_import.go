package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"berth/cmd/berth/migration"
	"berth/cmd/berth/server"
	"berth/migrate/load"
	"berth/migrate/nginx"
)

type importFlags struct {
	tables, deployments, nginx, why string
	offline, force, replace         bool
	maxReplaced                     int
}

// imported is what became of an import; what was not asked for is null.
type imported struct {
	Deployments *load.NamesReport `json:"deployments"`
	Tables      *load.Report      `json:"tables"`
	Nginx       *load.NginxReport `json:"nginx"`
	Fill        *load.FillReport  `json:"fill"` // of hosts that Berth served before
}

// importer brings the parts to a server, or into an open directory.
type importer interface {
	deployments(ctx context.Context, name string, r io.Reader) (*load.NamesReport, error)
	tables(ctx context.Context, src load.Source) (*load.Report, error)
	nginx(ctx context.Context, c *nginx.Config) (*load.NginxReport, error)
	complete(ctx context.Context) (*load.FillReport, error)
}

func newMigrateImport(a *app) *cobra.Command {
	var how importFlags
	c := a.withServer(a.verb("import", nil, "Bring tables of the old design: this begins a migration", `--tables names a directory with a file <project>.json for each project, or a file of lines
{"project":"docs","table":{"filters":[…],"v":1}}; the projects must exist. --deployments says which deployment a
script_hash is: lines script_hash,deployment, or {"script_hash":"…","deployment":"…"}. --nginx reads server_name and
map blocks of an nginx configuration as further hosts.
A host that Berth serves already is answered as its table says from then on, unless the entry names no deployment. A custom
host that nobody has is given to the project whose table names it; one of another account stays there. The report says so
of each, and of what cannot be done.
What is wrong with one table is told and keeps no other from being loaded. The same import again changes nothing, and
goes on where an interrupted one stopped. From its beginning on every change is written to the tables, too; what the
server had before gets entries at the end. A mended table takes the place of the one before with --replace, as long as the phase
is legacy; hosts that deployments have moved since stay where they are. --offline opens the directory of --data itself, which no server may have open.`,
		func(ctx context.Context, _ []string) error {
			if how.tables == "" && how.nginx == "" && how.deployments == "" {
				return wrong("nothing to import: give --tables, --nginx or --deployments")
			}
			if how.maxReplaced < 1 || how.maxReplaced > load.MostReplaced {
				return wrong("--max-replaced %d: want 1 to %d entries", how.maxReplaced, load.MostReplaced)
			}
			result, err := a.importAll(ctx, how)
			if err != nil {
				return fmt.Errorf("migrate import: %w", err)
			}
			if err := a.print(result, func(w io.Writer) { writeImported(w, result) }); err != nil {
				return err
			}
			if n := result.failed(); n > 0 && !how.force {
				return fmt.Errorf("migrate import: %d table(s) or line(s) were not loaded, so it is not complete; mend them and run it again, or leave them out with --force", n)
			}
			return nil
		}))
	f := c.Flags()
	f.StringVar(&how.tables, "tables", "", "`directory` of tables, or file of lines, one table each")
	f.StringVar(&how.deployments, "deployments", "", "`file`: which deployment a script_hash is")
	f.StringVar(&how.nginx, "nginx", "", "main `file` of an nginx configuration")
	f.StringVar(&how.why, "why", "tables are imported", "`text` for the log: why")
	f.BoolVar(&how.force, "force", false, "take the import to be complete although some tables or lines were not loaded")
	f.BoolVar(&how.replace, "replace", false, "load a table in the place of another one of its project, in phase legacy")
	f.IntVar(&how.maxReplaced, "max-replaced", load.DefaultReplaced, "`entries` of a table that --replace loads, and of the one before, at most: all of them are one batch, which others wait for")
	f.BoolVar(&how.offline, "offline", false, "open the directory of --data instead of asking a server")
	return c
}

func (r *imported) failed() (n int) {
	if r.Deployments != nil {
		n += r.Deployments.Bad
	}
	if r.Tables != nil {
		n += r.Tables.Failed
	}
	return n
}

func (a *app) importAll(ctx context.Context, how importFlags) (result *imported, err error) {
	if !how.offline {
		api, err := a.client()
		if err != nil {
			return nil, err
		}
		return how.run(ctx, &uploader{api: api, why: how.why, replace: how.replace, maxReplaced: how.maxReplaced})
	}
	err = server.Offline(ctx, a.server.data, a.stderr, func(o server.Opened) (err error) {
		result, err = how.run(ctx, &offlineImport{o.Migration, load.Options{Who: "offline", Why: how.why, Replace: how.replace, MaxReplaced: how.maxReplaced}})
		return err
	})
	return result, err
}

// run brings names first, so that no entry is reported to name nothing, and what the server had before last.
func (f *importFlags) run(ctx context.Context, to importer) (*imported, error) {
	result := &imported{}
	if f.deployments != "" {
		file, err := os.Open(f.deployments)
		if err != nil {
			return nil, fmt.Errorf("--deployments: %w", err)
		}
		defer file.Close() // read only
		if result.Deployments, err = to.deployments(ctx, filepath.Base(f.deployments), file); err != nil {
			return nil, err
		}
	}
	if f.tables == "" && f.nginx == "" {
		return result, nil
	}
	var err error
	if f.tables != "" {
		if result.Tables, err = f.runTables(ctx, to); err != nil {
			return nil, err
		}
	}
	if f.nginx != "" {
		if result.Nginx, err = f.runNginx(ctx, to); err != nil {
			return nil, err
		}
	}
	if result.failed() > 0 && !f.force { // the tables are not all there, and must not be taken to be
		return result, nil
	}
	result.Fill, err = to.complete(ctx)
	return result, err
}

func (f *importFlags) runTables(ctx context.Context, to importer) (*load.Report, error) {
	info, err := os.Stat(f.tables)
	if err != nil {
		return nil, fmt.Errorf("--tables: %w", err)
	}
	if info.IsDir() {
		return to.tables(ctx, load.Dir(os.DirFS(f.tables)))
	}
	if strings.HasSuffix(f.tables, ".json") {
		return nil, errors.New("--tables: want a directory of <project>.json, or a file of lines (.ndjson) that name the project of each table")
	}
	file, err := os.Open(f.tables)
	if err != nil {
		return nil, fmt.Errorf("--tables: %w", err)
	}
	defer file.Close() // read only
	return to.tables(ctx, load.NDJSON(filepath.Base(f.tables), file, migration.MaxTableBytes+1<<20))
}

func (f *importFlags) runNginx(ctx context.Context, to importer) (*load.NginxReport, error) {
	path, err := filepath.Abs(f.nginx)
	if err != nil {
		return nil, fmt.Errorf("--nginx: %w", err)
	}
	c, err := nginx.Read(os.DirFS("/"), path, nginx.Options{})
	if err != nil {
		return nil, fmt.Errorf("--nginx: %w", err)
	}
	return to.nginx(ctx, c)
}

// offlineImport works on an open directory.
type offlineImport struct {
	m *migration.Service
	o load.Options
}

func (i *offlineImport) deployments(ctx context.Context, name string, r io.Reader) (*load.NamesReport, error) {
	report, err := i.m.ImportDeployments(ctx, name, r, i.o)
	return &report, err
}

func (i *offlineImport) tables(ctx context.Context, src load.Source) (*load.Report, error) {
	report, err := i.m.ImportTables(ctx, src, i.o)
	return &report, err
}

func (i *offlineImport) nginx(ctx context.Context, c *nginx.Config) (*load.NginxReport, error) {
	report, err := i.m.ImportNginx(ctx, c, i.o)
	return &report, err
}

func (i *offlineImport) complete(ctx context.Context) (*load.FillReport, error) {
	report, err := i.m.CompleteImport(ctx, i.o)
	return &report, err
}

func writeImported(w io.Writer, r *imported) {
	if d := r.Deployments; d != nil {
		fmt.Fprintf(w, "Deployments: %s named, %s were named so already, %s lines not understood.\n", number(d.Set+d.Changed), number(d.Same), number(d.Bad))
		writeProblems(w, d.Problems)
	}
	if t := r.Tables; t != nil {
		for _, p := range t.With {
			writeProblems(w, p.Problems)
			if more := sum(p.ByClass) - len(p.Problems); more > 0 {
				fmt.Fprintf(w, "… and %d more of project %s\n", more, oneLine(p.Project))
			}
		}
		fmt.Fprintf(w, "Tables: %s projects (%s unchanged, %s not loaded), %s entries, %s hosts and %s wildcards, %s custom domains taken over.\n",
			number(t.Projects), number(t.Unchanged), number(t.Failed), number(t.Entries), number(t.Hosts), number(t.Wildcards), number(t.Domains))
		for _, c := range []struct {
			class load.Class
			text  string
		}{
			{load.Replaced, "hosts served something else before, and serve what their table says now"},
			{load.Stays, "hosts go on serving what they did, because their entries name no deployment"},
			{load.Part, "hosts are answered by an entry for some paths only, and by Berth for the others"},
			{load.Left, "domains are named by the tables no more, and serve their projects"},
			{load.Claimed, "times a host was left to another project that has it"},
			{load.Unowned, "custom hosts have no project and answer 404 until `berth domain add`"},
			{load.NotConverted, "entries cannot be converted: their sites stay on their tables"},
		} {
			if n := t.ByClass[c.class]; n > 0 {
				fmt.Fprintf(w, "  %s %s [%s]\n", number(n), c.text, c.class)
			}
		}
		m := &t.Meaning
		fmt.Fprintf(w, "Of their entries %s are converted, %s need a wildcard, %s are shadowed by earlier ones, %s cannot be converted.\n",
			number(m.Converted), number(m.NeedsWildcard), number(m.Shadowed), number(m.CannotConvert))
		for _, line := range m.Lines() {
			fmt.Fprintln(w, "  "+oneLine(line))
		}
	}
	if n := r.Nginx; n != nil {
		writeProblems(w, n.Problems)
		fmt.Fprintf(w, "nginx: %s names, %s hosts added, %s were there, %s lead nowhere that Berth knows.\n", number(n.Entries), number(n.Hosts), number(n.Same), number(n.Unrelated))
	}
	if f := r.Fill; f != nil {
		fmt.Fprintf(w, "Of the %s hosts that Berth serves, %s got an entry of their own and %s had one.\nNext: berth migrate plan\n", number(f.Hosts), number(f.Added), number(f.Had))
	}
}

func sum(m map[load.Class]int) (n int) {
	for _, k := range m {
		n += k
	}
	return n
}

func writeProblems(w io.Writer, problems []load.Problem) {
	for _, p := range problems {
		fmt.Fprintln(w, oneLine(fmt.Sprintf("%s [%s]", p, p.Class)))
	}
}
