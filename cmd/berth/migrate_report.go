package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"berth/migrate/report"
)

func newMigrateReport(a *app) *cobra.Command {
	var html string
	c := a.withServer(a.verb("report", nil, "Write the migration as one self-contained page, with plots", "The page has no script and needs no other file. --json prints what it is made of.",
		func(ctx context.Context, _ []string) error {
			if html == "" && !a.json {
				return wrong("--html is missing: name the file to write, or give --json")
			}
			raw, err := a.getMigrate(ctx, nil, "report")
			if err != nil {
				return err
			}
			if html != "" {
				d := decode[report.Data](raw)
				d.Version = version()
				if err := writePage(html, func(w io.Writer) error { return report.HTML(w, d) }); err != nil {
					return fmt.Errorf("migrate report: --html: %w", err)
				}
			}
			return a.print(raw, func(w io.Writer) { fmt.Fprintf(w, "Wrote %s\n", oneLine(html)) })
		}))
	c.Flags().StringVar(&html, "html", "", "`file` to write")
	return c
}

// writePage puts a file in place whole: a report that is looked at while it is written again is one of the two.
func writePage(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".report-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
