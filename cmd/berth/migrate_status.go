package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/cmd/berth/migration"
	"berth/cmd/berth/publish"
	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/ramp"
)

func newMigrateStatus(a *app) *cobra.Command {
	var watch bool
	var every time.Duration
	c := a.withServer(a.verb("status", nil, "Show where the migration stands", "With --watch and --json it prints one line of JSON each time.",
		func(ctx context.Context, _ []string) error {
			if !watch {
				return a.status(ctx, false)
			}
			if every < 100*time.Millisecond {
				return wrong("--every %v: want 100ms or more", every)
			}
			return a.watch(ctx, every)
		}))
	c.Flags().BoolVar(&watch, "watch", false, "show it again and again, until Ctrl-C")
	c.Flags().DurationVar(&every, "every", time.Second, "how often")
	return c
}

func (a *app) status(ctx context.Context, redraw bool) error {
	raw, err := a.getMigrate(ctx, nil)
	if err != nil {
		return err
	}
	return a.print(raw, func(w io.Writer) {
		if !redraw {
			writeStatus(w, decode[migration.Status](raw))
			return
		}
		var page bytes.Buffer
		writeStatus(&page, decode[migration.Status](raw))
		// Home, each line cleared behind its text, then the rest of the screen: nothing flickers.
		fmt.Fprint(w, "\x1b[H"+strings.ReplaceAll(page.String(), "\n", "\x1b[K\n")+"\x1b[J")
	})
}

