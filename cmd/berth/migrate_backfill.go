package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"berth/cmd/berth/migration"
)

func newMigratePause(a *app) *cobra.Command {
	return a.backfillVerb("pause", nil, "Hold the backfill, also across restarts", func(q *migration.Backfill, _ []string) error {
		q.Pause = true
		return nil
	})
}

func newMigrateResume(a *app) *cobra.Command {
	return a.backfillVerb("resume", nil, "Let the backfill go on", func(q *migration.Backfill, _ []string) error {
		q.Resume = true
		return nil
	})
}

func newMigrateRate(a *app) *cobra.Command {
	var pace paceFlags
	c := a.backfillVerb("rate", []string{"[N]"}, "Bound the backfill to N entries a second, at once; 0 for no bound. Or say what it gives way to", func(q *migration.Backfill, args []string) error {
		tuning, err := pace.tuning()
		if err != nil {
			return err
		}
		if len(args) > 0 {
			n, err := strconv.ParseFloat(args[0], 64)
			if err != nil || n < 0 || math.IsNaN(n) || math.IsInf(n, 0) {
				return wrong(noRate, args[0])
			}
			tuning.Rate = &n
		}
		if tuning.IsZero() {
			return wrong("nothing to change: give N, --yield-commit or --yield-p99")
		}
		if q.Job == "verify" && tuning.YieldCommit != nil {
			return wrong("--yield-commit is for the backfill: a comparison hardly writes")
		}
		q.Pace = migration.PaceOf(tuning)
		return nil
	})
	pace.addYield(c)
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error { // a number below 0 looks like a flag
		if _, text, ok := strings.Cut(err.Error(), " in -"); ok && strings.ContainsAny(text[:min(1, len(text))], "0123456789.") {
			err = fmt.Errorf(noRate, "-"+text)
		}
		return usage(c, err)
	})
	return c
}

const noRate = "%q is no rate: want entries a second, or 0 for no bound"

func (a *app) backfillVerb(name string, args []string, short string, ask func(*migration.Backfill, []string) error) *cobra.Command {
	var why, job string
	c := a.withServer(a.verb(name, args, short, "", func(ctx context.Context, args []string) error {
		q := migration.Backfill{Why: why, Job: job}
		if err := ask(&q, args); err != nil {
			return err
		}
		raw, err := a.postMigrate(ctx, q, "backfill")
		if err != nil {
			return err
		}
		return a.print(raw, func(w io.Writer) {
			writeStatus(w, decode[migration.Status](raw))
		})
	}))
	c.Flags().StringVar(&job, "job", "backfill", "`job`: backfill, or verify")
	whyFlag(c, &why)
	return c
}

func newMigrateFailures(a *app) *cobra.Command {
	c := a.noun("failures", "List, retry and skip entries that have no route record", "A site with such an entry stays on its table, by name, until somebody decides.")
	c.AddCommand(newFailuresList(a), a.failuresVerb("retry", "Try failed entries again now"), a.failuresVerb("skip", "Do not try failed entries again"))
	return c
}

func newFailuresList(a *app) *cobra.Command {
	var limit int
	var class, project string
	c := a.withServer(a.verb("list", nil, "List entries that have no route record, and why", "", func(ctx context.Context, _ []string) error {
		query := url.Values{"limit": {strconv.Itoa(limit)}, "class": {class}, "project": {project}}
		raw, err := a.getMigrate(ctx, query, "failures")
		if err != nil {
			return err
		}
		return a.print(raw, func(w io.Writer) { writeFailures(w, decode[migration.Failures](raw)) })
	}))
	c.Flags().IntVar(&limit, "limit", 100, "failures to list")
	c.Flags().StringVar(&class, "class", "", "only those of this `class`")
	c.Flags().StringVar(&project, "project", "", "only those of this `project`")
	return c
}

func writeFailures(w io.Writer, f migration.Failures) {
	var rows [][]string
	for _, x := range f.Failures {
		next := shortTime(x.Next)
		if x.Skipped {
			next = "skipped"
		}
		about := x.Host
		if about == "" {
			about = x.Pattern
		}
		number := "all of a piece"
		if x.Entry >= 0 {
			number = fmt.Sprint(x.Entry)
		}
		rows = append(rows, []string{x.ID, x.Project, x.Class, number, about, fmt.Sprint(x.Attempts), next, x.Why})
	}
	table(w, "No failures.", []string{"ID", "PROJECT", "CLASS", "NUMBER", "ENTRY", "TRIED", "NEXT", "WHY"}, rows)
	if len(rows) > 0 {
		fmt.Fprintln(w, entryNumbers)
	}
	if more := f.Total - len(f.Failures); more > 0 {
		fmt.Fprintf(w, "… and %d more\n", more)
	}
}

func (a *app) failuresVerb(name, short string) *cobra.Command {
	var choice migration.Choice
	c := a.withServer(a.verb(name, []string{"[ID...]"}, short, "", func(ctx context.Context, ids []string) error {
		if choice.All == (len(ids) > 0) {
			return wrong("give IDs as `berth migrate failures list` shows them, or --all")
		}
		choice.IDs = ids
		raw, err := a.postMigrate(ctx, choice, "failures", name)
		if err != nil {
			return err
		}
		return a.print(raw, func(w io.Writer) {
			fmt.Fprintf(w, "%s: %d failure(s).\n", strings.ToUpper(name[:1])+name[1:], decode[migration.Chosen](raw).Failures)
		})
	}))
	c.Flags().BoolVar(&choice.All, "all", false, "all of them")
	whyFlag(c, &choice.Why)
	return c
}
