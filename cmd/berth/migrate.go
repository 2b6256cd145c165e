package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"berth/cmd/berth/client"
	"berth/cmd/berth/migration"
	"berth/migrate"
)

func newMigrateCommand(a *app) *cobra.Command {
	c := a.noun("migrate", "Move from regex tables to hashed routes, step by step, and back", `A migration goes through phases, one step at a time, while every site is served:

  legacy      the tables answer; changes go to them alone        berth migrate import
  dual-write  both are written; the tables answer                berth migrate start
  backfill    what only the tables have is copied                berth migrate start
  verify      what is stored is compared with the tables         berth migrate start, verify
  ramp        a growing share of the sites is on the records     berth migrate start, rollout
  cutover     every site is; the tables are still written        berth migrate start
  retired     the tables are deleted                             berth migrate finish

Every phase but the last can be taken back: berth migrate revert. Who does something is the name of the token.`)
	c.AddCommand(
		newMigrateImport(a), newMigratePlan(a), newMigrateStart(a), newMigrateRevert(a), newMigrateStatus(a), newMigrateLog(a),
		newMigratePause(a), newMigrateResume(a), newMigrateRate(a), newMigrateFailures(a), newMigrateVerify(a), newMigrateDiffs(a),
		newMigrateShadow(a), newMigrateRollout(a), newMigrateFinish(a), newMigrateReport(a),
	)
	return c
}

// whyFlag is the reason that the log keeps.
func whyFlag(c *cobra.Command, why *string) {
	c.Flags().StringVar(why, "why", "", "`text` for the log: why")
	require(c, "why")
}

func migratePath(segments ...string) string {
	return client.Join(append([]string{"berth", "migrate"}, segments...)...)
}

func (a *app) getMigrate(ctx context.Context, query url.Values, segments ...string) (json.RawMessage, error) {
	raw, err := a.call(ctx, func(*client.Client) client.Request {
		return client.Request{Method: http.MethodGet, Path: migratePath(segments...), Query: query, Slow: true}
	})
	return raw, inMigrate(err)
}

func (a *app) postMigrate(ctx context.Context, body any, segments ...string) (json.RawMessage, error) {
	raw, err := a.call(ctx, func(*client.Client) client.Request {
		return client.Request{Method: http.MethodPost, Path: migratePath(segments...), JSON: body, Slow: true}
	})
	return raw, inMigrate(err)
}

func inMigrate(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("migrate: %w", err)
}

func newMigratePlan(a *app) *cobra.Command {
	return a.withServer(a.verb("plan", nil, "Say what the next step would do, and what speaks against it; changes nothing", "",
		func(ctx context.Context, _ []string) error {
			raw, err := a.getMigrate(ctx, nil, "plan")
			if err != nil {
				return err
			}
			return a.print(raw, func(w io.Writer) { writePlan(w, decode[migration.Plan](raw)) })
		}))
}

func writePlan(w io.Writer, p migration.Plan) {
	rows := [][2]string{{"phase", string(p.Phase)}, {"next", string(p.Next)}, {"it", p.Does}, {"going back loses", p.Back}}
	if p.Tables.Projects > 0 {
		rows = append(rows, [2]string{"tables", fmt.Sprintf("%s entries of %s projects, %s", number(p.Tables.Entries), number(p.Tables.Projects), byteCount(p.Tables.Bytes))})
	}
	for _, c := range p.Checks {
		verdict := "ok"
		if !c.OK {
			verdict = "NO"
		}
		rows = append(rows, [2]string{c.Name, verdict + ": " + c.Detail})
	}
	for _, n := range p.Notes {
		rows = append(rows, [2]string{"note", oneLine(n)})
	}
	fields(w, rows)
	switch {
	case p.Next == "":
	case p.Next == migrate.Retired:
		fmt.Fprintln(w, "Next: berth migrate finish --why TEXT")
	case p.Ready:
		fmt.Fprintf(w, "Next: berth migrate start --to %s --why TEXT\n", p.Next)
	default:
		fmt.Fprintln(w, "Not ready for the next phase.")
	}
}

type moveFlags struct {
	to, why string
	force   bool
	pace    paceFlags
}

func newMigrateStart(a *app) *cobra.Command {
	var how moveFlags
	c := a.withServer(a.verb("start", nil, "Enter the next phase", `Refuses while something speaks against it; `+"`berth migrate plan`"+` says what. --rate, --yield-commit and --yield-p99
are for the phase in which the backfill begins; berth migrate rate changes them later.`,
		func(ctx context.Context, _ []string) error {
			return a.move(ctx, &how, func(s *migration.Status) (migrate.Phase, error) {
				switch {
				case how.to != "":
					return migrate.ParsePhase(how.to)
				case s.Next == "":
					return "", fmt.Errorf("there is no next phase: the migration is over, or never began (berth migrate import begins one)")
				}
				return s.Next, nil
			})
		}))
	c.Flags().StringVar(&how.to, "to", "", "`phase` to enter; the next one is the only that can be")
	c.Flags().BoolVar(&how.force, "force", false, "although a check says no")
	how.pace.addRate(c)
	how.pace.addYield(c)
	whyFlag(c, &how.why)
	return c
}

