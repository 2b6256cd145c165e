package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"berth/cmd/berth/migration"
)

func newMigrateRollout(a *app) *cobra.Command {
	c := a.noun("rollout", "Choose the sites that are answered from the records", `The first of these that says something decides, for each site: opted out, pinned, data centre, percentage, default.
Raising the percentage never sends a site back. It decides in phase ramp; sites that are kept on the tables by name
stay there in cutover too.`)
	c.AddCommand(newRolloutShow(a), newRolloutSet(a), newRolloutRun(a), newRolloutStop(a))
	return c
}

func newRolloutShow(a *app) *cobra.Command {
	return a.withServer(a.verb("show", nil, "Show it", "", func(ctx context.Context, _ []string) error {
		raw, err := a.getMigrate(ctx, nil, "rollout")
		if err != nil {
			return err
		}
		return a.print(raw, func(w io.Writer) { writeRollout(w, decode[migration.Rollout](raw)) })
	}))
}

type rolloutFlags struct {
	percent, fallback         string
	datacentres, sites        []string
	optOut, optIn             []string
	undoSites, undoDatacentre []string
	revision                  int64
	why                       string
}

func newRolloutSet(a *app) *cobra.Command {
	var how rolloutFlags
	c := a.withServer(a.verb("set", nil, "Change it; what is not named stays as it is", "It is in force within a second, without a restart, and in berth migrate log.",
		func(ctx context.Context, _ []string) error {
			change, err := how.change()
			if err != nil {
				return wrong("%w", err)
			}
			raw, err := a.getMigrate(ctx, nil, "rollout")
			if err != nil {
				return err
			}
			was := decode[migration.Rollout](raw)
			if change.Revision == nil { // whoever changes it between the two calls is not overruled unseen
				change.Revision = &was.Revision
			}
			if raw, err = a.postMigrate(ctx, change, "rollout"); err != nil {
				return err
			}
			return a.print(raw, func(w io.Writer) {
				if was.Revision > 0 {
					fmt.Fprintf(w, "Before: %s%%, set %s by %s (%s)\n", strconv.FormatFloat(was.Percent, 'f', -1, 64), shortTime(was.Time), oneLine(was.Who), oneLine(was.Why))
				}
				writeRollout(w, decode[migration.Rollout](raw))
			})
		}))
	f := c.Flags()
	f.StringVar(&how.percent, "percent", "", "`percentage` of the sites that are on hashed, such as 5 or 0.1")
	f.StringSliceVar(&how.datacentres, "datacentre", nil, "`NAME=hashed|legacy`: the side of a data centre")
	f.StringSliceVar(&how.sites, "site", nil, "`PROJECT=hashed|legacy`: pin a site")
	f.StringSliceVar(&how.optOut, "opt-out", nil, "`project` that stays on its table, whatever else is said")
	f.StringSliceVar(&how.optIn, "opt-in", nil, "`project` that no longer does")
	f.StringSliceVar(&how.undoSites, "unpin", nil, "`project` whose pin is taken away")
	f.StringSliceVar(&how.undoDatacentre, "unset-datacentre", nil, "data centre whose `name` is taken away")
	f.StringVar(&how.fallback, "default", "", "`side` of everything else: legacy or hashed")
	f.Int64Var(&how.revision, "revision", -1, "refuse if it is not what rollout show showed with this `revision`")
	whyFlag(c, &how.why)
	return c
}

