package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/cmd/berth/migration"
	"berth/migrate/shadow"
	"berth/migrate/verify"
	"berth/store"
)

func newMigrateVerify(a *app) *cobra.Command {
	var why string
	var detach bool
	c := a.withServer(a.verb("verify", nil, "Compare all routes with what the tables say: exit 0 means that they agree", `Reads every table and every route record, while the server goes on serving, and waits for the result; the comparison
goes on by itself if that is interrupted, and berth migrate status shows it.`,
		func(ctx context.Context, _ []string) error {
			raw, err := a.postMigrate(ctx, migration.Why{Why: why}, "verify")
			if err != nil {
				return err
			}
			run := decode[migration.Verification](raw).Run
			for v := decode[migration.Verification](raw); !detach && v.Finished.IsZero() && v.Run == run; v = decode[migration.Verification](raw) {
				if err := wait(ctx, 200*time.Millisecond); err != nil {
					return err
				}
				if raw, err = a.getMigrate(ctx, nil, "verify"); err != nil {
					return err
				}
			}
			v := decode[migration.Verification](raw)
			if err := a.print(raw, func(w io.Writer) { writeVerification(w, &v) }); err != nil {
				return err
			}
			return verdict(&v, run, detach)
		}))
	c.Flags().StringVar(&why, "why", "before the next phase", "`text` for the log: why")
	c.Flags().BoolVar(&detach, "detach", false, "do not wait for the result")
	return c
}

func verdict(v *migration.Verification, run store.Revision, detach bool) error {
	switch {
	case detach:
		return nil
	case v.Run != run:
		return fmt.Errorf("migrate verify: %s began another comparison meanwhile", v.Who)
	case v.Aborted != "":
		return fmt.Errorf("migrate verify: no result: %s", v.Aborted)
	case !v.Clean:
		return errors.New("migrate verify: the two sides do not agree: see berth migrate diffs")
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func verifyLine(v *migration.Verification) string {
	state := "under way"
	switch {
	case !v.There:
		return "never begun"
	case v.Aborted != "":
		state = "without a result: " + v.Aborted
	case v.Clean:
		state = "agrees"
	case v.Done:
		state = "DOES NOT AGREE"
	case v.Waits != "":
		state = "waits: " + v.Waits
	}
	if v.Finished.IsZero() && v.Limit > 0 {
		state += fmt.Sprintf(", at most %v entries/s", v.Limit)
	}
	return fmt.Sprintf("%s; %s entries of %s projects, %s records; %s", state, number(v.Entries), number(v.Projects), number(v.Records), classes(v.Hosts))
}

func classes[C ~string](m map[C]int64) string {
	var parts []string
	for _, class := range slices.Sorted(maps.Keys(m)) {
		if m[class] > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", number(m[class]), string(class)))
		}
	}
	if len(parts) == 0 {
		return "nothing compared"
	}
	return strings.Join(parts, ", ")
}

func writeVerification(w io.Writer, v *migration.Verification) {
	fields(w, [][2]string{{"epoch", fmt.Sprint(v.Epoch)}, {"verify", verifyLine(v)}})
	if writeExamples(w, v.Examples) {
		fmt.Fprintln(w, entryNumbers)
	}
}

// entryNumbers says which numbers of entries are meant: not those of the operator's own file.
const entryNumbers = `Entries are counted from 0 in the table as the server has it now: without those that the import left out, and with
those that deployments have written. In your own file, look for the pattern.`

// writeExamples reports whether it has named an entry by its number.
func writeExamples(w io.Writer, examples []verify.Diff) (numbered bool) {
	for _, d := range examples {
		host := d.Host
		if host == "" {
			host = "key " + d.Key
		}
		text := fmt.Sprintf("%s: %s (site %s)", d.Class, host, d.Site)
		if d.Table != nil {
			text += fmt.Sprintf(", table: deployment %d", d.Table.Deployment)
		}
		if d.Record != nil {
			text += fmt.Sprintf(", record: deployment %d", d.Record.Deployment)
		}
		if d.Pattern != "" {
			text += fmt.Sprintf(", entry %d: %s", d.Entry, d.Pattern)
		}
		if d.Why != "" {
			text += ", " + d.Why
		}
		fmt.Fprintln(w, oneLine(text))
		numbered = numbered || d.Pattern != ""
	}
	return numbered
}

func newMigrateDiffs(a *app) *cobra.Command {
	var limit int
	var class string
	c := a.withServer(a.verb("diffs", nil, "List hosts on which the two sides differ", "Those that verify found, and those that comparing live requests found (berth migrate shadow).",
		func(ctx context.Context, _ []string) error {
			raw, err := a.getMigrate(ctx, url.Values{"limit": {strconv.Itoa(limit)}, "class": {class}}, "diffs")
			if err != nil {
				return err
			}
			return a.print(raw, func(w io.Writer) { writeDiffs(w, decode[migration.Diffs](raw)) })
		}))
	c.Flags().IntVar(&limit, "limit", 100, "hosts, and sites, to list")
	c.Flags().StringVar(&class, "class", "", "only those of this `class`: missing, extra, different, error, unconvertible")
	return c
}

func writeDiffs(w io.Writer, d migration.Diffs) {
	var rows [][]string
	for _, x := range d.Shadow {
		rows = append(rows, []string{string(x.Class), x.Host, outcome(x.Hashed), outcome(x.Legacy), fmt.Sprint(x.Count), shortTime(x.Last), x.Line})
	}
	table(w, "No live request was answered differently.", []string{"CLASS", "HOST", "HASHED", "LEGACY", "TIMES", "LAST", "TABLE"}, rows)
	if more := d.ShadowTotal - len(d.Shadow); more > 0 {
		fmt.Fprintf(w, "… and %d more\n", more)
	}
	if d.SitesTotal == 0 {
		fmt.Fprintln(w, "No site that verify found to differ.")
		return
	}
	numbered := false
	for _, site := range d.Sites {
		fmt.Fprintf(w, "Site %s: %s\n", oneLine(site.Name), classes(site.Hosts))
		numbered = writeExamples(w, site.Examples) || numbered
	}
	if numbered {
		fmt.Fprintln(w, entryNumbers)
	}
	if more := d.SitesTotal - len(d.Sites); more > 0 {
		fmt.Fprintf(w, "… and %d more sites\n", more)
	}
}

func outcome(o shadow.Outcome) string {
	switch {
	case o.Error != "":
		return "error: " + o.Error
	case !o.Found:
		return "no route"
	}
	return fmt.Sprintf("deployment %d", o.Deployment)
}