func newMigrateRevert(a *app) *cobra.Command {
	var how moveFlags
	c := a.withServer(a.verb("revert", nil, "Go back to an earlier phase", "Takes effect at once, on every host. Nothing is lost: the tables are written in every phase but the last.",
		func(ctx context.Context, _ []string) error {
			return a.move(ctx, &how, func(s *migration.Status) (migrate.Phase, error) {
				if how.to != "" {
					to, err := migrate.ParsePhase(how.to)
					if err == nil && !to.Before(s.Phase) {
						err = fmt.Errorf("phase %s is not before %s: berth migrate start goes forward", to, s.Phase)
					}
					return to, err
				}
				return before(s.Phase)
			})
		}))
	c.Flags().StringVar(&how.to, "to", "", "`phase` to go back to; default the one before")
	whyFlag(c, &how.why)
	return c
}

func before(p migrate.Phase) (migrate.Phase, error) {
	all := migrate.Phases()
	for i, q := range all {
		if p == q && i > 0 && p != migrate.Retired {
			return all[i-1], nil
		}
	}
	return "", fmt.Errorf("there is nothing to go back to from phase %s", p)
}

func (a *app) move(ctx context.Context, how *moveFlags, to func(*migration.Status) (migrate.Phase, error)) error {
	tuning, err := how.pace.tuning()
	if err != nil {
		return err
	}
	raw, err := a.getMigrate(ctx, nil)
	if err != nil {
		return err
	}
	now := decode[migration.Status](raw)
	target, err := to(&now)
	if err != nil {
		return wrong("--to: %w", err)
	}
	if !tuning.IsZero() && target != migrate.Backfill {
		return wrong("--rate, --yield-commit and --yield-p99 are for entering phase %s, and this is for %s; berth migrate rate changes them at any time", migrate.Backfill, target)
	}
	m := migration.Move{From: now.Phase, To: target, Why: how.why, Force: how.force, Pace: migration.PaceOf(tuning)}
	raw, err = a.postMigrate(ctx, m, "phase")
	if err != nil {
		return err
	}
	return a.print(raw, func(w io.Writer) {
		m := decode[migration.Moved](raw)
		fmt.Fprintf(w, "Phase %s since %s, epoch %d.\n", m.Phase, shortTime(m.Since), m.Epoch)
		for _, site := range m.Kept {
			fmt.Fprintf(w, "Site %s stays on its table: some of its entries have no route record (berth migrate failures list --project %[1]s; rollout set --opt-in %[1]s overrules it)\n", oneLine(site))
		}
		fmt.Fprintf(w, "Next: %s\n", nextHint(m.Phase))
	})
}

// nextHint is what to type next.
func nextHint(p migrate.Phase) string {
	switch p {
	case migrate.Legacy:
		return "berth migrate start --why TEXT, once the import is complete"
	case migrate.DualWrite:
		return "berth migrate start --why TEXT"
	case migrate.Backfill:
		return "berth migrate status --watch, until the backfill is done"
	case migrate.Verify:
		return "berth migrate verify"
	case migrate.Ramp:
		return "berth migrate rollout set --percent 1 --why TEXT, or rollout run"
	case migrate.Cutover:
		return "berth migrate finish --why TEXT, after some days"
	}
	return "nothing: the migration is over"
}

func newMigrateLog(a *app) *cobra.Command {
	var limit int
	c := a.withServer(a.verb("log", nil, "Show who changed what, when and why", "", func(ctx context.Context, _ []string) error {
		raw, err := a.getMigrate(ctx, url.Values{"limit": {strconv.Itoa(limit)}}, "log")
		if err != nil {
			return err
		}
		return a.print(raw, func(w io.Writer) {
			page := decode[migration.LogPage](raw)
			var rows [][]string
			for _, e := range page.Entries {
				rows = append(rows, []string{shortTime(e.Time), e.Who, e.What, e.Why})
			}
			table(w, "Nothing was changed yet.", []string{"TIME", "WHO", "WHAT", "WHY"}, rows)
			if page.Earlier > 0 {
				fmt.Fprintf(w, "… and %d earlier\n", page.Earlier)
			}
		})
	}))
	c.Flags().IntVar(&limit, "limit", 100, "lines to show, the newest")
	return c
}

func newMigrateFinish(a *app) *cobra.Command {
	var f migration.Finish
	var grace string
	c := a.withServer(a.verb("finish", nil, "End the migration: the tables are no longer written, and are deleted", `After cutover, and with a comparison (berth migrate verify) that found no host without a record. There is no way back. The tables are deleted in the background, in batches;
berth migrate status shows how far it is, and the storage before and after.`,
		func(ctx context.Context, _ []string) error {
			age, err := parseAge(grace)
			if err != nil {
				return wrong("--grace: %w", err)
			}
			text := age.String()
			f.Grace = &text
			raw, err := a.postMigrate(ctx, f, "finish")
			if err != nil {
				return err
			}
			return a.print(raw, func(w io.Writer) {
				writeFinish(w, decode[*migration.Finished](raw))
				fmt.Fprintln(w, "Next: berth migrate status --watch, until the tables are deleted")
			})
		}))
	c.Flags().StringVar(&grace, "grace", "24h", "`time` that the server must have been in cutover: 24h, 7d")
	c.Flags().BoolVar(&f.Force, "force", false, "although a check says no; it does not shorten the grace")
	whyFlag(c, &f.Why)
	return c
}