// watch shows the status until ctx is done, which is how one stops looking and no failure.
func (a *app) watch(ctx context.Context, every time.Duration) error {
	if !a.json {
		fmt.Fprint(a.stdout, "\x1b[2J")
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := a.status(ctx, true); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func writeStatus(w io.Writer, s migration.Status) {
	rows := [][2]string{{"phase", string(s.Phase)}, {"epoch", fmt.Sprint(s.Epoch)}}
	if !s.Since.IsZero() {
		rows = append(rows, [2]string{"since", fmt.Sprintf("%s, by %s: %s", shortTime(s.Since), s.Who, s.Why)})
	} else {
		rows = append(rows, [2]string{"", "this server never migrated, and needs not: it has no tables of the old design"})
	}
	if b := s.Backfill; b != nil {
		if text := notBegun(s.Phase, b); text != "" {
			rows = append(rows, [2]string{"backfill", text})
		} else {
			rows = append(rows, backfillRows(b)...)
		}
	}
	if v := s.Verify; v != nil && v.There {
		rows = append(rows, [2]string{"verify", verifyLine(v)})
	}
	if c := s.Compared; c != nil && c.Sampled > 0 {
		rows = append(rows, [2]string{"compared live", fmt.Sprintf("%s agree, %s missing, %s extra, %s different, %s errors; p99 hashed %s, legacy %s",
			number(c.Agree), number(c.Missing), number(c.Extra), number(c.Different), number(c.Errors), micro(c.Hashed.P99), micro(c.Legacy.P99))})
		if c.Kept > 0 {
			rows = append(rows, [2]string{"", fmt.Sprintf("apart from these, of sites that are kept on their tables: %s compared, %s differ", number(c.Kept), number(c.KeptDiffs))})
		}
	}
	if g := s.Ramp; g != nil && g.Status != ramp.None {
		rows = append(rows, [2]string{"guarded ramp", rampLine(g)})
	}
	if r := s.Rollout; r != nil {
		rows = append(rows, [2]string{"rollout", rolloutLine(r)})
		if kept := keptLine(r); kept != "" {
			rows = append(rows, [2]string{"kept on tables", kept})
		}
	}
	if t := s.Traffic; t != nil {
		rows = append(rows, [2]string{"hashed answered", sideLine(t.Hashed)}, [2]string{"legacy answered", sideLine(t.Legacy)},
			[2]string{"fell back", fmt.Sprintf("%s answered, %s agreed, %s shed, %s failed",
				number(t.Fallback.Answered), number(t.Fallback.Agreed+t.Fallback.Remembered), number(t.Fallback.Shed), number(t.Fallback.Failed))},
			[2]string{"custom hosts", fmt.Sprintf("%s in memory, %s", number(t.Index.Hosts), byteCount(t.Index.Bytes))})
	}
	fields(w, rows)
	if s.Finish != nil {
		writeFinish(w, s.Finish)
	}
}

// notBegun says why there is no progress to be shown; "" if there is.
func notBegun(p migrate.Phase, b *backfill.Status) string {
	switch {
	case p == migrate.Legacy:
		return "not begun: what was copied before counts no more, because the next dual-write begins a new epoch"
	case !b.Started.IsZero():
		return ""
	case p.Before(migrate.Backfill):
		return "not begun; it begins in phase backfill"
	case b.Activity == backfill.Counting || b.Activity == backfill.Copying:
		return "counting how many entries there are"
	case b.Why != "":
		return fmt.Sprintf("not begun; %s: %s", b.Activity, b.Why)
	}
	return fmt.Sprintf("not begun; %s", b.Activity)
}

func progressLine(b *backfill.Status) string {
	if b.Total == 0 {
		return "nothing to copy: the tables have no entries"
	}
	share := math.Floor(1000*float64(b.Done)/float64(b.Total)) / 10
	return fmt.Sprintf("%s %.1f%%, %s of %s entries", bar(share), share, number(b.Done), number(b.Total))
}

func backfillRows(b *backfill.Status) [][2]string {
	state := string(b.Activity)
	if b.Why != "" {
		state += ": " + b.Why
	}
	rows := [][2]string{
		{"backfill", state},
		{"  progress", progressLine(b)},
		{"  records", fmt.Sprintf("%s written, %s were there", number(b.Written), number(b.Present))},
	}
	if b.Rate > 0 || b.Limit > 0 {
		text := fmt.Sprintf("%s entries/s", number(int64(b.Rate)))
		if b.Limit > 0 {
			text += fmt.Sprintf(" of at most %s", strconv.FormatFloat(b.Limit, 'f', -1, 64))
		}
		if b.ETA > 0 {
			text += ", done in " + b.ETA.Round(time.Second).String()
		}
		rows = append(rows, [2]string{"  rate", text})
	}
	if b.Commit > 0 {
		rows = append(rows, [2]string{"  commit", b.Commit.Round(10 * time.Microsecond).String()})
	}
	rows = append(rows, [2]string{"  gives way", fmt.Sprintf("to commits %s, to the edge's p99 %s", above(b.YieldCommit), above(b.YieldP99))})
	failures := "none"
	if len(b.Failures) > 0 {
		var parts []string
		for _, class := range slices.Sorted(maps.Keys(b.Failures)) {
			parts = append(parts, fmt.Sprintf("%s %s", number(b.Failures[class]), class))
		}
		failures = strings.Join(parts, ", ")
	}
	return append(rows, [2]string{"  failures", failures})
}

func above(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return "above " + d.String()
}

const barWidth = 24

func bar(percent float64) string {
	full := min(barWidth, max(0, int(percent/100*barWidth)))
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", barWidth-full) + "]"
}

func sideLine(s migration.Side) string {
	return fmt.Sprintf("%s, %s without a route, %s errors; p50 %s, p99 %s; cache hits %.1f%%", number(s.Asked), number(s.NoRoute), number(s.Errors),
		micro(s.P50), micro(s.P99), 100*s.Cache.HitRate())
}

func micro(us int64) string { return (time.Duration(us) * time.Microsecond).String() }

func writeFinish(w io.Writer, f *migration.Finished) {
	rows := [][2]string{
		{"tables", fmt.Sprintf("%s of %s deleted (%s entries, %s of text)", number(f.Deleted), number(f.Tables.Projects), number(f.Tables.Entries), byteCount(f.Tables.Bytes))},
	}
	if f.Before.Total > 0 {
		rows = append(rows, [2]string{"storage before", fmt.Sprintf("%s, of which routes %s", byteCount(f.Before.Total), byteCount(f.Before.Routes))})
	}
	if !f.Ended.IsZero() {
		rows = append(rows, [2]string{"storage after", fmt.Sprintf("%s, of which routes %s", byteCount(f.After.Total), byteCount(f.After.Routes))},
			[2]string{"cache hits", fmt.Sprintf("hashed %.1f%%, legacy %.1f%%", 100*f.Hashed.HitRate(), 100*f.Legacy.HitRate())})
	}
	fields(w, rows)
}

// number groups digits by thousands.
func number[N int | int64 | uint64](n N) string {
	s := fmt.Sprint(n)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

func byteCount[N int64 | uint64](n N) string { return publish.Bytes(int64(n)) }