func (f *rolloutFlags) change() (c migration.RolloutChange, err error) {
	c = migration.RolloutChange{Why: f.why, OptOut: map[string]bool{}}
	var faults []error
	if f.percent != "" {
		p, err := strconv.ParseFloat(strings.TrimSuffix(f.percent, "%"), 64)
		if err != nil || !(p >= 0 && p <= 100) {
			faults = append(faults, fmt.Errorf("--percent %q: want a number from 0 to 100", f.percent))
		}
		c.Percent = &p
	}
	if f.fallback != "" {
		c.Default = &f.fallback
	}
	if f.revision >= 0 {
		seen := uint64(f.revision)
		c.Revision = &seen
	}
	c.Datacentres, err = sidesOf("--datacentre", "--unset-datacentre", f.datacentres, f.undoDatacentre)
	faults = append(faults, err)
	c.Sites, err = sidesOf("--site", "--unpin", f.sites, f.undoSites)
	faults = append(faults, err)
	for _, site := range f.optOut {
		c.OptOut[site] = true
	}
	for _, site := range f.optIn {
		if c.OptOut[site] {
			faults = append(faults, fmt.Errorf("--opt-out %s and --opt-in %[1]s: want one of them", site))
		}
		c.OptOut[site] = false
	}
	if c.Percent == nil && c.Default == nil && len(c.Datacentres)+len(c.Sites)+len(c.OptOut) == 0 {
		faults = append(faults, errors.New("nothing to set: give --percent, --site, --datacentre, --opt-out or another flag"))
	}
	return c, errors.Join(faults...)
}

func sidesOf(flag, undoFlag string, set, undo []string) (map[string]string, error) {
	m := map[string]string{}
	for _, text := range set {
		name, side, ok := strings.Cut(text, "=")
		if !ok || name == "" || side != "hashed" && side != "legacy" {
			return nil, fmt.Errorf("%s %q: want NAME=hashed or NAME=legacy", flag, text)
		}
		if was := m[name]; was != "" && was != side {
			return nil, fmt.Errorf("%s %s=%s and %[1]s %[2]s=%[4]s: want one of them", flag, name, was, side)
		}
		m[name] = side
	}
	for _, name := range undo {
		if side := m[name]; side != "" {
			return nil, fmt.Errorf("%s %s=%s and %s %[2]s: want one of them", flag, name, side, undoFlag)
		}
		m[name] = ""
	}
	return m, nil
}

func writeRollout(w io.Writer, r migration.Rollout) {
	rows := [][2]string{
		{"percent", strconv.FormatFloat(r.Percent, 'f', -1, 64)}, {"data centres", pairs(r.Datacentres)}, {"sites", pairs(r.Sites)},
		{"opted out", strings.Join(r.OptOut, " ")}, {"default", r.Default}, {"revision", fmt.Sprint(r.Revision)},
	}
	if r.Revision > 0 {
		rows = append(rows, [2]string{"set", fmt.Sprintf("%s, by %s: %s", shortTime(r.Time), r.Who, r.Why)})
	}
	fields(w, append(rows, [2]string{"in force", inForceLine(&r)}))
}

func inForceLine(r *migration.Rollout) string {
	switch r.Mode {
	case "ramp":
		return "yes"
	case "cutover":
		return "in cutover: hashed answers for all but sites that are kept on the tables by name"
	case "hashed":
		return "no: the migration is over, or never began"
	}
	return "not yet: the tables answer for all until phase ramp"
}

func rolloutLine(r *migration.Rollout) string {
	text := fmt.Sprintf("%s%% of the sites", strconv.FormatFloat(r.Percent, 'f', -1, 64))
	for _, part := range []struct {
		what string
		n    int
	}{{"pinned", len(r.Sites)}, {"opted out", len(r.OptOut)}, {"data centres", len(r.Datacentres)}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return text + "; in force: " + inForceLine(r)
}

// keptLine names the first few sites that stay on their tables by name, whatever the percentage; "" if none does.
func keptLine(r *migration.Rollout) string {
	if len(r.Kept) == 0 {
		return ""
	}
	const most = 10
	text := fmt.Sprintf("%d: %s", len(r.Kept), strings.Join(r.Kept[:min(most, len(r.Kept))], ", "))
	if more := len(r.Kept) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func pairs(m map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, name+"="+m[name])
	}
	return strings.Join(parts, " ")
}
